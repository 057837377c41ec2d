"""One writer per table: who writes to the landing zone, and how a paused one is kept from it.

A job registers in `_writers/<number>.json`, put-if-absent, with its tables. A second job whose
tables overlap is told who holds them. A dead one's are taken over: its registration is removed
first, then all that it has staged. Since a file becomes visible only by moving out of the staging
folder, a writer that was paused meanwhile finds nothing to publish and no registration: it stops.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingestion.errors import RefusedError
from ingestion.landing import layout
from ingestion.landing.ledger import FencedError
from ingestion.landing.storage import Storage


@dataclass(frozen=True)
class Writer:
    """A registered job. `process` tells two processes with one pid apart (boot and start time)."""

    session: str
    tables: tuple[str, ...]
    host: str
    pid: int
    process: str
    since: str
    heartbeat_at: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @classmethod
    def current(cls, tables: Iterable[str]) -> Writer:
        """The running process as the writer of `tables`, in a session of its own."""
        return cls(
            session=uuid.uuid4().hex,
            tables=tuple(sorted(tables)),
            host=socket.gethostname(),
            pid=os.getpid(),
            process=_process(os.getpid()),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            heartbeat_at=time.time(),
        )

    def is_alive(self, takeover_after: float) -> bool:
        """Whether it may still write: heard of within `takeover_after` seconds, and not exited."""
        if self.host == socket.gethostname() and _process(self.pid) != self.process:
            return False
        return time.time() - self.heartbeat_at < takeover_after


def staging_folder(session: str) -> str:
    """Where `session` stages its files, relative to the landing zone."""
    return f"{layout.STAGING}/{session}"


def registered(storage: Storage) -> dict[int, Writer]:
    """All writers by registration number, with their latest heartbeat."""
    found = {}
    for path in storage.list_files(layout.WRITERS):
        if not path.endswith(".json"):
            continue
        try:
            values = json.loads(storage.read(path))
            beat = float(storage.read(_heartbeat_file(values["session"])))
        except FileNotFoundError:
            continue  # it has just left
        number = int(path.removeprefix(f"{layout.WRITERS}/").removesuffix(".json"))
        found[number] = Writer(
            **(values | {"tables": tuple(values["tables"]), "heartbeat_at": beat})
        )
    return found


class Registration:
    """The registration of the running process, kept alive by a thread until `release`."""

    def __init__(self, storage: Storage, number: int, writer: Writer, interval: float) -> None:
        self.writer = writer
        self._storage = storage
        self._file = _writer_file(number)
        self._interval = interval
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise FencedError unless this process is still the writer of its tables."""
        try:
            holder = json.loads(self._storage.read(self._file))["session"]
        except FileNotFoundError:
            holder = None
        if holder != self.writer.session:
            raise FencedError(
                "another job has taken over while this one was paused or out of reach: this one "
                "stops. Nothing is lost and nothing is double; see who writes with "
                "`lakehouse landing status`."
            )

    def release(self) -> None:
        """Leave: the tables are free for another job."""
        self._released.set()
        self._thread.join()
        self._storage.delete_folder(staging_folder(self.writer.session))
        try:
            self.check()
        except FencedError:
            return
        self._storage.delete(self._file)
        self._storage.delete(_heartbeat_file(self.writer.session))

    def _beat(self) -> None:
        while not self._released.wait(self._interval):
            try:
                self._storage.put(_heartbeat_file(self.writer.session), str(time.time()).encode())
            except Exception:  # noqa: S112 - the next beat, or another job, decides
                continue


def register(
    storage: Storage,
    tables: Iterable[str],
    takeover_after: float,
    notice: Callable[[str], None],
) -> Registration:
    """Become the writer of `tables`, taking over those of dead jobs.

    Raises:
        RefusedError: a live job writes one of them; the message says who, where and since when.
    """
    writer = Writer.current(tables)
    storage.put(_heartbeat_file(writer.session), str(writer.heartbeat_at).encode())
    while True:
        others = registered(storage)
        dead: dict[int, Writer] = {}
        for number, other in others.items():
            shared = sorted(set(other.tables) & set(writer.tables))
            if not shared:
                continue
            if other.is_alive(takeover_after):
                storage.delete(_heartbeat_file(writer.session))
                raise RefusedError(
                    f"the landing zone {storage.uri} already has a writer of {', '.join(shared)}: "
                    f"{other}. Stop it first, or land other tables with --tables. (A job that is "
                    f"dead or silent for {takeover_after:.0f} s is taken over.)"
                )
            dead[number] = other
        number = 1 + max(others, default=0)
        content = json.dumps(asdict(writer)).encode()
        if storage.put_if_absent(_writer_file(number), content):
            break
    for old_number, old in dead.items():
        notice(f"taking over from a job that is gone: {old}")
        storage.delete(_writer_file(old_number))
        storage.delete_folder(staging_folder(old.session))
        storage.delete(_heartbeat_file(old.session))
    _remove_orphans(storage)
    return Registration(storage, number, writer, interval=takeover_after / 6)


def _remove_orphans(storage: Storage) -> None:
    """Remove what sessions staged that are no longer registered (killed during a takeover)."""
    staged = {path.split("/")[1] for path in storage.list_files(layout.STAGING)}
    for session in staged - {writer.session for writer in registered(storage).values()}:
        storage.delete_folder(staging_folder(session))


def _writer_file(number: int) -> str:
    return f"{layout.WRITERS}/{number:020d}.json"


def _heartbeat_file(session: str) -> str:
    return f"{layout.WRITERS}/{session}.heartbeat"


def _process(pid: int) -> str:
    """What identifies the process with `pid` on this machine; empty when there is none.

    Linux: the boot and the process's start in ticks since (proc(5), field 22). Elsewhere a
    process that exists is taken for the same one.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        state, started = (stat.rpartition(")")[2].split()[i] for i in (0, 19))
        return "" if state == "Z" else f"{boot}:{started}"
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "running"
