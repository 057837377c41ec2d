"""`dbt build --target prod` gives what target local gives from the same events, value for value.

An administrator deploys, dbt builds as the user that the deployment makes of it, analysts read.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.contracts.graph.nodes import CompiledNode
from typer.testing import CliRunner

from ingestion.declarations import load
from ingestion.errors import TerminalError
from lakehouse.cli import app
from lakehouse.warehouse.access import personal_columns
from lakehouse.warehouse.comparison import Comparison
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from redshift_standin.wire import Fault, Proxy, Session
from tests.kit.corpus.canonical import golden_values, question
from tests.kit.dbt import Dbt, environment, explain
from tests.kit.redshift import Prod, differences, read_by, seen_unmasked
from tests.redshift.conftest import World, new_world


@dataclass
class Rounds:
    """Two rounds of builds, and what differed from target local after each.

    In `world`, target prod is what dbt's own user sees; `admin` is the administrator's.
    """

    world: World
    admin: Prod
    read_ahead_of_landing: bool
    differing: list[list[Comparison]]
    in_transaction: list[tuple[Session, str]]
    """The statements that were run in a transaction, each with its session."""
    leaks: list[list[str]]
    """Personal columns that an analyst read in clear, before each transaction."""
    unread: list[set[str]] = field(default_factory=list)
    """The marts that an analyst did not read after each build."""

    def build(self, *arguments: str) -> None:
        """Build target prod as dbt's own user, and look at what an analyst then reads."""
        self.world.prod.dbt.build(*arguments)
        read = set(read_by(self.admin.stand_in, ANALYST))
        marts = {name for (name,) in self.admin.rows(_MARTS)}
        assert read <= marts and len(marts) > 10
        self.unread.append(marts - read)

    def build_and_compare(self) -> list[Comparison]:
        """Build target local from what is landed, and compare every table of it with prod."""
        self.world.local.build()
        return differences(self.world.prod, self.world.local)


# What names a table and reads nothing of it: a late-binding view too.
_LOOSE = ("comment on", "create view", "create or replace view")
BUILDER, ANALYST = "IAMR:retail-prod-dbt", "ann"
_MARTS = (
    "select table_schema || '.' || table_name from information_schema.tables"
    " where table_schema = 'marts'"
)


# The tables are the same for all. What differs of connectors is how records are read, which the
# corpus shows of both; of isolation levels, what is refused (Amazon Redshift, error 1023).
@pytest.fixture(
    scope="module",
    params=[
        "sqlserver",
        pytest.param("postgresql", marks=pytest.mark.long),
        pytest.param("serializable", marks=pytest.mark.long),
    ],
)
def rounds(
    request: pytest.FixtureRequest,
    redshift_postgres: PostgresServer,
    kafka: KafkaBroker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rounds]:
    """Round one with landing behind the streams; round two after rows were appended away and a
    streaming view was made again, so that it starts at the earliest offset."""
    folder = tmp_path_factory.mktemp("rounds")
    kafka.delete_all_topics()
    is_serializable = request.param == "serializable"
    meets = Proxy.meets
    in_transaction: list[tuple[Session, str]] = []
    leaks: list[list[str]] = []

    def note_and_meet(proxy: Proxy, sql: str, session: Session) -> Fault | None:
        if session.in_transaction:
            in_transaction.append((session, sql))
        elif sql.rpartition("*/")[2].strip().lower() == "begin":
            leaks.append(seen_unmasked(stand_in, ANALYST))
        return meets(proxy, sql, session)

    with (
        patch.object(Proxy, "meets", note_and_meet),
        StandIn(
            redshift_postgres, {"lake": folder}, "serializable" if is_serializable else "snapshot"
        ) as stand_in,
    ):
        stand_in.admin(f"create user {ANALYST} password disable")
        world = new_world(
            stand_in, kafka, folder, "sqlserver" if is_serializable else request.param
        )
        login = {"LAKEHOUSE_REDSHIFT_TRANSFORMER": BUILDER}
        dbt = replace(world.prod.dbt, settings={**world.prod.dbt.settings, **login})
        admin, lake = replace(world.prod, dbt=dbt), world.lake
        world = replace(world, prod=admin.logged_in_as(BUILDER))
        done = Rounds(world, admin, False, [], in_transaction, leaks)

        lake.produce([*world.changes.snapshot(), *world.changes.stream(4)])
        lake.land()
        lake.produce(world.changes.stream(2))
        admin.lakehouse("deploy")
        stand_in.admin(f"grant role analyst to {ANALYST}")
        admin.refresh()
        done.build()
        lake.land()
        logged = admin.rows("select count(*) from staging.customers__log")
        done.read_ahead_of_landing = logged == admin.rows(
            "select count(*) from streaming.customers_1"
        )
        done.differing.append(done.build_and_compare())
        admin.lakehouse("access")

        admin.lakehouse("archive")
        assert admin.rows("select count(*) from streaming.customers_1") == [(0,)]
        stand_in.admin("drop materialized view streaming.customers_1")
        lake.produce(world.changes.stream(2))
        lake.land()
        admin.lakehouse("deploy")
        admin.refresh()
        done.build()
        done.differing.append(done.build_and_compare())
        yield done
    kafka.delete_all_topics()


