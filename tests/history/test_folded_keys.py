"""Keys of which upper and lower case are one: whatever their spelling, they have one history."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from ingestion.declarations import Declarations
from ingestion.settings import ConnectorName
from lakehouse.case_folding import folded
from tests.kit import reference
from tests.kit.batches import Batch, difference, new_batch, wrong_logs
from tests.kit.corpus.canonical import FILE
from tests.kit.declared import redeclare
from tests.kit.landing import Delivery
from tests.kit.logs import as_page, random_logs
from tests.kit.reference import Change, Record, Source
from tests.kit.warehouse import copy_project, parsed_project
from tests.kit.worked import EPOCHS, Key, WorkedHistory

CODE = "promotion_code"
Rekey = Callable[[Key], Key]


@dataclass(frozen=True)
class Respelled(WorkedHistory):
    """A log whose every state of a row has a spelling of its own, by `spell`."""

    spell: Callable[[str, object], str] = lambda key, _: key

    def deliveries(self, rekey: Rekey = lambda key: key) -> list[tuple[int, Delivery]]:
        return [(run, self._respelled(each)) for run, each in super().deliveries(rekey)]

    def _respelled(self, delivery: Delivery) -> Delivery:
        name = self.table.column(CODE).source_name(self.connector)
        rate = self.table.column("discount_percent").source_name(self.connector)
        try:
            event = json.loads(delivery.value or b"{}")
        except ValueError:
            return delivery
        # a key may come spelled in any way, too, and so choose another partition
        key = {name: self.spell(json.loads(delivery.key or b"{}")[name], delivery.timestamp_ms)}
        for image in ("before", "after"):
            if event.get(image):
                event[image][name] = self.spell(event[image][name], event[image].get(rate))
        value = json.dumps(event).encode() if event else delivery.value
        return replace(delivery, key=json.dumps(key).encode(), value=value)


def spelled(seed: int) -> Callable[[str, object], str]:
    """A spelling of a key for each state of its row."""

    def spell(key: str, state: object) -> str:
        random = Random(f"{seed}/{state}")
        letters = (random.choice([letter.upper(), letter.lower()]) for letter in key.rstrip(" "))
        return "".join(letters) + " " * random.randint(0, 2)

    return spell


def respelled(log: WorkedHistory, spell: Callable[[str, object], str]) -> Respelled:
    fields = {name: getattr(log, name) for name in WorkedHistory.__dataclass_fields__}
    return Respelled(**fields, spell=spell)


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Declarations]:
    project = copy_project(tmp_path_factory.mktemp("project"), EPOCHS)
    tracked = [CODE, "name", "discount_percent"]
    return project, redeclare(project, "promotions", history="all", tracked_columns=tracked)


def changes(log: WorkedHistory) -> list[Change]:
    source = Source(log.connector, dict(EPOCHS))
    records = [
        Record(
            "topic",
            each.incarnation,
            each.partition,
            number,
            datetime(1970, 1, 1) + timedelta(milliseconds=each.timestamp_ms),
            each.key,
            each.value,
        )
        for number, (_, each) in enumerate(log.deliveries())
    ]
    verdicts = [reference.judge(record, log.table, source) for record in records]
    return [verdict for verdict in verdicts if isinstance(verdict, Change)]


def without_key(log: WorkedHistory) -> dict[Key, list[tuple[Any, ...]]]:
    """The history of each key, but for how the key is spelled and what hashes the spelling."""
    place = [column.name for column in log.table.landed_columns].index(CODE)
    return {
        key: [
            (
                *(value for number, value in enumerate(row.row) if number != place),
                *(row.position, row.order, row.op, row.is_deleted, row.committed_at),
                *(row.valid_from, row.valid_to),
            )
            for row in rows
        ]
        for key, rows in reference.history(changes(log)).items()
    }


@pytest.mark.parametrize("connector", ["sqlserver", "postgresql"])
def test_the_spelling_of_a_state_makes_no_other_history(
    connector: ConnectorName, declared: tuple[Path, Declarations]
) -> None:
    logs = random_logs(connector, 15, 60, ("promotions",), declared[1])
    for number, log in enumerate(logs):
        one = without_key(respelled(log, lambda key, _: key.rstrip(" ").lower()))
        many = without_key(respelled(log, spelled(number)))
        assert one == many, as_page(log)


@pytest.mark.parametrize(
    "connector", ["sqlserver", pytest.param("postgresql", marks=pytest.mark.long)]
)
def test_the_warehouse_has_one_history_a_key(
    connector: ConnectorName, declared: tuple[Path, Declarations], tmp_path: Path
) -> None:
    project, declarations = declared
    warehouse = parsed_project(project, tmp_path / "parsed", connector)
    drawn = random_logs(connector, 16, 60, ("promotions",), declarations)
    logs = [respelled(log, spelled(number)) for number, log in enumerate(drawn)]
    batch = new_batch(warehouse, tmp_path / "batch", declarations, logs)
    for run in batch.runs:
        batch.land(run)
    batch.warehouse.build(*batch.selection)
    assert_right(batch)
    keys = batch.warehouse.rows(f"select {CODE}, _folded_{CODE} from history.promotions_history")
    column = declarations.table("promotions").column(CODE)
    assert all(folded(code, column) == key for code, key in keys)
    assert len(keys) > len({key for _, key in keys})


def assert_right(batch: Batch) -> None:
    wrong = wrong_logs(batch.expected(), batch.histories())
    assert not wrong, "\n".join([as_page(batch.logs[min(wrong)]), difference(batch, min(wrong))])


def test_every_letter_is_folded_as_the_rule_says(declared: tuple[Path, Declarations]) -> None:
    table = declared[1].table("promotions")
    golden = yaml.safe_load(FILE.read_text("utf-8"))["folds"]
    letters = [chr(code) for code in range(0x20, 0x3000)]
    for text in [*letters, *(case["value"] for case in golden)]:
        assert folded(text, table.column(CODE)) == reference.compared_key((text,), table)[0], text
    for case in golden:
        assert folded(case["value"], table.column(CODE)) == case["text"]
