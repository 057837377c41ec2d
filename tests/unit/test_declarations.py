"""The declarations: what is read, and how each mistake is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.dbt_files import render
from ingestion.declarations import SOURCES_FILE, DataType, load, parse_type
from ingestion.errors import TerminalError

_ROOT = SOURCES_FILE.parents[3]


def test_the_ten_tables_are_declared() -> None:
    declarations = load()
    assert len(declarations.tables) == 10
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
            ["table customers", "history", "'all' or 'current'", "'some'"],
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
            ["table customers: history is 'all'", "tracked_columns belong to history: all"],
            id="history without tracked columns",
        ),
        pytest.param(
            _remove("config.meta.topics.sqlserver"),
            ["table customers", "topics, sqlserver", "Field required"],
            id="topic of a connector",
        ),
        pytest.param(
            _set("config.meta.topics.postgresql", "retail.public.orders"),
            ["postgresql topic 'retail.public.orders' is declared twice"],
            id="topic twice",
        ),
        pytest.param(
            _set("config.meta.partitons", 4),
            ["table customers", "partitons", "not permitted"],
            id="misspelt key",
        ),
        pytest.param(
            _set("config.meta.partitions", 0),
            ["table customers", "partitions", "greater than or equal to 1"],
            id="partitions",
        ),
        pytest.param(
            _set("columns.0.config.meta.nullable", True),
            ["table customers, column customer_id: a key column is neither nullable nor pii"],
            id="nullable key",
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
