"""`lakehouse doctor` and `lakehouse status` against real services, sound and broken."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion.declarations import load
from lakehouse.console import Exit
from lakehouse.health import checks
from lakehouse.kafka.admin import Topics
from lakehouse.settings import CommandSettings
from playground.services import Services
from playground.services.kafka import KafkaBroker
from playground.shop import schema
from tests.kit.command_line import CommandLine

Lakehouse = Callable[[str], tuple[int, str]]


@pytest.fixture
def lakehouse(
    clean_broker: KafkaBroker,
    services: Services,
    command_line: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Lakehouse:
    """Runs a command against the session's services and empty folders; exit code and output."""
    for name, value in services.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKEHOUSE_LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("LAKEHOUSE_DUCKDB", str(tmp_path / "warehouse.duckdb"))

    def run(command: str) -> tuple[int, str]:
        code, out, err = command_line(command)
        return code, out + err

    return run


def lines(output: str) -> dict[str, str]:
    """The state of each check by its name."""
    states = [line.split(":")[0].split(" ", 1) for line in output.splitlines() if ": " in line]
    return {name: state for state, name in states if state in ("ok", "attention", "broken")}


def test_a_sound_pipeline_has_nothing_broken(
    lakehouse: Lakehouse, services: Services, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.create(database)
    monkeypatch.setenv("LAKEHOUSE_SOURCE_DSN", database)
    capture = services.capture(database)
    capture.start()
    try:
        settings = CommandSettings.from_environment(services.environment())
        deadline = time.monotonic() + 30
        while checks.check_heartbeat(settings, load()).state != "ok":
            assert time.monotonic() < deadline, "no heartbeat"
        code, output = lakehouse("doctor")
        found = lines(output)
        assert code == Exit.ATTENTION, output
        assert "broken" not in found.values()
        assert found["broker"] == found["topics"] == found["connector"] == "ok"
        assert found["heartbeat"] == found["source"] == "ok"
        assert found["landing"] == found["warehouse"] == "attention"
        code, output = lakehouse("status")
        assert code == 0, output
        assert all(table.name in output for table in load().tables)
        assert "run `dbt build`" in output
    finally:
        capture.delete()


def test_missing_topics_are_broken_and_named(lakehouse: Lakehouse, services: Services) -> None:
    services.create_topics()
    Topics(services.settings).delete(["retail.public.orders"])
    code, output = lakehouse("doctor")
    assert (code, lines(output)["topics"]) == (Exit.ATTENTION, "broken")
    assert "1 missing" in output
    code, output = lakehouse("status")
    assert code == Exit.ATTENTION
    assert "retail.public.orders: no such topic" in output


def test_no_heartbeat_asks_for_the_connector(lakehouse: Lakehouse, services: Services) -> None:
    services.create_topics()
    settings = CommandSettings.from_environment(services.environment())
    assert checks.check_heartbeat(settings, load()).state == "attention"
    code, output = lakehouse("doctor")
    assert (code, lines(output)["heartbeat"]) == (Exit.ATTENTION, "attention")
