"""One writer per table: who writes to the landing zone, and how a paused one is kept from it.

A job registers in `_writers/<number>.json`, put-if-absent, with its tables, and beats its heart in
a file beside it. A second job whose tables overlap watches that file: where its content changes it
is told who holds them; where it stays the same for long enough, by the clock of the one that waits,
or the process has exited, they are taken over. The registration is removed first, then all that it
has staged. Since a file becomes visible only by moving out of the staging folder, a writer that was
paused meanwhile finds nothing to publish and no registration: it stops.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ingestion.errors import LakehouseError, OutageError, RefusedError, TerminalError
from ingestion.landing import layout
from ingestion.landing.ledger import FencedError
from ingestion.landing.storage import Storage

_CHECKPOINTS = "landing"
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Writer:
    """A registered job. `process` tells two processes with one pid apart; see `_process`."""

    session: str
    tables: tuple[str, ...]
    host: str
    pid: int
    process: str
    since: str
    takeover_after: float = 0.0

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @classmethod
    def current(cls, tables: Iterable[str], takeover_after: float = 0.0) -> Writer:
        """The running process as the writer of `tables`, in a session of its own."""
        return cls(
            session=uuid.uuid4().hex,
            tables=tuple(sorted(tables)),
            host=socket.gethostname(),
            pid=os.getpid(),
            process=_process(os.getpid()),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            takeover_after=takeover_after,
        )

    def has_exited(self) -> bool:
        """Whether this machine knows that it is gone.

        Two machines, or two containers of one, may have the same name: what another boot or another
        PID namespace runs cannot be seen from here.
        """
        here = _process(os.getpid()).rpartition(":")[0]
        return (
            (self.host, self.process.rpartition(":")[0]) == (socket.gethostname(), here)
        ) and _process(self.pid) != self.process


def staging_folder(session: str) -> str:
    """Where `session` stages its files, relative to the landing zone."""
    return f"{layout.STAGING}/{session}"


def checkpoint_folder(session: str, number: int) -> str:
    """Where the query of this number has Spark's checkpoint, relative to the checkpoints."""
    return f"{_CHECKPOINTS}/{session}-{number}"


def registered(storage: Storage) -> dict[int, Writer]:
    """All writers by registration number."""
    found = {}
    for path in storage.list_files(layout.WRITERS):
        if not path.endswith(".json"):
            continue
        try:
            values = json.loads(storage.read(path))
            number = int(path.removeprefix(f"{layout.WRITERS}/").removesuffix(".json"))
            values.pop("heartbeat_at", None)  # of an earlier release
            found[number] = Writer(**(values | {"tables": tuple(values["tables"])}))
        except FileNotFoundError:
            continue  # it has just left
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise TerminalError(
                f"{storage.uri}/{path} is no registration of a landing job ({error}): see that "
                "none runs whose it is, and remove it"
            ) from error
    return found


def heartbeat(storage: Storage, session: str) -> str:
    """What the heartbeat of `session` says: when it was, in seconds since 1970; empty for none."""
    with suppress(FileNotFoundError):
        return storage.read(_heartbeat_file(session)).decode()
    return ""


