"""Each of the doctor's checks, with the fault it is there for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ingestion.declarations import load
from ingestion.landing import layout
from ingestion.landing.ledger import Entry, Ledger
from ingestion.landing.storage import Storage, open_storage
from lakehouse.health import checks
from lakehouse.settings import CommandSettings


@pytest.fixture
def settings(tmp_path: Path) -> CommandSettings:
    return CommandSettings.from_environment(
        {
            "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "LAKEHOUSE_LANDING": str(tmp_path / "landing"),
            "LAKEHOUSE_DUCKDB": str(tmp_path / "warehouse.duckdb"),
        }
    )


def test_a_misspelt_variable_is_named() -> None:
    first, *rest = checks.check_settings({"LAKEHOUSE_LANDING": "x", "LAKEHOUSE_LANDNG": "y"})
    assert (first.state, first.found) == ("ok", "LAKEHOUSE_LANDING")
    assert [(result.state, "LAKEHOUSE_LANDNG" in result.found) for result in rest] == [
        ("attention", True)
    ]


def test_pinned_versions_are_those_for_this_python() -> None:
    lines = [
        "# comment",
        'one==1.0 ; python_version >= "3" \\',
        "    --hash=sha256:00",
        'one==2.0 ; python_version < "3" \\',
        "Two==3 \\",
    ]
    assert checks.pinned_versions(lines) == {"one": "1.0", "two": "3"}


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ('openjdk version "17.0.15" 2025-04-15', "ok"),
        ('java version "1.8.0_401"', "broken"),
        ('openjdk version "11.0.22" 2024-01-16', "broken"),
        ("command not understood", "broken"),
    ],
)
def test_java_must_be_17_or_newer(
    says: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    result = checks.check_java()
    assert (result.state, bool(result.advice)) == (state, state == "broken")


def test_no_java_at_all_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert checks.check_java().state == "broken"


@pytest.mark.parametrize(
    ("jar", "state"),
    [
        (None, "broken"),
        ("spark-sql-kafka-0-10_2.13-3.5.6.jar", "broken"),
        ("spark-sql-kafka-0-10_2.13-4.1.1.jar", "ok"),
    ],
)
def test_the_jars_must_be_of_pysparks_version(
    jar: str | None, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    (tmp_path / ".jars/spark").mkdir(parents=True)
    if jar:
        (tmp_path / ".jars/spark" / jar).touch()
    assert checks.check_jars().state == state


@pytest.mark.parametrize("servers", ["127.0.0.1:1", "no-port", "127.0.0.1:1,127.0.0.1:2"])
def test_a_broker_out_of_reach_is_named_with_what_to_do(
    settings: CommandSettings, servers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = settings.model_copy(update={"kafka_bootstrap_servers": servers})
    result = checks.check_broker(asked)
    assert (result.state, servers.split(",", maxsplit=1)[0] in result.found) == ("broken", True)
    assert "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS" in result.advice
    assert "make up" in result.advice
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    assert "make up" not in checks.check_broker(asked).advice


@contextmanager
def worker(answer: Mapping[str, object]) -> Iterator[str]:
    """A stand-in for Kafka Connect's REST interface that gives one answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def connector(state: str, task_state: str, **task: str) -> dict[str, object]:
    tasks = [{"id": 0, "state": task_state} | task]
    return {"retail": {"status": {"connector": {"state": state}, "tasks": tasks}}}


@pytest.mark.parametrize(
    ("answer", "state", "text"),
    [
        pytest.param(connector("RUNNING", "RUNNING"), "ok", "retail running, 1 task", id="runs"),
        pytest.param(
            connector("RUNNING", "FAILED", trace="java.io.IOException: disk\n\tat x"),
            "broken",
            "java.io.IOException: disk",
            id="task-failed",
        ),
        pytest.param({}, "attention", "runs none", id="none"),
    ],
)
def test_the_connectors_state_is_told(answer: Mapping[str, object], state: str, text: str) -> None:
    with worker(answer) as url:
        result = checks.check_connector(url, asked=True)
    assert (result.state, text in result.found) == (state, True)


@pytest.mark.parametrize(("asked", "state"), [(True, "broken"), (False, "skipped")])
def test_a_worker_out_of_reach_matters_only_if_somebody_named_one(asked: bool, state: str) -> None:
    assert checks.check_connector("http://127.0.0.1:1", asked=asked).state == state


def landing_zone(settings: CommandSettings) -> Storage:
    storage = open_storage(settings.landing)
    storage.put(layout.IDENTITY, b"{}")
    return storage


def test_an_empty_landing_zone_asks_for_landing(settings: CommandSettings) -> None:
    result = checks.check_landing(settings, load(), broker=False)
    assert (result.state, result.advice) == ("attention", "run `lakehouse land`")
    assert "there is no landing zone in" in result.found
    assert not Path(settings.landing).exists(), "who only looks makes nothing"
    landing_zone(settings)
    result = checks.check_landing(settings, load(), broker=False)
    assert (result.state, result.advice) == ("attention", "run `lakehouse land`")


def test_a_damaged_ledger_is_broken_and_the_other_checks_still_run(
    settings: CommandSettings,
) -> None:
    storage = landing_zone(settings)
    ledger = Ledger(storage)
    ledger.append([entry(0, 10)])
    ledger.append([entry(10, 20)])
    storage.delete("_ledger/00000000000000000001.jsonl")
    results = {
        result.name: result
        for result in checks.check_all(settings, load(), load(), {"LAKEHOUSE_LANDING": "x"})
    }
    assert results["landing"].state == "broken"
    assert "00000000000000000001.jsonl is missing" in results["landing"].found
    assert results["broker"].state == "broken"
    assert results["topics"].state == results["heartbeat"].state == "skipped"
    assert results["warehouse"].state == "attention"


def test_a_warehouse_that_does_not_answer_is_broken(settings: CommandSettings) -> None:
    on_redshift = settings.model_copy(update={"environment": "prod"})
    result = checks.check_warehouse(on_redshift, load())
    assert (result.state, "LAKEHOUSE_REDSHIFT_HOST" in result.found) == ("broken", True)


def entry(start: int, end: int) -> Entry:
    return Entry(
        table="orders",
        topic="retail.public.orders",
        topic_id="id",
        incarnation=1,
        kafka_partition=0,
        from_offset=start,
        until_offset=end,
        rows=0,
        kind="lost",
        committed_at="2026-03-03T12:00:00+00:00",
        file=None,
    )


def test_a_landing_zone_with_records_is_fine(settings: CommandSettings) -> None:
    Ledger(landing_zone(settings)).append([entry(0, 10)])
    result = checks.check_landing(settings, load(), broker=False)
    assert (result.state, result.advice) == ("ok", "")
    assert "1 partitions" in result.found
