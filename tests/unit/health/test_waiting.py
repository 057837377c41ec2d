"""Waiting for the pipeline beside a shop that goes on: for what was there, not for what comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestion.declarations import Declarations, load
from ingestion.errors import RefusedError, TerminalError, TransientError
from ingestion.kafka.brokers import Offsets, Topic
from ingestion.landing import layout
from ingestion.landing.ledger import Entry, Ledger
from ingestion.landing.storage import Storage, open_storage
from lakehouse.health import waiting
from lakehouse.health.waiting import AT_ONCE, Patience, await_built, await_marts
from lakehouse.health.warehouse import Behind, LogState, Run, Warehouse
from lakehouse.settings import CommandSettings

FOR_EVER = Patience(float("inf"))
HERE = CommandSettings.from_environment({})
THERE = CommandSettings.from_environment({"LAKEHOUSE_ENVIRONMENT": "dev"})
DECLARED = load()
TOPIC = DECLARED.table("stores").topics["postgresql"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_LOOK_EVERY_SECONDS", 0)


def test_what_does_not_answer_is_behind_and_asked_again() -> None:
    answers: list[str | Exception] = [TransientError("locked"), "stores", ""]
    told: list[str] = []

    def behind() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    replace(FOR_EVER, tell=told.append).wait(HERE, behind)
    assert told == ["waiting for locked", "waiting for stores"]


def test_patience_ends() -> None:
    with pytest.raises(RefusedError, match=r"has not caught up: stores\. Run `lakehouse land"):
        AT_ONCE.wait(HERE, lambda: "stores")


class World:
    """A topic that grows with each look, a ledger that follows, and a warehouse behind that."""

    def __init__(self, landing: Path) -> None:
        self.settings = CommandSettings.from_environment({"LAKEHOUSE_LANDING": str(landing)})
        self.storage: Storage = open_storage(self.settings.landing)
        self.storage.put(layout.IDENTITY, b"{}")
        self.ledger = Ledger(self.storage)
        self.latest, self.landed, self.built = 10, 0, 0

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        self.latest += 10
        return {name: Topic(name, "id", {0: Offsets(0, self.latest)}) for name in names}

    def land(self, count: int) -> None:
        begin, self.landed = self.landed, self.landed + count
        when = "2026-03-01T00:00:00+00:00"
        entry = Entry("stores", TOPIC, "id", 1, 0, begin, self.landed, count, "landed", when, None)
        self.ledger.append([entry])

    def warehouse(self, _: CommandSettings, declared: Declarations) -> Warehouse:
        assert [table.name for table in declared.tables] == ["stores"]
        return Warehouse({"stores": LogState({(1, 0): self.built}, None, 0, 0)})

    def pipeline(self, said: str) -> None:
        """It works while it is waited for, and the shop does too."""
        self.land(9)
        self.built += 9 * ("not built" in said)


def test_only_what_was_there_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    monkeypatch.setattr(waiting, "Brokers", lambda _: world)
    monkeypatch.setattr(waiting, "read_warehouse", world.warehouse)
    await_built(world.settings, DECLARED, ["stores"], replace(FOR_EVER, tell=world.pipeline))
    # 20 were in Kafka; what was landed when these were, is built; more has come since
    assert world.built == 27
    assert world.landed > 27
    with pytest.raises(RefusedError, match=r"stores \(not built \d+\)"):
        await_built(world.settings, DECLARED, ["stores"])


def test_what_has_no_log_is_waited_for_until_it_is_landed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    monkeypatch.setattr(waiting, "Brokers", lambda _: world)
    monkeypatch.setattr(waiting, "read_warehouse", world.warehouse)
    world.land(100)
    world.built = 100
    await_built(world.settings, DECLARED, ["stores"])
    with pytest.raises(RefusedError, match=r"caught up: debezium_heartbeat \(not landed 30\)\."):
        await_built(world.settings, DECLARED, ["stores"], landed_too=["debezium_heartbeat"])


RUN = Run(8, "succeeded", datetime(2026, 3, 1, tzinfo=UTC), None)


def test_every_mart_that_is_there_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of one of them is not enough; histories that it left are the next build's."""
    late = (Behind("history.orders_history", 7), Behind("ada_marts.fct_orders", 7))
    looks = [
        Warehouse(last_run=RUN, marts=("ada_marts.dim_store",), behind=late),
        Warehouse(last_run=RUN, marts=("ada_marts.dim_store",), behind=late[:1]),
    ]
    told: list[str] = []
    monkeypatch.setattr(waiting, "read_warehouse", lambda *_: looks.pop(0))
    await_marts(THERE, DECLARED, replace(FOR_EVER, tell=told.append))
    assert told == ["waiting for ada_marts.fct_orders (built in run 7, not run 8)"]


def test_who_may_not_read_the_warehouse_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Warehouse(problem="this user may not read operations.runs", refuses=True)
    monkeypatch.setattr(waiting, "read_warehouse", lambda *_: found)
    with pytest.raises(TerminalError, match=r"may not read operations\.runs, and .+ administrator"):
        await_marts(THERE, DECLARED, FOR_EVER)
    world = World(tmp_path)
    world.land(20)
    monkeypatch.setattr(waiting, "Brokers", lambda _: world)
    with pytest.raises(TerminalError, match=r"may not read operations\.runs"):
        await_built(world.settings, DECLARED, ["stores"], FOR_EVER)


def test_where_a_schedule_builds_nobody_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "read_warehouse", lambda *_: Warehouse())
    with pytest.raises(RefusedError, match="landing-lag and stale-marts") as refused:
        await_marts(THERE, DECLARED)
    assert "dbt build" not in str(refused.value)
