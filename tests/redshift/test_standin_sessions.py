"""Who is logged in, what a transaction sees of others, and errors that a test asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redshift_connector
from redshift_connector.core import Connection
from redshift_connector.error import DatabaseError, InterfaceError, ProgrammingError

from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from redshift_standin.wire import Fault

# The errors that dbt-redshift answers by a retry, one that it does not, and those of a session.
SAID = [
    "conflict with concurrent transaction on 101",
    "could not open relation with OID 101",
    'schema "staging" does not exist',
    "1023",
]


def session(stand_in: StandIn, user: str = StandIn.user) -> Connection:
    """One of the driver's, in which BEGIN is said."""
    opened = redshift_connector.connect(
        host="127.0.0.1",
        port=stand_in.port,
        user=user,
        password=stand_in.passwords[user],
        database=stand_in.database,
        ssl=False,
    )
    opened.autocommit = True
    _OPEN.append(opened)
    return opened


_OPEN: list[Connection] = []


def run(connection: Connection, *statements: str) -> list[list[object]]:
    rows: list[list[object]] = []
    with connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)
            rows = [list(row) for row in cursor.fetchall()] if cursor.description else []
    return rows


@contextlib.contextmanager
def standing(
    postgres: PostgresServer, folder: Path, level: Literal["snapshot", "serializable"] = "snapshot"
) -> Iterator[StandIn]:
    """A stand-in with the tables a and b."""
    with StandIn(postgres, {"lake": folder}, level) as stand_in:
        stand_in.admin("create table a (value integer)")
        stand_in.admin("create table b (value integer)")
        yield stand_in


