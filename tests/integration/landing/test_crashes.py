"""Killed at each durable step, on disk and on S3: nothing lost, nothing twice, at any instant."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingestion.errors import TerminalError
from ingestion.landing import job, layout
from ingestion.landing.crash_points import CRASH_POINTS
from ingestion.landing.ledger import Ledger
from tests.integration.landing.conftest import TABLE, Feed, Zone, assert_finished, wait_for

# In this order each run also recovers from the kill before: only the run after `file_visible` has
# files to adopt.
LANDING_POINTS = (
    "partition_opened",
    "batch_planned",
    "batch_staged",
    "file_visible",
    "adopted",
    "file_visible:2",
    "ledger_row",
    "checkpoint_written",
)
LEDGER_POINTS = ("ledger_rolled_up", "ledger_retiring")
COMPACTION_POINTS = ("compaction_staged", "compaction_visible", "compaction_removing")


def test_every_crash_point_is_tested() -> None:
    points = LANDING_POINTS + LEDGER_POINTS + COMPACTION_POINTS
    tested = {point.partition(":")[0] for point in points}
    assert tested == set(CRASH_POINTS)


def assert_killed(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=400)
    assert process.returncode == -signal.SIGKILL, output


def assert_prefix(zone: Zone, feed: Feed) -> None:
    """What is visible is there once, and without a hole up to its end."""
    landed, truth = zone.landed(), feed.truth()
    assert landed <= truth
    for partition in {record[1] for record in landed}:
        held = sorted(record[2] for record in truth if record[1] == partition)
        seen = sorted(record[2] for record in landed if record[1] == partition)
        assert seen == held[: len(seen)]


# Starting Spark with S3 costs most of each run; what differs from a disk there is how a file
# becomes visible. The unit tests of storage compare the two.
@pytest.mark.parametrize(
    ("any_zone", "points"),
    [
        pytest.param("zone", ("batch_staged", "file_visible", "ledger_row"), id="disk"),
        pytest.param("s3_zone", ("file_visible",), id="s3a"),
        pytest.param("zone", LANDING_POINTS, id="disk-all", marks=pytest.mark.long),
        pytest.param("s3_zone", LANDING_POINTS, id="s3a-all", marks=pytest.mark.long),
    ],
    indirect=["any_zone"],
)
def test_killed_at_each_step_of_a_batch(
    any_zone: Zone, feed: Feed, points: tuple[str, ...]
) -> None:
    """Each run recovers from the kill of the one before, and is killed at the next point."""
    feed.create(2)
    for round_number, point in enumerate(points):
        feed.produce(40, start=40 * round_number)
        # Several batches a run: the last point comes with the second one.
        assert_killed(any_zone.process(feed.topic, crash_at=point, max_offsets=20))
        assert_prefix(any_zone, feed)
    feed.produce(40, start=10_000)
    assert_finished(any_zone.process(feed.topic))
    assert any_zone.landed() == feed.truth()
    staged = any_zone.storage.list_files(layout.STAGING)
    assert (staged, any_zone.storage.list_files(layout.WRITERS)) == ([], [])


@pytest.mark.parametrize(
    "any_zone",
    [
        pytest.param("zone", id="disk"),
        pytest.param("s3_zone", id="s3a", marks=pytest.mark.long),
    ],
    indirect=True,
)
def test_killed_at_each_step_of_compaction(zone: Zone, any_zone: Zone, feed: Feed) -> None:
    feed.create(1)
    for round_number in range(3):
        feed.produce(5, start=5 * round_number)
        zone.land(feed.topic)
    if any_zone.landing != zone.landing:
        for path in zone.storage.list_files(""):
            any_zone.storage.put(path, zone.storage.read(path))
    small = any_zone.files()
    script = Path(__file__).with_name("run_compaction.py")
    for point in (*COMPACTION_POINTS, "none"):
        crashed = subprocess.run(
            [sys.executable, script, any_zone.landing],
            env=os.environ | {"LAKEHOUSE_CRASH_POINT": point},
            check=False,
        )
        assert crashed.returncode == (0 if point == "none" else -signal.SIGKILL)
        assert set(any_zone.landed()) == set(feed.truth()), f"a reader after {point} misses records"
    assert any_zone.landed() == feed.truth()
    assert len(any_zone.files()) == 1 < len(small)
    progress = Ledger(any_zone.storage).progress
    assert [p.until_offset for p in progress.positions.values()] == [15]


def test_killed_while_the_ledger_rolls_itself_up(any_zone: Zone) -> None:
    until = 0
    for point in (*LEDGER_POINTS, "ledger_retiring:2", "none"):
        crashed = subprocess.run(
            [sys.executable, "-m", "tests.integration.landing.run_ledger", any_zone.landing],
            env=os.environ | {"LAKEHOUSE_CRASH_POINT": point},
            check=False,
        )
        assert crashed.returncode == (0 if point == "none" else -signal.SIGKILL)
        (position,) = Ledger(any_zone.storage).progress.positions.values()
        committed = position.until_offset
        assert committed > until, f"what was committed before {point} is gone"
        until = committed
    assert len(any_zone.storage.list_files(layout.ROLLED_UP)) == 1


def test_a_second_writer_is_refused_and_a_paused_one_is_fenced(zone: Zone, feed: Feed) -> None:
    feed.create(2).produce(20)
    first = zone.process(feed.topic, once=False, interval=0.2, takeover_after=3)
    try:
        wait_for(lambda: sum(zone.landed().values()) == 20)
        second = zone.process(feed.topic, takeover_after=3)
        output, _ = second.communicate(timeout=400)
        assert second.returncode == 1
        assert f"already has a writer of {TABLE}: process {first.pid} on" in output
        first.send_signal(signal.SIGSTOP)
        feed.produce(20, start=20)
        silent = time.monotonic() + 4
        wait_for(lambda: time.monotonic() > silent)
        assert "taking over from a job that is gone" in assert_finished(
            zone.process(feed.topic, takeover_after=3)
        )
        assert zone.landed() == feed.truth()
        feed.produce(20, start=40)
        first.send_signal(signal.SIGCONT)
        output, _ = first.communicate(timeout=400)
        assert first.returncode == 1
        assert "another job has taken over" in output
        assert_prefix(zone, feed)
        zone.land(feed.topic)
        assert zone.landed() == feed.truth()
    finally:
        if first.poll() is None:
            first.send_signal(signal.SIGCONT)
            first.kill()
            first.communicate()


ELSEWHERE = {
    "another PID namespace": ["unshare", "--pid", "--fork", "--mount-proc"],
    "another host": ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"],
}


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a namespace")
@pytest.mark.parametrize("inside", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_writer_elsewhere_is_judged_by_its_heartbeat(
    zone: Zone, feed: Feed, inside: list[str]
) -> None:
    """Its process cannot be seen: neither that it lives, nor that it is gone."""
    feed.create(2).produce(20)
    first = zone.process(feed.topic, once=False, interval=0.2, takeover_after=6)
    try:
        wait_for(lambda: sum(zone.landed().values()) == 20)
        second = zone.process(feed.topic, inside=inside, takeover_after=6)
        output, _ = second.communicate(timeout=400)
        assert second.returncode == 1
        assert f"already has a writer of {TABLE}: process {first.pid} on" in output
        feed.produce(20, start=20)
        wait_for(lambda: sum(zone.landed().values()) == 40)
    finally:
        first.kill()
        first.communicate()
    output = assert_finished(zone.process(feed.topic, inside=inside, takeover_after=6))
    assert "waiting up to 6 s to see whether the job that is registered" in output
    assert "taking over from a job that is gone" in output
    assert zone.landed() == feed.truth()


def test_a_graceful_stop_and_a_broker_that_restarts(zone: Zone, feed: Feed) -> None:
    feed.create(2).produce(20)
    process = zone.process(feed.topic, once=False, interval=0.2, refresh=1)
    try:
        wait_for(lambda: sum(zone.landed().values()) == 20)
        feed.broker.kill()
        feed.broker.restart()
        feed.produce(20, start=20)
        wait_for(lambda: sum(zone.landed().values()) == 40)
        process.send_signal(signal.SIGTERM)
        output = assert_finished(process)
        assert "stopped; 40 records landed" in output
        assert not re.search(r"warn|log4j", output, re.IGNORECASE), "Spark's start is silent"
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert zone.landed() == feed.truth()
    assert zone.storage.list_files(layout.WRITERS) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small tmpfs")
def test_a_full_disk(zone: Zone, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(zone.landing)
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        feed.create(1)
        feed.produce(20)
        zone.land(feed.topic)
        feed.send(*((b"%d" % n, os.urandom(500_000)) for n in range(10)))
        monkeypatch.setattr(job, "_PATIENCE", 2)
        with pytest.raises(TerminalError, match="the disk is full"):
            zone.land(feed.topic)
        assert_prefix(zone, feed)
        subprocess.run(["mount", "-o", "remount,size=60m", str(folder)], check=True)
        zone.land(feed.topic)
        assert zone.landed() == feed.truth()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_a_random_moment_while_the_broker_restarts(
    any_zone: Zone, feed: Feed, seed: int
) -> None:
    moments = random.Random(seed)
    feed.create(3)
    process = any_zone.process(feed.topic, once=False, interval=0.2)
    deadline = time.monotonic() + moments.uniform(5, 15)
    sent = 0
    while time.monotonic() < deadline:
        feed.produce(50, start=sent)
        sent += 50
        assert_prefix(any_zone, feed)
    process.kill()
    process.communicate()
    assert_prefix(any_zone, feed)
    feed.broker.kill()
    feed.broker.restart()
    feed.produce(50, start=sent)
    assert_finished(any_zone.process(feed.topic))
    assert any_zone.landed() == feed.truth()