class Registration:
    """The registration of the running process, kept alive by a thread until `release`."""

    def __init__(self, storage: Storage, number: int, writer: Writer, interval: float) -> None:
        self.writer = writer
        self._storage = storage
        self._file = _writer_file(number)
        self._interval = interval
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Return if this process is still the writer of its tables.

        Raises:
            OutageError: the landing zone cannot be seen, or what is seen is not the landing zone.
            FencedError: it is not.
        """
        try:
            holder = json.loads(self._storage.read(self._file))["session"]
        except FileNotFoundError:
            holder = None
            try:
                self._storage.read(layout.IDENTITY)
            except FileNotFoundError:
                raise OutageError(
                    f"the landing zone is not in {self._storage.uri}: is its disk mounted?"
                ) from None
        if holder != self.writer.session:
            raise FencedError(
                "another job has taken over while this one was paused or out of reach: this one "
                "stops. Nothing is lost and nothing is double; see who writes with "
                "`lakehouse landing status`."
            )

    def release(self) -> None:
        """Leave: the tables are free for another job, which removes what cannot be removed now."""
        self._released.set()
        self._thread.join()
        with suppress(LakehouseError):
            self._storage.delete_folder(staging_folder(self.writer.session))
            self.check()
            self._storage.delete(self._file)
            self._storage.delete(_heartbeat_file(self.writer.session))

    def beat(self) -> None:
        """Tell that this process lives."""
        self._storage.put(_heartbeat_file(self.writer.session), str(time.time()).encode())

    def _keep_beating(self) -> None:
        while True:
            with suppress(LakehouseError):  # the next beat, or another job, decides
                self.beat()
            if self._released.wait(self._interval):
                return


@dataclass
class _Watch:
    """How long the heartbeats of others have stayed the same, by the clock of this process.

    Only looks count: while the store was out of reach, or this process paused, nothing was seen.
    """

    seen: dict[str, str] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)
    looked: float = field(default_factory=time.monotonic)

    def look(self, storage: Storage, sessions: Iterable[str]) -> set[str]:
        """The sessions of which a heartbeat has come since they were first looked at."""
        alive = set()
        now = time.monotonic()
        passed = min(now - self.looked, 2 * _LOOK_SECONDS)
        self.looked = now
        for session in sessions:
            beat = heartbeat(storage, session)
            self.silent[session] = self.silent.get(session, -passed) + passed
            if self.seen.setdefault(session, beat) != beat:
                alive.add(session)
        return alive


def register(
    storage: Storage,
    tables: Iterable[str],
    takeover_after: float,
    notice: Callable[[str], None],
    stopping: threading.Event,
) -> Registration | None:
    """Become the writer of `tables`, taking over those of dead jobs; None if told to stop.

    Raises:
        RefusedError: a live job writes one of them; the message says who, where and since when.
    """
    writer, watch, announced = Writer.current(tables, takeover_after), _Watch(), False
    content = json.dumps(asdict(writer)).encode()
    while True:
        others = registered(storage)
        sharing = {n: w for n, w in others.items() if set(w.tables) & set(writer.tables)}
        doubtful = {w.session: w for w in sharing.values() if not w.has_exited()}
        for session in watch.look(storage, doubtful):
            other = doubtful[session]
            raise RefusedError(
                f"the landing zone {storage.uri} already has a writer of "
                f"{', '.join(sorted(set(other.tables) & set(writer.tables)))}: {other}. Stop it "
                "first, or land other tables with --tables. (A job that is dead or silent for "
                f"{max(takeover_after, other.takeover_after):.0f} s is taken over.)"
            )
        # Each beats as often as its own option says.
        wait = max([takeover_after, *(other.takeover_after for other in doubtful.values())])
        if all(watch.silent[session] >= wait for session in doubtful):
            number = 1 + max(others, default=0)
            if storage.put_if_absent(_writer_file(number), content):
                break
        if doubtful and not announced:
            announced = True
            names = "; ".join(map(str, doubtful.values()))
            notice(
                f"waiting up to {wait:.0f} s to see whether the job that is registered "
                f"for these tables lives: {names}"
            )
        if stopping.wait(min(_LOOK_SECONDS, takeover_after / 6)):
            return None
    for old_number, old in sharing.items():
        notice(f"taking over from a job that is gone: {old}")
        storage.delete(_writer_file(old_number))
        storage.delete_folder(staging_folder(old.session))
    return Registration(storage, number, writer, interval=takeover_after / 6)


def remove_orphans(storage: Storage, checkpoints: Storage) -> None:
    """Remove what sessions have left that are no longer registered: they were killed."""
    # Listed before the writers are: a session is registered before it leaves anything.
    staged = {path.split("/")[1] for path in storage.list_files(layout.STAGING)}
    beating = {path.split("/")[1] for path in storage.list_files(layout.WRITERS)}
    planned = {path.split("/")[1] for path in checkpoints.list_files(_CHECKPOINTS)}
    live = {writer.session for writer in registered(storage).values()}
    for session in staged - live:
        storage.delete_folder(staging_folder(session))
    for name in beating:
        if name.endswith(".heartbeat") and name.removesuffix(".heartbeat") not in live:
            storage.delete(f"{layout.WRITERS}/{name}")
    for name in planned:
        if name.rpartition("-")[0] not in live:
            checkpoints.delete_folder(f"{_CHECKPOINTS}/{name}")


def _writer_file(number: int) -> str:
    return f"{layout.WRITERS}/{number:020d}.json"


def _heartbeat_file(session: str) -> str:
    return f"{layout.WRITERS}/{session}.heartbeat"


def _process(pid: int) -> str:
    """What identifies the process with `pid` on this machine; empty when there is none.

    Linux: the boot, the PID namespace and the process's start in ticks since the boot (proc(5),
    field 22). Elsewhere a process that exists is taken for the same one.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        state, started = (stat.rpartition(")")[2].split()[i] for i in (0, 19))
        namespace = Path("/proc/self/ns/pid").readlink()
        return "" if state == "Z" else f"{boot}:{namespace}:{started}"
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
