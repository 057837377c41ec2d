"""Settings: environment variables only, read once at the edge and handed on as a value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import AliasChoices, AliasGenerator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ingestion.errors import TerminalError

KafkaAuth = Literal["none", "iam"]
ConnectorName = Literal["sqlserver", "postgresql"]


def named(prefix: str) -> SettingsConfigDict:
    """The configuration of a class whose fields are the variables that begin with `prefix`."""
    generator = AliasGenerator(validation_alias=lambda name: prefix + name.upper())
    return SettingsConfigDict(
        alias_generator=generator, case_sensitive=True, frozen=True, extra="ignore"
    )


class EnvironmentSettings(BaseSettings):
    """What one program reads; a field's description and default are its row in docs/settings.md."""

    model_config = named("LAKEHOUSE_")
    advice: ClassVar[str] = ""
    """What to do where a variable is missing."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values come from `read` only, never behind a caller's back."""
        return (init_settings,)

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the variables from `environment`, by default `os.environ`.

        Raises:
            TerminalError: a variable is missing or holds a value that is not allowed; says which.
        """
        source = EnvSettingsSource(cls)
        source.env_vars = dict(os.environ if environment is None else environment)
        try:
            return cls.model_validate(source())
        except ValidationError as error:
            faults = error.errors(include_url=False)
            missing = [str(fault["loc"][0]) for fault in faults if fault["type"] == "missing"]
            told = [cls._explained(fault) for fault in faults if fault["type"] != "missing"]
            if missing:
                verb = "is" if len(missing) == 1 else "are"
                told.append(f"{', '.join(missing)} {verb} not set: {cls.advice}")
            raise TerminalError("; ".join(told)) from None

    @classmethod
    def variables(cls) -> dict[str, tuple[str, str]]:
        """Each variable's default, empty for none, and description."""
        found = {}
        for name, field in cls.model_fields.items():
            alias = field.validation_alias
            first = alias.choices[0] if isinstance(alias, AliasChoices) else alias
            default = "" if field.is_required() or field.default is None else str(field.default)
            found[str(first or name)] = default, field.description or ""
        return found

    @classmethod
    def _explained(cls, fault: Any) -> str:
        name = fault["loc"][0]
        if fault["type"] != "literal_error":
            return f"{name} is {fault['input']!r}: {fault['msg']}"
        [field] = [field for field in cls.model_fields.values() if field.validation_alias == name]
        allowed = ", ".join(get_args(field.annotation))
        return f"{name} is {fault['input']!r}; allowed values: {allowed}"


class Settings(EnvironmentSettings):
    """What the pipeline reads: topics and landing, on Glue as well as here."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """See `read`."""
        return cls.read(environment)

    source: ConnectorName = Field(
        "postgresql",
        description="Whose events: `sqlserver` or `postgresql`. Decides the shape of the events "
        "and the topics' names. dbt's targets dev, qa and prod read `sqlserver` where it is unset.",
    )
    kafka_bootstrap_servers: str = Field(
        "127.0.0.1:9092", description="The brokers, `host:port`, separated by commas."
    )
    kafka_auth: KafkaAuth = Field(
        "none",
        description="`none`, or `iam` for Amazon MSK: then `AWS_REGION` is needed as well. "
        "Redshift's streaming reads `iam` where it is unset.",
    )
    landing: str = Field(
        "data/landing",
        description="Where records are landed: a folder or an `s3a://` URI (no `//`, `.` or `..` "
        "in its prefix).",
    )
    checkpoints: str = Field(
        "data/checkpoints",
        description="Spark's working files: a folder or an `s3a://` URI. They may be lost; the "
        "ledger in the landing zone may not.",
    )
    spark_memory: str = Field(
        "1g",
        description="The heap of landing's Java process on one machine; on Glue the worker type "
        "decides.",
    )
    environment: str = Field(
        "",
        description="`dev`, `qa` or `prod`: dimension of the metrics, dbt's target in tasks, and "
        "the warehouse that `status` and `doctor` ask; unset: the local one.",
    )
    metrics_namespace: str = Field(
        "",
        description="CloudWatch namespace of the project's own metrics; unset: none are put.",
    )
    aws_region: str = Field(
        "",
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="Region of Amazon MSK, Redshift and S3 (`eu-central-1` for Redshift where it "
        "is unset). Credentials come from AWS's usual chain.",
    )
    crash_point: str = Field(
        "",
        description="For tests: where landing kills itself, to prove that nothing is lost; see "
        "docs/landing.md.",
    )
