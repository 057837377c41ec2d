"""The declarations: what is read, and how each mistake is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.declarations import SOURCES_FILE, DataType, load, parse_type
from ingestion.errors import TerminalError
from ingestion.landing.subscriptions import subscriptions
from lakehouse.dbt_files import render
from lakehouse.kafka.topics import desired_topics

_ROOT = SOURCES_FILE.parents[3]


def test_the_shops_tables_are_declared() -> None:
    declarations = load()
    customers = declarations.table("customers")
    assert customers.topics == {
        "sqlserver": "retail.retail.dbo.Customers",
        "postgresql": "retail.public.customers",
    }
    assert customers.column("customer_id").source_name("sqlserver") == "CustomerId"
    assert customers.column("customer_id").source_name("postgresql") == "customer_id"
    assert declarations.table("products").column("sku").source_name("sqlserver") == "SKU"
    assert "password_hash" not in {column.name for column in customers.landed_columns}
    assert declarations.table("order_items").primary_key == ("order_id", "line_no")


def test_generated_files_are_up_to_date() -> None:
    for path, content in render(load()).items():
        assert (_ROOT / path).read_text(encoding="utf-8") == content, (
            f"{path}: run `lakehouse declarations generate`"
        )


def test_a_key_called_like_a_distribution_style_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "sources.yml"
    path.write_text(SOURCES_FILE.read_text("utf-8").replace("order_id", "even"), "utf-8")
    files = render(load(path))
    [log] = [text for file, text in files.items() if file.name == "orders__log.sql"]
    [history] = [text for file, text in files.items() if file.name == "orders_history.yml"]
    assert """config(dist='"even"')""" in log
    assert yaml.safe_load(history)["snapshots"][0]["config"]["dist"] == '"even"'


def test_no_generated_file_is_left_over() -> None:
    folders = {path.parent for path in render(load())}
    generated = {
        file.relative_to(_ROOT)
        for folder in folders
        for file in (_ROOT / folder).iterdir()
        if "declarations generate` from" in file.read_text(encoding="utf-8")[:200]
    }
    assert generated == set(render(load()))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("bigint", DataType("bigint")),
        ("varchar(65535)", DataType("varchar", length=65535)),
        ("decimal(38,0)", DataType("decimal", precision=38, scale=0)),
        ("varchar(65536)", None),
        ("decimal(39,2)", None),
        ("decimal(2,3)", None),
        ("float", None),
        ("varchar", None),
    ],
)
def test_types(text: str, parsed: DataType | None) -> None:
    assert parse_type(text) == parsed


def _customers(document: Any) -> Any:
    return document["sources"][0]["tables"][0]


def _set(path: str, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        node = _customers(document)
        *steps, last = path.split(".")
        for step in steps:
            node = node[int(step)] if step.isdigit() else node.setdefault(step, {})
        node[last] = value

    return change


def _remove(path: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        node = _customers(document)
        *steps, last = path.split(".")
        for step in steps:
            node = node[int(step)] if step.isdigit() else node[step]
        del node[last]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            _set("config.meta.history", "some"),
            ["table customers", "history", "'all', 'current' or 'none'", "'some'"],
            id="history",
        ),
        pytest.param(
            _set("columns.1.config.meta.pii", "mask"),
            ["table customers", "column email", "pii", "'exclude', 'hash' or 'clear'", "'mask'"],
            id="pii",
        ),
        pytest.param(
            _set("columns.1.data_type", "text"),
            ["table customers, column email", "'text' is not allowed", "varchar(1..65535)"],
            id="type",
        ),
        pytest.param(
            _set("config.meta.primary_key", ["customer"]),
            ["table customers: primary_key names 'customer'", "columns: customer_id, email"],
            id="key column",
        ),
        pytest.param(
            _set("config.meta.tracked_columns", ["colour"]),
            ["table customers: tracked_columns names 'colour'"],
            id="tracked column",
        ),
        pytest.param(
            _remove("config.meta.tracked_columns"),
            ["table customers: history is 'all'; all has tracked_columns, none no primary_key"],
            id="history without tracked columns",
        ),
        pytest.param(
            _remove("config.meta.topics.sqlserver"),
            ["table customers", "topics", "sqlserver is missing"],
            id="topic of a connector",
        ),
        pytest.param(
            _set("config.meta.topics.postgresql", "retail.public.orders"),
            ["postgresql topic 'retail.public.orders' is declared twice"],
            id="topic twice",
        ),
        pytest.param(
            _set("config.meta.partitons", 4),
            ["table customers", "partitons", "there is no such key"],
            id="misspelt key",
        ),
        pytest.param(
            _set("config.meta.partitions", 0),
            ["table customers", "partitions", "greater than or equal to 1"],
            id="partitions",
        ),
        pytest.param(
            _set("columns.0.config.meta.nullable", True),
            ["table customers, column customer_id: a key is never null, and its only pii is hash"],
            id="nullable key",
        ),
        pytest.param(
            _set("config.meta.primary_key", []),
            ["table customers: history is 'all'; all has tracked_columns, none no primary_key"],
            id="history without a key",
        ),
        pytest.param(
            _set("columns.0.config.meta", {"pii": "clear"}),
            ["table customers, column customer_id: a key is never null, and its only pii is hash"],
            id="key that is masked",
        ),
        pytest.param(
            _set("columns.1.config.meta", {"pii": "hash", "collation": "case_insensitive"}),
            ["column email: pii: hash has a key for each spelling, so no collation"],
            id="hash of spellings",
        ),
        pytest.param(
            _set("columns.1.config.meta", {"pii": "hash", "large": "max"}),
            ["column email: pii: hash would hide what SQL Server did not write"],
            id="hash of a large column that is never null",
        ),
        pytest.param(
            _set("columns.6.config.meta.pii", "hash"),
            ["column birth_date: pii: hash needs varchar(64) or longer, this one is date"],
            id="hash of a short column",
        ),
        pytest.param(
            _set("columns.2.name", "email"), ["'email' is declared twice"], id="column twice"
        ),
        pytest.param(
            _set("columns.0.config.meta.collation", "case_insensitive"),
            ["column customer_id: collation belongs to varchar columns"],
            id="collation of a number",
        ),
        pytest.param(
            _set("columns.1.config.meta", {"from_float": True}),
            ["column email: from_float needs decimal(1..15,scale), this one is varchar(320)"],
            id="float of another type",
        ),
        pytest.param(
            _set("columns.0.data_type", "boolean"),
            ["column customer_id: a key is no float, local time or bit"],
            id="bit in a key: some deletes of SQL Server hold none",
        ),
        pytest.param(
            _set("columns.0.config.meta.time_zone", "Europe/Berlin"),
            [
                "column customer_id: a key is no float, local time or bit",
                "column customer_id: time_zone belongs to timestamp columns, this one is bigint",
            ],
            id="local time in a key",
        ),
        pytest.param(
            _set("columns.11.config.meta", {"time_zone": "Berlin"}),
            ["column created_at: time_zone 'Berlin' is none of the IANA's"],
            id="time zone",
        ),
        pytest.param(
            _set("columns.7.config.meta", {"on_invalid": None}),
            ["column tier: on_invalid: null needs nullable"],
            id="null in a column that is never null",
        ),
        pytest.param(
            _set("columns.1.config.meta.on_invalid", "drop"),
            ["column email", "on_invalid", "'reject' or 'null'", "'drop'"],
            id="on_invalid",
        ),
        pytest.param(
            _set("columns.7.config.meta", {"too_long": "truncate"}),
            ["column tier: too_long: truncate needs varchar(28..21845), this one is varchar(20)"],
            id="cut shorter than Debezium's word",
        ),
        pytest.param(_remove("description"), ["table customers", "description"], id="description"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, change: Callable[[Any], None], expected: list[str]
) -> None:
    document = yaml.safe_load(SOURCES_FILE.read_text(encoding="utf-8"))
    change(document)
    path = tmp_path / "sources.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(TerminalError) as caught:
        load(path)
    for part in (str(path), *expected):
        assert part in str(caught.value)


def _notes(tmp_path: Path, table: str, *columns: dict[str, Any]) -> Path:
    """The declarations with another table, which has a key and `columns`."""
    document = yaml.safe_load(SOURCES_FILE.read_text(encoding="utf-8"))
    meta = {
        "topics": {"sqlserver": "retail.retail.dbo.Notes", "postgresql": "retail.public.notes"},
        "primary_key": ["note_id"],
        "history": "current",
        "partitions": 1,
        "topic_retention_days": 7,
        "landing_retention_days": 7,
    }
    kind = {"data_type": "varchar(80)", "description": "A column."}
    document["sources"][0]["tables"].append(
        {
            "name": table,
            "description": "Notes.",
            "config": {"meta": meta},
            "columns": [{"name": "note_id", **kind}, *({**kind, **column} for column in columns)],
        }
    )
    path = tmp_path / "sources.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("is_deleted", "one of the project's own in log, staging or history"),
        ("kafka_offset", "one of the project's own"),
        ("kafka_new", "one of the project's own"),
        ("dbt_valid_from", "one of the project's own"),
        ("rowid", "a system column"),
        ("order", "a reserved word of Redshift, DuckDB, Spark, PostgreSQL"),
        ("tag", "a reserved word of Redshift;"),
        ("qualify", "a reserved word of DuckDB;"),
        ("time", "a reserved word of Spark;"),
    ],
)
def test_a_taken_name_is_refused_with_the_line_that_renames_it(
    tmp_path: Path, name: str, why: str
) -> None:
    with pytest.raises(TerminalError) as caught:
        load(_notes(tmp_path, "notes", {"name": name}))
    sentence = str(caught.value)
    assert f"table notes, column {name}: the name is {why}" in sentence
    renamed = yaml.safe_load(sentence[sentence.index("{") :])
    column = load(_notes(tmp_path, "notes", renamed)).table("notes").columns[1]
    pascal = "".join(part.capitalize() for part in name.split("_"))
    assert column.source_columns == {"sqlserver": (pascal,), "postgresql": (name,)}


def test_what_a_mart_shows_is_taken_in_its_own_table_only(tmp_path: Path) -> None:
    names = ({"name": name} for name in ("valid_from", "customer_key", "position", "city"))
    assert len(load(_notes(tmp_path, "notes", *names)).table("notes").columns) == 5
    document = yaml.safe_load(SOURCES_FILE.read_text(encoding="utf-8"))
    for name in ("valid_from", "customer_key"):
        column = {"name": name, "data_type": "date", "description": "A column."}
        _customers(document)["columns"].append(column)
    path = tmp_path / "sources.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(TerminalError) as caught:
        load(path)
    for name in ("valid_from", "customer_key"):
        assert f"column {name}: the name is one under which a mart" in str(caught.value)


def test_history_has_columns_beside_the_key_that_a_key_cannot_be_called(tmp_path: Path) -> None:
    path = _notes(tmp_path, "notes", {"name": "valid_from"})
    load(path)
    path.write_text(path.read_text("utf-8").replace("- note_id\n", "- valid_from\n"), "utf-8")
    with pytest.raises(TerminalError, match=r"column valid_from: .* beside the key"):
        load(path)


@pytest.mark.parametrize("table", ["order", "ledger", "orders_2", "orders_10_archive"])
def test_a_table_is_called_neither_a_reserved_word_nor_like_our_own(
    tmp_path: Path, table: str
) -> None:
    with pytest.raises(TerminalError, match=rf"table {table}: the name is .* another `name`"):
        load(_notes(tmp_path, table))


def test_two_columns_of_one_source_column_are_refused(tmp_path: Path) -> None:
    """`line_1` and `line1` are one by the rule of SQL Server; case tells no columns apart."""
    other = {"config": {"meta": {"source_columns": {"postgresql": "NOTE_ID"}}}}
    path = _notes(tmp_path, "notes", {"name": "line_1"}, {"name": "line1"}, {"name": "x", **other})
    with pytest.raises(TerminalError) as caught:
        load(path)
    assert "column line1: reads 'Line1' of sqlserver, which is column line_1's" in str(caught.value)
    assert "column x: reads 'NOTE_ID' of postgresql, which is column note_id's" in str(caught.value)


def _with_meta(path: Path, column: Mapping[str, Any], **of_connectors: str) -> Path:
    """The declarations in `path` with `column` of customers, and naming rules of connectors."""
    document = yaml.safe_load(SOURCES_FILE.read_text("utf-8"))
    meta = document["sources"][0]["config"]["meta"]
    for connector, rule in of_connectors.items():
        meta["connectors"][connector]["column_naming"] = rule
    described = {"name": "new_one", "data_type": "varchar(64)", "description": "A column."}
    _customers(document)["columns"].append({**described, "config": {"meta": column}})
    _customers(document)["config"]["meta"]["column_naming"] = {"postgresql": "PascalCase"}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_a_table_a_connector_and_a_column_say_how_the_source_spells(tmp_path: Path) -> None:
    own = {"source_columns": {"postgresql": ["Newest One", "Old"]}}
    declared = load(_with_meta(tmp_path / "sources.yml", own, sqlserver="snake_case"))
    new_one = declared.table("customers").column("new_one")
    assert new_one.source_names("postgresql") == ("Newest One", "Old")
    assert new_one.source_names("sqlserver") == ("new_one",)
    customer_id = declared.table("customers").column("customer_id")
    assert customer_id.source_name("postgresql") == "CustomerId"
    assert declared.table("stores").column("store_id").source_name("postgresql") == "store_id"
    assert declared.table("products").column("sku").source_name("sqlserver") == "SKU"


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ({"source_columns": {"sqlserver": []}}, "at least 1 item"),
        ({"source_columns": {"sqlserver": ["A", "{{ b }}"]}}, "dbt takes {{, {% and {# for Jinja"),
        ({"source_columns": {"sqlserver": ["A", "CustomerId"]}}, "which is column customer_id's"),
    ],
)
def test_source_names_that_cannot_be_read_are_refused(
    tmp_path: Path, meta: Mapping[str, Any], why: str
) -> None:
    with pytest.raises(TerminalError, match=f"column new_one.*{re.escape(why)}"):
        load(_with_meta(tmp_path / "sources.yml", meta))


def test_one_connector_is_enough_and_the_other_is_missed_in_words(tmp_path: Path) -> None:
    document = yaml.safe_load(SOURCES_FILE.read_text(encoding="utf-8"))
    del document["sources"][0]["config"]["meta"]["connectors"]["postgresql"]
    for table in document["sources"][0]["tables"]:
        del table["config"]["meta"]["topics"]["postgresql"]
    path = tmp_path / "sources.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    declared = load(path)
    assert subscriptions(declared, "sqlserver")
    for read in (subscriptions, desired_topics):
        with pytest.raises(TerminalError, match="postgresql is not declared, only sqlserver: LAKE"):
            read(declared, "postgresql")


def test_an_epoch_belongs_to_each_prefix(tmp_path: Path) -> None:
    document = yaml.safe_load(SOURCES_FILE.read_text(encoding="utf-8"))
    connectors = document["sources"][0]["config"]["meta"]["connectors"]
    connectors["sqlserver"] = {"topic_prefix": "retail", "epochs": {"retail": 1, "retail2": 2}}
    path = tmp_path / "sources.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(TerminalError, match=r"connector sqlserver: epochs .* 'retail' the highest"):
        load(path)


def test_an_unknown_table_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TerminalError, match="table 'order' is not declared; declared tables: cust"):
        load().table("order")
