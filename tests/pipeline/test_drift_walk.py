"""docs/runbooks/operations.md, "The source's columns have changed", walked in a new project.

A column is added, dropped, renamed and retyped in the source, rows change before anybody knows, and
what the page says is done: on a real PostgreSQL with the real connector, and by events as the SQL
Server connector writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from ingestion.settings import ConnectorName
from playground.services import Services
from playground.services.capture import Capture
from playground.services.postgres import autocommit_cursor
from tests.kit.landing import Delivery, LandingZone
from tests.kit.new_project import NewProject

Columns = dict[str, dict[str, Any]]
ADA = {"id": 1, "guest": "Ada", "nights": 1, "note": "quiet"}
BO = {"id": 2, "guest": "Bo", "nights": 2, "note": "late"}
RENAMED = {"id": 1, "visitor": "Ada L.", "nights": 5, "phone2": "5"}


class Source(Protocol):
    """Where the table `bookings` lives: id, guest, nights (an integer), note."""

    project: NewProject
    reads: bool
    """Whether it can read a row again at will, as a new snapshot does."""

    def alter(self, kind: str) -> None:
        """Change the table's columns: add, drop, rename, retype."""

    def write(self, op: str, row: dict[str, Any], before: dict[str, Any] | None = None) -> None:
        """Insert or update a row; the names are those of now."""

    def land(self) -> None:
        """Land all that has happened."""


class Postgresql:
    """A database of the server, captured by the real connector."""

    reads = False

    def __init__(self, project: NewProject, dsn: str, services: Services) -> None:
        self.project, self._dsn = project, dsn
        self._execute(
            "create table bookings (id integer primary key, guest varchar(40), nights integer,"
            " note varchar(40))",
            "alter table bookings replica identity full",
        )
        project.must("lakehouse", "onboard", "bookings", "--write")
        project.must("lakehouse", "topics", "apply")
        self.capture: Capture = services.capture(dsn, project.declared)
        self.capture.start()

    def _execute(self, *statements: str, values: tuple[Any, ...] = ()) -> None:
        with autocommit_cursor(self._dsn) as database:
            for statement in statements:
                database.execute(statement, values)

    def alter(self, kind: str) -> None:
        self._execute(
            {
                "add": "alter table bookings add column phone2 varchar(20)",
                "drop": "alter table bookings drop column note",
                "rename": "alter table bookings rename column guest to visitor",
                "retype": "alter table bookings alter column nights type varchar(10)",
            }[kind]
        )

    def write(self, op: str, row: dict[str, Any], before: dict[str, Any] | None = None) -> None:
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        values = tuple(row.values())
        if op == "c":
            self._execute(f"insert into bookings ({names}) values ({places})", values=values)
        else:
            changed = f"update bookings set ({names}) = row({places}) where id = {row['id']}"
            self._execute(changed, values=values)

    def land(self) -> None:
        self.capture.wait_until_delivered()
        self.project.must("lakehouse", "land", "--once")


