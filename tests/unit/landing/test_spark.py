from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ingestion.errors import TerminalError, TransientError
from ingestion.landing import spark
from ingestion.landing.spark import counted
from ingestion.settings import Settings
from lakehouse.local_spark import local_session


def test_what_java_says_is_told_when_it_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(TerminalError, match=rf"did not start: .*{tmp_path}/bin/java"):
        local_session(Settings.from_environment({}))


class Silent:
    """An observation whose listener was dropped."""

    @property
    def get(self) -> dict[str, int]:
        threading.Event().wait()
        raise AssertionError


def test_a_count_that_never_comes_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "COUNTED_SECONDS", 0.01)
    with pytest.raises(TransientError, match="how many records it wrote to _staging/1"):
        counted(cast(Any, Silent()), "_staging/1")


def test_what_spark_has_counted_is_given_and_its_error_raised() -> None:
    assert counted(cast(Any, SimpleNamespace(get={"records": 7})), "_staging/1") == 7
    with pytest.raises(KeyError):
        counted(cast(Any, SimpleNamespace(get={})), "_staging/1")
