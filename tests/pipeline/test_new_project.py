"""`lakehouse init` makes another company's project: twelve tables of a clinic, by README commands.

The catalog is an answer as SQL Server gives it to the query that is printed, with every type that
Microsoft documents for it; the events are as Debezium writes them.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion.declarations import Table, load
from lakehouse.commands import init
from lakehouse.source.types import HOMES, NO_HOME
from tests.kit.command_line import CommandLine
from tests.kit.landing import Delivery, LandingZone
from tests.kit.new_project import NewProject

# A column a line: name, type as it is declared in the source, marks (k: in the key, ?: can be null,
# c: computed), the value in an event, and what the warehouse has of it (=: the
# same, …: of the day 2026-03-01).
TABLES = {
    "dbo.Patients": """
        PatientID     | int               | k | 7                        | =
        FullName      | nvarchar(100)     |   | "Ada Størr"              | =
        BirthDate     | date              | ? | "1990-02-28Z"            | 1990-02-28
        Phone         | varchar(30)       | ? | "5d41"                   | =
        IsInsured     | bit               |   | true                     | True
        RowVersion    | timestamp         |   | "AAAAAAAAB9E="           | =
    """,
    "dbo.Visits": """
        VisitID       | bigint            | k | 9223372036854775807      | =
        PatientID     | int               |   | 7                        | =
        Arrived       | datetime2(7)      | ? | "2026-03-01T08:30:00.1234567Z" | …08:30:00.123456
        Left          | datetime          | ? | "2026-03-01T09:00:00.997Z" | …09:00:00.997000
        Booked        | datetimeoffset(7) | ? | "2026-02-01T10:00:00+02:00" | 2026-02-01 08:00:00
        Reminded      | smalldatetime     | ? | "2026-02-28T10:00:00Z"   | 2026-02-28 10:00:00
    """,
    "dbo.Opening Hours": """
        Weekday       | tinyint           | k | 255                      | =
        Opens         | time(7)           | k | "08:00:00.5Z"            | =
        Room No.      | smallint          |   | -32768                   | =
    """,
    "billing.Invoices": """
        InvoiceNo     | char(8)           | k | "A-000001"               | =
        Total         | money             |   | "922337203685477.5807"   | =
        Discount      | smallmoney        | ? | "-214748.3648"           | =
        Tax Rate      | decimal(9,4)      |   | "19.0000"                | =
        Net           | numeric(38,20)    |   | "0.00000000000000000001" | =
        Gross         | money             | c |                          |
    """,
    "billing.Invoice Lines": """
        InvoiceNo     | char(8)           | k | "A-000001"               | =
        Line No.      | int               | k | 1                        | =
        Order         | nchar(3)          | ? | "é  "                    | é
        Weight        | float             | ? | 0.1                      | 0.1000
        Ratio         | real              | ? | 2.5E-4                   | 0.0003
    """,
    "dbo.Documents": """
        DocumentID    | uniqueidentifier  | k | "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF" | =
        Body          | nvarchar(max)     | ? | "long"                   | =
        Form          | xml               | ? | "<a/>"                   | =
        Digest        | binary(8)         |   | "//////////8="           | =
        Content       | varbinary(max)    | ? | "3q2+7w=="               | =
    """,
    "dbo.Letters": """
        LetterID      | int               | k | 1                        | =
        Body          | text              | ? | "a"                      | =
        Remark        | ntext             | ? | "é"                      | =
        Scan          | image             | ? | "/w=="                   | =
    """,
    "dbo.Locations": """
        LocationID    | int               | k | 3                        | =
        Name          | varchar(50)       |   | "North"                  | =
        Place         | geography         | ? |                          |
        Outline       | geometry          | ? |                          |
        Tree          | hierarchyid       | ? |                          |
        Anything      | sql_variant       | ? |                          |
        Settings      | json              | ? |                          |
        Embedding     | vector            | ? |                          |
    """,
    "dbo.Books": """
        isbn          | varchar(13)       | k | "9780141439518"          | =
        title         | nvarchar(200)     |   | "日本 😀"                   | =
    """,
    "dbo.Loans": """
        LoanID        | int               | k | 1                        | =
        Isbn          | varchar(13)       |   | "9780141439518"          | =
        Due           | date              |   | "9999-12-31Z"            | 9999-12-31
    """,
    "dbo.CRONUS$Item": """
        no_           | varchar(20)       | k | "I-1"                    | =
        unit_cost     | decimal(38,10)    | ? | "-1.5000000000"          | =
    """,
    "dbo.Shifts": """
        Begins        | datetime2(3)      | k | "2026-03-01T08:30:00.123Z" | …08:30:00.123000
        Nurse         | nvarchar(100)     | k | "Bo"                     | =
        Note          | nvarchar(20)      | ? | null                     | None
    """,
}  # fmt: skip


# `lakehouse` for a table after the other: a start of Python costs as much as what it then does.
EACH_TABLE = f"""
import sys
from lakehouse.cli import main
command = sys.argv[1:]
for table in {list(TABLES)}:
    sys.argv = ["lakehouse", *(table if word == "dbo.Things" else word for word in command)]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, table
