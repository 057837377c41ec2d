"""The source's own database, to read: PostgreSQL or SQL Server behind one seam.

Statements are those of the engine; their parameters are `%s` on both (the drivers' own style). It
only ever selects; PostgreSQL holds it to that, on SQL Server the login's permissions do.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestion.errors import TerminalError, TransientError
from ingestion.settings import ConnectorName

if TYPE_CHECKING:
    from psycopg2.extensions import connection as PostgresqlConnection  # noqa: N812

    from lakehouse.settings import CommandSettings

_ONE_MOMENT: dict[ConnectorName, tuple[str, ...]] = {
    "postgresql": ("begin isolation level repeatable read, read only",),
    "sqlserver": ("set transaction isolation level snapshot", "begin transaction"),
}
_AFTERWARDS: dict[ConnectorName, tuple[str, ...]] = {
    "postgresql": ("rollback",),
    "sqlserver": ("rollback transaction", "set transaction isolation level read committed"),
}
_EXAMPLE = "Server=tcp:<host>,1433;Database=<database>;Uid=<user>;Pwd=<password>"


@dataclass(frozen=True)
class Database:
    """An open connection (DB-API) to the database that `connector` reads.

    `lost` are the driver's errors of a server that is gone, `refused` those of one that says no.
    """

    connector: ConnectorName
    connection: Any
    lost: tuple[type[Exception], ...]
    refused: tuple[type[Exception], ...]

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of `statement`; a `%` in it is doubled where it has parameters.

        Raises:
            TransientError: the server does not answer any more.
            TerminalError: it refuses the statement.
        """
        try:
            with closing(self.connection.cursor()) as cursor:
                cursor.execute(statement, tuple(parameters) or None)
                return list(cursor.fetchall()) if cursor.description else []
        except self.lost as error:
            raise _unreachable(error) from error
        except self.refused as error:
            raise TerminalError(
                f"the source's database refuses what is asked: {str(error).strip()}; give the "
                "login of LAKEHOUSE_SOURCE_DSN the permission, or name another one"
            ) from error

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """What is read within is the database as it was at the first statement.

        Raises:
            TerminalError: the database keeps no versions of its rows, so it cannot.
        """
        # It would say so itself, but only at the first statement, which others send.
        if self.connector == "sqlserver" and self.rows(
            "select 1 from sys.databases where name = db_name() and snapshot_isolation_state <> 1"
        ):
            raise TerminalError(
                "the source's database does not allow snapshot isolation, without which it cannot "
                "be read at one moment: `alter database current set allow_snapshot_isolation on`"
            )
        try:
            for statement in _ONE_MOMENT[self.connector]:
                self.rows(statement)
            yield
        finally:
            for statement in _AFTERWARDS[self.connector]:
                self.rows(statement)


@contextmanager
def open_database(settings: CommandSettings) -> Iterator[Database]:
    """Connect to LAKEHOUSE_SOURCE_DSN, which is of the engine that LAKEHOUSE_SOURCE names.

    Raises:
        TransientError: the server does not answer.
        TerminalError: the settings do not say where it is.
    """
    if not settings.source_dsn:
        raise TerminalError("set LAKEHOUSE_SOURCE_DSN to the source's database (docs/settings.md)")
    opened = _open_postgresql if settings.source == "postgresql" else _open_sqlserver
    database = opened(settings.source_dsn)
    with closing(database.connection):
        yield database


def _open_postgresql(dsn: str) -> Database:
    import psycopg2

    connection = connect_postgresql(dsn)
    connection.set_session(readonly=True, autocommit=True)
    lost = (psycopg2.OperationalError, psycopg2.InterfaceError)
    return Database("postgresql", connection, lost, (psycopg2.Error,))


def connect_postgresql(dsn: str) -> PostgresqlConnection:
    """A connection of the driver's own, for what only PostgreSQL has.

    Raises:
        TransientError: the server does not answer.
        TerminalError: the text is no connection string.
    """
    import psycopg2

    try:
        connection = psycopg2.connect(dsn)
    except psycopg2.OperationalError as error:
        raise _unreachable(error) from error
    except psycopg2.ProgrammingError as error:
        raise TerminalError(
            f"LAKEHOUSE_SOURCE_DSN is no connection string as libpq writes it: {error}"
        ) from error
    connection.set_client_encoding("UTF8")
    return connection


def _open_sqlserver(dsn: str) -> Database:
    import certifi
    import pytds

    said = connection_string(dsn)
    host, _, port = said["server"].removeprefix("tcp:").partition(",")
    # Without authorities to check its certificate by, the driver would not encrypt at all.
    authorities = ssl.get_default_verify_paths().cafile or certifi.where()
    try:
        connection = pytds.connect(
            host,
            said["database"],
            said["uid"],
            said["pwd"],
            port=int(port) if port else None,
            cafile=authorities,
            autocommit=True,
            appname="lakehouse",
        )
    except (OSError, pytds.Error) as error:
        raise _unreachable(error) from error
    return Database("sqlserver", connection, (OSError, pytds.InterfaceError), (pytds.Error,))


def connection_string(dsn: str) -> dict[str, str]:
    """Server, database, uid and pwd of an ODBC connection string, by their names in lower case.

    Other keys are left aside: the connection is always encrypted and the certificate checked.

    Raises:
        TerminalError: one of the four is missing; `dsn`, which has a password, is not repeated.
    """
    # a value in braces may hold anything, a closing brace doubled (MS-ODBCSTR)
    pairs = re.findall(r"\s*([^=;]+?)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;]*)", dsn)
    said = {
        _OTHER_NAMES.get(name.lower(), name.lower()): (
            value[1:-1].replace("}}", "}") if value.startswith("{") else value.strip()
        )
        for name, value in pairs
    }
    if missing := [name for name in ("server", "database", "uid", "pwd") if not said.get(name)]:
        raise TerminalError(
            f"LAKEHOUSE_SOURCE_DSN does not say {', '.join(missing)}; for SQL Server it reads "
            f"{_EXAMPLE}"
        )
    return said


_OTHER_NAMES = {"user id": "uid", "password": "pwd"}


def _unreachable(error: Exception) -> TransientError:
    said = str(error).strip() or type(error).__name__
    return TransientError(
        f"the shop's database does not answer: {said}; check LAKEHOUSE_SOURCE_DSN and that the "
        "server runs"
    )
