"""Errors at the statements of one node or command, and what the warehouse is after them.

What comes before is prepared once and kept as a template of PostgreSQL, from which a database is
copied in a tenth of a second; a case is one build and says at which statement it meets which error.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import patch

import psycopg2
from redshift_connector.cursor import Cursor
from redshift_connector.error import InterfaceError, InternalError

from ingestion.errors import TerminalError
from lakehouse.warehouse.comparison import compare
from lakehouse.warehouse.sides import DuckDbSide, RedshiftSide
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer, autocommit_cursor
from redshift_standin.server import StandIn
from redshift_standin.wire import Fault, Proxy, Session
from tests.kit.dbt import WITHOUT_TESTS, explain
from tests.redshift.conftest import World, new_world

# What dbt-redshift tells apart: `_handle_execute_exception` sends a statement once more on a new
# connection after the first three, `add_query` on the same one after the driver's two classes.
ERRORS = {
    "conflict": Fault("", "conflict with concurrent transaction on 101"),
    "oid": Fault("", "could not open relation with OID 123456"),
    "schema": Fault("", 'schema "staging" does not exist'),
    "1023": Fault("", "1023: Serializable isolation violation on table - 101"),
    "interface": Fault("", "said by the server", sqlstate="28000"),
    "internal": Fault("", "internal", sqlstate="28000"),
    "lost": Fault(""),
}
# The outcome is unknown: it is done, and the answer is an error.
DONE = {
    f"{name}, done": replace(error, is_done=True)
    for name, error in ERRORS.items()
    if name not in ("1023",)
}
ALL = ERRORS | DONE
SCHEMAS = ("staging", "history", "marts", "streaming")
COMMANDS = ("archive", "deploy")
# Views of an older release, which say something else.
_OLDER = {"stg_retail__stores": "staging.stg_retail__stores"}
# The hooks of an invocation are looked at in that of a node.
_NODE_OF = {"hooks": "time_zones"}
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_NODE = re.compile(r'"node_id": "([^"]+)"')


@dataclass(frozen=True)
class Case:
    """A node or command, one of its statements, and an error of `ALL`."""

    kind: str
    statement: int
    error: str


@dataclass
class Prepared:
    """A node or command that has something to do, and what it is without any error."""

    run: int
    """The newest one; what it and others before it wrote is there already."""
    before: dict[str, Any]
    after: dict[str, Any]
    statements: list[str]
    own: list[int] = field(default_factory=list)
    """Statements that are the node's, and no hook's of the invocation."""


class Faulty:
    """Builds and commands on the stand-in, each from its template."""

    def __init__(self, world: World, postgres: PostgresServer, level: str) -> None:
        self._world = world
        self._prod = world.prod
        self._postgres = postgres
        self.level = level
        self._met: list[str] = []
        self.prepared: dict[str, Prepared] = {}

    def prepare(self, kinds: Sequence[str]) -> None:
        """Nodes in the order of dbt's graph, then commands: each begins behind those before it."""
        world, prod = self._world, self._prod
        nodes = [kind for kind in kinds if kind not in COMMANDS]
        lineage = ("--select", *(f"+{node}" for node in nodes))
        world.lake.produce([*world.changes.snapshot(), *world.changes.stream(2)])
        world.lake.land()
        prod.lakehouse("deploy")
        prod.dbt.build(*lineage)
        world.lake.produce(world.changes.stream(3))
        world.lake.land()
        prod.refresh()
        world.local.build(*lineage)
        prod.stand_in.admin("delete from staging.time_zones where name = 'UTC'")
        built: list[str] = []
        for kind in kinds:
            if kind not in COMMANDS:
                behind = ("--select", f"+{kind}", "--exclude", kind, *built)
                prod.dbt.build(*behind)
                built += [kind, f"+{kind}"]
            if kind in _OLDER:
                prod.stand_in.admin(f"drop view {_OLDER[kind]}")
                prod.stand_in.admin(
                    f"create view {_OLDER[kind]} as select * from staging.stores__log"
                    " where _cdc_run < 0 with no schema binding"
                )
            if kind == "deploy":
                prod.stand_in.admin("drop materialized view streaming.stores_1")
            self._copy("dev", kind)
            run = self._newest_run()[0]
            before = self._state(run)
            self._met.clear()
            self._do(kind)
            own = self._own(kind)
            self.prepared[kind] = Prepared(run, before, self._state(run), list(self._met), own)
            if kind not in COMMANDS:
                self._check_equal_to_duckdb(kind)

    def statements(self, kind: str) -> list[tuple[int, str]]:
        """Number and text of the statements that are the kind's own."""
        prepared, is_hook = self.prepared[_NODE_OF.get(kind, kind)], kind in _NODE_OF
        return [
            (number, " ".join(_COMMENT.sub("", sql).split()))
            for number, sql in enumerate(prepared.statements)
            if (number in prepared.own) != is_hook
        ]

    def statement(self, kind: str, pattern: str) -> int:
        """The number of the only one of them that is like the pattern."""
        [number] = [number for number, sql in self.statements(kind) if re.search(pattern, sql)][:1]
        return number

    def _own(self, kind: str) -> list[int]:
        """The statements between the first and the last with dbt's comment for the node."""
        node, own = "", []
        for number, sql in enumerate(self._met):
            told = _NODE.search(sql)
            node = told[1] if told else "" if '"app": "dbt"' in sql else node
            if kind in COMMANDS or node.endswith(f".{kind}"):
                own.append(number)
        return own

    def _do(self, kind: str, command: str = "build") -> tuple[bool, str]:
        """Whether dbt or the command says that it is done, and what it says."""
        if kind in COMMANDS:
            try:
                return True, self._prod.lakehouse(kind)
            except TerminalError as error:
                return False, str(error)
        options = () if command == "retry" else (*WITHOUT_TESTS, "--select", kind)
        done = self._prod.dbt.invoke(command, *options, keep_results=True)
        return done.success, "" if done.success else explain(done)

    def outcome(self, case: Case, heal: Literal["build", "retry"] | None = None) -> str:
        """What is wrong after the case; empty where nothing is.

        The state is that before the node, from which the next build is what it always is, or the
        one after it; from another, and with `heal`, one more invocation has to bring it there.
        """
        kind = _NODE_OF.get(case.kind, case.kind)
        prepared = self.prepared[kind]
        self._copy(kind, "dev")
        faults = self._prod.stand_in.faults
        faults[:] = [replace(ALL[case.error], passing=case.statement)]
        is_done, told = self._do(kind)
        if faults:
            faults.clear()
            return f"{case}: met no statement"
        state, newest = self._state(prepared.run), self._newest_run()
        problems = []
        says_done = is_done or (newest[0] > prepared.run and newest[1] == "succeeded")
        if says_done and state != prepared.after:
            problems.append(
                f"{'success' if is_done else 'succeeded'}, but {_differing(state, prepared.after)}"
            )
        if state != prepared.after and (heal or state != prepared.before or newest[1] == "running"):
            if newest[1] == "running":
                self._prod.stand_in.admin(
                    "update operations.runs set started_at = dateadd(day, -1, started_at)"
                )
            healed, said = self._do(kind, heal or "build")
            again = self._state(prepared.run)
            if not healed or again != prepared.after:
                problems.append(
                    f"not healed by {heal or 'build'}: {said} {_differing(again, prepared.after)}"
                )
        if not problems:
            return ""
        sql = dict(self.statements(case.kind))[case.statement]
        return f"{case} at `{sql[:120]}`: {'; '.join(problems)} (it said: {told[:300]})"

    def runs(self) -> set[str]:
        """How the runs have ended since the last case began."""
        return {status for (status,) in self._prod.rows("select status from operations.runs")}

    def _check_equal_to_duckdb(self, node: str) -> None:
        first = DuckDbSide(self._world.local.file)
        try:
            with self._prod.warehouse() as opened:
                second = RedshiftSide(opened)
                for schema in SCHEMAS[:3]:
                    if node in first.columns(schema):
                        found = compare(first, second, schema, node)
                        assert found.is_equal, found
        finally:
            first.close()

    def _newest_run(self) -> tuple[int, str]:
        [(number, status)] = self._prod.rows(
            "select run_number, status from operations.runs order by run_number desc limit 1"
        )
        return number, status

    def _state(self, run: int) -> dict[str, Any]:
        """Every relation with a hash of its rows, and what the books say; runs as old or new."""
        state: dict[str, Any] = {}
        with (
            psycopg2.connect(self._prod.stand_in.dsn) as connection,
            connection.cursor() as database,
        ):
            database.execute(
                "select n.nspname || '.\"' || c.relname || '\"', c.relkind::text, exists ("
                "select 1 from pg_attribute as a where a.attrelid = c.oid and attname = '_cdc_run')"
                " from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
                " where c.relkind in ('r', 'v', 'm') and n.nspname = any(%s)",
                (list(SCHEMAS),),
            )
            for name, kind, has_runs in database.fetchall():
                state[name] = kind
                if kind != "v":
                    is_new = f"_cdc_run > {run}" if has_runs else "null"
                    database.execute(
                        "select count(*), md5(string_agg(line, '|' order by line)) from (select"
                        f" concat(to_jsonb(t) - '_cdc_run', {is_new})"
                        f" as line from {name} as t) as lines"
                    )
                    state[name] = database.fetchone()
            for name, sql in {
                "watermarks": "select consumer, max(abs(run_number)) > %(run)s"
                " from operations.watermarks group by consumer",
                "declarations": "select distinct on (table_name) table_name, declaration"
                " from operations.declarations order by table_name, accepted_at desc",
                "views": "select c.relname, v.query from standin.late_binding_views as v"
                " inner join pg_class as c on v.view = c.oid"
                " where c.relnamespace::regnamespace::text = any(%(schemas)s)",
                "runs": "select count(*) - count(distinct invocation_id) from operations.runs",
                "streams": "select trim(name), trim(autorefresh::text) from redshift.svv_mv_info",
            }.items():
                database.execute(sql, {"run": run, "schemas": list(SCHEMAS)})
                state[name] = sorted(database.fetchall())
        connection.close()
        return state

    def _copy(self, source: str, target: str) -> None:
        """Copy a database, with the settings that are its own."""
        self._prod.stand_in.books.close()
        self._postgres.drop_database(target)
        with autocommit_cursor(self._postgres.dsn()) as database:
            database.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                (source,),
            )
            database.execute(f'create database "{target}" template "{source}"')
            database.execute(
                "insert into pg_db_role_setting select made.oid, setrole, setconfig"
                " from pg_db_role_setting inner join pg_database as kept on setdatabase = kept.oid"
                " cross join pg_database as made where kept.datname = %s and made.datname = %s",
                (source, target),
            )

    def note(self, sql: str) -> None:
        """A statement was sent."""
        self._met.append(sql)

    def close(self) -> None:
        """The templates go."""
        for kind in self.prepared:
            self._postgres.drop_database(kind)