"""


@dataclass(frozen=True)
class Given:
    """A column of the source, with a value of it."""

    name: str
    type: str
    marks: str
    event: str
    expected: str

    @property
    def sizes(self) -> tuple[int, int, int]:
        """max_length, precision and scale, as sys.columns has them."""
        bare, _, inner = self.type.rstrip(")").partition("(")
        numbers = [-1 if each == "max" else int(each) for each in inner.split(",") if each]
        if bare in ("decimal", "numeric"):
            return 17, numbers[0], numbers[1]
        if bare in ("datetime2", "datetimeoffset", "time"):
            return 8, 27, numbers[0]
        wide = 2 if bare.startswith("n") and numbers and numbers[0] > 0 else 1
        return (numbers[0] * wide if numbers else 8), 0, 0


def given(table: str) -> list[Given]:
    found = []
    for line in TABLES[table].strip().splitlines():
        name, kind, marks, event, expected = (part.strip() for part in line.split("|"))
        expected = event.strip('"') if expected == "=" else expected.replace("…", "2026-03-01 ")
        found.append(Given(name, kind, marks, event, expected))
    return found


def answer() -> str:
    """What SQL Server answers to the printed query: a row for each 2,033 characters."""
    rows: list[Mapping[str, Any]] = []
    for table in sorted(TABLES):
        schema, name = table.split(".", 1)
        place = 0
        for column in given(table):
            place += "k" in column.marks
            sizes = dict(zip(("max_length", "precision", "scale"), column.sizes, strict=True))
            rows.append(
                {
                    "database": "Clinic",
                    "schema": schema,
                    "table": name,
                    "replica_identity": "",
                    "column": column.name,
                    "is_computed": "c" in column.marks,
                    "is_nullable": "?" in column.marks,
                    "place_in_key": place if "k" in column.marks else None,
                    "type": column.type.partition("(")[0],
                    **sizes,
                }
            )
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return "\r\n".join(text[start : start + 2033] for start in range(0, len(text), 2033))


def delivery(table: str, declared: Table) -> Delivery:
    """An insert of the row."""
    columns = [column for column in given(table) if column.event]
    row = ",".join(f"{json.dumps(column.name)}:{column.event}" for column in columns)
    key = ",".join(f"{json.dumps(c.name)}:{c.event}" for c in columns if "k" in c.marks)
    value = (
        f'{{"before":null,"after":{{{row}}},"source":{{"name":"clinic","ts_ms":1704164645123,'
        '"change_lsn":"00000027:00000c78:0002","commit_lsn":"00000027:00000c78:0003",'
        '"event_serial_no":1},"op":"c"}'
    )
    assert declared.topics["sqlserver"].startswith("clinic.Clinic.")
    return Delivery(f"{{{key}}}".encode(), value.encode(), 0, 1_704_164_645_123)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> NewProject:
    """A new project, with a catalog that somebody saved."""
    folder = tmp_path_factory.mktemp("new")
    settings = {
        "LAKEHOUSE_LANDING": str(folder / "landing"),
        "LAKEHOUSE_DUCKDB": str(folder / "warehouse.duckdb"),
        "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    made = NewProject(folder / "clinic", "clinic", "sqlserver", settings).make()
    (made.folder / "catalog.json").write_text(answer(), "utf-16")
    return made


def readme_commands(project: NewProject) -> list[list[str]]:
    """The commands of the project's README, but for those that need servers or a set-up."""
    block = re.findall(r"^    (\S.*)$", (project.folder / "README.md").read_text("utf-8"), re.M)
    commands = [shlex.split(line, comments=True) for line in block]
    skipped = (["lakehouse", "land"], ["lakehouse", "connector"])
    return [
        command
        for command in commands
        if command and command[0] != "make" and command[:2] not in skipped
    ]


def test_every_type_of_sql_server_is_there() -> None:
    types = {column.type.partition("(")[0] for table in TABLES for column in given(table)}
    assert types == set(HOMES["sqlserver"])
    assert len(TABLES) == 12


