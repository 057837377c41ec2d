"""A table of the source becomes a declaration that fits the source, whatever its names and types.

What fits is judged by what `lakehouse doctor` looks at, which knows nothing of proposals.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion import declarations
from ingestion.declarations import load
from ingestion.errors import RefusedError, TerminalError
from ingestion.settings import ConnectorName
from lakehouse.commands import declarations as generating
from lakehouse.commands import onboard as command
from lakehouse.dbt_files import render
from lakehouse.source import onboarding
from lakehouse.source.catalog import Catalog, CatalogTable, SourceColumn, load_catalog
from lakehouse.source.connectors import SourceTable, bracketed, cdc_sql, source_table
from lakehouse.source.misfits import misfits
from lakehouse.source.onboarding import propose, without
from lakehouse.source.types import HOMES, NO_HOME
from tests.kit.command_line import CommandLine


def columns(text: str) -> tuple[SourceColumn, ...]:
    """A column a line: its name in quotes where it has blanks, type, `null`, `computed`."""
    found = []
    for line in text.strip().splitlines():
        name, _, rest = line.strip().partition("|")
        kind, *marks = [part.strip() for part in rest.split("|")]
        found.append(SourceColumn(name.strip(), kind, "computed" in marks, "null" in marks))
    return tuple(found)


SQLSERVER = Catalog(
    "sqlserver",
    "Shop",
    (
        CatalogTable(
            "sales",
            "Order Details",
            columns("""
                Order No.|int
                Line|tinyint
                Unit Price|money
                e-mail|nvarchar(320)|null
                1st Comment|nvarchar(max)|null
                Order|nvarchar(20)|null
                Größe|real|null
                Line Total|money|computed
                Location|geography|null
            """),
            ("Order No.", "Line"),
        ),
        CatalogTable(
            "dbo",
            "Employees",
            columns("""
                EmployeeID|int
                LoginName|nvarchar(256)
                PasswordHash|varbinary(64)
                HomePhone|varchar(24)|null
                HiredAt|datetimeoffset(7)
                Photo|image|null
                Notes|ntext|null
                rowguid|uniqueidentifier
                Version|timestamp
                IsDeleted|bit
            """),
            ("EmployeeID",),
        ),
        CatalogTable(
            "dbo",
            "CRONUS$Item",
            columns("no_|varchar(20)\nitem_name|nvarchar(100)\nunit_cost|numeric(38,20)|null"),
            ("no_",),
        ),
        CatalogTable(
            "dbo",
            "Readings",
            columns("Meter|int\nReadAt|datetime2(7)\nSentAt|datetime2(3)\nkWh|decimal(9,3)|null"),
            ("Meter", "ReadAt", "SentAt"),
        ),
        CatalogTable("dbo", "Log", columns("at|datetime2(7)\nmessage|nvarchar(400)"), ()),
        CatalogTable("dbo", "Nodes", columns("node|hierarchyid\nname|nvarchar(40)"), ("node",)),
    ),
)
POSTGRESQL = Catalog(
    "postgresql",
    "shop",
    (
        CatalogTable(
            "public",
            "warehouseShelves",
            columns("""
                shelfId|bigint
                "tags"|text[]|null
                attributes|hstore|null
                weight|double precision|null
                amount|numeric|null
                price|money|null
                flags|bit(12)|null
                is_open|bit(1)
                opened|timestamp with time zone|null
                area|polygon|null
            """),
            ("shelfId",),
            "default",
        ),
    ),
)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    return Path(shutil.copy(declarations.SOURCES_FILE, tmp_path))


def onboarded(catalog: Catalog, place: str, sources: Path) -> tuple[str, tuple[str, ...]]:
    """The declared name of the table, now in the file, and what was said."""
    proposal = propose(catalog, place, sources)
    sources.write_text(proposal.text, encoding="utf-8")
    return proposal.name, proposal.remarks


def told(catalog: Catalog, name: str, sources: Path) -> list[str]:
    """What does not fit in the declared table."""
    declared = load(sources)
    alone = declarations.Declarations((declared.table(name),), declared.connectors)
    return [str(each) for each in misfits(alone, catalog) if each.kind != "uncaptured"]


@pytest.mark.parametrize(
    ("catalog", "place", "name"),
    [
        (SQLSERVER, "sales.Order Details", "order_details"),
        (SQLSERVER, "Employees", "employees"),
        (SQLSERVER, "CRONUS$Item", "cronus_item"),
        (SQLSERVER, "Readings", "readings"),
        (POSTGRESQL, "public.warehouseShelves", "warehouse_shelves"),
    ],
)
def test_what_is_proposed_is_valid_and_fits(
    catalog: Catalog, place: str, name: str, sources: Path
) -> None:
    assert onboarded(catalog, place, sources)[0] == name
    assert told(catalog, name, sources) == []
    assert f"snapshots/{name}_history.yml" in map(str, render(load(sources)))
    with pytest.raises(RefusedError, match=f"is declared: table {name}"):
        propose(catalog, place, sources)


@pytest.mark.parametrize("connector", ["sqlserver", "postgresql"])
def test_every_type_with_a_home_gets_one(connector: str, sources: Path) -> None:
    homes = HOMES[connector]  # type: ignore[index]
    sized = {"decimal": "decimal(9,2)", "varchar": "varchar(30)", "varbinary": "varbinary(20)"}
    kinds = {kind: sized.get(kind, kind) for kind in homes if kind != "array"}
    lines = [f"col {number}|{kind}|null" for number, kind in enumerate(kinds.values())]
    there = CatalogTable("dbo", "Types", columns("\n".join(["Id|int", *lines])), ("Id",), "full")
    if connector == "postgresql":
        there = CatalogTable(
            "dbo", "Types", columns("\n".join(["Id|integer", *lines])), ("Id",), "full"
        )
    catalog = Catalog(connector, "Shop", (there,))  # type: ignore[arg-type]
    name, remarks = onboarded(catalog, "Types", sources)
    assert told(catalog, name, sources) == []
    left_out = [remark for remark in remarks if "it is left out" in remark]
    assert len(left_out) == list(homes.values()).count(NO_HOME)


@pytest.mark.parametrize(
    ("connector", "parts", "declared"),
    [
        ("sqlserver", ("My Shop", "dbo", "Quotes"), ("My Shop", "dbo", "Quotes")),
        ("sqlserver", ("Shop", "sales dept", "Quotes"), ("sales dept", "Quotes")),
        ("sqlserver", ("Shop", "a.b", "Dots"), ("a.b", "Dots")),
        ("sqlserver", ("Shop", "dbo", "Order Details"), ("Order Details",)),
        ("sqlserver", ("Shop", "dbo", "Quotes"), None),
        ("postgresql", ("", "Größen", "quotes"), ("Größen", "quotes")),
    ],
)
def test_names_that_no_topic_can_have_are_declared(
    connector: ConnectorName, parts: tuple[str, str, str], declared: object, sources: Path
) -> None:
    database, schema, table = parts
    there = CatalogTable(schema, table, (SourceColumn("Id", "bigint"),), ("Id",), "full")
    name, _ = onboarded(Catalog(connector, database, (there,)), f"{schema}.{table}", sources)
    everything = load(sources)
    found = everything.table(name)
    assert found.source_tables.get(connector) == declared
    assert source_table(everything, found, connector) == SourceTable(*parts)
    if connector == "sqlserver":
        assert f"{bracketed(schema)}.{bracketed(table)}" in cdc_sql(everything)


def test_the_place_of_the_first_table_is_that_of_the_other_connector(sources: Path) -> None:
    mark = "            primary_key: [customer_id]\n"
    odd = "            source_tables: {sqlserver: [My Shop, sales.dept, Customers]}\n"
    text = sources.read_text("utf-8").replace(mark, odd + mark, 1)
    topic = "retail.My_Shop.sales.dept.Customers"
    sources.write_text(text.replace("retail.retail.dbo.Customers", topic), "utf-8")
    name, _ = onboarded(POSTGRESQL, "warehouseShelves", sources)
    everything = load(sources)
    expected = SourceTable("My Shop", "sales.dept", "WarehouseShelves")
    assert source_table(everything, everything.table(name), "sqlserver") == expected


def test_what_is_personal_by_its_name_is_hidden(sources: Path) -> None:
    name, remarks = onboarded(SQLSERVER, "Employees", sources)
    declared = load(sources).table(name)
    assert {column.name: column.pii for column in declared.columns if column.pii} == {
        "login_name": "clear",
        "password_hash": "exclude",
        "home_phone": "hash",
    }
    assert "HomePhone looks like personal data: declared `pii: hash`" in remarks
    assert declared.column("shop_is_deleted").source_name("sqlserver") == "IsDeleted"
    assert declared.column("photo").large == "text"


def test_the_naming_rule_that_fits_most_columns_is_chosen(sources: Path) -> None:
    name, _ = onboarded(SQLSERVER, "CRONUS$Item", sources)
    text = sources.read_text("utf-8")
    assert "column_naming: {sqlserver: snake_case}" in text.partition(f"name: {name}")[2]
    declared = load(sources).table(name)
    assert [column.source_name("sqlserver") for column in declared.columns] == [
        "no_",
        "item_name",
        "unit_cost",
    ]


def test_a_moment_in_a_key_keeps_its_digits(sources: Path) -> None:
    name, _ = onboarded(SQLSERVER, "Readings", sources)
    declared = load(sources).table(name)
    assert str(declared.column("read_at").type) == "varchar(28)"
    assert declared.column("sent_at").fractional_seconds == 3
    text = sources.read_text("utf-8")
    sources.write_text(text.replace("fractional_seconds: 3", "fractional_seconds: 0"), "utf-8")
    [misfit] = told(SQLSERVER, name, sources)
    assert "SentAt is datetime2(3), declared is fractional_seconds: 0" in misfit
    sources.write_text(text.replace("fractional_seconds: 3", "nullable: false"), "utf-8")
    with pytest.raises(TerminalError, match="column sent_at: a timestamp keeps six digits"):
        load(sources)


FOLDED = [
    ("SQL_Latin1_General_CP1_CI_AS", "`collation: case_insensitive`"),
    ("Latin1_General_100_CI_AI_SC_UTF8", "accents alone keep keys apart here"),
    ("Latin1_General_CS_AS", ""),
    ("Latin1_General_BIN2", ""),
]


@pytest.mark.parametrize(("collation", "said"), FOLDED)
def test_a_text_key_is_folded_where_its_source_folds(
    collation: str, said: str, sources: Path
) -> None:
    key = SourceColumn("Email", "nvarchar(320)", False, False, collation)
    there = CatalogTable("dbo", "Accounts", (key, SourceColumn("Id", "int")), ("Email",))
    catalog = Catalog("sqlserver", "Shop", (there,))
    name, remarks = onboarded(catalog, "Accounts", sources)
    column = load(sources).table(name).column("email")
    assert column.collation == ("case_insensitive" if said else "binary")
    assert any(said in remark for remark in remarks if collation in remark) == bool(said)
    assert told(catalog, name, sources) == []
    if said:
        text = sources.read_text("utf-8").rpartition("collation: case_insensitive")
        sources.write_text(f"{text[0]}nullable: false{text[2]}", "utf-8")
        [misfit] = told(catalog, name, sources)
        assert "declare `collation: case_insensitive`, or one row becomes two" in misfit


def test_a_catalog_that_tells_no_collation_is_said(sources: Path) -> None:
    _, remarks = onboarded(SQLSERVER, "CRONUS$Item", sources)
    assert any("no_ is a text in the key, and the catalog does not" in each for each in remarks)


@pytest.mark.parametrize(
    ("kind", "collation"), [("citext", ""), ("citext", None), ("text", "any_case")]
)
def test_what_folds_in_postgresql_is_folded(
    kind: str, collation: str | None, sources: Path
) -> None:
    key = SourceColumn("email", kind, collation=collation)
    there = CatalogTable("public", "accounts", (key,), ("email",), "full")
    name, _ = onboarded(Catalog("postgresql", "shop", (there,)), "accounts", sources)
    assert load(sources).table(name).column("email").collation == "case_insensitive"


def test_what_no_log_can_tell_is_refused(sources: Path) -> None:
    with pytest.raises(RefusedError, match=r"dbo\.Nodes\.node is hierarchyid, of which no event"):
        propose(SQLSERVER, "Nodes", sources)


@pytest.mark.parametrize("kind", ["float", "real"])
def test_a_float_in_a_key_is_refused(kind: str) -> None:
    there = CatalogTable("dbo", "Sizes", (SourceColumn("Size", kind),), ("Size",))
    catalog = Catalog("sqlserver", "Shop", (there,))
    with pytest.raises(RefusedError, match=f"Size is {kind}.*: give the table a primary key with"):
        propose(catalog, "Sizes", declarations.SOURCES_FILE)


@pytest.mark.parametrize(
    ("kind", "declared"),
    [
        ("numeric(5,-2)", "decimal(7,0)"),
        ("numeric(2,5)", "decimal(5,5)"),
        ("numeric(12,3)", "decimal(12,3)"),
        ("numeric(4,0)", "decimal(4,0)"),
        ("numeric(38,-2)", "decimal(38,10)"),
        ("numeric(2,40)", "decimal(38,10)"),
        ("numeric", "decimal(38,10)"),
    ],
)
def test_a_decimal_holds_what_its_source_has(kind: str, declared: str, sources: Path) -> None:
    columns = SourceColumn("id", "bigint"), SourceColumn("amount", kind)
    catalog = Catalog(
        "postgresql", "shop", (CatalogTable("public", "sums", columns, ("id",), "full"),)
    )
    name, _ = onboarded(catalog, "sums", sources)
    assert str(load(sources).table(name).column("amount").type) == declared


def test_a_table_without_a_key_gets_a_log_and_no_history(sources: Path) -> None:
    name, remarks = onboarded(SQLSERVER, "Log", sources)
    table = load(sources).table(name)
    assert (table.primary_key, table.history, table.tracked_columns) == ((), "none", ())
    assert any("dbo.Log has no primary key: it gets a log" in remark for remark in remarks)
    assert told(SQLSERVER, name, sources) == []
    files = {str(path): content for path, content in render(load(sources)).items()}
    assert "config(dist='even')" in files[f"models/staging/retail/logs/{name}__log.sql"]
    tests = files["models/staging/retail/logs/_retail__logs.yml"]
    assert f"one_change_one_value_{name}" not in tests


def test_a_table_that_is_not_there_is_told_with_those_like_it(sources: Path) -> None:
    with pytest.raises(TerminalError, match=r"orderdetails is no table of Shop .*: sales\.Order"):
        propose(SQLSERVER, "orderdetails", sources)


def test_a_table_that_leaves_leaves_the_file_as_it_was(sources: Path) -> None:
    before = sources.read_text("utf-8")
    for place in ("Employees", "CRONUS$Item"):
        onboarded(SQLSERVER, place, sources)
    for name in ("employees", "cronus_item"):
        sources.write_text(without(sources, name), encoding="utf-8")
    assert sources.read_text("utf-8") == before


def test_the_command_shows_then_writes_then_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    for folder in ("models/staging", "snapshots", "infra/connectors"):
        shutil.copytree(declarations.SOURCES_FILE.parents[3] / folder, tmp_path / folder)
    file = tmp_path / "models/staging/retail/_retail__sources.yml"
    (tmp_path / "models/marts").mkdir()
    mart = tmp_path / "models/marts/dim_employee.sql"
    mart.write_text("select * from {{ ref('employees_history') }}\n", "utf-8")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "SOURCES_FILE", file)
    export = tmp_path / "catalog.json"
    export.write_text(SQLSERVER.json(), "utf-8")
    assert load_catalog(export) == SQLSERVER
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}

    code, out, err = command_line("onboard", "Employees", "--catalog", str(export))
    assert code == 0
    assert "+      - name: employees\n" in out
    assert "nothing is written" in err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}

    with monkeypatch.context() as patch:
        patch.setattr(onboarding, "_place", lambda *_: ["elsewhere"])
        code, _, err = command_line("onboard", "Employees", "--catalog", str(export), "--write")
    assert (code, "its sqlserver topic is" in err) == (1, True)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}

    code, out, err = command_line("onboard", "Employees", "--catalog", str(export), "--write")
    assert code == 0
    assert "written: snapshots/employees_history.yml" in out
    assert "lakehouse topics apply" in err
    assert "N'Employees'" in (tmp_path / "infra/connectors/enable_cdc.sql").read_text("utf-8")

    code, out, err = command_line("onboard", "employees", "--remove", "--write")
    assert code == 0
    assert "removed: snapshots/employees_history.yml" in out
    assert "models/marts/dim_employee.sql:1" in err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}


def test_what_was_generated_goes_with_a_declaration_that_was_taken_out_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    for folder in ("models/staging", "snapshots"):
        shutil.copytree(declarations.SOURCES_FILE.parents[3] / folder, tmp_path / folder)
    ours = tmp_path / "models/staging/retail/logs/payments_by_us.sql"
    ours.write_text("-- Not written by `lakehouse declarations generate`\n", "utf-8")
    left = [
        "models/staging/retail/changes/stg_retail__payments.sql",
        "models/staging/retail/logs/payments__log.sql",
        "snapshots/payments_history.yml",
    ]
    before = {path for path in tmp_path.rglob("*.*") if path.is_file()}
    tables = tuple(table for table in load().tables if table.name != "payments")
    declared = replace(load(), tables=tables)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generating, "load", lambda: declared)

    code, out, _ = command_line("declarations", "generate", "--check")
    assert (code, f"of tables no longer declared: {', '.join(left)}\n" in out) == (3, True)
    assert before == {path for path in tmp_path.rglob("*.*") if path.is_file()}
    code, out, _ = command_line("declarations", "generate")
    assert (code, [line for line in out.splitlines() if "removed" in line]) == (
        0,
        [f"removed: {path}" for path in left],
    )
    assert command_line("declarations", "generate", "--check")[0] == 0
    gone = before - {path for path in tmp_path.rglob("*.*") if path.is_file()}
    assert gone == {tmp_path / path for path in left}

    declared = replace(declared, tables=())
    assert command_line("declarations", "generate")[0] == 0
    assert ours.exists() and list(ours.parent.iterdir()) == [ours]
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["README.md"]
    assert command_line("declarations", "generate", "--check")[0] == 0


def test_a_catalog_of_before_can_be_read(tmp_path: Path) -> None:
    """It did not say which columns can be null."""
    document = json.loads(SQLSERVER.json())
    for table in document["tables"]:
        for column in table["columns"]:
            del column["nullable"]
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(document), "utf-8")
    assert all(column.nullable for table in load_catalog(file).tables for column in table.columns)
