"""Personal data at the connector: what is excluded does not leave, what is hashed leaves hashed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingestion.connectors import render
from ingestion.declarations import Column, DataType, Declarations, Pii, load
from ingestion.settings import ConnectorName
from tests.integration.debezium_classes import run_java

QUOTED = ["'quoted'", '"it"', "`code`"]
HOSTILE = [
    *("pass$word", "ssn (last 4)", "c++_code", "a|b", "x*", "y?", "[z]", "{2}", "^start", "end$"),
    *("dot.ted", "back\\slash", "\\E", "\\Q", "\\", "ends in \\", "a,b", ",", "it's", 'say "it"'),
    *(" blank before", "blank after ", "\ttab\n", "größe", "ПАРОЛЬ", "秘密", "😀", "a\u0301", "#"),
    *QUOTED,
    *("%", "${env:HOME}", "Phone (home)", "Tel$No", "x{20}", "plain_name", "UPPER"),
]


def columns(names: list[str], pii: Pii) -> tuple[Column, ...]:
    """Columns of these names in the source."""
    return tuple(
        Column(
            f"{pii}_{number}",
            DataType("varchar", length=64),
            "",
            nullable=True,
            pii=pii,
            collation="binary",
            source_columns={"postgresql": name, "sqlserver": name},
        )
        for number, name in enumerate(names)
    )


def with_columns(names: list[str], pii: Pii) -> Declarations:
    """The declarations with columns of these names in the source, added to the table stores."""
    declarations = load()
    stores = declarations.table("stores")
    added = columns(names, pii)
    changed = replace(stores, columns=(*stores.columns, *added))
    tables = tuple(changed if table is stores else table for table in declarations.tables)
    return replace(declarations, tables=tables)


def neighbours(name: str) -> set[str]:
    """Names that differ from `name` a little, and some that it would match as a pattern."""
    letters = range(len(name))
    others = {name[:at] + name[at + 1 :] for at in letters if len(name) > 1}
    others |= {name[:at] + "x" + name[at + 1 :] for at in letters}
    others |= {name + "x", "x" + name, name + " ", " " + name, name + name, name.strip()}
    others |= {"a", "b", "2", "z", "x", "y", "xx", "password_note"}
    return others


@pytest.mark.parametrize(
    ("connector", "database", "schema", "table"),
    [("postgresql", "shop", "public", "stores"), ("sqlserver", "retail", "dbo", "Stores")],
)
def test_debezium_lets_out_no_excluded_column_and_every_other(
    connector: ConnectorName, database: str, schema: str, table: str
) -> None:
    settings = render(
        with_columns(HOSTILE, "exclude"),
        connector,
        salt="x" * 22,
        bootstrap_servers="broker:9092",
        auth="none",
    )
    excluded = {name.lower() for name in HOSTILE}
    if connector == "postgresql":
        # As Debezium reads them from PostgreSQL's log.
        excluded |= {name[1:-1].lower() for name in QUOTED}
    others = {other for name in HOSTILE for other in neighbours(name)}
    others = {other for other in others if other and other.lower() not in excluded}
    captured = [[database, schema, table, name] for name in [*HOSTILE, *sorted(others)]]
    elsewhere = [
        [database, schema, f"{table}x", "city"],
        [database, f"{schema}x{table}", "", "city"],
        [database, schema, table[:-1], "city"],
    ]

    let_out = run_java(
        "DebeziumFilters",
        {
            "column.exclude.list": settings["column.exclude.list"],
            "table.include.list": settings["table.include.list"],
            "places": captured + elsewhere,
        },
    )

    assert {column for *_, column in let_out} == others
    assert [place for place in let_out if place in elsewhere] == []
