"""One Spark for all tests of the lake: its catalog is a folder, its settings are the job's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lakehouse.lake_job import session
from lakehouse.settings import LakeSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# For small tables on a machine that others use: nothing is compiled that runs once.
SMALL = {
    "spark.master": "local[2]",
    # With one compiler Java gives its code so little room that it is full after some builds.
    "spark.driver.extraJavaOptions": " ".join(
        ("-XX:+UseParallelGC", "-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=256m")
    ),
    "spark.driver.memory": "1g",
    "spark.log.level": "OFF",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session that dbt takes, on an empty lake."""
    warehouse = {"LAKEHOUSE_LAKE_WAREHOUSE": str(tmp_path_factory.mktemp("lake"))}
    opened = session(LakeSettings.read(warehouse), SMALL)
    yield opened
    opened.stop()
