from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from ingestion.errors import TerminalError
from ingestion.landing import layout, writers
from ingestion.landing.ledger import FencedError
from ingestion.landing.storage import Storage
from ingestion.landing.writers import Registration, register, registered, staging_folder

TAKEOVER = 60.0


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def writer(any_storage: Storage, notices: list[str]) -> Iterator[Registration]:
    registration = register(any_storage, ["orders", "payments"], TAKEOVER, notices.append)
    yield registration
    registration.release()


def silence(storage: Storage, registration: Registration, seconds: float) -> None:
    storage.put(
        f"{layout.WRITERS}/{registration.writer.session}.heartbeat",
        str(time.time() - seconds).encode(),
    )


def test_a_second_writer_is_told_who_holds_the_table_since_when(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    with pytest.raises(TerminalError) as refused:
        register(any_storage, ["customers", "orders"], TAKEOVER, notices.append)
    message = str(refused.value)
    assert "already has a writer of orders:" in message
    assert f"process {writer.writer.pid} on {writer.writer.host}" in message
    assert f"since {writer.writer.since}" in message
    writer.check()


def test_writers_of_other_tables_live_side_by_side(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    other = register(any_storage, ["customers"], TAKEOVER, notices.append)
    assert {w.tables for w in registered(any_storage).values()} == {
        ("orders", "payments"),
        ("customers",),
    }
    writer.check()
    other.check()
    other.release()
    assert notices == []


def test_a_released_table_is_free(any_storage: Storage, notices: list[str]) -> None:
    for _ in range(2):
        register(any_storage, ["orders"], TAKEOVER, notices.append).release()
    assert any_storage.list_files(layout.WRITERS) == []
    assert notices == []


def test_a_silent_writer_is_taken_over_and_fenced(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    staged = f"{staging_folder(writer.writer.session)}/1/part.parquet"
    any_storage.put(staged, b"whole")
    silence(any_storage, writer, TAKEOVER + 1)
    successor = register(any_storage, ["orders"], TAKEOVER, notices.append)
    assert "taking over from a job that is gone" in notices[0]
    with pytest.raises(FencedError, match="another job has taken over"):
        writer.check()
    with pytest.raises(FileNotFoundError):
        any_storage.publish(staged, "orders/x.parquet")
    successor.release()
    with pytest.raises(FencedError):
        writer.check()


def test_a_silent_but_not_yet_dead_writer_is_not_taken_over(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    silence(any_storage, writer, TAKEOVER - 10)
    with pytest.raises(TerminalError, match="already has a writer"):
        register(any_storage, ["orders"], TAKEOVER, notices.append)


def test_a_process_that_has_exited_is_taken_over_at_once(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    path = any_storage.list_files(layout.WRITERS)[0]
    content = json.loads(any_storage.read(path)) | {"process": "another boot:1"}
    any_storage.put(path, json.dumps(content).encode())
    register(any_storage, ["orders"], TAKEOVER, notices.append).release()
    assert len(notices) == 1


def test_what_an_interrupted_takeover_left_is_removed(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    any_storage.put("_staging/orphan/1/part.parquet", b"whole")
    kept = f"{staging_folder(writer.writer.session)}/1/part.parquet"
    any_storage.put(kept, b"whole")
    register(any_storage, ["customers"], TAKEOVER, notices.append).release()
    assert any_storage.list_files(layout.STAGING) == [kept]


def test_a_heartbeat_keeps_a_long_running_writer(any_storage: Storage, notices: list[str]) -> None:
    registration = register(any_storage, ["orders"], 0.6, notices.append)
    silence(any_storage, registration, 5)
    (number,) = registered(any_storage)
    deadline = time.monotonic() + 10
    while not registered(any_storage)[number].is_alive(0.6):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    registration.release()


def test_two_processes_with_one_number_are_told_apart() -> None:
    assert writers._process(1) != ""
    assert writers._process(2**22 + 1) == ""