only_sqlserver = pytest.mark.parametrize("rounds", ["sqlserver"], indirect=True)


@pytest.mark.timeout(1500)
def test_streams_ahead_of_landing_are_read(rounds: Rounds) -> None:
    """What follows the ledger's end without a gap does not wait for landing."""
    assert rounds.read_ahead_of_landing
    assert not rounds.differing[0], rounds.differing[0]
    assert rounds.world.local.rows("select count(*) > 10 from history.orders_history") == [(True,)]


def test_tables_are_equal_after_append_and_a_recreated_view(rounds: Rounds) -> None:
    assert not rounds.differing[1], rounds.differing[1]


@only_sqlserver
def test_status_and_doctor_ask_the_target_that_is_named(rounds: Rounds) -> None:
    told = _asked(rounds.world, "status")
    quarantined = {each["table"]: each["quarantined"] for each in told["tables"]}
    assert {quarantined[table.name] for table in load().tables} == {0}
    run = told["last_run"]
    assert (told["warehouse_problem"], run["number"], run["status"]) == (None, 2, "succeeded")
    assert told["behind"] == []
    checks = {each["name"]: each["state"] for each in _asked(rounds.world, "doctor")["checks"]}
    assert checks["warehouse"] == checks["partitions"] == checks["run lock"] == "ok"


@only_sqlserver
def test_the_figures_of_the_operations_are_those_of_target_local(rounds: Rounds) -> None:
    world = rounds.world
    for asked in (
        "table_name, recorded_hour, record_count, accepted_count, tombstone_count from"
        " operations.record_hours",
        "table_name, version_date, opened_count, deleted_count, closed_count from"
        " operations.version_days",
        "table_name, error_after_seconds, record_count, newest_record_at, landed_count from"
        " operations.table_freshness",
        "resource_type, node, status from operations.node_results where node = 'fct_orders'",
    ):
        with world.prod.warehouse() as warehouse:
            found = sorted(map(str, warehouse.rows(f"select distinct {asked}")))
        assert found == sorted(map(str, world.local.rows(f"select distinct {asked}"))) != []


@only_sqlserver
def test_the_report_is_written_of_the_target_that_is_named(rounds: Rounds, tmp_path: Path) -> None:
    with environment(rounds.world.prod.dbt.settings):
        line = ["report", "--target", "prod", "--output", str(tmp_path / "report.html")]
        CliRunner().invoke(app, line, catch_exceptions=False)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<code>prod</code>" in page and "<td>fct_orders</td>" in page


def test_full_refresh_loses_nothing_that_kafka_no_longer_holds(rounds: Rounds) -> None:
    """With nothing left in view and archive, landing has it all."""
    prod = rounds.world.prod
    for relation in prod.rows(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_schema = 'streaming' and table_type = 'BASE TABLE'"
    ):
        prod.stand_in.admin(f"truncate {relation[0]}")
    rounds.build("--full-refresh")
    different = rounds.build_and_compare()
    assert not different, different


def test_analysts_keep_every_mart_and_see_nothing_in_clear(rounds: Rounds) -> None:
    """Views are replaced, tables made anew or their rows replaced; at first masks are missing."""
    assert rounds.unread[0] == {"marts.dim_customer", "marts.dim_customer_current"}
    assert rounds.unread[1:] and not any(rounds.unread[1:]), "the next build, the full refresh"
    assert len(rounds.leaks) > 100 and not any(rounds.leaks)
    assert rounds.admin.lakehouse("access") == "nothing to do\n"
    with rounds.admin.logged_in_as(ANALYST).warehouse() as session:
        for (mart,) in rounds.admin.rows(_MARTS):
            assert session.rows(f"select count(*) from {mart}") != [(0,)]
        with pytest.raises(TerminalError, match="permission denied"):
            session.rows("select 1 from staging.stg_retail__customers")


