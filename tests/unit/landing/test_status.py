from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingestion.declarations import load
from ingestion.kafka import brokers
from ingestion.landing import layout
from ingestion.landing.ledger import Entry, Ledger
from ingestion.landing.storage import open_storage
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
    (tmp_path / layout.IDENTITY).write_text("{}")
    monkeypatch.setenv("LAKEHOUSE_SOURCE", "sqlserver")
    monkeypatch.setenv("COLUMNS", "60")
    said = CliRunner().invoke(landing_commands.app, ["status"]).output
    for table in load().tables:
        assert table.topics["sqlserver"] in said


def test_a_topic_that_is_another_one_has_no_lag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end minus what is landed of the old one may be 0, and would say that all is well."""
    table = load().table("stores")
    name = table.topics["postgresql"]

    class Recreated:
        def __init__(self, settings: object) -> None: ...

        def topics(self, names: set[str]) -> dict[str, brokers.Topic]:
            return {n: brokers.Topic(n, "new id", {0: brokers.Offsets(0, 5)}) for n in names}

    monkeypatch.setattr(brokers, "Brokers", Recreated)
    monkeypatch.setenv("LAKEHOUSE_LANDING", str(tmp_path))
    (tmp_path / layout.IDENTITY).write_text("{}")
    monkeypatch.setenv("LAKEHOUSE_SOURCE", "postgresql")
    landed = Entry("stores", name, "old id", 1, 0, 0, 5, 5, "landed", "2026-03-01", None)
    Ledger(open_storage(str(tmp_path))).append([landed])
    ended = CliRunner().invoke(landing_commands.app, ["status", "--tables", "stores"])
    assert ended.exit_code == 3
    assert all(part in ended.output for part in ("old id", "new id", "recreated"))
