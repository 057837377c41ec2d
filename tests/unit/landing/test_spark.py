from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.errors import TerminalError
from ingestion.landing.spark import local_session
from ingestion.settings import Settings


def test_what_java_says_is_told_when_it_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(TerminalError, match=rf"did not start: .*{tmp_path}/bin/java"):
        local_session(Settings.from_environment({}))