@only_sqlserver
def test_a_personal_table_with_other_columns_is_made_anew_behind_its_masks(rounds: Rounds) -> None:
    """Until the next `access` analysts lack it and the view on it, and nothing else of theirs."""
    admin, stand_in = rounds.admin, rounds.admin.stand_in
    had = set(read_by(stand_in, ANALYST))
    stand_in.admin("alter table marts.dim_customer add column left_over integer")
    rounds.build("--full-refresh", "--select", "dim_customer")
    assert "left_over" not in stand_in.books.columns("marts.dim_customer"), "made anew"
    assert rounds.unread[-1] == {"marts.dim_customer", "marts.dim_customer_current"}
    sent = len(stand_in.statements.sent)
    admin.lakehouse("access")
    done = re.findall(
        r"^(attach|grant select).* on (marts\.\w+)",
        "\n".join(stand_in.statements.sent[sent:]),
        re.MULTILINE,
    )
    masks = len(personal_columns()["dim_customer"])
    assert done == [
        *[("attach", "marts.dim_customer")] * masks,
        ("grant select", "marts.dim_customer"),
        ("grant select", "marts.dim_customer_current"),
    ]
    assert set(read_by(stand_in, ANALYST)) == had
    assert not any(rounds.leaks) and not seen_unmasked(stand_in, ANALYST)
    assert not differences(rounds.world.prod, rounds.world.local)


def test_one_more_build_writes_nothing(rounds: Rounds) -> None:
    rounds.world.prod.dbt.build()
    assert _written_by_newest_run(rounds.world) == 0


def _asked(world: World, command: str) -> dict[str, Any]:
    """What `lakehouse <command> --target prod --json` says."""
    own = {"LAKEHOUSE_LANDING": str(world.lake.root), "LAKEHOUSE_KAFKA_AUTH": "none"}
    with environment({**world.prod.dbt.settings, **own}):
        line = [command, "--target", "prod", "--json"]
        done = CliRunner().invoke(app, line, catch_exceptions=False)
    return dict(json.loads(done.stdout))


@only_sqlserver
def test_a_log_says_in_literals_what_it_reads(rounds: Rounds) -> None:
    """So that Redshift opens only the blocks, folders and files that hold new offsets."""
    rounds.world.prod.dbt.build("--select", "orders__log")
    read = [
        sql
        for sql in rounds.world.prod.stand_in.statements.sent
        if re.search(r"create temporary table\s+orders__imaged", sql)
    ]
    assert "streamed.kafka_offset >= 0\n" in read[0], "the first build"
    assert "1 = 0" in read[-1], "nothing is new"
    assert "landed.landing_date" not in read[-1]


@only_sqlserver
def test_a_node_only_adds_to_what_other_nodes_write(rounds: Rounds) -> None:
    """Under SERIALIZABLE two transactions conflict that read and write one table."""
    shared = re.compile(r"\boperations\W+(runs|watermarks|declarations)\b", re.IGNORECASE)
    seen = dict.fromkeys(("__transaction", "__judged"), 0)
    for sent in _transactions(rounds.in_transaction):
        for kind in seen:
            if any(re.search(rf"create temporary table\s+\w+{kind}\b", sql) for sql in sent):
                seen[kind] += 1
                named = [sql.split("*/")[-1].strip() for sql in sent if shared.search(sql)]
                written = [sql for sql in named if not sql.startswith(_LOOSE)]
                assert written, [sql[-300:] for sql in sent]
                assert all(sql.split(maxsplit=2)[:2] == ["insert", "into"] for sql in written)
    assert seen["__transaction"] > 30, "the snapshots and marts of each build"
    assert seen["__judged"] > 20, "the logs"


def _transactions(sent: list[tuple[Session, str]]) -> list[list[str]]:
    """The statements of each transaction that was committed."""
    open_ones: dict[int, list[str]] = defaultdict(list)
    committed = []
    for session, sql in sent:
        word = sql.split("*/")[-1].strip().rstrip(";").lower()
        open_ones[id(session)].append(sql)
        if word in ("commit", "rollback"):
            done = open_ones.pop(id(session))
            if word == "commit":
                committed.append(done)
    return committed


