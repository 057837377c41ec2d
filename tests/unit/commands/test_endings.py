"""docs/cli.md says how each command ends and what it prints as JSON; each line of it is run."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import duckdb
import pytest

from ingestion.declarations import Table, load
from ingestion.errors import RefusedError, TerminalError
from ingestion.kafka import brokers
from ingestion.kafka.brokers import Offsets
from ingestion.landing import job, layout, writers
from ingestion.landing.ledger import Entry, Ledger
from ingestion.landing.storage import Storage, open_storage
from lakehouse import local_spark, published
from lakehouse.commands import declarations as declarations_command
from lakehouse.dbt import Dbt
from lakehouse.health import checks, waiting
from lakehouse.kafka import admin
from lakehouse.kafka.topics import ActualTopic, desired_topics
from lakehouse.reconcile import absences, rows
from lakehouse.reconcile import run as reconciliation
from lakehouse.reconcile.absences import Scan
from lakehouse.reconcile.findings import (
    Difference,
    Kind,
    LostDelete,
    MartReport,
    Reconciliation,
)
from lakehouse.reconcile.rows import RowDifference, TableRows
from lakehouse.source import catalog, database
from lakehouse.source.catalog import Catalog, CatalogTable, SourceColumn
from lakehouse.source.connectors import source_table
from lakehouse.warehouse import (
    access,
    connection,
    deployment,
    sessions,
    sides,
    streaming_views,
    streams,
)
from lakehouse.warehouse.plan import Plan, Statement
from tests.kit import msk_connect
from tests.kit.command_line import CommandLine, commands

PAGE = Path(__file__).parents[3] / "docs/cli.md"
ROW = re.compile(r"^\| `(?P<command>[a-z -]+)` \| (?P<rest>.+) \|$", re.MULTILINE)
KEYS = re.compile(r"`(\w+)`")


def documented() -> dict[str, list[str]]:
    """The cells of each command's row: attention, refused, keys of the JSON document."""
    return {
        row["command"]: row["rest"].split(" | ") for row in ROW.finditer(PAGE.read_text("utf-8"))
    }


def test_the_page_has_a_row_for_each_command() -> None:
    assert set(documented()) == {name for name, _ in commands()}


def test_the_page_says_which_commands_print_json() -> None:
    told = {name for name, (_, _, keys) in documented().items() if KEYS.search(keys)}
    assert told == {name for name, call in commands() if "as_json" in call.__annotations__}


