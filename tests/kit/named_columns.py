"""Tables whose columns have any names: declared, changed in two runs, compared with what landed.

A value of the source's column x is the text `x v1` or `x v2`, of a key column `x a` or `x b`, so
that what stands in the place of another column shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlglot
import yaml
from sqlglot import exp

from ingestion.declarations import CONNECTORS, Column, Declarations, Table, load
from ingestion.reserved_names import column_taken
from ingestion.settings import ConnectorName
from lakehouse.dbt_files import render
from lakehouse.source.envelopes import Event, Row, key_bytes, value_bytes
from lakehouse.source.positions import PostgresPlace, SqlServerPlace
from tests.kit.landing import Delivery
from tests.kit.warehouse import SOURCES

Rows = Callable[[str], list[tuple[Any, ...]]]
BASE = {"name": "base", "key": ["base_key_1", "base_key_2"], "others": ["base_1", "base_2"]}
"""A table to find out with which names the SQL has."""
OF_ALL_TABLES = (
    *("quarantine", "dated_ahead", "drift"),
    *("record_hours", "version_days", "table_freshness"),
)
"""Models that read every declared table: they are left out where only one is built."""
ODD = (
    "Order No.", "e-mail", "It's", "1stLine", "VAT %", "Größe", "Item$No_", 'a "b" [c]',
    "back\\slash", "x/y~z", "{1}", "a, b", "Select", "日本語", "trailing ", "%s", "--", "_cdc_op",
)  # fmt: skip
"""What sources call columns."""
ODD_TABLE: Mapping[str, Any] = {
    "name": "odd",
    "key": ["key_1", "key_2", "key_3"],
    "others": ["by_rule", *(f"column_{number}" for number, _ in enumerate(ODD))],
    "naming": {"postgresql": "PascalCase", "sqlserver": "snake_case"},
    "sources": {
        "key_1": "Order Key.",
        "key_2": ["Größe's", "GRÖSSE 2"],
        # of which only the case differs
        "key_3": ["CustomerId", "CustomerID"],
        # one in two has another name in run 1
        **{f"column_{n}": [odd, f"{odd} was/~'"][: n % 2 + 1] for n, odd in enumerate(ODD)},
    },
}
"""A table whose columns have such names, some others in run 1."""


def declare(project: Path, *tables: Mapping[str, Any]) -> Declarations:
    """Put `tables` into the declarations of `project`, and write the files that follow.

    Each has a name, `key` and `others` (names of columns), and maybe `sources`: what columns are
    called in both sources, and were called before; or `naming`, the rule by connector.
    """
    file = project / SOURCES
    document = yaml.safe_load(file.read_text("utf-8"))
    source, new = document["sources"][0], {table["name"] for table in tables}
    source["tables"] = [table for table in source["tables"] if table["name"] not in new]
    source["tables"] += [_declaration(**table) for table in tables]
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    declarations = load(file)
    for path, content in render(declarations).items():
        (project / path).write_text(content, "utf-8")
    return declarations


def _declaration(
    name: str,
    key: Sequence[str],
    others: Sequence[str],
    sources: Mapping[str, Any] | None = None,
    naming: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    def column(called: str) -> dict[str, Any]:
        meta: dict[str, Any] = {"nullable": called not in key}
        if called in (sources or {}):
            meta["source_columns"] = dict.fromkeys(CONNECTORS, (sources or {})[called])
        return {
            "name": called,
            "data_type": "varchar(80)",
            "description": "A column.",
            "config": {"meta": meta},
        }

    meta = {
        "topics": {connector: f"retail.retail.{connector}.{name}" for connector in CONNECTORS},
        "primary_key": list(key),
        "history": "all",
        "tracked_columns": list(others[:1]),
        "partitions": 1,
        "topic_retention_days": 7,
        "landing_retention_days": 7,
        "column_naming": dict(naming or {}),
    }
    return {
        "name": name,
        "description": "A table.",
        "config": {"meta": meta},
        "columns": [column(called) for called in (*key, *others)],
    }


def deliveries(table: Table, connector: ConnectorName, run: int) -> list[Delivery]:
    """Rows a and b are inserted in run 1, under former names; in run 2 a is updated, b deleted."""
    told = table if run == 2 else replace(table, columns=tuple(map(_formerly, table.columns)))
    first, other, second = _rows(table)
    changes: dict[int, list[tuple[str, Row, Row | None, Row | None]]] = {
        1: [("c", first, None, first), ("c", other, None, other)],
        2: [("u", first, first, second), ("d", other, other, None)],
    }
    delivered = []
    for number, (op, key, before, row) in enumerate(changes[run], start=10 * run):
        place = (
            SqlServerPlace(number, 1, 1)
            if connector == "sqlserver"
            else PostgresPlace(number * 10, number * 10 - 1, 1)
        )
        event = Event(op, place, 1_772_359_200_000 + number, row, before)
        value = value_bytes(event, told, connector, "retail")
        key_of = key_bytes(key, told, connector)
        delivered.append(Delivery(key_of, value, 0, event.committed_ms))
    return delivered


def _formerly(column: Column) -> Column:
    names = {connector: column.source_names(connector)[-1:] for connector in CONNECTORS}
    return replace(column, source_columns=names)


def _rows(table: Table) -> tuple[Row, Row, Row]:
    def row(key: str, version: str) -> Row:
        return {
            column.name: " ".join(
                (
                    column.source_name("postgresql"),
                    key if column.name in table.primary_key else version,
                )
            )
            for column in table.columns
        }

    return row("a", "v1"), row("b", "v1"), row("a", "v2")


def wrong_values(rows: Rows, table: Table) -> list[tuple[str, str, Any, Any]]:
    """What differs after both runs: the relation, the column, the value found and the right one."""
    first, other, second = _rows(table)
    told: list[Row | None] = [first, other, second, other]
    before: list[Row | None] = [None, None, first, other]
    wrong = []
    for relation, order, prefix, expected in (
        (f"staging.{table.name}__log", "kafka_offset", "", told),
        (f"staging.{table.name}__log", "kafka_offset", "_before_", before),
        (f"staging.stg_retail__{table.name}", "kafka_offset", "", told),
        (f"staging.stg_retail__{table.name}", "kafka_offset", "_before_", before),
        (f"history.{table.name}_history", "_cdc_position", "", told),
    ):
        names = [column.name for column in table.columns]
        listed = ", ".join(f'"{prefix}{name}"' for name in names)
        found = rows(f"select {listed} from {relation} order by {order}")
        assert len(found) == len(expected), relation
        for line, row in zip(found, expected, strict=True):
            wrong += [
                (relation, prefix + name, value, row and row[name])
                for name, value in zip(names, line, strict=True)
                if value != (row and row[name])
            ]
    return wrong


def identifiers(statements: Iterable[str], dialect: str) -> set[str]:
    """Every name in `statements` that a column could have: of columns, aliases, CTEs, relations."""
    found = set()
    for statement in statements:
        for tree in sqlglot.parse(statement, dialect=dialect):
            if tree is not None:
                found |= {each.name.lower() for each in tree.find_all(exp.Identifier)}
    # those of the table itself, and of dbt's temporary tables
    return {
        name
        for name in found
        if re.fullmatch(r"[a-z][a-z0-9_]{0,55}", name)
        and not re.search(r"base(_|$|key|1|2)|__dbt_", name)
    }


def tables_of(names: Iterable[str], at_most: int) -> list[Mapping[str, Any]]:
    """Tables with the columns of `names` that are free, and some with those free as their key."""
    free = sorted(name for name in names if column_taken("free", name, is_key=False) is None)
    keys = [name for name in free if column_taken("keyed", name, is_key=True) is None]
    # SQL Server's rule would make one of `table_name` and `tablename`
    sources = {name: name for name in free}
    return [
        *(
            {"name": f"free_{n}", "key": ["free_key"], "others": some, "sources": sources}
            for n, some in enumerate(_parts(free, at_most))
        ),
        *(
            {"name": f"keyed_{n}", "key": some, "others": ["keyed_other"], "sources": sources}
            for n, some in enumerate(_parts(keys, at_most))
        ),
    ]


def _parts(names: list[str], at_most: int) -> list[list[str]]:
    return [names[start : start + at_most] for start in range(0, len(names), at_most)]
