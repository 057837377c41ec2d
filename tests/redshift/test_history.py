"""Random logs on target prod: history is what the reference model says, whichever path they take.

The logs and the reference are those of tests/history. Each run's records are on the broker; whether
landing has them, whether the views were refreshed, and what is built first is random.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Producer

from ingestion.declarations import Table
from lakehouse.commands import rebuild as command
from playground.services.kafka import KafkaBroker
from redshift_standin.server import StandIn
from tests.kit.batches import Batch, HistoryLine, history_lines, wrong_logs
from tests.kit.dbt import environment
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import Delivery, LandingZone
from tests.kit.logs import as_page, random_logs
from tests.kit.redshift import Prod, new_prod
from tests.kit.reference import Record
from tests.kit.warehouse import copy_project
from tests.kit.worked import EPOCHS
from tests.redshift.lake import Lake

PARTITIONS = 3
"""As many as the random logs use."""


@dataclass
class ProdWarehouse:
    """Target prod as a batch of logs wants its warehouse."""

    prod: Prod
    landing: Path
    connector: str

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.prod.rows(query)


@dataclass
class StreamedZone(LandingZone):
    """A landing zone that also puts each record on the broker, at the same offset.

    While it is `behind`, records are on the broker only; `catch_up` lands them. A topic is made
    again when its next incarnation begins; what still comes of the old one can only be landed.
    """

    lake: Lake = field(kw_only=True)
    behind: bool = field(default=False, init=False)
    recreated: set[str] = field(default_factory=set, init=False)
    _waiting: list[tuple[Path, Sequence[Record]]] = field(default_factory=list, init=False)
    _unwritten: list[dict[str, object]] = field(default_factory=list, init=False)
    _streamed: dict[str, int] = field(default_factory=lambda: defaultdict(int), init=False)

    def land(self, table: Table, deliveries: Sequence[Delivery]) -> list[Record]:
        numbers = {delivery.incarnation for delivery in deliveries}
        if numbers and (max(numbers) > self._streamed[table.name] or len(numbers) > 1):
            self.catch_up()
        behind, current = self.behind, self._streamed[table.name]
        self.behind = behind and numbers == {current}
        records = super().land(table, deliveries)
        self.behind = behind
        for number in sorted(numbers):
            if number > self._streamed[table.name]:
                self.lake.recreate(table.name)
                self._streamed[table.name] = number
                self.recreated.add(table.name)
            if number == self._streamed[table.name]:
                self._stream(table, [record for record in records if record.incarnation == number])
        return records

    def _stream(self, table: Table, records: Iterable[Record]) -> None:
        producer = Producer({"bootstrap.servers": self.lake.servers})
        for record in records:
            producer.produce(
                table.topics[self.connector],
                key=record.key,
                value=record.value,
                partition=record.partition,
                timestamp=int(record.timestamp.replace(tzinfo=UTC).timestamp() * 1000),
            )
        assert producer.flush(30) == 0

    def catch_up(self) -> None:
        """Land what waits."""
        waiting, entries = self._waiting, self._unwritten
        self._waiting, self._unwritten = [], []
        for path, records in waiting:
            super()._write(path, records)
        super()._write_ledger(entries)

    def _write(self, path: Path, records: Iterable[Record]) -> None:
        if self.behind:
            self._waiting.append((path, list(records)))
        else:
            super()._write(path, records)

    def _write_ledger(self, entries: Sequence[dict[str, object]]) -> None:
        if self.behind:
            self._unwritten += entries
        else:
            super()._write_ledger(entries)


class StreamedBatch(Batch):
    """Logs whose records are on both paths."""

    def __init__(self, logs: Any, warehouse: ProdWarehouse, zone: StreamedZone) -> None:
        super().__init__(DECLARATIONS, logs, warehouse)  # type: ignore[arg-type]
        self.prod = warehouse.prod
        self.zone = self._zone = zone

    def build_somehow(self, run: int, random: Random) -> str:
        """Refresh or not, build a part or not, then everything; returns how."""
        dbt, way = self.prod.dbt, []
        if run == self.runs[0] or self.zone.recreated:
            self.prod.lakehouse("deploy")
            self.zone.recreated.clear()
        if self.zone.behind or random.random() < 0.5:
            self.prod.refresh()
            way.append("refreshed" + (" ahead of landing" if self.zone.behind else ""))
        if run != self.runs[0] and random.random() < 0.5:
            table = random.choice(self.tables).name
            node = random.choice([f"{table}__log", f"{table}_history"])
            kind = random.choice([[], [], ["--full-refresh"]])
            dbt.build("--select", node, *kind)
            way.append(" ".join([node, *kind]))
        dbt.build(*self.selection)
        return f"run {run}, {', '.join(way)}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "connector",
    ["sqlserver", pytest.param("postgresql", marks=pytest.mark.long)],
    indirect=True,
)
def test_random_logs_on_both_paths(
    stand_in: StandIn, clean_broker: KafkaBroker, tmp_path: Path, connector: str
) -> None:
    check(stand_in, clean_broker, tmp_path, random_logs(connector, number=20, of=30), Random(2))  # type: ignore[arg-type]


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("number", range(21, 26))
@pytest.mark.parametrize("connector", ["sqlserver", "postgresql"], indirect=True)
def test_many_random_logs_on_both_paths(
    stand_in: StandIn, clean_broker: KafkaBroker, tmp_path: Path, connector: str, number: int
) -> None:
    logs = random_logs(connector, number, of=200)  # type: ignore[arg-type]
    check(stand_in, clean_broker, tmp_path, logs, Random(number))


def check(
    stand_in: StandIn, broker: KafkaBroker, folder: Path, logs: Sequence[Any], random: Random
) -> None:
    """After each run, verdicts and histories equal the reference; one run into nothing too."""
    connector = logs[0].connector
    lake = Lake(folder / "topics", broker.bootstrap_servers, DECLARATIONS, connector, PARTITIONS)
    project = copy_project(folder / "project", EPOCHS)
    prod = new_prod(stand_in, broker.bootstrap_servers, folder, connector, project)
    warehouse = ProdWarehouse(prod, folder / "landing", connector)
    zone = StreamedZone(warehouse.landing, DECLARATIONS, connector, lake=lake)
    batch = StreamedBatch(logs, warehouse, zone)
    for run in batch.runs:
        zone.behind = run != batch.runs[0] and random.random() < 0.5
        batch.land(run)
        way = batch.build_somehow(run, random)
        if not zone.behind or random.random() < 0.5:
            zone.behind = False
            zone.catch_up()
        wrong = {
            *wrong_logs(batch.expected_verdicts(), batch.verdicts()),
            *wrong_logs(batch.expected(), batch.histories()),
        }
        assert not wrong, f"{len(wrong)} logs are wrong, {way}\n{as_page(logs[min(wrong)])}"
    zone.catch_up()
    before = {table.name: set(history_lines(warehouse, table)) for table in batch.tables}  # type: ignore[arg-type]
    prod.dbt.build("--full-refresh", *batch.selection)
    for table in batch.tables:
        assert set(history_lines(warehouse, table)) == before[table.name]  # type: ignore[arg-type]
    check_rebuild(batch, before)


def check_rebuild(batch: StreamedBatch, before: Mapping[str, set[HistoryLine]]) -> None:
    """`lakehouse rebuild --swap`, of some keys and of a whole table, ends in the same histories."""
    dbt = batch.prod.dbt
    with environment(dbt.settings), pytest.MonkeyPatch.context() as patched:
        patched.chdir(dbt.project)
        [first, *_] = sorted(line[0] for line in before["customers"])
        for keys in ([f"customer_id={first}"], []):
            command.rebuild(["customers"], key=keys, swap=True, target="prod")
            lines = history_lines(batch.warehouse, batch.declarations.table("customers"))
            assert len(lines) == len(set(lines))
            assert set(lines) == before["customers"]
    dbt.build(*batch.selection)
    assert not wrong_logs(batch.expected(), batch.histories())