class World:
    """What the commands find, in place of servers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.set = monkeypatch.setattr
        self.environment = monkeypatch.setenv
        self.folder = folder

    def zone(self) -> Storage:
        """A landing zone in which there is nothing yet."""
        storage = open_storage(str(self.folder / "landing"))
        storage.put(layout.IDENTITY, b'{"id": "A"}')
        return storage

    def landing(self, *, has_topics: bool) -> None:
        self.zone()
        self.broker(has_topics=has_topics)

    def broker(self, *, has_topics: bool, partitions: int | None = None) -> None:
        """Every topic that is asked for, as declared but for `partitions`; or none."""

        class Broker:
            def __init__(self, _settings: object) -> None: ...

            def topics(self, names: set[str]) -> dict[str, brokers.Topic]:
                found = {n: brokers.Topic(n, "id", {0: Offsets(0, 5)}) for n in names}
                return found if has_topics else {}

            def topic_ids(self, _names: set[str]) -> dict[str, str]:
                return {}

            def broker_count(self) -> int:
                return 1

            def create(self, _topics: object, _factor: int) -> None: ...

            def describe(self, names: Iterator[str]) -> dict[str, ActualTopic]:
                declared = {t.name: t for t in desired_topics(load(), "postgresql")}
                return {
                    n: ActualTopic(n, partitions or declared[n].partitions, 1, declared[n].settings)
                    for n in (names if has_topics else ())
                }

        self.set(brokers, "Brokers", Broker)
        self.set(admin, "Topics", Broker)
        self.set(job, "Brokers", Broker)

    def redshift(self, refreshes: str = "Success", *waits_for: str) -> None:
        self.set(connection, "_connect", lambda _: SimpleNamespace(close=lambda: None))
        states = [
            streams.StreamState(f"{table.name}_1", True, "now", refreshes, 1, 1, 1, 1, 0)
            for table in load().tables
        ]
        self.set(streams, "stream_states", lambda *_: states)
        self.set(sessions, "sessions", lambda _: [sessions.Session(8, waits_for=list(waits_for))])
        self.set(sessions, "is_superuser", lambda _: True)
        self.set(streams, "grant_rows", lambda _: [("analyst", "usage", "schema marts")])

    def operations(self, *statements: Statement) -> None:
        """Redshift, which lacks what `statements` make."""

        def carry_out(plan: Plan, *_: object) -> None:
            plan.carry_out(*statements)

        self.redshift()
        self.set(deployment, "deploy_warehouse", carry_out)
        self.set(streaming_views, "archive_streams", carry_out)
        self.set(access, "deploy_access", carry_out)

    def building(self) -> None:
        """Redshift, where a build holds the lock that a deployment needs."""

        def refuse(*_: object) -> None:
            raise RefusedError("run 1 has been building since yesterday")

        self.redshift()
        self.set(deployment, "deploy_warehouse", refuse)

    def sides(self, *rows: str) -> None:
        """A table with one row in the local warehouse and one on Redshift."""
        self.redshift()
        for side, row in zip(("DuckDbSide", "RedshiftSide"), rows, strict=True):
            found = SimpleNamespace(
                name=side,
                columns=lambda schema: {"dim_store": ("store_id",)} if schema == "marts" else {},
                rows=lambda *_, row=row: [(row,)],
                close=lambda: None,
            )
            self.set(sides, side, lambda _, found=found: found)

    def source(self, *, agrees: bool) -> None:
        """A table of which the source has a row less, or not."""
        stores = load().table("stores")
        gone = LostDelete(stores, {"store_id": 1}, "")
        difference = Difference("store_id=1", "extra row", "—", "name='[/x]'")
        report = MartReport("dim_store", 1, 1, 0, ())
        if not agrees:
            report = MartReport("dim_store", 0, 2, 2, (difference,))
        found = Reconciliation((), (report,), (), () if agrees else (gone, gone))
        self.set(reconciliation, "reconcile", lambda *_, **__: found)
        self.environment("LAKEHOUSE_SOURCE_DSN", "dbname=shop")

    def snapshot(self, *absent: int, refused: str = "") -> None:
        """A snapshot that has not read these stores, or proves nothing."""

        def find(*_: object) -> tuple[Scan, tuple[LostDelete, ...]]:
            if refused:
                raise RefusedError(refused)
            scan = Scan("one", 5, moment, moment, "", moment)
            return scan, tuple(LostDelete(stores, {"store_id": key}, "") for key in absent)

        self.zone()
        stores, moment = load().table("stores"), datetime(2026, 3, 1, tzinfo=UTC)
        self.set(absences, "open_log", lambda *_: nullcontext())
        self.set(absences, "find_absences", find)

    def rows(self, *kinds: Kind) -> None:
        """Rows of the stores on which the source itself and the log differ."""
        stores = load().table("stores")
        gone = LostDelete(stores, {"store_id": 1}, "")
        differences = tuple(
            RowDifference(
                stores,
                Difference("store_id=1", kind, "—", "name='[/x]'"),
                "0001:[/x]",
                gone if kind == "extra row" else None,
            )
            for kind in kinds
        )
        self.set(database, "open_database", lambda _: nullcontext())
        found = (TableRows("stores", 5, 2, differences),)
        self.set(rows, "compare_rows", lambda *_, **__: found)

    def doctor(self, state: checks.State) -> None:
        self.set(checks, "check_all", lambda *_: iter([checks.Result("jars", state, "45", "x")]))

    def heart(self, state: checks.State, *, behind: bool = False) -> None:
        """A heartbeat on Kafka, and nothing else but a change of the stores that is `behind`."""
        self.zone()
        self.set(checks, "check_heartbeat", lambda *_: checks.Result("heartbeat", state, "0 s ago"))
        self.set(waiting, "await_built", self._await(behind=behind))

    def _await(self, *, behind: bool) -> Callable[..., None]:
        def await_built(*arguments: Any, landed_too: list[str]) -> None:
            assert landed_too == ["debezium_heartbeat"]
            patience: waiting.Patience = arguments[3]
            said = "debezium_heartbeat (not landed 1)" if behind else ""
            patience.wait(arguments[0], lambda: said)

        return await_built

    def writer(self) -> None:
        """Another job that lands the stores."""
        self.broker(has_topics=True)
        self.set(local_spark, "local_session", lambda _: None)
        self.set(signal, "signal", lambda *_: None)
        storage = self.zone()
        writers.register(storage, ["stores"], 0.5, print, threading.Event())

    def recreated(self) -> None:
        """A topic that is not the one of which records are landed."""
        self.broker(has_topics=True)
        topic = load().table("stores").topics["postgresql"]
        now = datetime.now(UTC).isoformat()
        landed = Entry("stores", topic, "another id", 1, 0, 0, 5, 5, "landed", now, None)
        Ledger(self.zone()).append([landed])

    def ledger_gone(self) -> None:
        """A file of the stores that no ledger knows."""
        partition = layout.Partition("stores", 1, 0)
        file = layout.DataFile(partition, datetime.now(UTC).date(), 0, 5)
        self.zone().put(file.path, b"")

    def catalog(self, *computed: str, tables: int | None = None) -> None:
        """A SQL Server with the declared tables, or the first `tables`; some columns computed."""

        def table(declared: Table) -> CatalogTable:
            place = source_table(load(), declared, "sqlserver")
            names = {column.name: column.source_name("sqlserver") for column in declared.columns}
            columns = [SourceColumn(name, "nchar(9)", name in computed) for name in names.values()]
            key = tuple(names[name] for name in declared.primary_key)
            return CatalogTable(place.schema, place.name, tuple(columns), key)

        found = Catalog("sqlserver", "retail", tuple(map(table, load().tables[:tables])))
        self.environment("LAKEHOUSE_SOURCE", "sqlserver")
        self.environment("LAKEHOUSE_SOURCE_DSN", "Server=[/x]")
        self.set(catalog, "live_catalog", lambda _: found)

    def connector(self) -> None:
        """One that has failed, and would have to be made again."""
        api = msk_connect.Api()
        api.lists("shop-sqlserver")
        api.describes("FAILED")
        api.stub.activate()
        self.set(boto3, "Session", lambda **_: SimpleNamespace(client=lambda _: api.client))
        for name, value in msk_connect.ENVIRONMENT.items():
            self.environment(name, value)
        self.environment("LAKEHOUSE_PII_SALT", "0123456789abcdefghijkl")

    def rebuilt(self) -> None:
        """Histories that may be swapped only at a loss."""

        def run(_: object, command: str, *arguments: str, **__: object) -> None:
            if "swap_rebuilt" in arguments:
                raise TerminalError("to go on all the same, repeat with --accept-loss [/x]")

        self.set(Dbt, "run", run)

    def found(self, *names: str) -> None:
        """Breaks of the stores that the last tests told of, in a warehouse file."""
        file = self.folder / "warehouse.duckdb"
        file.unlink(missing_ok=True)
        with duckdb.connect(str(file)) as warehouse:
            warehouse.execute("""
                create schema operations;
                create table operations.acceptances (
                    relation text, finding text, reason text,
                    accepted_by text, accepted_at timestamp
                );
                create table operations.before_images_chain_orders (
                    order_id bigint, dbt_scd_id text, _cdc_position text, _cdc_op text
                );
                """)
            for name in names:
                warehouse.execute(
                    "insert into operations.before_images_chain_orders values (1, ?, '[/x]', 'u')",
                    [name],
                )

    def quarantined(self) -> None:
        """A record of the orders that cannot be read."""
        self.found()
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as warehouse:
            warehouse.execute("""
                create schema staging;
                create table staging.quarantine as
                select 'orders' as table_name, 1 as _cdc_incarnation, 0 as kafka_partition,
                    5 as kafka_offset, 'not_json' as _cdc_reject_reason
                """)

    def unheard(self) -> None:
        """A source with a table of whose key no event carries the value."""
        place = SourceColumn("Place", "hierarchyid", nullable=False)
        notes = CatalogTable("dbo", "Notes", (place,), ("Place",))
        self.set(catalog, "live_catalog", lambda _: Catalog("sqlserver", "retail", (notes,)))

    def drifted(self) -> None:
        """The orders have a column that is not declared."""
        self.found()
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as warehouse:
            warehouse.execute("""
                create schema staging;
                create table staging.drift as
                select 'orders' as table_name, 'unknown:Fax' as finding, 'Fax' as column_names,
                    true as is_current
                """)

    def owned(self) -> None:
        """A warehouse's file that another process owns."""

        @contextmanager
        def refuse(*_: object) -> Iterator[None]:
            raise RefusedError("`lakehouse run` (process 1) owns it [/x]")
            yield

        self.zone()
        self.set(signal, "signal", lambda *_: None)
        self.set(published, "owned", refuse)

    def generated(self) -> None:
        self.set(declarations_command, "render", lambda _: {self.folder / "x.yml": "x"})


