"""A controller takes away what landing needs while it runs, in a batch's windows and at random.

Each storm takes one thing away for less or for more than the lease, then gives it back. Landing has
to go on by itself: a process that ends is a false alarm, records that do not come are a hang, and
at the end the files hold what a plain consumer reads, each record once.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ingestion.landing import layout
from tests.integration.landing.conftest import Feed, Zone, assert_finished, java_of, wait_for
from tests.kit.relay import Relay

LEASE = 5.0
KINDS = ("store", "broker", "java", "disk", "network", "clock", "job")
# A batch is staged, its first file is visible, the ledger holds it; or at any moment.
WINDOWS = ("batch_staged", "file_visible", "ledger_row", "")


@dataclass
class Storm:
    """A job, what it lands, and what can be taken away from it."""

    zone: Zone
    feed: Feed
    relay: Relay | None
    random: random.Random
    refresh: float = 1
    lines: list[str] = field(default_factory=list)
    sent: int = 0

    def start(self) -> None:
        self.process = self.zone.process(
            self.feed.topic,
            in_a_storm=True,
            once=False,
            interval=0.2,
            refresh=self.refresh,
            takeover_after=LEASE,
        )
        stdout = self.process.stdout
        assert stdout is not None
        self.reader = threading.Thread(target=lambda: self.lines.extend(stdout))
        self.reader.start()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self.reader.join()

    def tell(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()

    def send(self, count: int) -> None:
        self.feed.produce(count, start=self.sent)
        self.sent += count

    def until_landed(self, what: str) -> None:
        def is_landed() -> bool:
            assert self.process.poll() is None, f"{what}: it ended\n" + "".join(self.lines[-15:])
            return sum(self.zone.landed().values()) == self.sent

        try:
            wait_for(is_landed, 120)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}\n" + "".join(self.lines[-15:])) from error

    def strike(self, kind: str, window: str, seconds: float) -> None:
        """Take `kind` away in the `window` for so long, while records come."""
        seen = len(self.lines)
        if window:
            self.tell(f"window {window}")
        self.send(20)
        if window:
            wait_for(lambda: f"reached {window}\n" in self.lines[seen:] or self.has_ended(), 60)
        else:
            time.sleep(self.random.uniform(0, 1))
        ends = time.monotonic() + seconds
        for _ in self.taken_away(kind):
            if window:
                self.tell("go")
            if kind not in {"broker", "network"}:
                self.send(20)
            time.sleep(max(0.0, ends - time.monotonic()))
        self.send(20)
        self.until_landed(f"{kind} away for {seconds:.1f} s in {window or 'no window'}")

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def taken_away(self, kind: str) -> Iterator[None]:
        folder = Path(self.zone.landing)
        if kind == "store":
            assert self.relay is not None
            self.relay.cut()
            yield
            self.relay.mend()
        elif kind == "broker":
            self.feed.broker.kill()
            yield
            self.feed.broker.restart()
        elif kind == "java":
            subprocess.run(["kill", "-9", str(java_of(self.process.pid))], check=True)
            yield
        elif kind == "disk":
            folder.rename(folder.with_name("unplugged"))
            yield
            # Java makes the folders that it writes to, also while they are removed.
            wait_for(lambda: replugged(folder))
        elif kind == "network":
            guard = self.feed.broker.process._guard
            assert guard is not None
            broker = java_of(guard.pid)
            # No connection is refused, and nothing comes back.
            os.kill(broker, signal.SIGSTOP)
            yield
            os.kill(broker, signal.SIGCONT)
        elif kind == "clock":
            self.tell(f"clock {self.random.choice((-7200, -30, 30, 7200))}")
            yield
        else:
            self.process.kill()
            yield
            self.end()
            self.start()


@pytest.fixture
def storm(zone: Zone, feed: Feed) -> Iterator[Storm]:
    storm = Storm(zone, feed, None, random.Random())
    feed.create(3)
    storm.start()
    yield storm
    storm.end()


@pytest.fixture
def storm_at_the_store(s3_zone: Zone, s3_endpoint: str, feed: Feed) -> Iterator[Storm]:
    feed.create(3)
    with Relay(int(s3_endpoint.rpartition(":")[2])) as relay:
        s3_zone.environment = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay.port}"}
        storm = Storm(s3_zone, feed, relay, random.Random())
        storm.start()
        yield storm
        storm.end()


def replugged(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.with_name("unplugged").rename(folder)
        return True
    return False


def weather(storm: Storm, seed: int, *strikes: tuple[str, str, float]) -> None:
    storm.random.seed(seed)
    storm.send(20)
    storm.until_landed("the start")
    for strike in strikes:
        storm.strike(*strike)
    storm.process.send_signal(signal.SIGTERM)
    storm.process.wait(timeout=60)
    assert storm.process.returncode == 0, "".join(storm.lines[-15:])
    assert "Traceback" not in "".join(storm.lines)
    assert storm.zone.landed() == storm.feed.truth()
    assert sum(entry.rows for entry in storm.zone.ledger()) == storm.sent
    left = [f for n in (layout.STAGING, layout.WRITERS) for f in storm.zone.storage.list_files(n)]
    assert left == []


def test_storms(storm: Storm) -> None:
    weather(
        storm,
        1,
        ("java", "batch_staged", 1),
        ("disk", "file_visible", LEASE + 2),
        ("network", "ledger_row", 2),
    )


def test_a_storm_at_the_store(storm_at_the_store: Storm) -> None:
    weather(storm_at_the_store, 1, ("store", "file_visible", LEASE + 2))


@pytest.mark.long
@pytest.mark.parametrize("window", ["staging", "publishing", "appending"])
def test_each_fence_holds_where_no_other_does(zone: Zone, feed: Feed, window: str) -> None:
    """A writer sleeps while another takes over, at the three moments that have a fence each.

    Before its files are staged (what it stages then the other has not removed: it must ask whether
    it is still registered); after it has asked, before its file becomes visible (what it has staged
    must be gone); and with the file visible, before the ledger moves (which the other has moved).
    Without the first two, readers of the folder would read a range twice.
    """
    feed.create(1)
    # It does not look around while it sleeps: each fence is alone.
    storm = Storm(zone, feed, None, random.Random(), refresh=600)
    storm.start()
    try:
        storm.send(20)
        storm.until_landed("the start")
        storm.tell(f"window {window}")
        storm.send(20)
        wait_for(lambda: f"reached {window}\n" in storm.lines, 60)
        storm.process.send_signal(signal.SIGSTOP)
        storm.send(20)  # what the other reads is another range, so another file
        other = assert_finished(zone.process(feed.topic, takeover_after=LEASE))
        assert "taking over from a job that is gone" in other
        assert zone.landed() == feed.truth()
        storm.tell("go")
        storm.process.send_signal(signal.SIGCONT)
        assert storm.process.wait(timeout=60) == 1
        storm.reader.join()
        assert "error: another job has " in "".join(storm.lines)
        storm.send(20)
        assert_finished(zone.process(feed.topic, takeover_after=LEASE))
        assert zone.landed() == feed.truth()
        assert sum(entry.rows for entry in zone.ledger()) == storm.sent
    finally:
        storm.end()


def drawn(seed: int, kinds: tuple[str, ...], count: int) -> list[tuple[str, str, float]]:
    draw = random.Random(seed)
    return [
        (draw.choice(kinds), draw.choice(WINDOWS), draw.choice((0.3, 2, LEASE - 1, LEASE + 3)))
        for _ in range(count)
    ]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(15))
def test_many_storms(storm: Storm, seed: int) -> None:
    weather(storm, seed, *drawn(seed, KINDS[1:], 12))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_many_storms_at_the_store(storm_at_the_store: Storm, seed: int) -> None:
    weather(storm_at_the_store, seed, *drawn(seed, ("store", "store", "store", "job"), 10))
