"""Connections to Redshift with the variables that dbt's targets dev, qa and prod read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PrivateAttr

from ingestion.declarations import SOURCE
from ingestion.errors import TerminalError, TransientError
from ingestion.settings import EnvironmentSettings, named
from lakehouse.console import ROOT

if TYPE_CHECKING:
    from redshift_connector.core import Connection
    from redshift_connector.cursor import Cursor


class WarehouseSettings(EnvironmentSettings):
    """Where the warehouse is and how to log in; defaults are those of profiles.yml."""

    model_config = named("LAKEHOUSE_REDSHIFT_")
    advice = "the endpoint of the Redshift cluster or workgroup; docs/settings.md lists the rest"

    host: str = Field(description="Endpoint of the cluster or workgroup.")
    port: int = Field(description="Its port.")
    database: str = Field(description="The database.")
    prefix: str = Field(
        validation_alias="LAKEHOUSE_REDSHIFT_SCHEMA",
        description="In target dev the prefix of all your schemas, so that two engineers never "
        "overwrite each other.",
    )
    method: Literal["iam_role", "iam", "database"] = Field(
        description="How to log in: `iam_role` (the caller's AWS role), `iam` (an IAM user) or "
        "`database` (user and password)."
    )
    user: str = Field(description="The user, for `iam` and `database`.")
    password: str = Field(
        repr=False,
        description="The password, for `database`: put there from Secrets Manager when a job "
        "starts.",
    )
    cluster: str = Field(
        description="Identifier of a provisioned cluster, for `iam_role` and `iam`."
    )
    serverless: bool = Field(description="`true` for Redshift Serverless.")
    workgroup: str = Field(description="Its workgroup.")
    sslmode: str = Field(
        description="How strictly the server's certificate is checked: `verify-full` looks at "
        "its name too."
    )
    timeout: int = Field(
        description="Seconds that a connection, and any statement, may take: the driver keeps one "
        "timeout for both."
    )
    query_group: str = Field(description="Label of dbt's sessions, for workload management.")
    threads: int = Field(description="How many models dbt builds at once.")
    region: str = Field(
        validation_alias="AWS_REGION", description="Region of the cluster or workgroup."
    )
    iam_role: str = Field("default", description="Role with which Redshift reads Kafka and S3.")
    transformer: str = Field(
        "",
        description="The user that dbt is, `IAMR:<role>` for an IAM role: `lakehouse warehouse "
        "deploy` makes it, gives it role `transformer` and the external schema `landing`.",
    )
    loader: str = Field(
        "",
        description="The user that the operations' tasks are: it is made, and has role `loader`.",
    )
    glue_database: str = Field(
        f"{SOURCE}_landing",
        validation_alias="LAKEHOUSE_GLUE_DATABASE",
        description="Glue database of the landing zone's external tables.",
    )
    _target: str = PrivateAttr("")

    @classmethod
    def from_environment(
        cls, target: str, environment: Mapping[str, str] | None = None
    ) -> WarehouseSettings:
        """Read `LAKEHOUSE_REDSHIFT_*`; in target dev every engineer's schemas have a prefix.

        Raises:
            TerminalError: a variable is missing or holds a value that is not allowed.
        """
        given = os.environ if environment is None else environment
        settings = cls.read({**_defaults(), **given})
        settings._target = target
        return settings

    @classmethod
    def variables(cls) -> dict[str, tuple[str, str]]:
        """Each variable's default, which dbt's profile has, and description."""
        said = _defaults()
        return {
            name: (said.get(name, default), what)
            for name, (default, what) in super().variables().items()
        }

    @property
    def schema_prefix(self) -> str:
        """What stands before the names of all schemas."""
        return f"{self.prefix}_" if self._target == "dev" else ""


def _defaults() -> dict[str, str]:
    """What profiles.yml gives to variables that are not set; a host has to be."""
    from jinja2 import Environment, nodes

    profile = Environment(autoescape=True).parse((ROOT / "profiles.yml").read_text("utf-8"))
    found = {}
    for call in profile.find_all(nodes.Call):
        match call:
            case nodes.Call(node=nodes.Name(name="env_var"), args=[name, default]):
                found[name.as_const()] = default.as_const()
    return {name: default for name, default in found.items() if not name.endswith("_HOST")}


class Warehouse:
    """An open connection; statements commit one by one."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self.settings = settings
        self._connection = _connect(settings)
        self._connection.autocommit = True

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query.

        Raises:
            TerminalError: Redshift refuses it, with its message, or the connection is lost.
        """
        with self._sent(sql) as cursor:
            return [tuple(row) for row in cursor.fetchall()]

    def run(self, sql: str) -> None:
        """Run a statement outside a transaction; raises TerminalError as `rows` does."""
        with self._sent(sql):
            pass

    @contextmanager
    def _sent(self, sql: str) -> Iterator[Cursor]:
        from redshift_connector.error import Error

        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            yield cursor
        except Error as error:
            raise TerminalError(f"Redshift refused: {_message(error)}\n{sql}") from error
        except OSError as error:  # the driver's own error comes only where it notices at once
            raise TerminalError(f"the connection to Redshift is lost: {error}\n{sql}") from error
        finally:
            cursor.close()

    def close(self) -> None:
        """End the session."""
        self._connection.close()


def _connect(settings: WarehouseSettings) -> Connection:
    import redshift_connector
    from botocore.exceptions import BotoCoreError, ClientError
    from redshift_connector.error import Error

    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "database": settings.database,
        "ssl": settings.sslmode != "disable",
        # the driver leaves it on the socket: no statement may take longer
        "timeout": settings.timeout,
    }
    if settings.sslmode != "disable":
        options["sslmode"] = settings.sslmode
    if settings.method == "database":
        options |= {"user": settings.user, "password": settings.password}
    else:
        if ".redshift-serverless." in settings.host and not settings.serverless:
            raise TerminalError(
                f"{settings.host} is a workgroup's endpoint: set LAKEHOUSE_REDSHIFT_SERVERLESS to "
                "true, and LAKEHOUSE_REDSHIFT_WORKGROUP"
            )
        options |= {"iam": True, "region": settings.region, "db_user": settings.user or None}
        if settings.serverless:
            options |= {"is_serverless": True, "serverless_work_group": settings.workgroup}
        else:
            options |= {
                "cluster_identifier": settings.cluster,
                "group_federation": settings.method == "iam_role",
            }
    where = f"no connection to Redshift at {settings.host}:{settings.port}"
    try:
        return redshift_connector.connect(**options)
    except (Error, OSError) as error:
        raise TransientError(
            f"{where}: {_message(error)}. "
            "Check the endpoint, the security group and LAKEHOUSE_REDSHIFT_METHOD."
        ) from error
    except (BotoCoreError, ClientError) as error:
        raise TerminalError(
            f"{where}: AWS gives no login for method {settings.method}: {error}. Log in to AWS "
            "(`aws sts get-caller-identity` says as whom), in the account of the warehouse."
        ) from error


def _message(error: BaseException) -> str:
    """Redshift's own sentence: the driver gives the fields of the message as a dict."""
    told = error.args[0] if error.args else str(error)
    return str(told.get("M", told)) if isinstance(told, dict) else str(told)
