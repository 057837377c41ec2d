"""One Spark for all tests of the lake: its catalog is a folder, its settings are the job's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lakehouse.console import ROOT
from lakehouse.lake_job import configured

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# For small tables on a machine that others use: nothing is compiled that runs once.
SMALL = {
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC -XX:TieredStopAtLevel=1",
    "spark.driver.memory": "1g",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    "spark.log.level": "OFF",
    "spark.ui.enabled": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session that dbt takes (method `session`), on an empty lake."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    jars = os.pathsep.join(str(jar) for jar in (ROOT / ".jars/lake").glob("*.jar"))
    builder = SparkSession.builder.master("local[2]").config("spark.driver.extraClassPath", jars)
    for name, value in SMALL.items():
        builder = builder.config(name, value)
    catalog = {"type": "hadoop", "warehouse": str(tmp_path_factory.mktemp("lake"))}
    session = configured(builder, catalog).getOrCreate()
    yield session
    session.stop()
