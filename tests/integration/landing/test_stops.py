"""Each loss that landing stops at: what it says, how it is accepted, and the harmless neighbour."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ingestion.errors import TerminalError, TransientError
from ingestion.kafka.brokers import Brokers
from ingestion.landing import job as landing_job
from ingestion.landing.storage import open_storage
from tests.integration.landing.conftest import TABLE, Feed, Zone, wait_for


@pytest.fixture
def accept(command: Callable[..., str]) -> Callable[[str], str]:
    """Run the command that a stop's message names; returns what it prints or complains."""

    def run(message: str) -> str:
        found = re.search(r"lakehouse landing (accept-loss .*)", message)
        assert found, message
        return command(*found[1].split())

    return run


def stop(zone: Zone, feed: Feed) -> str:
    before = zone.landed()
    with pytest.raises(TerminalError) as stopped:
        zone.land(feed.topic)
    assert zone.landed() == before
    return str(stopped.value)


def test_retention_past_the_ledger(zone: Zone, feed: Feed, accept: Callable[[str], str]) -> None:
    feed.create(2).produce(10, partition=1)
    zone.land(feed.topic)
    kept = feed.truth()
    feed.produce(10, partition=1, start=10)
    kept |= feed.truth()
    feed.delete_before(1, 10)
    assert zone.land(feed.topic) == 10, "retention up to the ledger's end loses nothing"
    feed.produce(10, partition=1, start=20)
    feed.delete_before(1, 25)
    message = stop(zone, feed)
    assert f"topic {feed.topic} partition 1: offsets 20 to 25 were deleted" in message
    assert "recorded as lost" in accept(message)
    assert zone.land(feed.topic) == 5
    lost = [e for e in zone.ledger() if e.kind == "lost"]
    assert [(e.kafka_partition, e.from_offset, e.until_offset) for e in lost] == [(1, 20, 25)]
    assert zone.landed() == kept | feed.truth()


def test_one_command_accepts_all_that_was_shown_and_no_more(
    zone: Zone, feed: Feed, accept: Callable[[str], str]
) -> None:
    feed.create(3)
    for partition in range(3):
        feed.produce(10, partition=partition)
    zone.land(feed.topic)
    landed = zone.landed()
    for partition in range(3):
        feed.produce(10, partition=partition, start=10)
    for partition in (0, 1):
        feed.delete_before(partition, 15)
    message = stop(zone, feed)
    feed.delete_before(2, 13)
    assert "not a loss that landing has stopped at" in accept(message), "there is one more now"
    said = accept(stop(zone, feed))
    assert said.count("recorded as lost") == 3
    assert zone.land(feed.topic) == 5 + 5 + 7
    assert zone.landed() == landed | feed.truth()


@pytest.mark.parametrize("again", [3, 5, 9], ids=["lower", "equal", "higher"])
def test_a_recreated_topic(
    zone: Zone, feed: Feed, accept: Callable[[str], str], again: int
) -> None:
    feed.create(1).produce(5)
    zone.land(feed.topic)
    old = feed.truth()
    feed.delete()
    assert zone.land(feed.topic) == 0, "a topic that is away is waited for"
    assert "was landed before and does not exist now" in zone.said[-2]
    feed.create(1).produce(again, start=100)
    message = stop(zone, feed)
    assert f"topic {feed.topic} was deleted and created again" in message
    assert "partition 0 from offset 5" in message
    assert "recorded as lost" in accept(message)
    assert zone.land(feed.topic) == again
    assert zone.landed() == old + feed.truth()
    assert {e.incarnation for e in zone.ledger()} == {1, 2}


def test_a_truncated_topic(
    zone: Zone, feed: Feed, accept: Callable[[str], str], tmp_path: Path
) -> None:
    """A broker is restored from a copy of its disk that is older than what was landed."""
    feed.create(1).produce(5)
    zone.land(feed.topic)
    log, copy = feed.broker.data / f"{feed.topic}-0", tmp_path / "copy"
    feed.broker.stop()
    shutil.copytree(log, copy)
    feed.broker.restart()
    assert zone.land(feed.topic) == 0, "a restart alone loses nothing"
    feed.produce(3, start=5)
    zone.land(feed.topic)
    landed = zone.landed()
    feed.broker.stop()
    shutil.rmtree(log)
    shutil.copytree(copy, log)
    feed.broker.restart()
    message = stop(zone, feed)
    assert f"topic {feed.topic} partition 0: it ends at offset 5, but offsets up to 8" in message
    # The shop goes on, and soon nothing of it can be seen at the broker.
    feed.produce(7, start=50)
    assert "it ended before offset 8" in stop(zone, feed)
    assert "recorded as lost" in accept(message)
    assert zone.land(feed.topic) == 12
    assert {e.incarnation for e in zone.ledger()} == {1, 2}
    assert zone.landed() == landed + feed.truth()


