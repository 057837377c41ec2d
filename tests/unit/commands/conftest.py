"""The command line over empty folders and without servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.kafka.brokers import Brokers
from tests.kit.command_line import CommandLine


@pytest.fixture
def lakehouse(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """Runs `lakehouse`; exit code, stdout, stderr."""
    for name, value in {
        "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "LAKEHOUSE_LANDING": str(tmp_path / "landing"),
        "LAKEHOUSE_CHECKPOINTS": str(tmp_path / "checkpoints"),
        "LAKEHOUSE_DUCKDB": str(tmp_path / "warehouse.duckdb"),
        "LAKEHOUSE_REDSHIFT_HOST": "redshift.invalid",
        "AWS_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Brokers.__init__, "__defaults__", (0.5,))  # nobody answers: soon
    return command_line