def _differing(state: dict[str, Any], meant: dict[str, Any]) -> str:
    different = [name for name in state.keys() | meant.keys() if state.get(name) != meant.get(name)]
    return f"these differ: {sorted(different)}"


@contextmanager
def every_error_can_be_met() -> Iterator[None]:
    """Both classes of the driver's, and dbt waits for nothing before it sends a statement again."""
    execute = Cursor.execute

    def execute_or_raise(cursor: Cursor, *arguments: Any, **options: Any) -> Cursor:
        try:
            return execute(cursor, *arguments, **options)
        except InterfaceError as error:
            if "internal" in str(error):  # no error of a server is made one
                raise InternalError(*error.args) from error
            raise

    with (
        patch.object(Cursor, "execute", execute_or_raise),
        patch(
            "dbt.adapters.redshift.connections.time", SimpleNamespace(sleep=lambda _seconds: None)
        ),
        patch(
            "dbt.adapters.sql.connections.time",
            SimpleNamespace(sleep=lambda _seconds: None, perf_counter=time.perf_counter),
        ),
    ):
        yield


@contextmanager
def faulty(
    postgres: PostgresServer,
    kafka: KafkaBroker,
    folder: Path,
    isolation: Literal["snapshot", "serializable"] = "snapshot",
) -> Iterator[Faulty]:
    """A new warehouse, and what is sent to it."""
    kafka.delete_all_topics()
    meets = Proxy.meets

    def note_and_meet(proxy: Proxy, sql: str, session: Session) -> Fault | None:
        opened.note(sql)
        return meets(proxy, sql, session)

    with (
        StandIn(postgres, {"lake": folder}, isolation) as stand_in,
        patch.object(Proxy, "meets", note_and_meet),
        every_error_can_be_met(),
    ):
        world = new_world(stand_in, kafka, folder, "sqlserver")
        settings = {**world.prod.dbt.settings, "LAKEHOUSE_REDSHIFT_THREADS": "1"}
        world = replace(
            world, prod=replace(world.prod, dbt=replace(world.prod.dbt, settings=settings))
        )
        opened = Faulty(world, postgres, isolation)
        try:
            yield opened
        finally:
            opened.close()
    kafka.delete_all_topics()
