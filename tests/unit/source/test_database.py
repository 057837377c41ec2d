"""What is said to a SQL Server, which is not here: a driver of the test's own stands in."""

from __future__ import annotations

from typing import Any

import pytds
import pytest

from ingestion.errors import TerminalError, TransientError
from lakehouse.settings import CommandSettings
from lakehouse.source.database import connect_postgresql, connection_string, open_database

DSN = "Driver={ODBC Driver 18};Server=tcp:shop.example,1433;Database=shop;Uid=reader;Pwd={a;b}}c=}"


class Driver:
    """A connection that knows the answers of some statements, and refuses every other."""

    def __init__(self, answers: dict[str, list[tuple[Any, ...]] | Exception]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.description: list[str] | None = None

    def cursor(self) -> Driver:
        return self

    def close(self) -> None:
        self.asked.append("closed")

    def execute(self, statement: str, parameters: tuple[Any, ...] | None) -> None:
        assert parameters is None
        self.asked.append(statement)
        answer = self.answers[statement]
        if isinstance(answer, Exception):
            raise answer
        self.found, self.description = answer, ["a column"] if answer else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.found


SNAPSHOTS = "select 1 from sys.databases where name = db_name() and snapshot_isolation_state <> 1"
MOMENT = (
    "set transaction isolation level snapshot",
    "begin transaction",
    "select 1",
    "rollback transaction",
    "set transaction isolation level read committed",
)


@pytest.fixture
def settings() -> CommandSettings:
    return CommandSettings.from_environment(
        {"LAKEHOUSE_SOURCE": "sqlserver", "LAKEHOUSE_SOURCE_DSN": DSN}
    )


def connect_to(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> dict[str, Any]:
    told: dict[str, Any] = {}

    def connect(*place: str, **options: Any) -> Driver:
        told.update(options, place=place)
        return driver

    monkeypatch.setattr(pytds, "connect", connect)
    return told


def test_a_moment_is_a_snapshot_transaction_on_an_encrypted_connection(
    monkeypatch: pytest.MonkeyPatch, settings: CommandSettings
) -> None:
    driver = Driver({SNAPSHOTS: [], **{key: [] for key in MOMENT}, "select 1": [(1,)]})
    told = connect_to(monkeypatch, driver)

    with open_database(settings) as opened, opened.at_one_moment():
        assert opened.rows("select 1") == [(1,)]

    asked = [statement for statement in driver.asked if statement != "closed"]
    assert asked == [SNAPSHOTS, *MOMENT]
    assert told["place"] == ("shop.example", "shop", "reader", "a;b}c=")
    assert (told["port"], told["autocommit"]) == (1433, True)
    assert told["cafile"].endswith(".pem") or told["cafile"].endswith(".crt")


def test_a_text_that_is_no_connection_string_is_told() -> None:
    with pytest.raises(TerminalError, match=r"LAKEHOUSE_SOURCE_DSN is no connection string .*red"):
        connect_postgresql("host=127.0.0.1 port=1 [red]x")


def test_a_database_without_snapshots_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, settings: CommandSettings
) -> None:
    connect_to(monkeypatch, Driver({SNAPSHOTS: [(1,)]}))

    with (
        open_database(settings) as opened,
        pytest.raises(TerminalError, match="allow_snapshot_isolation on"),
        opened.at_one_moment(),
    ):
        pytest.fail("it was read")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(TimeoutError("timed out"), TransientError, id="silence"),
        pytest.param(pytds.tds_base.ClosedConnectionError(), TransientError, id="hung up"),
        pytest.param(pytds.ProgrammingError("Invalid object name"), TerminalError, id="no table"),
        pytest.param(pytds.OperationalError("permission denied"), TerminalError, id="not allowed"),
    ],
)
def test_an_error_of_the_driver_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    settings: CommandSettings,
    error: Exception,
    told: type[Exception],
) -> None:
    connect_to(monkeypatch, Driver({"select 1": error}))

    with (
        open_database(settings) as opened,
        pytest.raises(told, match="LAKEHOUSE_SOURCE_DSN"),
    ):
        opened.rows("select 1")


def test_a_server_that_is_not_there_may_come_back(
    monkeypatch: pytest.MonkeyPatch, settings: CommandSettings
) -> None:
    def connect(*_: str, **__: Any) -> Driver:
        raise TimeoutError

    monkeypatch.setattr(pytds, "connect", connect)
    with pytest.raises(TransientError, match="TimeoutError; check LAKEHOUSE_SOURCE_DSN"):
        open_database(settings).__enter__()


def test_what_a_connection_string_lacks_is_named_and_its_password_kept_back() -> None:
    with pytest.raises(TerminalError, match="does not say database, uid;") as error:
        connection_string("Server=shop.example;Pwd=hidden")
    assert "hidden" not in str(error.value)


def test_nothing_is_opened_where_no_source_is_named() -> None:
    unset = CommandSettings.from_environment({})
    with pytest.raises(TerminalError, match="set LAKEHOUSE_SOURCE_DSN"), open_database(unset):
        pytest.fail("it was opened")
