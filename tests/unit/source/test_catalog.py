"""SQL Server's catalog: what it is asked, and what is made of answers as it gives them.

No SQL Server is here: the rows are written after the reference of its catalog views, and a
statement without an answer is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlglot

from ingestion.declarations import Declarations, load
from ingestion.errors import TerminalError
from lakehouse.health.checks import check_source
from lakehouse.settings import CommandSettings
from lakehouse.source import catalog as catalog_module
from lakehouse.source import database as database_module
from lakehouse.source.catalog import (
    Catalog,
    SourceColumn,
    catalog_query,
    load_catalog,
    read_catalog,
)
from lakehouse.source.connectors import cdc_sql, source_table
from lakehouse.source.database import Database
from lakehouse.source.misfits import misfits
from tests.kit.command_line import CommandLine

Rows = list[tuple[Any, ...]]
TABLES, CAPTURES = catalog_module._SQLSERVER, catalog_module._CAPTURES
IS_CAPTURED = "select object_id(N'cdc.change_tables')"
# system type, max_length in bytes, precision, scale: sys.columns
TYPES: dict[str, tuple[str, int, int, int]] = {
    "smallint": ("smallint", 2, 5, 0),
    "integer": ("int", 4, 10, 0),
    "bigint": ("bigint", 8, 19, 0),
    "boolean": ("bit", 1, 1, 0),
    "date": ("date", 3, 10, 0),
    "timestamp": ("datetime2", 8, 27, 7),
}


@dataclass(frozen=True)
class Recorded(Database):
    """Gives the recorded rows of a statement; knows no other statement."""

    answers: dict[str, Rows] = field(default_factory=dict)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        assert not parameters
        return self.answers[statement]


def recorded() -> Recorded:
    """The declared tables as `cdc-sql` and their owner have made them."""
    declared = load()
    columns: Rows = []
    captures: Rows = []
    for table in sorted(declared.tables, key=lambda table: table.topics["sqlserver"]):
        place = source_table(declared, table, "sqlserver")
        for column in table.columns:
            name, kind = column.source_name("sqlserver"), column.type
            told = TYPES.get(kind.name) or (
                ("decimal", 9, kind.precision or 0, kind.scale or 0)
                if kind.name == "decimal"
                else ("nvarchar", 2 * (kind.length or 0), 0, 0)
            )
            collation = {
                "binary": "Latin1_General_100_BIN2_UTF8",
                "case_insensitive": "SQL_Latin1_General_CP1_CI_AS",
            }[column.collation]
            is_key = column.name in table.primary_key
            order = table.primary_key.index(column.name) + 1 if is_key else None
            columns.append(
                (
                    *(place.schema, place.name, "", name, False, column.nullable, order, *told),
                    collation if told[0] == "nvarchar" else None,
                )
            )
            if column in table.landed_columns:
                captures.append((place.schema, place.name, f"dbo_{place.name}_1", name))
    answers = {
        TABLES: columns,
        IS_CAPTURED: [(1,)],
        CAPTURES: captures,
        "select db_name()": [("retail",)],
    }
    return Recorded("sqlserver", SimpleNamespace(close=lambda: None), (), (), answers)


def changed(source: Recorded, table: str, column: str, *values: Any, at: int = 7) -> None:
    """Other values from place `at` of the row of a column; without values the row goes."""
    kept = []
    for row in source.answers[TABLES]:
        if (row[1], row[3]) != (table, column):
            kept.append(row)
        elif values:
            kept.append((*row[:at], *values, *row[at + len(values) :]))
    source.answers[TABLES] = kept


def without(source: Recorded, statement: str, *part: str) -> None:
    rows = source.answers[statement]
    source.answers[statement] = [row for row in rows if row[1 : 1 + len(part)] != part]


def test_the_statements_are_t_sql_that_reads() -> None:
    for statement in (TABLES, CAPTURES, IS_CAPTURED):
        [parsed] = sqlglot.parse(statement, dialect="tsql")
        assert isinstance(parsed, sqlglot.exp.Select)


def test_a_source_that_is_as_declared_fits() -> None:
    source = recorded()
    catalog = read_catalog(source)

    assert list(misfits(load(), catalog)) == []
    [addresses] = [table for table in catalog.tables if table.name == "CustomerAddresses"]
    assert addresses.primary_key == ("CustomerId", "AddressNo")
    assert list(addresses.capture_instances) == ["dbo_CustomerAddresses_1"]
    assert {"bigint", "nvarchar(200)", "bit", "datetime2(7)"} <= {
        column.type for column in addresses.columns
    }
    assert catalog_module._FILE.validate_json(catalog.json()) == catalog


def test_a_database_without_capture_is_not_asked_for_its_change_tables() -> None:
    source = recorded()
    source.answers[IS_CAPTURED] = [(None,)]
    del source.answers[CAPTURES]

    told = [str(misfit) for misfit in misfits(load(), read_catalog(source))]
    assert len(told) == len(load().tables)
    assert "dbo.Customers is not captured: run what `lakehouse connector cdc-sql` prints" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            lambda source: changed(source, "Stores", "City", "nvarchar", -1, 0, 0),
            "dbo.Stores.City is nvarchar(max), declared is large: -: declare `large: max`",
            id="large",
        ),
        pytest.param(
            lambda source: changed(source, "Stores", "City", "ntext", 16, 0, 0),
            "dbo.Stores.City is ntext, declared is large: -: declare `large: text`",
            id="text",
        ),
        pytest.param(
            lambda source: changed(source, "Stores", "City", True, at=4),
            "dbo.Stores.City is computed in the source, and no event carries its value: leave "
            "column city out of the declaration and derive it in a model",
            id="computed",
        ),
        pytest.param(
            lambda source: changed(source, "Customers", "Phone", "bit", 1, 1, 0),
            "dbo.Customers.Phone is a bit: two pseudonyms hide nothing, and a delete has that of 0 "
            "whatever was there. Declare it boolean and pii: clear, or pii: exclude",
            id="hashed bit",
        ),
        pytest.param(
            lambda source: changed(source, "Stores", "City", "float", 8, 53, 0),
            "dbo.Stores.City is float, declared is varchar(100): declare decimal with from_float: "
            "true",
            id="float",
        ),
        pytest.param(
            lambda source: changed(source, "Stores", "OpenedOn", "datetime2", 8, 27, 7),
            "dbo.Stores.OpenedOn is datetime2(7), declared is date: declare timestamp, varchar",
            id="another type",
        ),
        pytest.param(
            lambda source: changed(source, "Stores", "City", "geography", -1, 0, 0),
            "dbo.Stores.City is geography, of which the connector writes nothing that can be "
            "declared: leave column city out, and keep a text of it in a column of its own in the "
            "source",
            id="no home",
        ),
        pytest.param(
            lambda source: changed(source, "Stores", "City"),
            "dbo.Stores.City is not in the source: correct `source_columns` (upper and lower case "
            "count), or leave column city out of the declaration",
            id="dropped",
        ),
        pytest.param(
            lambda source: changed(source, "Stores", "City", "CITY", at=3),
            "dbo.Stores.City is not in the source, which has CITY: correct `source_columns` (upper "
            "and lower case count), or leave column city out of the declaration",
            id="spelled otherwise",
        ),
        pytest.param(
            lambda source: source.answers.update(
                {
                    TABLES: [
                        (row[0], "Sto res" if row[1] == "Stores" else row[1], *row[2:])
                        for row in source.answers[TABLES]
                    ]
                }
            ),
            "dbo.Stores is not in the database retail, which has dbo.Sto res, or its login may not "
            "see it: correct topics.sqlserver or source_tables.sqlserver of table stores, or the "
            "login",
            id="table spelled otherwise",
        ),
        pytest.param(
            lambda source: without(source, TABLES, "Stores"),
            "dbo.Stores is not in the database retail, or its login may not see it: correct "
            "topics.sqlserver or source_tables.sqlserver of table stores, or the login",
            id="no table",
        ),
        pytest.param(
            lambda source: changed(source, "Stores", "StoreId", None, at=6),
            "dbo.Stores has no primary key, declared is (StoreId): declare the columns by which "
            "the source tells its rows apart",
            id="no key",
        ),
        pytest.param(
            lambda source: changed(source, "Promotions", "PromotionCode", "Greek_CS_AS", at=11),
            "dbo.Promotions.PromotionCode is nvarchar(40) of the collation Greek_CS_AS, in which "
            "upper and lower case are two keys: leave its `collation` out, or two rows become one",
            id="case sensitive",
        ),
        pytest.param(
            lambda source: without(source, CAPTURES, "Stores", "dbo_Stores_1", "City"),
            "dbo.Stores.City is not in the capture instance dbo_Stores_1: make another one that "
            "has it (`sys.sp_cdc_enable_table` with a new @capture_instance)",
            id="not in the capture instance",
        ),
        pytest.param(
            lambda source: source.answers[CAPTURES].append(
                ("dbo", "Stores", "dbo_Stores_2", "StoreId")
            ),
            "dbo.Stores.City is not in the capture instance dbo_Stores_2: make another one that "
            "has it (`sys.sp_cdc_enable_table` with a new @capture_instance)",
            id="the newest instance counts",
        ),
    ],
)
def test_each_difference_is_named(change: Callable[[Recorded], None], told: str) -> None:
    source = recorded()
    change(source)

    found = [str(misfit) for misfit in misfits(load(), read_catalog(source))]
    assert told in found
    assert len(found) == 1 or "dbo_Stores_2" in told


@pytest.mark.parametrize(
    ("type_", "large"),
    [
        ("nvarchar(max)", "max"),
        ("varbinary(max)", "max"),
        ("xml", "max"),
        ("image", "text"),
        ("nvarchar(4000)", None),
    ],
)
def test_what_change_tables_leave_out_is_large(type_: str, large: str | None) -> None:
    assert SourceColumn("Note", type_).large == large


def test_a_declared_large_column_must_be_one() -> None:
    declared = load()
    stores = declared.table("stores")
    columns = tuple(
        replace(column, large="text") if column.name == "city" else column
        for column in stores.columns
    )
    other = Declarations((replace(stores, columns=columns),), declared.connectors)
    source = recorded()

    told = [str(misfit) for misfit in misfits(other, read_catalog(source))]
    assert told == [
        "dbo.Stores.City is nvarchar(100), declared is large: text: leave its `large` out"
    ]
    changed(source, "Stores", "City", "nvarchar", -1, 0, 0)
    told = [str(misfit) for misfit in misfits(other, read_catalog(source))]
    assert told == [
        "dbo.Stores.City is nvarchar(max), declared is large: text: declare `large: max`"
    ]


def test_another_database_is_not_the_declared_one() -> None:
    catalog = replace(read_catalog(recorded()), database="warehouse")
    told = [misfit.says for misfit in misfits(load(), catalog)]
    assert len(told) == len(load().tables)
    assert told[0].startswith("is not in the database warehouse")


def test_the_script_leaves_computed_columns_out_and_refuses_what_else_differs(
    command_line: CommandLine, tmp_path: Path
) -> None:
    def script(source: Recorded) -> tuple[int, str, str]:
        file = tmp_path / "catalog.json"
        file.write_text(read_catalog(source).json(), "utf-8")
        return command_line("connector", "cdc-sql", "--catalog", str(file))

    source = recorded()
    source.answers[CAPTURES] = []
    assert script(source) == (0, cdc_sql(load()), "")

    changed(source, "Stores", "City", True, at=4)
    code, out, err = script(source)
    assert code == 3
    assert out == cdc_sql(load()).replace("[Name], [City], [CountryCode]", "[Name], [CountryCode]")
    assert err.startswith("left out: dbo.Stores.City is computed")

    changed(source, "Products", "Name")
    code, out, err = script(source)
    assert (code, out) == (4, "")
    assert "dbo.Products.Name is not in the source" in err


def test_the_source_is_asked_where_it_is_a_sql_server(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def live(settings: CommandSettings) -> Catalog:
        assert settings.source_dsn == "Server=x"
        return read_catalog(source)

    source = recorded()
    changed(source, "Products", "Name")
    monkeypatch.setattr(catalog_module, "live_catalog", live)
    monkeypatch.setenv("LAKEHOUSE_SOURCE_DSN", "Server=x")

    assert command_line("connector", "cdc-sql") == (0, cdc_sql(load()), "")
    monkeypatch.setenv("LAKEHOUSE_SOURCE", "sqlserver")
    assert command_line("connector", "cdc-sql")[0] == 4


def test_the_doctor_names_what_it_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    source, here = recorded(), {"LAKEHOUSE_SOURCE": "sqlserver"}
    unset = CommandSettings.from_environment(here)
    assert check_source(unset, load()).state == "skipped"

    monkeypatch.setattr(database_module, "_open_sqlserver", lambda _: source)
    settings = CommandSettings.from_environment({**here, "LAKEHOUSE_SOURCE_DSN": "Server=x"})
    assert check_source(settings, load()).state == "ok"

    changed(source, "Stores", "City", "ntext", 16, 0, 0)
    changed(source, "Products", "Name")
    result = check_source(settings, load())
    assert (result.state, result.found) == ("attention", "retail is not as declared in 2 points")
    for place in ("dbo.Stores.City is ntext", "; dbo.Products.Name is not in the source"):
        assert place in f"; {result.advice}"


def for_json(rows: Rows) -> str:
    """What SQL Server answers to the printed query, as one text; it escapes `/`."""
    names = ("database", *catalog_module._COLUMNS, *catalog_module._SIZES, "collation_name")
    told = [dict(zip(names, ("retail", *row), strict=True)) for row in rows]
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return text.replace("/", "\\/")


def in_rows(text: str) -> list[str]:
    """A row for each 2,033 characters."""
    return [text[start : start + 2033] for start in range(0, len(text), 2033)]


# How clients save the rows of the answer.
SAVED: dict[str, Callable[[str], bytes]] = {
    "sqlcmd -y 0": lambda text: (
        "\n".join([*in_rows(text), "", "(101 rows affected)", ""])
    ).encode(),
    "SSMS to file": lambda text: (
        "\r\n".join(["JSON_F52E2B61-18A1-11d1-B105-00805F49916B", "-" * 40, *in_rows(text), ""])
    ).encode("utf-16"),
    "SSMS, a grid as CSV": lambda text: "\r\n".join(
        '"' + row.replace('"', '""') + '"' for row in in_rows(text)
    ).encode("utf-8-sig"),
    "Azure Data Studio and VS Code, JSON": lambda text: json.dumps(
        [{"JSON_F52E2B61-18A1-11d1-B105-00805F49916B": row} for row in in_rows(text)], indent=4
    ).encode(),
    "DBeaver": lambda text: json.dumps(
        {catalog_query("sqlserver"): [{"JSON_F52E2B61": row} for row in in_rows(text)]}, indent=1
    ).encode(),
    "DBeaver, of a column of JSON": lambda text: json.dumps(
        {catalog_query("sqlserver"): [{"json_agg": json.loads(text)}]}, indent=1
    ).encode(),
    "the text alone": lambda text: json.dumps(json.loads(text), indent=4).encode("utf-8-sig"),
}


@pytest.mark.parametrize("client", SAVED)
def test_an_answer_that_somebody_saved_is_the_catalog(client: str, tmp_path: Path) -> None:
    source = recorded()
    odd = 'a "b" [c]/\u2028Größe, {1}+'
    rows = source.answers[TABLES]
    rows.append(
        ("retail", "Odd ]", "", odd, False, True, None, "nvarchar", -1, 0, 0, "Greek_CS_AS")
    )
    source.answers[CAPTURES] = []
    expected = read_catalog(source)
    file = tmp_path / "catalog.json"

    file.write_bytes(SAVED[client](for_json(rows)))

    assert load_catalog(file) == expected
    assert expected.tables[-1].columns == (
        SourceColumn(odd, "nvarchar(max)", collation="Greek_CS_AS"),
    )


def test_an_answer_to_the_query_of_before_tells_no_collation(tmp_path: Path) -> None:
    rows = json.loads(for_json(recorded().answers[TABLES]))
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps([{**row, "collation_name": "x"} for row in rows]), "utf-8")
    assert {column.collation for column in load_catalog(file).tables[0].columns} == {"x"}
    for row in rows:
        del row["collation_name"]
    file.write_text(json.dumps(rows), "utf-8")
    assert {column.collation for column in load_catalog(file).tables[0].columns} == {None}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('[{"table": "Größe"}]'.encode("cp1252"), "save it again as UTF-8"),
        (b'[{"database": "a", "schema": "dbo"}]', "its rows have no 'table': ask again with the"),
        (b'[{"schema": "dbo", "table": "a"}]', "its rows have no 'database': ask again with the"),
        (b"[]", "it has no columns in it: save the answer of a login that sees"),
        (b'["a"]', "it has no columns in it"),
        (b'[{"a": 1}]', "it has no columns in it"),
        (b'[{"a": "x"}, {"a": "y"}]', "it is no JSON, or not all of it: save the whole answer"),
        (b'{"select 1": []}', "it has no columns in it"),
        (b"nothing", "it is no JSON, or not all of it"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    file.write_bytes(content)
    with pytest.raises(TerminalError, match=f"connector catalog > .*{why}"):
        load_catalog(file)


def test_half_an_answer_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(in_rows(for_json(recorded().answers[TABLES]))[0], "utf-8")
    with pytest.raises(TerminalError, match="or not all of it: save the whole answer again"):
        load_catalog(file)


def test_the_printed_query_is_one_statement_of_the_engine(command_line: CommandLine) -> None:
    code, query, _ = command_line("connector", "catalog", "--print-query", "sqlserver")
    assert code == 0
    [statement] = sqlglot.parse(query, dialect="tsql")
    assert isinstance(statement, sqlglot.exp.Select)
    names = [column.alias_or_name for column in statement.selects]
    sizes = catalog_module._SIZES
    assert names == ["database", *catalog_module._COLUMNS, *sizes, "collation_name"]
    assert query.endswith("for json path, include_null_values;\n")
