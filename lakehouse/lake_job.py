"""dbt in a Spark session that writes the lake: `python -m lakehouse.lake_job build` (docs/lake.md).

Arguments are dbt's own; the target is `lake_job`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse.console import ROOT
from lakehouse.dbt import in_project
from lakehouse.settings import LakeSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CATALOG = "spark.sql.catalog.lake"
# What our SQL asks of a session, wherever it runs.
SESSION = {
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    _CATALOG: "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.defaultCatalog": "lake",
    # What Athena, Redshift and Glue's REST endpoint read;
    # MERGE writes what changed, not whole files.
    f"{_CATALOG}.table-default.format-version": "2",
    f"{_CATALOG}.table-default.write.delete.mode": "merge-on-read",
    f"{_CATALOG}.table-default.write.update.mode": "merge-on-read",
    f"{_CATALOG}.table-default.write.merge.mode": "merge-on-read",
    # `timestamp` is one without a zone, as on the other engines; what has one is UTC.
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Which names of a record count twice, its log decides.
    "spark.sql.variant.allowDuplicateKeys": "true",
}
# What Spark on one machine needs; a catalog of Iceberg that is a folder.
LOCAL = {
    f"{_CATALOG}.type": "hadoop",
    "spark.master": "local[*]",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    "spark.log.level": "ERROR",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.ui.enabled": "false",
}


def session(settings: LakeSettings, options: Mapping[str, str] | None = None) -> SparkSession:
    """The session that dbt-spark takes (method `session`), with further `options`."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    warehouse = ROOT / settings.lake_warehouse
    warehouse.mkdir(parents=True, exist_ok=True)
    places = {
        f"{_CATALOG}.warehouse": str(warehouse),
        "spark.driver.extraClassPath": f"{ROOT}/.jars/lake/*",
    }
    builder = SparkSession.builder
    for name, value in (SESSION | LOCAL | places | dict(options or {})).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def main() -> int:
    """Run dbt with the command line's arguments; 0 when it succeeded."""
    from dbt.cli.main import dbtRunner

    spark = session(LakeSettings.read())
    try:
        done = dbtRunner().invoke([*sys.argv[1:], "--target", "lake_job", *in_project()])
    finally:
        spark.stop()
    return 0 if done.success else 1


if __name__ == "__main__":
    sys.exit(main())
