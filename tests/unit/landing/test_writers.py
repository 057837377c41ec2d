from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.errors import OutageError, RefusedError, TerminalError
from ingestion.landing import layout, writers
from ingestion.landing.ledger import FencedError
from ingestion.landing.storage import Storage
from ingestion.landing.writers import (
    Registration,
    checkpoint_folder,
    heartbeat,
    registered,
    remove_orphans,
    staging_folder,
)

TAKEOVER = 1.2
FOR_EVER = 3600.0


@pytest.fixture(autouse=True)
def identity(any_storage: Storage) -> None:
    any_storage.put(layout.IDENTITY, b"{}")


@pytest.fixture
def notices() -> list[str]:
    return []


def register(storage: Storage, tables: list[str], after: float, notices: list[str]) -> Registration:
    found = writers.register(storage, tables, after, notices.append, threading.Event())
    assert found is not None
    return found


@pytest.fixture
def writer(any_storage: Storage, notices: list[str]) -> Iterator[Registration]:
    registration = register(any_storage, ["orders", "payments"], TAKEOVER, notices)
    yield registration
    registration.release()


def silence(registration: Registration) -> None:
    """Its process is paused: the heart does not beat."""
    registration._released.set()
    registration._thread.join()


def elsewhere(storage: Storage, **changed: Any) -> None:
    """The registered job runs on another host, or another boot, or another namespace."""
    (path,) = (p for p in storage.list_files(layout.WRITERS) if p.endswith(".json"))
    content = json.loads(storage.read(path)) | (changed or {"host": "another"})
    storage.put(path, json.dumps(content).encode())