LACKING = Statement("role [analyst]", "create role analyst")
Case = tuple[str, Callable[[World], None]]
# Code and command: the rest of the command line, and what the command finds.
CASES: dict[tuple[int, str], Case] = {
    (0, "status"): ("", lambda world: world.broker(has_topics=True)),
    (3, "status"): ("", lambda world: world.broker(has_topics=False)),
    (0, "doctor"): ("", lambda world: world.doctor("ok")),
    (3, "doctor"): ("", lambda world: world.doctor("attention")),
    (3, "verify"): ("", lambda world: world.heart("attention")),
    (4, "verify"): ("--wait 0", lambda world: world.heart("ok", behind=True)),
    (0, "landing status"): ("", lambda world: world.landing(has_topics=True)),
    (3, "landing status"): ("", lambda world: world.landing(has_topics=False)),
    (4, "landing accept-loss"): ("stores", lambda world: world.landing(has_topics=True)),
    (3, "landing verify"): ("--tables stores", World.recreated),
    (4, "landing verify"): ("", World.ledger_gone),
    (4, "landing land-record"): (
        "stores --partition 0 --offset 7",
        lambda world: world.landing(has_topics=True),
    ),
    (4, "landing again"): ("stores", World.recreated),
    (4, "land"): ("--once", World.writer),
    (0, "topics check"): ("", lambda world: world.broker(has_topics=True)),
    (3, "topics check"): ("", lambda world: world.broker(has_topics=False)),
    (4, "topics apply"): ("", lambda world: world.broker(has_topics=True, partitions=99)),
    (0, "declarations check"): ("", lambda _: None),
    (3, "declarations generate"): ("--check", World.generated),
    (4, "connector deploy"): ("", World.connector),
    (3, "connector cdc-sql"): ("", lambda world: world.catalog("City")),
    (4, "connector cdc-sql"): ("", lambda world: world.catalog(tables=1)),
    (0, "warehouse deploy"): ("", World.operations),
    (3, "warehouse deploy"): ("--dry-run", lambda world: world.operations(LACKING)),
    (4, "warehouse deploy"): ("", World.building),
    (0, "warehouse access"): ("", World.operations),
    (3, "warehouse access"): ("--dry-run", lambda world: world.operations(LACKING)),
    (0, "warehouse archive"): ("", World.operations),
    (3, "warehouse archive"): ("--dry-run", lambda world: world.operations(LACKING)),
    (0, "warehouse status"): ("", World.redshift),
    (3, "warehouse status"): ("", lambda world: world.redshift("Failed")),
    (0, "warehouse sessions"): ("", World.redshift),
    (3, "warehouse sessions"): ("", lambda world: world.redshift("Success", "marts.sales")),
    (0, "warehouse grants"): ("", World.redshift),
    (0, "query"): ("select(1)", World.found),
    (4, "run"): ("", World.owned),
    (0, "accept list"): ("", World.found),
    (3, "accept list"): ("", lambda world: world.found("a")),
    (4, "init"): (". --name clinic", lambda _: None),
    (4, "onboard"): ("Notes", World.unheard),
    (0, "accept break"): ("orders --all --reason known", lambda world: world.found("a")),
    (4, "accept break"): ("orders --key order_id=2 --reason x", lambda world: world.found("a")),
    (0, "accept record"): ("orders --at 1/0/5 --reason known", World.quarantined),
    (4, "accept record"): ("orders --at 1/0/6 --reason x", World.quarantined),
    (0, "accept drift"): ("orders --columns unknown:Fax --reason known", World.drifted),
    (4, "accept drift"): ("orders --columns unknown:Tel --reason x", World.drifted),
    (4, "rebuild"): ("stores --swap", World.rebuilt),
    (0, "compare"): ("marts.dim_store", lambda world: world.sides("[a]", "[a]")),
    (3, "compare"): ("marts.dim_store", lambda world: world.sides("[a]", "[/b]")),
    (0, "reconcile"): ("", lambda world: world.source(agrees=True)),
    (3, "reconcile"): ("", lambda world: world.source(agrees=False)),
    (4, "reconcile"): ("--repair --at-most 1", lambda world: world.source(agrees=False)),
    (0, "reconcile absences"): ("stores --snapshot newest", World.snapshot),
    (3, "reconcile absences"): ("stores --snapshot one", lambda world: world.snapshot(1, 2)),
    (0, "reconcile rows"): ("stores", World.rows),
    (3, "reconcile rows"): ("", lambda world: world.rows("extra row", "wrong row")),
    (4, "reconcile rows"): ("stores --repair", lambda world: world.rows("missing row")),
    (4, "reconcile absences"): (
        "stores --snapshot one",
        lambda world: world.snapshot(refused="several threads [/x]"),
    ),
}


