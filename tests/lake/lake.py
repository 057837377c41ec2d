"""The project on the lake: what dbt builds there with target `lake_job`, and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.kit.dbt import Dbt
from tests.kit.warehouse import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Lake:
    """A warehouse's project and landing zone, in a database of the session's catalog."""

    spark: SparkSession
    beside: Warehouse
    database: str

    @property
    def dbt(self) -> Dbt:
        """dbt on target lake_job."""
        beside = self.beside
        settings = {
            "LAKEHOUSE_LANDING": str(beside.landing),
            "LAKEHOUSE_SOURCE": beside.connector,
            "LAKEHOUSE_LAKE_DATABASE": self.database,
        }
        return Dbt(beside.project, beside.file.parent / "lake", settings, "lake_job")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, which names tables without the database."""
        self.spark.sql(f"use {self.database}")
        return [
            tuple(bytes(value) if isinstance(value, bytearray) else value for value in row)
            for row in self.spark.sql(query).collect()
        ]