@only_sqlserver
@pytest.mark.parametrize("table", ["customers", "orders"])
def test_a_log_names_what_it_computed_instead_of_repeating_it(rounds: Rounds, table: str) -> None:
    """Redshift compiles what its planner makes of a query, and that grows with each repetition.

    PostgreSQL's planner puts expressions in the place of names too.
    """
    plans = _plans_of_the_log(rounds.world.prod, table)
    assert sum(len(plan) for plan in plans) < 300_000
    assert sum(plan.count("json_typeof") for plan in plans) < 500


def _plans_of_the_log(prod: Prod, table: str) -> list[str]:
    """What PostgreSQL plans for the statements with which the newest build made the log's rows."""
    stand_in = prod.stand_in
    made = re.compile(rf'create temporary table\s+"?{table}__(log__dbt_tmp|(?!_)[a-z]+ )')
    statements = [sql for sql in stand_in.statements.sent if made.search(sql)][-6:]
    session = Session(stand_in.user, stand_in.database, settings=dict(stand_in.parameters))
    session.settings["enable_case_sensitive_super_attribute"] = "true"
    connection = psycopg2.connect(stand_in.dsn)
    plans = []
    try:
        with connection.cursor() as database:
            database.execute(
                "load 'auto_explain'; set auto_explain.log_min_duration = 0;"
                " set auto_explain.log_verbose = on; set auto_explain.log_nested_statements = on;"
                " set auto_explain.log_level = 'notice'; set search_path = public, redshift"
            )
            for sql in statements:
                connection.notices = []
                database.execute(stand_in.statements.translate(sql, session))
                # beside it, those of the stand-in's own functions
                told = max((each for each in connection.notices if "Query Text:" in each), key=len)
                _, _, plan = told.partition("(cost=")
                plans.append(plan)
    finally:
        connection.close()
    assert len(plans) == 6
    return plans


@only_sqlserver
def test_views_are_late_binding_and_nothing_is_dropped_with_what_hangs_on_it(
    rounds: Rounds,
) -> None:
    """So drops of several threads do not conflict (r_DROP_TABLE), and a report's view stays."""
    sent = [" ".join(sql.lower().split()) for sql in rounds.world.prod.stand_in.statements.sent]
    views = [sql for sql in sent if re.search(r"(^|\*/ )create (or replace )?view ", sql)]
    assert len(views) > 20
    assert [sql for sql in views if "with no schema binding" not in sql] == []
    drops = [sql for sql in sent if re.search(r"(^|\*/ )drop (view|table) ", sql)]
    assert len(drops) > 20
    assert [sql for sql in drops if "cascade" in sql] == []


@only_sqlserver
def test_an_update_from_another_table_refuses_two_rows_for_one(rounds: Rounds) -> None:
    """By default Redshift takes any of two rows (r_error_on_nondeterministic_update)."""
    sent = [sql.lower() for sql in rounds.world.prod.stand_in.statements.sent]
    turned_on = [
        number
        for number, sql in enumerate(sent)
        if "set error_on_nondeterministic_update to true" in sql
    ]
    updates = [
        number
        for number, sql in enumerate(sent)
        if re.search(r"^\s*update\s.*\sfrom\s[^(]*\swhere\s", sql, re.DOTALL)
    ]
    assert len(updates) == len(turned_on) > 0
    assert all(on < update for on, update in zip(turned_on, updates, strict=True))


@only_sqlserver
def test_a_seed_is_replaced_in_one_transaction_where_it_differs(rounds: Rounds) -> None:
    prod = rounds.world.prod
    assert not _transaction_that_writes_the_seed(prod)
    prod.stand_in.admin("delete from staging.time_zones where name = 'UTC'")
    words = _transaction_that_writes_the_seed(prod)
    assert [word for word in words if word not in ("select", "comment")] == ["delete", "insert"]
    assert prod.rows("select count(*) from staging.time_zones where name = 'UTC'") == [(1,)]


@only_sqlserver
def test_zones_that_redshift_does_not_know_are_not_loaded(rounds: Rounds) -> None:
    """No page lists what it knows, and IANA's newest names may be too new."""
    rows = "[{'time_zone': 'Mars/Olympus'}, {'time_zone': 'Europe/Berlin'}]"
    loadable = f"redshift__loadable_rows({{'name': 'time_zones'}}, {rows})"
    query = "{{ " + loadable + " | map(attribute='time_zone') | join if execute }}"
    assert _compiled(rounds.world.prod.dbt, query) == "Europe/Berlin"


