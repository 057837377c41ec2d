from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingestion.declarations import load
from ingestion.kafka import brokers
from lakehouse.commands import landing as landing_commands


def test_no_name_is_cut_where_the_output_is_narrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoTopics:
        def __init__(self, settings: object) -> None: ...

        def topics(self, names: object) -> dict[str, brokers.Topic]:
            return {}

    monkeypatch.setattr(brokers, "Brokers", NoTopics)
    monkeypatch.setenv("LAKEHOUSE_LANDING", str(tmp_path))
    monkeypatch.setenv("LAKEHOUSE_SOURCE", "sqlserver")
    monkeypatch.setenv("COLUMNS", "60")
    said = CliRunner().invoke(landing_commands.app, ["status"]).output
    for table in load().tables:
        assert table.topics["sqlserver"] in said
