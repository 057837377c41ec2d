"""History in the warehouse is what the reference model says, whatever comes and however it is run.

Hundreds of random logs, and the worked histories of docs/semantics.md, go through the dbt project
in several runs: some of them select a part of the nodes, are killed, or rebuild one model. After
every full build logs and histories equal the reference model; at the end one more build writes
nothing, and one run into an empty database makes the same of the same landing zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

import pytest

from ingestion.declarations import Declarations
from ingestion.settings import ConnectorName
from tests.history.conftest import Described
from tests.history.shrinking import shrink
from tests.kit.batches import (
    AlwaysPlain,
    Batch,
    difference,
    history_lines,
    new_batch,
    written_lines,
    wrong_logs,
)
from tests.kit.declared import CONNECTORS, DECLARATIONS
from tests.kit.logs import as_page, pairs_in_commits, random_logs
from tests.kit.warehouse import KILLED, Warehouse
from tests.kit.worked import WorkedHistory, worked_histories


@dataclass(frozen=True)
class Workshop:
    """Where batches are made: the parsed project by connector and a folder for warehouses."""

    parsed: Mapping[ConnectorName, Warehouse]
    declarations: Declarations
    folder: Path
    numbers: Iterator[int]

    def batch(self, logs: Sequence[WorkedHistory]) -> Batch:
        """A batch in a folder of its own."""
        return new_batch(
            self.parsed[logs[0].connector],
            self.folder / str(next(self.numbers)),
            self.declarations,
            logs,
        )


@pytest.fixture(scope="module")
def workshop(
    parsed: dict[ConnectorName, Warehouse], tmp_path_factory: pytest.TempPathFactory
) -> Workshop:
    return Workshop(parsed, DECLARATIONS, tmp_path_factory.mktemp("batches"), count())


@pytest.fixture(scope="module")
def described_workshop(described: Described, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("described")
    return Workshop(described.parsed, described.declarations, folder, count())


# --- One batch ------------------------------------------------------------------------------------


def run_batch(batch: Batch, random: Random) -> dict[int, str]:
    """Land and build every run in some way; the logs that went wrong, with how the run was made."""
    wrong: dict[int, str] = {}
    for run in batch.runs:
        batch.land(run)
        way = build_somehow(batch, random)
        numbers = {
            *wrong_logs(batch.expected_verdicts(), batch.verdicts()),
            *wrong_logs(batch.expected(), batch.histories()),
        }
        wrong |= {number: f"run {run}, {way}" for number in numbers if number not in wrong}
    return wrong


def build_somehow(batch: Batch, random: Random) -> str:
    """Build what has been landed, last of all in full; returns how."""
    warehouse = batch.warehouse
    way = random.choice(["plain", "plain", "selected", "killed", "refreshed"])
    if way == "selected":
        nodes = random.sample(nodes_of(batch), k=random.randint(1, 3))
        warehouse.build("--select", *nodes)
        way = f"after a build of {', '.join(nodes)}"
    if way == "killed":
        after = random.randint(8, 60)
        code = warehouse.killed_build(*batch.selection, after_queries=after)
        assert code in (0, KILLED)
        way = f"after a build that was killed before its query {after}"
    if way == "refreshed":
        node = random.choice(nodes_of(batch))
        if warehouse.file.exists():
            warehouse.build("--full-refresh", "--select", node)
        way = f"after a full refresh of {node}"
    warehouse.build(*batch.selection)
    return way


def nodes_of(batch: Batch) -> list[str]:
    """The nodes that can be built by themselves: a first build needs what is upstream too."""
    kinds = ("{}__log", "stg_retail__{}", "{}_history")
    nodes = [kind.format(table.name) for table in batch.tables for kind in kinds]
    return nodes if batch.warehouse.file.exists() else [f"+{node}" for node in nodes]


def explain(workshop: Workshop, batch: Batch, wrong: dict[int, str]) -> str:
    """One of the wrong logs, as small as it gets, as a page of docs/semantics.md."""
    number = min(wrong, key=lambda number: len(batch.logs[number].log))

    def fails(candidates: Sequence[WorkedHistory]) -> list[bool]:
        failed = run_batch(workshop.batch(candidates), AlwaysPlain())
        return [number in failed for number in range(len(candidates))]

    smallest = shrink(batch.logs[number], fails)
    alone = workshop.batch([smallest])
    failed = run_batch(alone, AlwaysPlain())
    told = difference(alone, 0) if failed else "(it is right when it is built alone and plainly)"
    return (
        f"{len(wrong)} of {len(batch.logs)} logs are wrong, this one in {wrong[number]}:\n\n"
        f"{as_page(smallest)}\n{told}"
    )


def check_batch(workshop: Workshop, logs: Sequence[WorkedHistory], random: Random) -> None:
    batch = workshop.batch(logs)
    wrong = run_batch(batch, random)
    if wrong:
        pytest.fail(explain(workshop, batch, wrong))
    written = [written_lines(batch.warehouse, table) for table in batch.tables]
    batch.warehouse.build(*batch.selection)
    assert [written_lines(batch.warehouse, table) for table in batch.tables] == written
    once = batch.warehouse.moved_to(batch.warehouse.file.parent / "once")
    once.build(*batch.selection)
    for table in batch.tables:
        lines = [sorted(history_lines(w, table), key=str) for w in (batch.warehouse, once)]
        assert lines[0] == lines[1], table.name


# --- Tests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("connector", CONNECTORS)
def test_random_and_worked_logs_in_random_runs(
    connector: ConnectorName, workshop: Workshop
) -> None:
    logs = [*worked_histories(connector), *random_logs(connector, number=1, of=80)]
    if connector == "sqlserver":
        logs += pairs_in_commits()
    check_batch(workshop, logs, Random(1))


@pytest.mark.parametrize("connector", CONNECTORS)
def test_random_logs_of_images_that_lack_what_the_declarations_say(
    connector: ConnectorName, described_workshop: Workshop
) -> None:
    declared = described_workshop.declarations
    logs = random_logs(connector, number=1, of=40, declarations=declared)
    check_batch(described_workshop, logs, Random(1))


@pytest.mark.long
@pytest.mark.parametrize("number", range(2, 12))
@pytest.mark.parametrize("connector", CONNECTORS)
def test_many_random_logs_in_random_runs(
    connector: ConnectorName, number: int, workshop: Workshop
) -> None:
    check_batch(workshop, random_logs(connector, number, of=500), Random(number))
