"""What the command reads besides the pipeline's settings, and the page that lists all of it.

`python -m lakehouse.settings > docs/settings.md` writes the page; a test compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from ingestion.settings import EnvironmentSettings, Settings
from lakehouse.console import ROOT
from lakehouse.published import readable
from lakehouse.source.connectors import PII_SALT, SHOP_LOGIN


class CommandSettings(Settings):
    """What `lakehouse` and the playground read."""

    duckdb: Path = Field(
        Path("data/warehouse.duckdb"), description="The warehouse file of the target `local`."
    )
    duckdb_memory: str = Field(
        "",
        description="What DuckDB may hold in memory while dbt builds the target `local`: `8GB`; "
        "unset: four fifths of the machine's. What does not fit goes to a folder beside the "
        "warehouse file, its name with `.tmp` behind it, while a statement runs. Some statements "
        "cannot do with too little, and fail: 4GB are too little for ten million events.",
    )
    pii_salt: str = Field(
        "",
        repr=False,
        description="Salt of the columns with `pii: hash`, at least 22 characters, as the "
        "connector has it: `lakehouse reconcile` compares hashed columns with the source by it, "
        "and the simulated SQL Server writes with it. A secret; with another one, the pseudonyms "
        "change. The connector reads its own (below).",
    )
    pii_salt_secret: str = Field(
        PII_SALT,
        description='Name of the secret with the salt, `{"salt": …}`, to which the connector\'s '
        "settings refer.",
    )
    shop_database_secret: str = Field(
        SHOP_LOGIN,
        description="Name of the secret with the source's login, to which the connector's "
        "settings refer.",
    )
    kafka_connect_url: str = Field(
        "http://127.0.0.1:8083",
        description="REST interface of Kafka Connect, for `lakehouse doctor`. Amazon MSK Connect "
        "has none: leave it unset.",
    )
    source_dsn: str = Field(
        "",
        repr=False,
        description="The shop's database, to read: for `postgresql` as libpq writes it, for "
        "`sqlserver` as ODBC does (`Server=tcp:<host>,1433;Database=…;Uid=…;Pwd=…`). What "
        "`doctor`, `connector catalog`, `connector cdc-sql` and `reconcile` ask; the simulated "
        "shop trades there. A secret.",
    )
    webhook_url: str = Field(
        "",
        repr=False,
        description="Where `lakehouse notify` sends: the address of a webhook of Slack, Teams or "
        "another program. A secret.",
    )
    release: str = Field(
        "", description="The release that the image was built from, for `lakehouse --version`."
    )

    @classmethod
    def of_target(cls, target: str | None) -> Self:
        """The environment's, for the warehouse of another target where one is named."""
        own = cls.from_environment()
        if target is None:
            return own
        return own.model_copy(update={"environment": "" if target == "local" else target})

    @property
    def readable_duckdb(self) -> Path:
        """The file that readers of the target `local` open: beside `lakehouse run` another one."""
        return readable(self.duckdb)

    @model_validator(mode="before")
    @classmethod
    def _in_the_project(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What is not set lies in the project, from wherever the command is run."""
        if Path("dbt_project.yml").exists():
            return given
        places = (cls.model_fields[name] for name in ("landing", "checkpoints", "duckdb"))
        return {str(at.validation_alias): f"{ROOT}/{at.default}" for at in places} | given


class LakeSettings(EnvironmentSettings):
    """What the lake's job reads."""

    lake_database: str = Field(
        "main",
        description="The one database of the lake's catalog; a table's layer leads its name there. "
        "Not `lake`, which is the catalog's.",
    )
    lake_warehouse: Path = Field(
        Path("data/lake"), description="The folder of the lake's tables, which is its catalog too."
    )


def programs() -> dict[str, type[EnvironmentSettings]]:
    """Each program's settings, by the heading of their table."""
    from lakehouse.delivery.environment import Delivery, Environment
    from lakehouse.source.msk_connect import Place
    from lakehouse.warehouse.connection import WarehouseSettings

    return {
        "The pipeline and the command": CommandSettings,
        "Redshift (targets dev, qa, prod)": WarehouseSettings,
        "The lake (target lake_job)": LakeSettings,
        "Amazon MSK Connect (Terraform's environment file has them)": Place,
        "Places of an environment (Terraform's environment file has them)": Environment,
        "Delivery": Delivery,
    }


def known_variables() -> frozenset[str]:
    """Every variable that a program of ours reads."""
    return frozenset(name for settings in programs().values() for name in settings.variables())


def page() -> str:
    """docs/settings.md: a variable stands in the first table that has it."""
    shown: set[str] = set()
    lines = [_HEAD]
    for heading, settings in programs().items():
        lines += [f"\n## {heading}\n", "| variable | default | what |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {default or '-'} | {what} |"
            for name, (default, what) in settings.variables().items()
            if name not in shown
        ]
        shown |= settings.variables().keys()
    return "\n".join(lines) + "\n"


_HEAD = """\
# Settings

Every setting is an environment variable, read where a program starts. On one machine none has to
be set (to the command, paths below mean the project's folder from wherever it is run; dbt looks for
`LAKEHOUSE_LANDING` in the current one): where the shop is, `make up` writes those of its services
to `data/services/environment`, and `source data/services/environment` points a shell at them.
`lakehouse doctor` shows which are set and names a misspelt one. These tables are printed from the
classes that read the variables, by `python -m lakehouse.settings > docs/settings.md`; a test
compares."""


if __name__ == "__main__":
    print(page(), end="")
