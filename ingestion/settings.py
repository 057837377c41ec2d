"""Settings: environment variables only, read once at the edge and handed on as a value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ingestion.errors import TerminalError

KafkaAuth = Literal["none", "iam"]
ConnectorName = Literal["sqlserver", "postgresql"]


@dataclass(frozen=True)
class Settings:
    """What the environment says; docs/settings.md documents each variable, kept equal by a test."""

    kafka_bootstrap_servers: str
    kafka_auth: KafkaAuth
    source: ConnectorName
    landing: str
    checkpoints: str
    duckdb: Path
    kafka_connect_url: str
    source_dsn: str
    aws_region: str
    environment: str
    metrics_namespace: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read `LAKEHOUSE_*` (and `AWS_REGION`) from `environment`, by default `os.environ`.

        Raises:
            TerminalError: a variable holds a value that is not allowed; the message lists them.
        """
        env = os.environ if environment is None else environment
        auth = _choice(env, "LAKEHOUSE_KAFKA_AUTH", "none", get_args(KafkaAuth))
        source = _choice(env, "LAKEHOUSE_SOURCE", "postgresql", get_args(ConnectorName))
        return cls(
            kafka_bootstrap_servers=env.get("LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
            kafka_auth="iam" if auth == "iam" else "none",
            source="sqlserver" if source == "sqlserver" else "postgresql",
            landing=env.get("LAKEHOUSE_LANDING", "data/landing"),
            checkpoints=env.get("LAKEHOUSE_CHECKPOINTS", "data/checkpoints"),
            duckdb=Path(env.get("LAKEHOUSE_DUCKDB", "data/warehouse.duckdb")),
            kafka_connect_url=env.get("LAKEHOUSE_KAFKA_CONNECT_URL", "http://127.0.0.1:8083"),
            source_dsn=env.get("LAKEHOUSE_SOURCE_DSN", ""),
            aws_region=env.get("AWS_REGION", env.get("AWS_DEFAULT_REGION", "")),
            environment=env.get("LAKEHOUSE_ENVIRONMENT", ""),
            metrics_namespace=env.get("LAKEHOUSE_METRICS_NAMESPACE", ""),
        )


def _choice(env: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = env.get(name, default)
    if value not in allowed:
        raise TerminalError(f"{name} is {value!r}; allowed values: {', '.join(allowed)}")
    return value
