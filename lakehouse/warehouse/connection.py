"""Connections to Redshift with the variables that dbt's targets dev, qa and prod read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestion.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from redshift_connector.core import Connection

METHODS = ("iam_role", "iam", "database")


@dataclass(frozen=True)
class WarehouseSettings:
    """Where the warehouse is and how to log in; docs/redshift.md explains each variable."""

    host: str
    port: int
    database: str
    method: str
    user: str
    password: str
    region: str
    cluster: str
    serverless: bool
    workgroup: str
    sslmode: str
    schema_prefix: str
    iam_role: str
    glue_database: str

    @classmethod
    def from_environment(
        cls, target: str, environment: Mapping[str, str] | None = None
    ) -> WarehouseSettings:
        """Read `LAKEHOUSE_REDSHIFT_*`; in target dev every engineer's schemas have a prefix.

        Raises:
            TerminalError: a variable is missing or holds a value that is not allowed.
        """
        env = os.environ if environment is None else environment
        method = env.get("LAKEHOUSE_REDSHIFT_METHOD", "iam_role")
        if method not in METHODS:
            raise TerminalError(
                f"LAKEHOUSE_REDSHIFT_METHOD is {method!r}; allowed values: {', '.join(METHODS)}"
            )
        if "LAKEHOUSE_REDSHIFT_HOST" not in env:
            raise TerminalError(
                "LAKEHOUSE_REDSHIFT_HOST is not set: the endpoint of the Redshift cluster or "
                "workgroup. docs/redshift.md lists the variables."
            )
        schema = env.get("LAKEHOUSE_REDSHIFT_SCHEMA", "main")
        return cls(
            host=env["LAKEHOUSE_REDSHIFT_HOST"],
            port=int(env.get("LAKEHOUSE_REDSHIFT_PORT", "5439")),
            database=env.get("LAKEHOUSE_REDSHIFT_DATABASE", "retail"),
            method=method,
            user=env.get("LAKEHOUSE_REDSHIFT_USER", ""),
            password=env.get("LAKEHOUSE_REDSHIFT_PASSWORD", ""),
            region=env.get("AWS_REGION", "eu-central-1"),
            cluster=env.get("LAKEHOUSE_REDSHIFT_CLUSTER", ""),
            serverless=env.get("LAKEHOUSE_REDSHIFT_SERVERLESS", "false") == "true",
            workgroup=env.get("LAKEHOUSE_REDSHIFT_WORKGROUP", ""),
            sslmode=env.get("LAKEHOUSE_REDSHIFT_SSLMODE", "verify-full"),
            schema_prefix=f"{schema}_" if target == "dev" else "",
            iam_role=env.get("LAKEHOUSE_REDSHIFT_IAM_ROLE", "default"),
            glue_database=env.get("LAKEHOUSE_GLUE_DATABASE", "retail_landing"),
        )


class Warehouse:
    """An open connection; statements commit one by one."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self.settings = settings
        self._connection = _connect(settings)
        self._connection.autocommit = True

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query.

        Raises:
            TerminalError: Redshift refuses it; the message is Redshift's.
        """
        from redshift_connector.error import Error

        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]
        except Error as error:
            raise TerminalError(f"Redshift refused a query: {_message(error)}\n{sql}") from error
        finally:
            cursor.close()

    def run(self, sql: str) -> None:
        """Run a statement outside a transaction; raises TerminalError with Redshift's message."""
        from redshift_connector.error import Error

        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
        except Error as error:
            raise TerminalError(f"Redshift refused: {_message(error)}\n{sql}") from error
        finally:
            cursor.close()

    def close(self) -> None:
        """End the session."""
        self._connection.close()


def _connect(settings: WarehouseSettings) -> Connection:
    import redshift_connector
    from redshift_connector.error import Error

    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "database": settings.database,
        "ssl": settings.sslmode != "disable",
        # the driver leaves it on the socket: no statement may take longer
        "timeout": 7200,
    }
    if settings.sslmode != "disable":
        options["sslmode"] = settings.sslmode
    if settings.method == "database":
        options |= {"user": settings.user, "password": settings.password}
    else:
        options |= {"iam": True, "region": settings.region, "db_user": settings.user or None}
        if settings.serverless:
            options |= {"is_serverless": True, "serverless_work_group": settings.workgroup}
        else:
            options |= {
                "cluster_identifier": settings.cluster,
                "group_federation": settings.method == "iam_role",
            }
    try:
        return redshift_connector.connect(**options)
    except (Error, OSError) as error:
        raise TransientError(
            f"no connection to Redshift at {settings.host}:{settings.port}: {_message(error)}. "
            "Check the endpoint, the security group and LAKEHOUSE_REDSHIFT_METHOD."
        ) from error


def _message(error: BaseException) -> str:
    """Redshift's own sentence: the driver gives the fields of the message as a dict."""
    told = error.args[0] if error.args else str(error)
    return str(told.get("M", told)) if isinstance(told, dict) else str(told)
