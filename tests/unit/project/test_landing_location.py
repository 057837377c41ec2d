"""Landing and dbt take LAKEHOUSE_LANDING for the same place, or both refuse it."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from ingestion.declarations import SOURCES_FILE
from ingestion.errors import TerminalError
from ingestion.landing.storage import open_storage

MACROS = SOURCES_FILE.parents[3] / "macros/log/landing_location.sql"


class RefusalError(Exception):
    """What dbt raises as a compiler error."""


class Exceptions:
    def raise_compiler_error(self, message: str) -> None:
        raise RefusalError(message)


def by_dbt(location: str) -> str:
    """What the macro landing_location() returns for it."""
    returned: list[str] = []
    context: dict[str, Any] = {
        "env_var": lambda *_: location,
        "declared_sources": dict,
        "modules": SimpleNamespace(re=re),
        "exceptions": Exceptions(),
        "return": returned.append,
    }
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined)
    module = environment.from_string(MACROS.read_text("utf-8")).make_module(context)
    vars(module)["landing_location"]()
    return returned[0]


@pytest.mark.parametrize(
    "location",
    [
        "s3a://lake/env//landing",
        "s3://lake//landing",
        "s3a://lake/env/../landing",
        "s3a://lake/./landing/",
        "s3a://lake/..",
    ],
)
def test_a_prefix_that_spark_takes_for_another_is_refused_by_both(location: str) -> None:
    with pytest.raises(TerminalError, match="Spark takes it for"):
        open_storage(location)
    with pytest.raises(RefusalError, match="mean another prefix to Spark than to S3"):
        by_dbt(location)


@pytest.mark.parametrize("location", ["file:/data/landing", "file://data", "file:landing"])
def test_a_folder_that_others_take_for_another_is_refused_by_both(location: str) -> None:
    with pytest.raises(TerminalError, match="file:///path"):
        open_storage(location)
    with pytest.raises(RefusalError, match="file:///path"):
        by_dbt(location)


@pytest.mark.parametrize(
    "location", ["/home/O'Brien/landing", "/data/[v2]", "s3a://lake/{x}", "landing?", "*"]
)
def test_a_name_that_readers_take_for_a_pattern_is_refused_by_both(location: str) -> None:
    with pytest.raises(TerminalError, match="would read as a pattern"):
        open_storage(location)
    with pytest.raises(RefusalError, match="would read as a pattern"):
        by_dbt(location)


@pytest.mark.parametrize("location", ["s3a://lake", "s3a://lake/landing//", "s3a://lake/a..b/.c"])
def test_an_allowed_one_is_the_same_for_both(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert by_dbt(location) == open_storage(location).uri.replace("s3a://", "s3://") + "/"


def test_a_folder_is_left_as_it_is() -> None:
    assert by_dbt("file:///data//landing/") == "file:///data//landing/"
    assert by_dbt("/data/link/../landing") == "/data/link/../landing/"