def test_only_the_loss_that_was_shown_can_be_accepted(
    zone: Zone, feed: Feed, accept: Callable[[str], str]
) -> None:
    feed.create(1).produce(10)
    feed.delete_before(0, 2)
    zone.land(feed.topic)
    assert [(e.kind, e.until_offset) for e in zone.ledger()[:1]] == [("lost", 2)]
    feed.produce(10)
    feed.delete_before(0, 15)
    message = stop(zone, feed)
    before = zone.ledger()
    assert "not a loss that landing has stopped at" in accept(message.replace("15", "16"))
    assert zone.ledger() == before
    accept(message)
    assert "has no loss to accept" in accept(message)


def test_a_table_is_landed_again(zone: Zone, feed: Feed, command: Callable[..., str]) -> None:
    """The way out where a range was committed without its records: all that Kafka has, anew."""
    assert "there is no landing zone" in command("again", TABLE)
    landing_job.bind(zone.storage, open_storage(zone.checkpoints))
    assert "is away, or was never landed" in command("again", TABLE)
    feed.create(2).produce(10)
    assert "is away, or was never landed" in command("again", TABLE)
    zone.land(feed.topic)
    for path in zone.files():
        zone.storage.delete(path)
    assert zone.land(feed.topic) == 0
    said = command("again", TABLE)
    assert f"{TABLE}: the next start of `lakehouse land` lands all of {feed.topic} as" in said
    assert zone.land(feed.topic) == 10
    assert zone.landed() == feed.truth()
    assert all(path.startswith(f"{TABLE}/incarnation=2/") for path in zone.files())
    feed.delete()
    feed.create(1).produce(3)
    assert "was deleted and created again" in command("again", TABLE), "a loss is accepted first"


def test_checkpoints_of_another_landing_zone(zone: Zone, feed: Feed) -> None:
    feed.create(1).produce(3)
    zone.land(feed.topic)
    shutil.move(zone.landing, f"{zone.landing}.away")
    with pytest.raises(TerminalError, match="belong to another landing zone"):
        zone.land(feed.topic)
    shutil.rmtree(zone.landing)
    shutil.move(f"{zone.landing}.away", zone.landing)
    assert zone.land(feed.topic) == 0


def test_a_damaged_checkpoint_folder(zone: Zone, feed: Feed) -> None:
    feed.create(1).produce(3)
    zone.land(feed.topic)
    (Path(zone.checkpoints) / "landing.json").write_bytes(b"\x00garbage")
    assert "landing.json cannot be read" in stop(zone, feed)
    shutil.rmtree(zone.checkpoints)
    feed.produce(2)
    assert zone.land(feed.topic) == 2


def test_a_landing_zone_whose_ledger_is_gone(zone: Zone, feed: Feed) -> None:
    feed.create(1).produce(3)
    zone.land(feed.topic)
    shutil.rmtree(Path(zone.landing) / "_ledger")
    message = stop(zone, feed)
    assert "has files of orders but no ledger" in message


def test_a_broker_that_is_away_at_the_start(
    zone: Zone, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.create(1).produce(3)
    monkeypatch.setattr(landing_job, "Brokers", partial(Brokers, timeout=1))
    job = zone.job(feed.topic)
    nowhere = job.settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})
    run = landing_job.Landing(
        replace(job, settings=nowhere), zone.start_spark, zone.said.append, threading.Event()
    )
    with pytest.raises(TransientError, match=r"no answer from the Kafka brokers at 127\.0\.0\.1:9"):
        run.run()
    assert zone.land(feed.topic) == 3


@pytest.mark.long
def test_a_running_job_waits_for_brokers_that_are_away(zone: Zone, feed: Feed) -> None:
    """However long they are away; it says so once."""
    feed.create(1).produce(3)
    stopping = threading.Event()
    job = zone.job(feed.topic, once=False, interval=0.2, refresh=1)
    run = landing_job.Landing(job, zone.start_spark, zone.said.append, stopping)
    thread = threading.Thread(target=run.run)
    thread.start()

    def said() -> int:
        return sum("landing waits for it and goes on by itself" in line for line in zone.said)

    try:
        wait_for(lambda: run.landed_rows == 3 or sum(zone.landed().values()) == 3)
        feed.broker.kill()
        wait_for(lambda: said() > 0)
        time.sleep(5)
        feed.broker.restart()
        feed.produce(4, start=3)
        wait_for(lambda: sum(zone.landed().values()) == 7)
    finally:
        stopping.set()
        thread.join()
    assert said() == 1
    assert zone.landed() == feed.truth()