def test_a_second_writer_is_told_who_holds_the_table_since_when(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    with pytest.raises(RefusedError) as refused:
        register(any_storage, ["customers", "orders"], TAKEOVER, notices)
    message = str(refused.value)
    assert "already has a writer of orders:" in message
    assert f"process {writer.writer.pid} on {writer.writer.host}" in message
    assert f"since {writer.writer.since}" in message
    writer.check()


def test_writers_of_other_tables_live_side_by_side(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    other = register(any_storage, ["customers"], TAKEOVER, notices)
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
        register(any_storage, ["orders"], TAKEOVER, notices).release()
    assert any_storage.list_files(layout.WRITERS) == []
    assert notices == []


@pytest.mark.parametrize("host", ["this", "another"])
def test_a_silent_writer_is_waited_for_taken_over_and_fenced(
    any_storage: Storage, writer: Registration, notices: list[str], host: str
) -> None:
    staged = f"{staging_folder(writer.writer.session)}/1/part.parquet"
    any_storage.put(staged, b"whole")
    silence(writer)
    if host == "another":
        elsewhere(any_storage)
    # Its clock was ahead by a day: only what this process sees counts.
    any_storage.put(writers._heartbeat_file(writer.writer.session), b"%f" % (time.time() + 86400))
    began = time.monotonic()
    successor = register(any_storage, ["orders"], TAKEOVER, notices)
    assert time.monotonic() - began >= TAKEOVER
    assert "waiting up to 1 s to see whether the job" in notices[0]
    assert "taking over from a job that is gone" in notices[1]
    with pytest.raises(FencedError, match="another job has taken over"):
        writer.check()
    with pytest.raises(FileNotFoundError):
        any_storage.publish(staged, "orders/x.parquet")
    successor.release()
    with pytest.raises(FencedError):
        writer.check()


def test_a_registration_without_a_heartbeat_is_taken_over(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    silence(writer)
    elsewhere(any_storage)
    any_storage.delete(writers._heartbeat_file(writer.writer.session))
    register(any_storage, ["orders"], TAKEOVER, notices).release()
    assert "taking over from a job that is gone" in notices[-1]


def test_waiting_ends_when_it_is_told_to(
    any_storage: Storage, writer: Registration, notices: list[str]
) -> None:
    silence(writer)
    stopping = threading.Event()
    threading.Timer(0.5, stopping.set).start()
    waiting = writers.register(any_storage, ["orders"], FOR_EVER, notices.append, stopping)
    assert waiting is None
    writer.check()


def test_a_store_that_was_away_makes_nobody_dead(
    any_storage: Storage, writer: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who waits saw nothing while it was paused or cut off, so the wait goes on."""
    watch = writers._Watch()
    session = writer.writer.session
    now = time.monotonic()
    watch.look(any_storage, [session])
    monkeypatch.setattr(time, "monotonic", lambda: now + FOR_EVER)
    watch.look(any_storage, [session])
    assert watch.silent[session] <= 2 * writers._LOOK_SECONDS


def test_a_process_that_has_exited_is_taken_over_at_once(
    any_storage: Storage, notices: list[str]
) -> None:
    silence(register(any_storage, ["orders"], FOR_EVER, notices))
    process = writers.Writer.current([]).process.rpartition(":")[0]
    elsewhere(any_storage, process=f"{process}:1")
    register(any_storage, ["orders"], FOR_EVER, notices).release()
    assert len(notices) == 1


@pytest.mark.parametrize("place", ["boot", "namespace"])
def test_what_another_boot_or_namespace_runs_is_not_seen_from_here(
    any_storage: Storage, writer: Registration, notices: list[str], place: str
) -> None:
    """Two containers with one host name: the one lives, the other must not throw it out."""
    boot, _, rest = writer.writer.process.partition(":")
    elsewhere(
        any_storage,
        process=f"another:{rest}" if place == "boot" else f"{boot}:pid:[1]:77",
    )
    with pytest.raises(RefusedError, match="already has a writer"):
        register(any_storage, ["orders"], TAKEOVER, notices)
    writer.check()


def test_a_landing_zone_that_is_away_fences_nobody(
    any_storage: Storage, writer: Registration
) -> None:
    """An empty mount point is no landing zone without writers."""
    path = next(p for p in any_storage.list_files(layout.WRITERS) if p.endswith(".json"))
    registration = any_storage.read(path)
    any_storage.delete(path)
    any_storage.delete(layout.IDENTITY)
    with pytest.raises(OutageError, match="is its disk mounted"):
        writer.check()
    any_storage.put(layout.IDENTITY, b"{}")
    any_storage.put(path, registration)
    writer.check()


def test_what_killed_jobs_left_is_removed(any_storage: Storage, writer: Registration) -> None:
    session = writer.writer.session
    kept = [
        f"{staging_folder(session)}/1/part.parquet",
        f"{checkpoint_folder(session, 1)}/offsets/0",
    ]
    left = [
        "_staging/orphan/1/part.parquet",
        f"{checkpoint_folder('orphan', 7)}/offsets/0",
        writers._heartbeat_file("orphan"),
    ]
    for path in kept + left:
        any_storage.put(path, b"whole")
    remove_orphans(any_storage, any_storage)
    found = {
        path
        for folder in ("_staging", "landing", "_writers")
        for path in any_storage.list_files(folder)
    }
    assert found >= set(kept)
    assert not found & set(left)
    writer.check()


def test_a_heartbeat_keeps_a_long_running_writer(any_storage: Storage, notices: list[str]) -> None:
    registration = register(any_storage, ["orders"], 0.6, notices)
    session, first = registration.writer.session, ""
    deadline = time.monotonic() + 10
    while len({first, "", heartbeat(any_storage, session)}) < 3:
        first = first or heartbeat(any_storage, session)
        assert time.monotonic() < deadline
        time.sleep(0.05)
    registration.release()


def test_a_heart_that_beats_more_seldom_is_waited_for(
    any_storage: Storage, notices: list[str]
) -> None:
    """A job beats six times in its own `--takeover-after`, which may be longer than ours."""
    slow = register(any_storage, ["orders"], 9.0, notices)
    with pytest.raises(RefusedError, match="silent for 9 s is taken over"):
        register(any_storage, ["orders"], 0.6, notices)
    slow.release()
    assert "waiting up to 9 s" in notices[0]


def test_two_processes_with_one_number_are_told_apart() -> None:
    assert writers._process(1) != ""
    assert writers._process(2**22 + 1) == ""


@pytest.mark.parametrize(
    ("name", "content"),
    [("00000000000000000001.json", b"{"), ("00000000000000000001.json", b"[]"),
     ("00000000000000000001.json", b'{"tables": ["orders"]}'), ("notes.json", b'{"tables": []}')],
)  # fmt: skip
def test_what_is_no_registration_is_named(name: str, content: bytes, any_storage: Storage) -> None:
    any_storage.put(f"{layout.WRITERS}/{name}", content)
    any_storage.put(f"{layout.WRITERS}/notes.txt", b"nobody minds")
    with pytest.raises(TerminalError, match=rf"{layout.WRITERS}/{name} is no registration"):
        registered(any_storage)
