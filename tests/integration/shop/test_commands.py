"""The shop from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingestion.declarations import load
from ingestion.errors import TerminalError
from ingestion.settings import Settings
from lakehouse.kafka.admin import Topics, apply
from lakehouse.kafka.topics import desired_topics
from playground.services.kafka import KafkaBroker
from playground.shop.commands import app
from tests.integration.shop.conftest import rows

SIZES = ("--customers", "30", "--orders", "40", "--products", "20")


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_shop_is_made_filled_and_trades_at_the_present_time(empty_shop: str) -> None:
    invoke("create", "--dsn", empty_shop)
    output = invoke("seed", "--dsn", empty_shop, *SIZES)
    ((before,),) = rows(empty_shop, "select count(*) from audit.changes")
    invoke("run", "--dsn", empty_shop, "--seconds", "1", "--rate", "40")
    ((after, present),) = rows(
        empty_shop,
        "select count(*), max((new_row ->> 'updated_at')::timestamp) > "
        "localtimestamp - interval '10 minutes' from audit.changes",
    )

    assert "customer_addresses" in output
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after >= before + 40
    assert present is True


def test_without_a_database_the_commands_say_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAKEHOUSE_SOURCE_DSN", raising=False)

    with pytest.raises(TerminalError, match="LAKEHOUSE_SOURCE_DSN"):
        invoke("create")


def test_events_need_the_salt(monkeypatch: pytest.MonkeyPatch, empty_shop: str) -> None:
    monkeypatch.delenv("LAKEHOUSE_PII_SALT", raising=False)

    with pytest.raises(TerminalError, match="LAKEHOUSE_PII_SALT"):
        invoke("sqlserver-events", "--dsn", empty_shop)


def test_events_are_a_snapshot_first_and_changes_then(
    monkeypatch: pytest.MonkeyPatch, empty_shop: str, clean_broker: KafkaBroker, tmp_path: Path
) -> None:
    for name, value in clean_broker.environment().items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_environment()
    apply(Topics(settings), desired_topics(load(), "sqlserver"), replication_factor=1)
    arguments = ("--dsn", empty_shop, "--salt", "s" * 24, "--state", str(tmp_path / "state.json"))
    invoke("seed", "--dsn", empty_shop, *SIZES)

    assert "snapshot" in invoke("sqlserver-events", *arguments)
    invoke("run", "--dsn", empty_shop, "--seconds", "1", "--rate", "20")
    assert "changes" in invoke("sqlserver-events", *arguments, "--late-reads")
