"""`lakehouse reconcile` against a real audit: agreement, each layer spoilt, and what it says."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from ingestion.declarations import load
from ingestion.errors import TerminalError, TransientError
from lakehouse.cli import app
from lakehouse.commands import reconcile as reconcile_commands
from lakehouse.reconcile.run import reconcile
from lakehouse.reconcile.source import MEASURES, open_source
from playground.services.postgres import PostgresServer
from playground.shop.simulator import RoundSummary
from tests.integration.shop.conftest import SALT, rows, run
from tests.kit.command_line import CommandLine
from tests.kit.dbt import ROOT
from tests.kit.declared import CONNECTORS
from tests.kit.tenants import declare_tenants
from tests.kit.warehouse import Warehouse, copy_project

Traded = tuple[str, list[RoundSummary]]


@pytest.fixture
def warehouse(built: Warehouse, tmp_path: Path) -> Path:
    """A copy of the warehouse, to be spoilt."""
    return Path(shutil.copy(built.file, tmp_path / "warehouse.duckdb"))


def spoil(path: Path, *statements: str) -> None:
    connection = duckdb.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def command(
    monkeypatch: pytest.MonkeyPatch, dsn: str, warehouse: Path, *arguments: str
) -> tuple[int, str]:
    monkeypatch.setenv("LAKEHOUSE_SOURCE_DSN", dsn)
    monkeypatch.setenv("LAKEHOUSE_DUCKDB", str(warehouse))
    result = CliRunner().invoke(app, ["reconcile", *arguments])
    return result.exit_code, result.output


def test_a_faithful_warehouse_agrees(traded: Traded, warehouse: Path) -> None:
    result = reconcile(load(), dsn=traded[0], warehouse=warehouse, salt=SALT)

    assert result.agrees
    assert [history.table for history in result.histories] == [
        table.name for table in load().tables if table.history == "all"
    ]
    assert sum(history.source_versions for history in result.histories) > 4_000
    with duckdb.connect(warehouse, read_only=True) as connection:
        built = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts'"
        ).fetchall()
    seeds = {file.stem for file in (ROOT / "seeds").rglob("*.csv")}
    assert {mart.mart for mart in result.marts} == {name for (name,) in built} - seeds
    assert all(mart.warehouse_rows for mart in result.marts)


@pytest.mark.parametrize(
    ("statement", "table", "kind"),
    [
        pytest.param(
            "delete from history.orders_history where _cdc_position = (select max(_cdc_position) "
            "from history.orders_history where _cdc_op = 'u')",
            "orders",
            "missing version",
            id="a version is missing",
        ),
        pytest.param(
            "update history.payments_history set amount = amount + 0.01 where payment_id = 5",
            "payments",
            "wrong value",
            id="a cent too much",
        ),
        pytest.param(
            "delete from history.payments_history where payment_id = 7",
            "payments",
            "missing key",
            id="a payment is missing",
        ),
        pytest.param(
            "insert into history.order_items_history select * replace (999 as line_no) "
            "from history.order_items_history limit 1",
            "order_items",
            "extra key",
            id="a line too many",
        ),
        pytest.param(
            "update marts.dim_product set product_name = product_name || ' ' where product_id = 9",
            "dim_product",
            "wrong row",
            id="a blank at the end of a name",
        ),
        pytest.param(
            "delete from marts.dim_promotion where promotion_key = md5('welcome10')",
            "dim_promotion",
            "missing row",
            id="a promotion is missing",
        ),
        pytest.param(
            "insert into marts.fct_payments select * replace (0 as payment_id) "
            "from marts.fct_payments limit 1",
            "fct_payments",
            "extra row",
            id="a payment too many",
        ),
        pytest.param(
            "insert into marts.fct_orders from marts.fct_orders where not is_deleted limit 1",
            "fct_orders",
            "extra row",
            id="an order twice",
        ),
        pytest.param(
            "update marts.agg_daily_sales set net_amount = net_amount - 1 where rowid = 0",
            "agg_daily_sales",
            "wrong row",
            id="a wrong total",
        ),
    ],
)
def test_each_difference_is_found_where_it_is(
    traded: Traded, warehouse: Path, statement: str, table: str, kind: str
) -> None:
    spoil(warehouse, statement)
    result = reconcile(load(), dsn=traded[0], warehouse=warehouse, salt=SALT)
    found = {history.table: history.differences for history in result.histories}
    found |= {mart.mart: mart.differences for mart in result.marts}

    differing = {name for name, differences in found.items() if differences}
    # views on it show the same
    assert {re.sub("_(current|converted)$", "", name) for name in differing} == {table}
    assert kind in {difference.kind for difference in found[table]}
    assert not result.agrees


def test_the_command_shows_a_table_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, traded: Traded, warehouse: Path
) -> None:
    code, output = command(monkeypatch, traded[0], warehouse, "--salt", SALT)

    assert code == 0, output
    for name in ("order_items", "dim_customer", "agg_daily_sales"):
        assert name in output
    assert "source and warehouse agree" in output


def test_the_command_shows_differing_keys_and_exits_with_3(
    monkeypatch: pytest.MonkeyPatch, traded: Traded, warehouse: Path
) -> None:
    spoil(
        warehouse,
        "update marts.fct_orders set status = 'lost' where order_id = 3",
    )
    code, output = command(monkeypatch, traded[0], warehouse, "--salt", SALT)

    assert code == 3
    assert "order_id=3" in output
    assert "status='lost'" in output
    assert "they differ" in output


def test_a_tenant_is_compared_with_its_own_database(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    traded: Traded,
    warehouse: Path,
    command_line: CommandLine,
) -> None:
    """Both have the same keys; what one lacks, or has too much of, is no matter of the other."""
    prefix = f"of_{secrets.token_hex(4)}"
    declared = declare_tenants(
        copy_project(tmp_path / "project", {"retail": 1}),
        {
            name: {each: {"topic_prefix": own, "epochs": {own: 1}} for each in CONNECTORS}
            for name, own in (("de", f"{prefix}_de"), ("fr", f"{prefix}_fr"))
        },
        start="{prefix}",
    )
    gone = "select 'fr' as tenant, * replace (-1 as customer_id) from"
    for table in declared.tables:
        history = [f"history.{table.name}_history"] if table.history == "all" else []
        for relation in (f"staging.stg_retail__{table.name}", *history):
            extra = f"union all by name ({gone} {relation} order by _cdc_position desc limit 1)"
            spoil(
                warehouse,
                f"create table rows_of_tenants as select 'de' as tenant, * from {relation}"
                f" union all by name select 'fr' as tenant, * from {relation}"
                f" {extra if table.name == 'customers' else ''}",
                f"drop {'table' if history and relation in history else 'view'} {relation}",
                f"create table {relation} as from rows_of_tenants",
                "drop table rows_of_tenants",
            )
    spoil(warehouse, "delete from history.payments_history where payment_id = 5 and tenant = 'fr'")
    of_de, of_fr = (
        reconcile(part, dsn=traded[0], warehouse=warehouse, salt=SALT)
        for part in declared.tenants.values()
    )
    assert (of_de.agrees, of_de.marts, of_de.lost_deletes) == (True, (), ())
    assert sum(history.source_versions for history in of_de.histories) > 4_000
    assert {h.table: h.differences[0].kind for h in of_fr.histories if h.differences} == {
        "customers": "extra key",
        "payments": "missing key",
    }
    assert [lost.key for lost in of_fr.lost_deletes] == ["customer_id=-1"]

    monkeypatch.setattr(reconcile_commands, "load", lambda: declared)
    monkeypatch.setenv("LAKEHOUSE_SOURCE_DSN", traded[0])
    monkeypatch.setenv("LAKEHOUSE_DUCKDB", str(warehouse))
    code, _, err = command_line("reconcile")
    assert (code, "the source has tenants (de, fr): say which" in err) == (1, True), err
    # in the database of another one each row would look lost
    code, _, err = command_line("reconcile", "--tenant", "de", "--repair")
    assert (code, f"no replication slot {prefix}_de" in err) == (1, True), err
    with slot(traded[0], f"{prefix}_de"):
        code, out, err = command_line("reconcile", "--salt", SALT, "--tenant", "de")
    assert (code, "Marts are not compared" in out) == (0, True), out + err


@contextmanager
def slot(dsn: str, name: str) -> Iterator[None]:
    """A replication slot, as a connector has one of its name."""
    rows(dsn, f"select pg_create_logical_replication_slot('{name}', 'pgoutput')")
    yield
    rows(dsn, f"select pg_drop_replication_slot('{name}')")


def test_without_the_salt_hashed_columns_are_named_and_left_out(
    monkeypatch: pytest.MonkeyPatch, traded: Traded, warehouse: Path
) -> None:
    monkeypatch.delenv("LAKEHOUSE_PII_SALT", raising=False)
    code, output = command(monkeypatch, traded[0], warehouse)

    assert code == 0
    assert "not compared without the salt: customers.phone" in output


@pytest.mark.parametrize(
    ("warehouse_name", "dsn_part", "expected"),
    [
        pytest.param(
            "nowhere.duckdb", "", pytest.raises(TerminalError, match="dbt build"), id="no warehouse"
        ),
        pytest.param(
            "empty.duckdb", "", pytest.raises(TerminalError, match="dbt build"), id="nothing built"
        ),
        pytest.param(
            "empty.duckdb",
            "_none",
            pytest.raises(TransientError, match="LAKEHOUSE_SOURCE_DSN"),
            id="no source",
        ),
    ],
)
def test_what_cannot_be_compared_is_said_so(
    traded: Traded,
    tmp_path: Path,
    warehouse_name: str,
    dsn_part: str,
    expected: AbstractContextManager[object],
) -> None:
    duckdb.connect(tmp_path / "empty.duckdb").close()

    with expected:
        reconcile(load(), dsn=traded[0] + dsn_part, warehouse=tmp_path / warehouse_name)


def test_a_source_without_audit_is_said_so(postgres: PostgresServer, warehouse: Path) -> None:
    with pytest.raises(TerminalError, match=r"audit\.changes"):
        reconcile(load(), dsn=postgres.dsn("postgres"), warehouse=warehouse)


def test_the_source_s_text_comes_through_unharmed(traded: Traded) -> None:
    """Every value of the latest images, byte for byte, as the tables' own JSON has it."""
    table = load().table("customers")
    with open_source(traded[0]) as source:
        changes = source.changes(table).to_pylist()
    latest: dict[str, dict[str, str | None]] = {}
    for change in sorted(changes, key=lambda row: (int(row["_sequence"]), int(row["_part"]))):
        latest[str(change["customer_id"])] = change
    alive = {key: change for key, change in latest.items() if change["_operation"] != "d"}
    expected = {}
    for key, text in rows(traded[0], "select customer_id, to_jsonb(row)::text from customers row"):
        expected[str(key)] = json.loads(str(text))

    assert alive.keys() == expected.keys()
    for key, row in expected.items():
        for column in table.landed_columns:
            value = row[column.name]
            text = str(value).lower() if isinstance(value, bool) else value
            assert alive[key][column.name] == (None if text is None else str(text)), (key, column)
    assert "password_hash" not in changes[0]