def test_a_company_of_another_domain_begins_with_its_own_tables(project: NewProject) -> None:
    said: dict[str, str] = {}
    for command in readme_commands(project):
        if command[0] == "dbt":
            land(project)
        if "dbo.Things" in command:
            printed = project.must(sys.executable, "-c", EACH_TABLE, *command[1:])
        else:
            # no broker is here
            printed = project.must(*command, ends=1 if command[1] == "status" else 0)
        said[" ".join(command)] = printed

    assert "12 tables with" in said["lakehouse declarations check"]
    shown = said["lakehouse onboard dbo.Things --catalog catalog.json"]
    assert "Phone looks like personal data: declared `pii: hash`" in shown
    status = said["lakehouse status"]
    assert re.search(r"patients +.*1", status), status
    declared = project.declared
    no_homes = [name for name, homes in HOMES["sqlserver"].items() if homes == NO_HOME]
    for name in TABLES:
        table = declared_as(name, declared.tables)
        columns = [column for column in given(name) if column.event]
        listed = ", ".join(f'"{column_named(table, c.name)}"' for c in columns)
        for relation in (f"staging.stg_clinic__{table.name}", f"history.{table.name}_history"):
            found = project.rows(f"select {listed} from {relation}")
            assert [[spelled(value) for value in row] for row in found] == [
                [column.expected for column in columns]
            ], relation
        assert {column.name for column in given(name) if not column.event} == {
            column.name for column in given(name) if column.type in no_homes or "c" in column.marks
        }


def spelled(value: object) -> str:
    return (format(value, "f") if isinstance(value, Decimal) else str(value)).rstrip()


def land(project: NewProject) -> None:
    """What landing would have written."""
    declared = project.declared
    zone = LandingZone(Path(project.settings["LAKEHOUSE_LANDING"]), declared, "sqlserver")
    for name in TABLES:
        table = declared_as(name, declared.tables)
        zone.land(table, [delivery(name, table)])


def declared_as(name: str, tables: Sequence[Table]) -> Table:
    """The table that the source calls `name`."""
    [found] = [table for table in tables if table.description == f"{name} of the source."]
    return found


def column_named(table: Table, source: str) -> str:
    [found] = [c.name for c in table.columns if c.source_name("sqlserver") == source]
    return found


@pytest.mark.long
def test_what_ci_looks_at_is_in_order_with_and_without_tables(tmp_path: Path) -> None:
    project = NewProject(tmp_path / "clinic", "clinic", "sqlserver").make()
    (project.folder / "catalog.json").write_text(answer(), "utf-16")
    project.must("make", "-o", "setup", "lint")
    for command in readme_commands(project):
        if "--write" in command:
            project.must(sys.executable, "-c", EACH_TABLE, *command[1:])
    project.must("make", "-o", "setup", "lint")
    project.must("scripts/test", "not long and not aws")


def test_nothing_of_the_shop_is_in_it(project: NewProject) -> None:
    names = {table.name for table in load().tables}
    nodes = {path.stem for path in project.folder.rglob("*.sql")}
    assert not {node for node in nodes if node.startswith(("dim_", "fct_", "agg_"))}
    assert not {f"{name}__log" for name in names - {"patients"}} & nodes
    assert not (project.folder / "playground").exists()
    pages = [*project.folder.glob("docs/**/*.md"), *project.folder.glob("models/**/*.*")]
    assert not [page for page in pages if "retailer" in page.read_text("utf-8")]
    # Nor is the workflow nightly, whose silence would raise an alarm for ever.
    tfvars = project.folder.glob("infra/terraform/environments/*.tfvars")
    assert not [path for path in tfvars if "nightly_plan" in path.read_text("utf-8")]
    titled = project.must(
        sys.executable, "-c", "from lakehouse.commands import docs; print(docs.TITLE)"
    )
    assert titled == "Clinic lakehouse\n"
    page = project.must(sys.executable, "-m", "lakehouse.settings")
    assert page == (project.folder / "docs/settings.md").read_text("utf-8")
    rendered = project.must("lakehouse", "connector", "render")
    secrets = set(re.findall(r"[$][{]secretsmanager:([^:]+):", rendered))
    assert secrets == {"clinic/shop-database", "clinic/pii-salt"}
    assert all(f"| {name} |" in page for name in {*secrets, "clinic_landing"})


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, command_line: CommandLine
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code, _, said = command_line("init", str(tmp_path), "--name", "clinic")
    assert (code, [path.name for path in tmp_path.iterdir()]) == (4, ["notes.txt"])
    assert "is not empty" in said


def test_a_project_that_git_knows_no_file_of_is_said(
    tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "made")], check=True)
    monkeypatch.setattr(init, "ROOT", tmp_path / "made")
    code, _, said = command_line("init", str(tmp_path / "new"), "--name", "clinic")
    assert (code, "git knows none of its files" in said) == (1, True)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["Clinic", "debezium", "a", "a-b", "averylongname"])
def test_a_name_that_no_schema_can_have_is_refused(
    tmp_path: Path, command_line: CommandLine, name: str
) -> None:
    code, _, said = command_line("init", str(tmp_path / "new"), "--name", name)
    assert code == 1
    assert f"--name {name}: 2 to 9 lower-case letters" in said
    assert not (tmp_path / "new").exists()
