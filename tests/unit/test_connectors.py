"""The connectors' settings: the committed files, and what the declarations add to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingestion.declarations import Declarations, Table, load, topic_part
from ingestion.errors import TerminalError
from ingestion.settings import ConnectorName, KafkaAuth
from lakehouse.commands.declarations import check
from lakehouse.kafka.topics import MAX_MESSAGE_BYTES
from lakehouse.source.connectors import (
    FOLDER,
    SourceTable,
    cdc_sql,
    render,
    source_table,
)

CONNECTORS: tuple[ConnectorName, ...] = ("sqlserver", "postgresql")


def committed(connector: ConnectorName) -> dict[str, str]:
    settings: dict[str, str] = json.loads((FOLDER / f"{connector}.json").read_text())
    return settings


def rendered(
    connector: ConnectorName, declarations: Declarations | None = None, auth: KafkaAuth = "none"
) -> dict[str, str]:
    return render(
        declarations or load(),
        connector,
        bootstrap_servers="broker:9098",
        auth=auth,
    )


def decisive_settings() -> Iterator[tuple[str, ConnectorName, str]]:
    """(setting, connector, value) of each row of the README's table; '-' is: not set at all."""
    lines = (FOLDER / "README.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    for setting, sqlserver, postgresql, why in (row for row in rows if len(row) == 4):
        assert why.strip()
        yield setting.strip("`"), "sqlserver", sqlserver
        yield setting.strip("`"), "postgresql", postgresql


@pytest.mark.parametrize(("setting", "connector", "value"), list(decisive_settings()))
def test_the_settings_that_decide_are_what_the_readme_says_and_why(
    setting: str, connector: ConnectorName, value: str
) -> None:
    assert committed(connector).get(setting, "-") == value


def test_the_readme_explains_the_settings_that_order_and_types_hang_on() -> None:
    explained = {setting for setting, _, _ in decisive_settings()}
    assert explained >= {
        "data.query.mode",
        "decimal.handling.mode",
        "time.precision.mode",
        "provide.transaction.metadata",
        "tombstones.on.delete",
        "value.converter.schemas.enable",
        "value.converter.replace.null.with.default",
    }


@pytest.mark.parametrize("connector", CONNECTORS)
def test_records_keep_their_envelope_and_fit_their_topic(connector: ConnectorName) -> None:
    settings = committed(connector)
    assert not [name for name in settings if name.startswith("transforms")]
    assert settings["producer.override.max.request.size"] == str(MAX_MESSAGE_BYTES)


@pytest.mark.parametrize("connector", CONNECTORS)
def test_every_secret_of_the_committed_file_is_a_reference(connector: ConnectorName) -> None:
    for name in ("hostname", "port", "user", "password"):
        assert committed(connector)[f"database.{name}"].startswith("${secretsmanager:")


@pytest.mark.parametrize("connector", CONNECTORS)
def test_exactly_the_declared_tables_are_captured(connector: ConnectorName) -> None:
    declarations = load()
    prefix = declarations.connectors[connector].topic_prefix
    listed = rendered(connector)["table.include.list"]
    included = listed.replace(r"\x{2e}", ".").split(",")
    topics = [table.topics[connector] for table in declarations.tables]
    database = f"{prefix}." if connector == "postgresql" else f"{prefix}.retail."
    assert [database + table for table in included] == topics


@pytest.mark.parametrize(
    ("connector", "excluded", "hashed"),
    [
        ("sqlserver", r"dbo\x{2e}Customers\x{2e}PasswordHash", "Phone"),
        ("postgresql", r"public\x{2e}customers\x{2e}password_hash", "phone"),
    ],
)
def test_personal_data_is_held_back_or_hashed_where_it_is_declared_so(
    connector: ConnectorName, excluded: str, hashed: str
) -> None:
    settings = rendered(connector)
    assert settings["column.exclude.list"] == excluded
    topics: dict[str, list[str]] = {table.topics[connector]: [] for table in load().tables}
    topics[load().table("customers").topics[connector]] = [hashed]
    assert json.loads(settings["transforms.pseudonyms.columns"]) == topics
    assert settings["column.propagate.source.type"].endswith(rf"ustomers\x{{2e}}{hashed}")


def test_a_column_declared_hashed_tomorrow_is_hashed_without_touching_the_connectors() -> None:
    declarations = load()
    customers = declarations.table("customers")
    columns = tuple(
        replace(column, pii="hash") if column.name == "email" else column
        for column in customers.columns
    )
    changed = replace(
        declarations,
        tables=tuple(
            replace(table, columns=columns) if table is customers else table
            for table in declarations.tables
        ),
    )
    columns = json.loads(rendered("sqlserver", changed)["transforms.pseudonyms.columns"])
    assert columns["retail.retail.dbo.Customers"] == ["Email", "Phone"]


def test_a_text_is_cut_in_the_connector_to_the_length_of_its_column() -> None:
    declarations = load()
    products = declarations.table("products")
    columns = tuple(
        replace(column, too_long="truncate") if column.name in ("name", "description") else column
        for column in products.columns
    )
    tables = tuple(
        replace(table, columns=columns) if table is products else table
        for table in declarations.tables
    )
    settings = rendered("sqlserver", replace(declarations, tables=tables))
    cut = {name: value for name, value in settings.items() if "truncate" in name}
    lengths = {column.name: column.type.length for column in columns}
    dot = r"\x{2e}"
    assert cut == {
        f"column.truncate.to.{lengths[name]}.chars": f"dbo{dot}Products{dot}{name.capitalize()}"
        for name in ("name", "description")
    }
    assert not [name for name in rendered("sqlserver") if "truncate" in name]


def test_the_salt_is_a_reference_and_in_no_settings_name() -> None:
    settings = render(
        load(), "sqlserver", bootstrap_servers="broker:9098", auth="none", pii_salt="shop/salt"
    )
    assert settings["transforms.pseudonyms.salt.secret"] == "${secretsmanager:shop/salt:salt}"
    assert not [name for name in settings if "mask" in name]


def test_a_renamed_column_with_personal_data_is_meant_under_each_of_its_names() -> None:
    declarations = load()
    stores = declarations.table("stores")
    renamed: dict[ConnectorName, tuple[str, ...]] = {"sqlserver": ("New Name", "Name")}
    first, second, *others = (replace(c, source_columns=renamed) for c in stores.columns)
    hidden = (replace(first, pii="hash"), replace(second, pii="exclude"), *others)
    odd = replace(stores, columns=hidden)
    settings = rendered("sqlserver", replace(declarations, tables=(odd,)))
    columns = json.loads(settings["transforms.pseudonyms.columns"])
    assert columns == {"retail.retail.dbo.Stores": [["New Name", "Name"]]}
    names = r"dbo\x{2e}Stores\x{2e}New\x{20}Name,dbo\x{2e}Stores\x{2e}Name"
    assert settings["column.exclude.list"] == settings["column.propagate.source.type"] == names


def test_without_a_hashed_column_nothing_transforms() -> None:
    declarations = load()
    tables = tuple(
        replace(table, columns=tuple(replace(column, pii=None) for column in table.columns))
        for table in declarations.tables
    )
    settings = rendered("sqlserver", replace(declarations, tables=tables))
    assert not [name for name in settings if "transforms" in name or "column" in name]


def test_sql_server_keeps_its_schema_history_on_the_same_brokers_with_the_same_identity() -> None:
    plain, iam = rendered("sqlserver"), rendered("sqlserver", auth="iam")
    history = "schema.history.internal"
    assert plain[f"{history}.kafka.topic"] == "schema-history.retail"
    assert plain[f"{history}.kafka.bootstrap.servers"] == "broker:9098"
    for client in ("producer", "consumer"):
        assert iam[f"{history}.{client}.sasl.mechanism"] == "AWS_MSK_IAM"
    assert not [name for name in plain if "sasl" in name]


def test_a_topic_that_debezium_would_never_write_to_is_refused() -> None:
    declarations = load()
    stores = replace(declarations.table("stores"), topics={"postgresql": "shop.stores"})
    with pytest.raises(TerminalError, match=r"table stores: .*retail\.<schema>\.<table>"):
        source_table(declarations, stores, "postgresql")


@pytest.mark.parametrize(
    ("topic", "told", "place"),
    [
        ("retail.retail.dbo.Order_Details", ["Order Details"], ("retail", "dbo", "Order Details")),
        ("retail.retail.dbo.CRONUS_Item", ["CRONUS$Item"], ("retail", "dbo", "CRONUS$Item")),
        ("retail.retail.dbo.a.b_", ["a.b]"], ("retail", "dbo", "a.b]")),
        ("retail.My_Shop.AD_me.T__", ["My Shop", "AD\\me", "T\N{SHOPPING TROLLEY}"], None),
    ],
)
def test_a_table_is_captured_under_the_name_that_it_has(
    topic: str, told: list[str], place: tuple[str, str, str] | None
) -> None:
    """Debezium writes _ where a topic can have no such character, in UTF-16."""
    declarations = load()
    stores = declarations.table("stores")
    odd = replace(
        stores,
        topics={**stores.topics, "sqlserver": topic},
        source_tables={"sqlserver": tuple(told)},
    )
    declared = replace(declarations, tables=(odd,))
    database, schema, name = place or told
    assert source_table(declared, odd, "sqlserver") == SourceTable(database, schema, name)
    [captured] = rendered("sqlserver", declared)["table.include.list"].split(",")
    pattern = re.sub(r"\\x\{(\w+)\}", lambda code: re.escape(chr(int(code[1], 16))), captured)
    assert re.fullmatch(pattern, f"{schema}.{name}")
    assert rendered("sqlserver", declared)["database.names"] == database
    bracketed = f"[{schema}].[{name.replace(']', ']]')}]"
    script = cdc_sql(declared)
    assert f"grant select on object::{bracketed} to" in script
    assert f"object_id(N'{bracketed}')" in script


def test_a_table_that_is_not_that_of_its_topic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    declarations = load()
    stores = replace(declarations.table("stores"), source_tables={"sqlserver": ("Order Details",)})
    message = "of 'Order Details' with _ for what no topic can have"
    with pytest.raises(TerminalError, match=message):
        source_table(declarations, stores, "sqlserver")
    wrong = replace(declarations, tables=(stores,))
    monkeypatch.setattr("lakehouse.commands.declarations.load", lambda: wrong)
    with pytest.raises(TerminalError, match=message):
        check()


def test_the_sql_that_captures_has_names_in_brackets_and_quotes_doubled() -> None:
    declarations = load()
    stores = declarations.table("stores")
    names = ("Order No.", "It's, a note", "a]b")
    first, second, third = (
        replace(column, source_columns={"sqlserver": (name,)})
        for column, name in zip(stores.columns, names, strict=False)
    )
    odd = replace(stores, columns=(first, replace(second, pii="hash"), third))
    script = cdc_sql(replace(declarations, tables=(odd,)))
    assert "@captured_column_list = N'[Order No.], [It''s, a note], [a]]b]'" in script
    assert "column_name = N'It''s, a note'" in script
    assert "throw 50000, N'dbo.Stores.It''s, a note is shorter" in script


def test_each_capture_instance_has_a_name_of_its_own_that_is_short_enough() -> None:
    declarations = load()
    places = [
        *(("a", "b_c"), ("a_b", "c"), ("A_B", "C"), ("dbo", "x" * 94), ("dbo", "x" * 95)),
        *(("dbo", "x" * 96), ("s" * 128, "t" * 128), ("dbo", "\N{GRINNING FACE}" * 64)),
    ]
    tables = tuple(
        replace(
            declarations.table("stores"),
            topics={"sqlserver": ".".join(["retail", "retail", *map(topic_part, place)])},
            source_tables={"sqlserver": place},
        )
        for place in places
    )

    def instances(*of: Table) -> list[str]:
        script = cdc_sql(replace(declarations, tables=of))
        return re.findall("@capture_instance = N'(.*)',", script)

    names = instances(*tables)
    assert len({name.lower() for name in names}) == len(places)
    assert all(len(name.encode("utf-16-le")) <= 200 for name in names)
    assert names[0] == "a_b_c_1"
    assert names[3] == f"dbo_{'x' * 94}_1"
    assert instances(*tables[3:]) == names[3:]


def test_the_committed_cdc_sql_is_what_the_declarations_give() -> None:
    assert (FOLDER / "enable_cdc.sql").read_text() == cdc_sql(load()), (
        "write it again: lakehouse connector cdc-sql > infra/connectors/enable_cdc.sql"
    )


def test_excluded_columns_do_not_even_reach_the_change_tables() -> None:
    script = cdc_sql(load())
    assert "PasswordHash" not in script
    assert "dbo.Customers.Phone is shorter than the 64 characters" in script
    assert script.count("exec sys.sp_cdc_enable_table") == len(load().tables)