def test_texts_that_look_like_csv_or_null_stay_texts(empty_shop: str) -> None:
    names = ["", "\\N", "NULL", 'a"b', "a,b", "a\nb", "a\r\nb", "a\tb", "\\", " a ", "é\u0301"]
    for number, name in enumerate(names):
        quoted = name.replace("'", "''")
        run(
            empty_shop, f"insert into product_categories values ({number}, '{quoted}', null, now())"
        )
    with open_source(empty_shop) as source:
        found = source.changes(load().table("product_categories"))

    assert found["name"].to_pylist() == names
    assert found["parent_category_id"].to_pylist() == [None] * len(names)


def test_a_table_without_changes_has_its_columns(empty_shop: str) -> None:
    with open_source(empty_shop) as source:
        found = source.changes(load().table("stores"))

    assert (found.num_rows, "time_zone" in found.column_names) == (0, True)


AT = "'2026-03-01'"


def test_totals_follow_the_definitions(empty_shop: str) -> None:
    """Two stores on both sides of midnight, a cancelled, a returned and a partly refunded order."""
    run(
        empty_shop,
        f"""insert into stores values
        (1, 'Tokyo', null, 'JP', 'Asia/Tokyo', 'JPY', '2020-01-01', null, {AT}),
        (2, 'New York', null, 'US', 'America/New_York', 'USD', '2020-01-01', null, {AT})""",
        # 15:30 UTC is the next day in Tokyo; 03:30 UTC is the day before in New York.
        f"""insert into orders values
        (1, null, 1, 'returned', 'JPY', null, '2026-03-01 15:30', null, null, null, null,
            '2026-03-05', {AT}),
        (2, null, 2, 'cancelled', 'USD', null, '2026-03-02 03:30', null, null, null,
            '2026-03-03 12:00', null, {AT}),
        (3, 7, 2, 'placed', 'USD', null, '2026-03-01 20:00', null, null, null, null, null, {AT})""",
        # net: 300 - 30 + 27 = 297; 10 + 1 = 11; of 3 pieces one came back: 100.01 / 3 = 33.34
        f"""insert into order_items values
        (1, 1, 1, 3, 100.00, 30.00, 27.00, 3, '2026-03-04 15:00', {AT}),
        (2, 1, 1, 1, 10.00, 0.00, 1.00, 0, null, {AT}),
        (3, 1, 1, 3, 33.34, 0.01, 0.00, 1, '2026-03-06 04:59', {AT}),
        (4, 1, 1, 1, 5.00, 0.00, 0.00, 1, null, {AT})""",
        f"""insert into payments values
        (1, 1, 'payment', 'card', 297.00, 'JPY', '2026-03-01 16:00', {AT}),
        (2, 1, 'refund', 'card', -297.00, 'JPY', '2026-03-04 16:00', {AT}),
        (3, 3, 'payment', 'card', 50.00, 'CAD', '2026-03-01 20:00', {AT}),
        (4, 9, 'payment', 'card', 99.00, 'USD', '2026-03-01 20:00', {AT})""",
    )
    with open_source(empty_shop) as source:
        totals = source.totals()

    def group(**measures: str) -> tuple[Decimal, ...]:
        return tuple(Decimal(measures.get(name, "0")) for name in MEASURES)

    assert totals == {
        ("2026-03-02", 1, "JPY"): group(
            order_count="1",
            unit_count="3",
            gross_amount="300",
            discount_amount="30",
            tax_amount="27",
            net_amount="297",
            paid_amount="297",
        ),
        ("2026-03-05", 1, "JPY"): group(
            returned_unit_count="3", returned_amount="297", refunded_amount="297"
        ),
        ("2026-03-01", 2, "USD"): group(
            order_count="2",
            unit_count="4",
            gross_amount="110.02",
            discount_amount="0.01",
            tax_amount="1",
            net_amount="111.01",
        ),
        ("2026-03-03", 2, "USD"): group(cancelled_order_count="1", cancelled_amount="11"),
        ("2026-03-05", 2, "USD"): group(returned_unit_count="1", returned_amount="33.34"),
        ("2026-03-01", 2, "CAD"): group(paid_amount="50"),
    }
