"""The Spark session in which dbt builds the lake (target `lake_job`): what our SQL asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CATALOG = "lake"

# The same here and on Glue; where the catalog is comes to it.
SESSION = {
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    f"spark.sql.catalog.{CATALOG}": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.defaultCatalog": CATALOG,
    # What Athena, Redshift and Glue's REST endpoint read;
    # MERGE writes what changed, not whole files.
    f"spark.sql.catalog.{CATALOG}.table-default.format-version": "2",
    f"spark.sql.catalog.{CATALOG}.table-default.write.delete.mode": "merge-on-read",
    f"spark.sql.catalog.{CATALOG}.table-default.write.update.mode": "merge-on-read",
    f"spark.sql.catalog.{CATALOG}.table-default.write.merge.mode": "merge-on-read",
    # `timestamp` is one without a zone, as on the other engines; what has one is UTC.
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
}


def configured(builder: SparkSession.Builder, catalog: dict[str, str]) -> SparkSession.Builder:
    """`builder` with what our SQL asks for, and the options of the catalog (type, warehouse, …)."""
    for name, value in SESSION.items():
        builder = builder.config(name, value)
    for name, value in catalog.items():
        builder = builder.config(f"spark.sql.catalog.{CATALOG}.{name}", value)
    return builder
