"""What the landing job reports about itself, against a real broker."""

from __future__ import annotations

import threading
import time

from ingestion.errors import TransientError
from ingestion.kafka.brokers import Brokers
from ingestion.landing.job import Landing
from ingestion.landing.lag import Lag, measure
from tests.integration.landing.conftest import Feed, Zone, wait_for


def test_counts_what_is_not_landed_and_the_age_of_the_oldest(zone: Zone, feed: Feed) -> None:
    feed.create(2).produce(1, partition=1)
    time.sleep(1)
    feed.produce(3, partition=0)
    settings = zone.job(feed.topic).settings
    brokers = Brokers(settings)
    in_a_minute = time.time() + 60

    def lag(first: int, second: int) -> Lag:
        landed = {(feed.topic, 0): first, (feed.topic, 1): second}
        return measure(brokers, landed, in_a_minute)

    assert lag(3, 1) == Lag(0, 0.0)
    younger, older = lag(1, 1), lag(1, 0)
    assert (younger.records, older.records) == (2, 3)
    assert 60 <= younger.seconds < older.seconds


def test_only_markers_behind_the_last_record_are_no_age(zone: Zone, feed: Feed) -> None:
    feed.create(1).transaction(b"1", abort=True)
    settings = zone.job(feed.topic).settings
    brokers = Brokers(settings)
    wait_for(lambda: brokers.topics({feed.topic})[feed.topic].partitions[0].latest == 2)
    assert measure(brokers, {(feed.topic, 0): 0}, time.time() + 60).records == 2


def test_a_job_reports_its_lag_and_lands_on_when_nobody_takes_it(zone: Zone, feed: Feed) -> None:
    feed.create(1).produce(2)
    told: list[Lag] = []
    stopping = threading.Event()

    def observe(lag: Lag) -> None:
        told.append(lag)
        raise TransientError("CloudWatch does not answer")

    job = zone.job(feed.topic, once=False, interval=0.2, observe=observe, observe_every=0.2)
    run = Landing(job, zone.start_spark, zone.said.append, stopping)
    thread = threading.Thread(target=run.run)
    thread.start()
    try:
        wait_for(lambda: len(told) > 1 and told[-1] == Lag(0, 0.0))
        feed.produce(1, start=2)
        wait_for(lambda: run.landed_rows == 3 or sum(zone.landed().values()) == 3)
    finally:
        stopping.set()
        thread.join()
    assert zone.landed() == feed.truth()
    assert any("the lag is not reported this time" in line for line in zone.said)