class SqlServer:
    """Events with the columns of a capture instance: after `add`, those of the second one."""

    reads = True

    def __init__(self, project: NewProject) -> None:
        self.project, self._number = project, 0
        self._pending: list[Delivery] = []
        types = {"id": "int", "nights": "int"}
        rows = [
            {
                "database": "Hotel",
                "schema": "dbo",
                "table": "bookings",
                "replica_identity": "",
                "column": name,
                "is_computed": False,
                "is_nullable": name != "id",
                "place_in_key": 1 if name == "id" else None,
                "type": types.get(name, "varchar"),
                "max_length": 40,
                "precision": 0,
                "scale": 0,
            }
            for name in ("id", "guest", "nights", "note")
        ]
        (project.folder / "catalog.json").write_text(json.dumps(rows), "utf-8")
        project.must(
            *("lakehouse", "onboard", "dbo.bookings", "--catalog", "catalog.json", "--write")
        )
        folder = Path(project.settings["LAKEHOUSE_LANDING"])
        self._zone = LandingZone(folder, project.declared, "sqlserver")

    def alter(self, kind: str) -> None:
        """The next rows have other columns."""

    def write(self, op: str, row: dict[str, Any], before: dict[str, Any] | None = None) -> None:
        self._number += 1
        ms = 1_772_359_200_000 + self._number
        place = f"{self._number:08x}"
        told = {
            "before": before,
            "after": row,
            "source": {
                "name": "hotel",
                "ts_ms": ms,
                "snapshot": "true" if op == "r" else "false",
                "change_lsn": None if op == "r" else f"00000027:{place}:0002",
                "commit_lsn": f"00000027:{place}:0003",
                "event_serial_no": None if op == "r" else 2 if op == "u" else 1,
            },
            "op": op,
        }
        key = json.dumps({"id": row["id"]}).encode()
        self._pending.append(Delivery(key, json.dumps(told).encode(), 0, ms))

    def land(self) -> None:
        self._zone.land(self.project.declared.table("bookings"), self._pending)
        self._pending = []


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., NewProject]:
    def make(source: ConnectorName, **settings: str) -> NewProject:
        own = {
            "LAKEHOUSE_LANDING": str(tmp_path / "landing"),
            "LAKEHOUSE_CHECKPOINTS": str(tmp_path / "checkpoints"),
            "LAKEHOUSE_DUCKDB": str(tmp_path / "warehouse.duckdb"),
            "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        }
        return NewProject(tmp_path / "hotel", "hotel", source, own | settings).make()

    return make


@pytest.fixture
def postgresql(services: Services, project: Callable[..., NewProject]) -> Iterator[Source]:
    services.kafka.delete_all_topics()
    dsn = services.postgres.create_database("hotel")
    made = project("postgresql", **{**services.environment(), "LAKEHOUSE_SOURCE_DSN": dsn})
    source = Postgresql(made, dsn, services)
    yield source
    source.capture.delete_with_position()
    services.postgres.drop_database("hotel")
    services.kafka.delete_all_topics()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_on_postgresql(postgresql: Source) -> None:
    _walk(postgresql)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_by_events_of_sql_server(project: Callable[..., NewProject]) -> None:
    _walk(SqlServer(project("sqlserver")))


def _walk(source: Source) -> None:
    source.write("c", ADA)
    source.write("c", BO)
    assert _drift(source) == set()
    assert _rows(source, "guest, nights, note") == [("Ada", 1, "quiet"), ("Bo", 2, "late")]
    _added(source)
    _dropped(source)
    _renamed(source)
    _retyped(source)


def _added(source: Source) -> None:
    source.alter("add")
    source.write("u", ADA | {"phone2": "5"}, ADA | {"phone2": None})
    assert _drift(source) == {("unknown", "phone2")}
    _declare(
        source,
        lambda columns: columns.update(
            phone2=_column("phone2", "varchar(20)", nullable=True, source=source)
        ),
    )
    source.write("c", {"id": 3, "guest": "Cy", "nights": 3, "note": None, "phone2": "7"})
    assert _drift(source) == set()
    # rows from before keep null until they are read again
    assert _rows(source, "phone2") == [(None,), (None,), ("7",)]
    _rebuild(source)
    assert _rows(source, "phone2") == [("5",), (None,), ("7",)]
    if source.reads:
        # of a row that has not changed only a new snapshot knows what the column has
        source.write("r", BO | {"phone2": "0"})
        assert _drift(source) == set()
        assert _rows(source, "phone2") == [("5",), ("0",), ("7",)]


def _dropped(source: Source) -> None:
    source.alter("drop")
    no_note = {"id": 1, "guest": "Ada", "nights": 4, "phone2": "5"}
    source.write("u", no_note, no_note | {"nights": 1})
    source.write("c", {"id": 4, "guest": "Di", "nights": 4, "phone2": None})
    assert _drift(source) == {("missing", "note")}
    # each row keeps the value that was last known; a new row has null
    assert _rows(source, "nights, note") == [(4, "quiet"), (2, "late"), (3, None), (4, None)]
    _declare(source, lambda columns: columns.pop("note"))
    source.write("u", no_note | {"nights": 5}, no_note)
    source.land()
    _rebuild(source)
    assert _rows(source, "nights") == [(5,), (2,), (3,), (4,)]


def _renamed(source: Source) -> None:
    source.alter("rename")
    source.write("u", RENAMED, RENAMED | {"visitor": "Ada"})
    assert _drift(source) == {("missing", "guest"), ("unknown", "visitor")}
    # the old name stands still
    assert _rows(source, "guest")[0] == ("Ada",)
    names = ["visitor", "guest"]
    _declare(
        source, lambda columns: _meta(columns["guest"]).update(source_columns=_of(source, names))
    )
    # rows came first: the build stops with the command that reads them again
    stopped = source.project.run(["dbt", "build"])
    assert stopped.returncode != 0
    assert re.search(r"lakehouse rebuild\s+bookings", stopped.stdout), stopped.stdout
    _rebuild(source)
    assert _rows(source, "guest") == [("Ada L.",), ("Bo",), ("Cy",), ("Di",)]


def _retyped(source: Source) -> None:
    source.alter("retype")
    source.write("u", RENAMED | {"nights": "6 or 7"}, RENAMED | {"nights": "5"})
    bo = {"id": 2, "visitor": "Bo", "nights": "2", "phone2": "0" if source.reads else None}
    source.write("u", bo | {"nights": "9"}, bo)
    assert _drift(source) == set()
    reasons = "select _cdc_reject_reason from staging.quarantine"
    assert source.project.rows(reasons) == [("invalid_value:nights",)]
    # what has the old type's form is read
    assert _rows(source, "nights")[:2] == [(5,), (9,)]
    _declare(source, lambda columns: columns["nights"].update(data_type="varchar(10)"))
    stopped = source.project.run(["dbt", "build"])
    assert re.search(r"lakehouse rebuild\s+bookings", stopped.stdout), stopped.stdout
    _rebuild(source)
    assert source.project.rows(reasons) == []
    assert _rows(source, "nights") == [("6 or 7",), ("9",), ("3",), ("4",)]


def _drift(source: Source) -> set[tuple[str, str]]:
    """What the build and `status` tell of the table after what has happened is landed."""
    source.land()
    built = source.project.must("dbt", "build")
    found = set(
        source.project.rows("select kind, column_names from staging.drift where is_current")
    )
    assert bool(re.search(r"WARN \d+ no_drift", built)) == bool(found), built
    if not source.reads:  # events alone have neither a broker nor the ledger of landing
        said = source.project.must("lakehouse", "status")
        assert all(names in said for _, names in found), said
    return found


def _rows(source: Source, columns: str) -> list[tuple[Any, ...]]:
    """The present rows."""
    return source.project.rows(
        f"select {columns} from history.bookings_history"
        " where dbt_valid_to is null and not is_deleted order by id"
    )


def _rebuild(source: Source) -> None:
    source.project.must("lakehouse", "rebuild", "bookings", "--swap")
    assert _drift(source) == set()


def _declare(source: Source, change: Callable[[Columns], object]) -> None:
    """Change the table's columns in the sources file, and write what follows."""
    file = source.project.sources
    document = yaml.safe_load(file.read_text("utf-8"))
    [table] = document["sources"][0]["tables"]
    columns: Columns = {column["name"]: column for column in table["columns"]}
    change(columns)
    table["columns"] = list(columns.values())
    meta = table["config"]["meta"]
    meta["tracked_columns"] = [name for name in meta["tracked_columns"] if name in columns]
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    source.project.must("lakehouse", "declarations", "generate")


def _column(name: str, data_type: str, *, nullable: bool, source: Source) -> dict[str, Any]:
    meta = {"nullable": nullable, "source_columns": _of(source, [name])}
    return {
        "name": name,
        "data_type": data_type,
        "description": "A column.",
        "config": {"meta": meta},
    }


def _meta(column: dict[str, Any]) -> dict[str, Any]:
    meta: dict[str, Any] = column.setdefault("config", {}).setdefault("meta", {})
    return meta


def _of(source: Source, names: list[str]) -> dict[str, list[str]]:
    return {source.project.source: names}
