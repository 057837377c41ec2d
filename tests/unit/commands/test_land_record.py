"""One record is landed without Spark where landing has stopped at it, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ingestion.declarations import load
from ingestion.kafka import brokers
from ingestion.kafka.brokers import Offsets
from ingestion.landing import job, layout
from ingestion.landing.attempts import LAST_ATTEMPT, Attempts
from ingestion.landing.ledger import Ledger
from ingestion.landing.records import empty_file
from ingestion.landing.storage import Storage, open_storage
from lakehouse.kafka import records
from tests.kit.command_line import CommandLine
from tests.kit.ledger import entry

TOPIC = load().table("orders").topics["postgresql"]
LINE = ("landing", "land-record", "orders", "--partition", "0", "--offset")


@pytest.fixture
def zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Of a topic with the offsets 5 to 20 of partition 0; nothing is landed."""

    class Broker:
        def __init__(self, _settings: object) -> None: ...

        def topics(self, names: set[str]) -> dict[str, brokers.Topic]:
            return {name: brokers.Topic(name, "A", {0: Offsets(5, 20)}) for name in names}

    def messages(*place: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(
            offset=lambda: place[3],
            timestamp=lambda: (1, 1_700_000_000_000),
            headers=lambda: None,
            key=lambda: b"k",
            value=lambda: b"v",
        )

    monkeypatch.setattr(brokers, "Brokers", Broker)
    monkeypatch.setattr(records, "messages", messages)
    monkeypatch.setattr(job, "_TRUNCATION_PATIENCE", 1)
    storage = open_storage(str(tmp_path / "landing"))
    job.bind(storage, open_storage(str(tmp_path / "checkpoints")))
    return storage


def files(zone: Storage) -> list[str]:
    return [path for path in zone.list_files("orders") if layout.parse(path)]


def land(zone: Storage) -> None:
    """The offsets up to 10, with their file."""
    landed = replace(entry(0, 10), topic=TOPIC)
    file = layout.parse(str(landed.file))
    assert file is not None
    zone.put(file.path, empty_file())
    Ledger(zone).append([landed])


def stop(folder: Path, offset: int, times: int = LAST_ATTEMPT) -> None:
    """What landing writes down before it says that it cannot land the record."""
    attempts = Attempts(open_storage(str(folder / "checkpoints")), ["orders", "stores"])
    attempts.keep({(TOPIC, 0): (offset, times)})


def test_the_record_that_landing_has_stopped_at(
    zone: Storage, tmp_path: Path, lakehouse: CommandLine
) -> None:
    land(zone)
    stop(tmp_path, 10)
    assert lakehouse(*LINE, "10")[0] == 0
    assert len(files(zone)) == 2
    assert Ledger(zone).progress.positions[layout.Partition("orders", 1, 0)].until_offset == 11


@pytest.mark.parametrize(("tried", "times"), [(10, LAST_ATTEMPT - 1), (9, LAST_ATTEMPT)])
def test_where_landing_has_not_stopped(
    tried: int, times: int, zone: Storage, tmp_path: Path, lakehouse: CommandLine
) -> None:
    land(zone)
    stop(tmp_path, tried, times)
    code, _, said = lakehouse(*LINE, "10")
    assert (code, "has not stopped there" in said, len(files(zone))) == (4, True, 1)


def test_a_ledger_that_is_gone_is_not_begun_anew(
    zone: Storage, tmp_path: Path, lakehouse: CommandLine
) -> None:
    land(zone)
    stop(tmp_path, 5)
    shutil.rmtree(tmp_path / "landing" / layout.LEDGER)
    code, _, said = lakehouse(*LINE, "5")
    assert (code, "but no ledger" in said, len(files(zone))) == (4, True, 1)
    assert zone.list_files(layout.LEDGER) == []


def test_what_was_never_landed_has_no_record_to_stop_at(
    zone: Storage, tmp_path: Path, lakehouse: CommandLine
) -> None:
    stop(tmp_path, 5)
    code, _, said = lakehouse(*LINE, "5")
    assert (code, "never landed" in said, files(zone)) == (4, True, [])


def test_a_file_that_the_ledger_lacks_is_adopted_first(
    zone: Storage, tmp_path: Path, lakehouse: CommandLine
) -> None:
    land(zone)
    file = layout.parse(str(entry(10, 12).file))
    assert file is not None
    zone.put(file.path, empty_file())
    stop(tmp_path, 10)
    code, _, said = lakehouse(*LINE, "10")
    assert (code, "goes on at offset 12, not at 10" in said, len(files(zone))) == (4, True, 2)


def test_no_such_partition(zone: Storage, tmp_path: Path, lakehouse: CommandLine) -> None:
    land(zone)
    code, _, said = lakehouse("landing", "land-record", "orders", "--partition", "99", "--offset=1")
    assert (code, "no such partition" in said) == (4, True)