@pytest.fixture(scope="module")
def stand_in(
    redshift_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StandIn]:
    with standing(redshift_postgres, tmp_path_factory.mktemp("lake")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def nothing_waits(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every fault was met; sessions are closed, the tables empty again."""
    yield
    while _OPEN:
        with contextlib.suppress(InterfaceError):
            _OPEN.pop().close()
    if "stand_in" in request.fixturenames:
        opened: StandIn = request.getfixturevalue("stand_in")
        assert opened.faults == []
        opened.admin("delete from a")


def both_read_and_write(stand_in: StandIn) -> None:
    """Each transaction reads the table that the other one writes (c_serial_isolation)."""
    first, second = session(stand_in), session(stand_in)
    run(first, "begin", "select * from a", "insert into b values (1)")
    run(second, "begin", "select * from b", "insert into a values (1)")
    run(first, "commit")
    run(second, "commit")


def test_serializable_transactions_that_cross_are_refused(
    redshift_postgres: PostgresServer, tmp_path: Path
) -> None:
    # before the stand-in of the others is there: both have the same database
    with standing(redshift_postgres, tmp_path, "serializable") as stand_in:
        with pytest.raises(ProgrammingError, match=r"1023.*Serializable isolation violation"):
            both_read_and_write(stand_in)
        # tables and views that are made side by side are not, nor who looks at the catalogs
        first, second = session(stand_in), session(stand_in)
        for name, connection in (("c", first), ("d", second)):
            made = f"create table {name} diststyle key distkey (value) as select * from a"
            run(connection, "begin", made, f"alter table {name} rename to {name}_kept")
            shown = f"create view {name}_shown as select value from public.a with no schema binding"
            run(connection, "select count(*) from svv_columns", shown)
        run(first, "commit")
        run(second, "commit")
        told = run(first, "select trim(isolation_level) from stv_db_isolation_level")
        assert told == [["Serializable"]]


@pytest.mark.parametrize("said", SAID, ids=lambda said: said[:8])
@pytest.mark.parametrize("at", ["begin", "insert into a", "select 1", "commit"])
def test_a_statement_meets_an_error_and_its_transaction_is_undone(
    stand_in: StandIn, at: str, said: str
) -> None:
    connection = session(stand_in)
    transaction = ["begin", "insert into a values (1)", "select 1", "commit"]
    run(connection, *transaction)  # the driver prepares each once: what is sent again is short
    stand_in.faults.append(Fault(f"^{at}", said))
    with pytest.raises(ProgrammingError, match=said):
        run(connection, *transaction)
    run(connection, "rollback")
    assert run(connection, "select count(*) from a") == [[1]]


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", ["begin", "insert into a", "commit"])
def test_a_connection_is_lost_before_or_after_a_statement(
    stand_in: StandIn, at: str, is_done: bool
) -> None:
    stand_in.faults.append(Fault(f"^{at}", is_done=is_done))
    connection = session(stand_in)
    with pytest.raises(InterfaceError):
        run(connection, "begin", "insert into a values (1)", "commit")
    other = session(stand_in)
    kept = at == "commit" and is_done
    run(other, "begin", "lock a")  # waits for the lost transaction's end
    assert run(other, "select count(*) from a") == [[int(kept)]]


def test_what_was_committed_is_kept_when_its_answer_is_an_error(stand_in: StandIn) -> None:
    connection = session(stand_in)
    stand_in.faults.append(Fault("^commit", SAID[0], is_done=True))
    with pytest.raises(ProgrammingError, match=SAID[0]):
        run(connection, "begin", "insert into a values (1)", "commit")
    assert run(connection, "select count(*) from a") == [[1]]


def test_a_fault_lets_some_pass_and_comes_as_the_error_that_its_state_is(
    stand_in: StandIn,
) -> None:
    connection = session(stand_in)
    stand_in.faults.append(Fault("insert into a", "no more", sqlstate="28000", passing=2))
    statements = [f"insert into a values ({value})" for value in range(4)]
    with pytest.raises(InterfaceError, match="no more"):
        run(connection, *statements)
    assert run(connection, "select max(value) from a") == [[1]]


def test_snapshots_do_not_see_each_other(stand_in: StandIn) -> None:
    both_read_and_write(stand_in)
    reader, writer = session(stand_in), session(stand_in)
    assert run(reader, "begin", "select count(*) from a") == [[1]]
    run(writer, "insert into a values (2)")
    assert run(reader, "select count(*)  from a") == [[1]]
    assert run(reader, "commit", "select count(*)   from a") == [[2]]
    told = run(reader, "select trim(isolation_level) from stv_db_isolation_level")
    assert told == [["Snapshot Isolation"]]
    for connection in (reader, writer):
        run(connection, "begin", "select count(*) from a")
    run(reader, "update a set value = 3", "commit")
    with pytest.raises(ProgrammingError, match="conflict with concurrent transaction"):
        run(writer, "delete from a")


def test_a_user_builds_by_a_role_alone(stand_in: StandIn, tmp_path: Path) -> None:
    """What the stand-in keeps of a statement is its own to write; the rights are the user's."""
    bucket = stand_in.books.buckets["lake"] / "t"
    bucket.mkdir()
    pq.write_table(pa.table({"value": pa.array([1, 2], pa.int32())}), bucket / "one.parquet")
    for sql in (
        "create role builder",
        "create user worker password disable",
        "grant role builder to worker",
        "grant create on database dev to role builder",
        "create external schema lake from data catalog database 'retail' iam_role default",
        "create external table lake.t (value integer) stored as parquet location 's3://lake/t/'",
    ):
        stand_in.admin(sql)
    stand_in.passwords["worker"] = "secret"
    worker = session(stand_in, "worker")
    try:
        with pytest.raises(DatabaseError, match="permission denied for schema lake"):
            run(worker, "select value from lake.t")
        with pytest.raises(DatabaseError, match="permission denied for table a"):
            run(worker, "select value from a")
        stand_in.admin("grant usage on schema lake to role builder")
        run(
            worker,
            "create schema if not exists built",
            "begin",
            "create table built.t diststyle key distkey (value) as select value from lake.t",
            "create view built.v as select value from built.t with no schema binding",
            "commit",
        )
        assert run(worker, "select sum(value) from built.v") == [[3]]
        run(
            worker,
            "alter table built.t rename to t_old",
            "create table built.t (like built.t_old)",
            "alter table built.t append from built.t_old",
            "drop table built.t_old",
        )
        assert run(worker, "select sum(value)  from built.v") == [[3]]
        with pytest.raises(DatabaseError, match="must be owner of table a"):
            run(worker, "drop table a")
    finally:
        worker.close()
        stand_in.admin("drop schema built cascade")
