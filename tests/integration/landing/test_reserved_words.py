"""Spark says which words are reserved under the SQL standard; the lake is to be built by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ingestion.reserved_names import RESERVED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_sparks_reserved_words_are_its_own(start_spark: Callable[[], SparkSession]) -> None:
    session = start_spark().newSession()
    session.conf.set("spark.sql.ansi.enabled", "true")
    session.conf.set("spark.sql.ansi.enforceReservedKeywords", "true")
    words = session.sql("select lower(keyword) from sql_keywords() where reserved").collect()
    assert {word for (word,) in words} == RESERVED["Spark"]