def _transaction_that_writes_the_seed(prod: Prod) -> list[str]:
    """The first word of each statement of it; empty where a build writes nothing to the seed."""
    before = len(prod.stand_in.statements.sent)
    prod.dbt.build("--select", "time_zones")
    words: list[str] = []
    writes = False
    for sql in prod.stand_in.statements.sent[before:]:
        statement = sql.split("*/")[-1].lower()
        word = re.findall(r"\w+", statement)[0]
        if any(own in statement for own in ("watermarks", "time_zones__transaction", "node_runs")):
            continue  # what every node begins and ends with, and the record of the run
        if word == "begin":
            words.clear()
        elif word == "commit" and writes:
            return words
        else:
            words.append(word)
            writes |= word in ("delete", "insert", "truncate") and "time_zones" in statement
    assert not writes, "what was written was not committed"
    return []


def _written_by_newest_run(world: World) -> int:
    tables = world.prod.rows(
        "select table_schema, table_name from information_schema.columns"
        " where column_name = '_cdc_run' and table_schema in ('staging', 'history', 'marts')"
    )
    assert len(tables) > 20
    newest = world.prod.rows("select max(run_number) from operations.runs")[0][0]
    return sum(
        world.prod.rows(f"select count(*) from {schema}.{table} where _cdc_run = {newest}")[0][0]
        for schema, table in tables
    )


@pytest.mark.long
@only_sqlserver
def test_data_tests_and_unit_tests_say_the_same_as_locally(rounds: Rounds) -> None:
    """`dbt test`: made-up rows break rules of the shop, on both targets the same ones as often."""
    verdicts = []
    for dbt in (rounds.world.prod.dbt, rounds.world.local):
        result = dbt.invoke("test", "--vars", "{audit: full}")
        assert isinstance(result.result, RunExecutionResult), result.exception
        verdicts.append(
            {each.node.unique_id: (each.status, each.failures) for each in result.result.results}
        )
    assert len(verdicts[0]) > 60
    assert verdicts[0] == verdicts[1]


@only_sqlserver
def test_hashes_and_canonical_texts_are_the_golden_ones(rounds: Rounds) -> None:
    """On both engines: what is hashed on one is found again on the other, and in ten years."""
    world = rounds.world
    with world.prod.warehouse() as warehouse:
        given = dict(warehouse.rows(_compiled(world.prod.dbt, question())))
    assert given == golden_values()
    assert dict(world.local.rows(_compiled(world.local.dbt, question()))) == given


def _compiled(dbt: Dbt, query: str) -> str:
    """`query` as dbt writes it for its target."""
    result = dbt.invoke("compile", "--inline", query)
    assert result.success, explain(result)
    assert isinstance(result.result, RunExecutionResult)
    [compiled] = result.result.results
    assert isinstance(compiled.node, CompiledNode)
    return str(compiled.node.compiled_code)


def test_docs_describe_tables_and_late_binding_views(rounds: Rounds) -> None:
    """`dbt docs generate` asks the catalog, where both kinds have their columns."""
    result = rounds.world.prod.dbt.invoke("docs", "generate")
    assert result.success
    columns = {
        name: set(node.columns)
        for name, node in result.result.nodes.items()  # type: ignore[union-attr]
    }
    assert "_cdc_position" in columns["model.retail_lakehouse.stg_retail__customers"]
    assert "customer_key" in columns["model.retail_lakehouse.dim_customer"]
    assert "customer_key" in columns["model.retail_lakehouse.dim_customer_current"]
    assert "dbt_valid_to" in columns["snapshot.retail_lakehouse.orders_history"]


@only_sqlserver
def test_compare_prints_the_first_rows_that_differ(rounds: Rounds) -> None:
    """The command says equal, or shows a row of each side and ends with 3."""
    world = rounds.world
    settings = {
        **world.prod.dbt.settings,
        "LAKEHOUSE_DUCKDB": str(world.local.file),
    }
    with environment(settings):
        equal = CliRunner().invoke(app, ["compare", "marts.dim_store"])
        world.prod.stand_in.admin("update marts.dim_store set store_name = 'wrong'")
        try:
            different = CliRunner().invoke(app, ["compare", "marts.dim_store"])
        finally:
            world.prod.dbt.build("--full-refresh", "--select", "dim_store")
    assert equal.exit_code == 0
    assert "equal      marts.dim_store" in equal.output
    assert different.exit_code == 3
    assert "only prod: " in different.output
    assert "store_name='wrong'" in different.output