def test_each_ending_of_the_page_is_run_here() -> None:
    told = {
        (code, name)
        for name, cells in documented().items()
        for code, cell in ((3, cells[0]), (4, cells[1]))
        if cell != "-"
    }
    assert told == {case for case in CASES if case[0] != 0}
    assert {name for code, name in CASES if code == 0} == {
        name for name, (_, _, keys) in documented().items() if KEYS.search(keys)
    }


@pytest.mark.parametrize(("code", "command"), CASES)
def test_a_command_ends_as_the_page_says(
    code: int,
    command: str,
    lakehouse: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    more, prepare = CASES[code, command]
    world = World(monkeypatch, tmp_path)
    prepare(world)
    line = (*command.split(), *more.split())
    ended, out, err = lakehouse(*line)
    assert (ended, "Traceback" in err) == (code, False), out + err
    assert re.search("^error: ", err, re.MULTILINE) or code != 4
    keys = KEYS.findall(documented()[command][2])
    if keys and code != 4:
        prepare(world)
        ended, out, err = lakehouse(*line, "--json")
        assert (ended, list(json.loads(out))) == (code, keys), err


@pytest.mark.parametrize("command", [name for name, _ in commands()])
def test_a_line_that_cannot_be_meant_ends_with_2(command: str, lakehouse: CommandLine) -> None:
    code, out, err = lakehouse(*command.split(), "--no-such-option")
    assert (code, out) == (2, "")
    assert "--no-such-option" in err


@pytest.mark.parametrize("command", ["status", "landing status", "topics check"])
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["people", "json"])
def test_an_error_ends_with_1_and_is_on_stderr_only(
    command: str, options: list[str], lakehouse: CommandLine
) -> None:
    code, out, err = lakehouse(*command.split(), *options)
    assert (code, "error: " in out) == (1, False)
    assert err.startswith("error: ")
    if options and out:
        assert "127.0.0.1:1" in json.loads(out)["broker_problem"]


def test_moments_are_iso_8601(lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehouse.health import warehouse

    ended = datetime(2026, 3, 1, tzinfo=UTC)
    found = warehouse.Warehouse({}, warehouse.Run(1, "success", ended, ended))
    monkeypatch.setattr(warehouse, "read_warehouse", lambda *_: found)
    World(monkeypatch, Path()).broker(has_topics=True)
    _, out, _ = lakehouse("status", "--json")
    assert json.loads(out)["last_run"]["finished_at"] == "2026-03-01T00:00:00+00:00"


@pytest.mark.parametrize("command", [name for name, _ in commands() if name.startswith("landing ")])
def test_a_folder_that_is_no_landing_zone_is_named_and_not_made(
    command: str, lakehouse: CommandLine, tmp_path: Path
) -> None:
    line = {
        "accept-loss": "stores",
        "again": "stores",
        "land-record": "stores --partition 0 --offset 5",
    }.get(command.removeprefix("landing "), "")
    code, out, err = lakehouse(*command.split(), *line.split())
    assert (code, out) == (1, "")
    assert err.startswith(f"error: there is no landing zone in {tmp_path}/landing")
    assert not (tmp_path / "landing").exists()


@pytest.mark.parametrize(
    "line",
    [
        "land --once --tables ,",
        "landing again ,",
        "landing verify --tables ,",
        "landing expire --tables ,,",
    ],
)
def test_a_list_that_names_nothing_does_not_mean_all(line: str, lakehouse: CommandLine) -> None:
    code, out, err = lakehouse(*line.split())
    assert (code, out, "names no table" in err) == (1, "", True)


def test_all_is_landed_again_or_nothing(
    lakehouse: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, topics = (
        World(monkeypatch, tmp_path),
        {n: load().table(n).topics["postgresql"] for n in ("stores", "orders")},
    )
    world.broker(has_topics=True)
    ledger, now = Ledger(world.zone()), datetime.now(UTC).isoformat()
    for name in ("stores", "orders"):
        before = ledger.progress
        code, _, err = lakehouse("landing", "again", "stores,orders")
        ledger.refresh()
        assert (code, "was never landed" in err, ledger.progress) == (1, True, before)
        ledger.append([Entry(name, topics[name], "id", 1, 0, 0, 5, 5, "landed", now, None)])
    code, out, _ = lakehouse("landing", "again", "stores,orders")
    assert (code, out.count("as incarnation 2")) == (0, 2)
