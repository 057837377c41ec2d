"""`lakehouse run` beside landing: whatever ends it, readers see one whole run after the other."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import duckdb
import pytest

from tests.kit.dbt import ROOT
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import LandingZone
from tests.kit.warehouse import Warehouse
from tests.marts.resident import Poller, Resident, differing
from tests.marts.shop import Shop, land

# of the short test
ROUNDS, KILLS = 3, 1
_FAILED = "payments__log failed, the others go on without it"


class Landing:
    """A shop whose records are landed in rounds, and how many of each table are."""

    def __init__(self, warehouse: Warehouse, rounds: int, transactions: int) -> None:
        shop = Shop(warehouse.connector, Random(7))
        shop.trade(300)
        shop.read_all()
        shop.trade(transactions)
        self._zone = LandingZone(warehouse.landing, DECLARATIONS, warehouse.connector)
        self._rounds = shop.rounds(rounds)
        self.landed: dict[str, int] = dict.fromkeys((t.name for t in DECLARATIONS.tables), 0)

    def land(self, resident: Resident | None = None) -> None:
        """The next round; with `resident`, wait until all of it is published."""
        records = next(self._rounds)
        for table, _ in records:
            self.landed[table] += 1
        land(self._zone, records)
        if resident is not None:
            self.wait(resident)

    def wait(self, resident: Resident) -> None:
        """Return when all that was landed is published."""
        for table, rows in self.landed.items():
            resident.wait_for(table, rows)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(ROOT, tmp_path / "landing", tmp_path / "warehouse.duckdb", "sqlserver")


@pytest.fixture
def resident(warehouse: Warehouse) -> Iterator[Resident]:
    resident = Resident(warehouse)
    yield resident
    if resident.process is not None and resident.process.poll() is None:
        resident.process.kill()
        resident.process.wait()


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("rounds", "kills"), [(ROUNDS, KILLS), pytest.param(200, 20, marks=pytest.mark.long)]
)
def test_a_poller_sees_whole_runs_whatever_kills_the_process(
    rounds: int, kills: int, warehouse: Warehouse, resident: Resident
) -> None:
    landing, random = Landing(warehouse, rounds + kills, 150 * rounds), Random(rounds)
    poller = Poller(resident)
    landing.land()
    resident.start()
    resident.wait_until(resident.file.exists)
    poller.start()
    killed_in = set(random.sample(range(1, rounds), kills))
    for number in range(1, rounds):
        landing.land(None if number in killed_in else resident)
        if number in killed_in:
            # anywhere in the run, or while its result is published
            time.sleep(random.uniform(0.1, 4))
            assert resident.end(signal.SIGKILL) == -signal.SIGKILL
            _start_with_a_broken_file(landing, resident)
    landing.wait(resident)
    poller.stop()
    assert not poller.wrong
    assert len(poller.of_run) > 1

    last = warehouse.file.parent / "last.duckdb"
    shutil.copy(resident.file, last)
    assert resident.end(signal.SIGTERM) == 0
    assert not resident.file.exists()
    assert not differing(last, warehouse.file)
    once = warehouse.moved_to(warehouse.file.parent / "once")
    once.build()
    assert not _differing_marts(warehouse.file, once.file)


def _start_with_a_broken_file(landing: Landing, resident: Resident) -> None:
    """A file that is not whole stops its own table, until it is whole; the others go on."""
    landing.land()
    files = (resident.warehouse.landing / "payments").rglob("*-*.parquet")
    newest = max(files, key=lambda file: file.stat().st_mtime_ns)
    whole = newest.read_bytes()
    newest.write_bytes(whole[: len(whole) // 2])
    told = resident.said.count(_FAILED)
    resident.start()
    resident.wait_for("orders", landing.landed["orders"])
    assert resident.said.count(_FAILED) > told
    newest.write_bytes(whole)
    landing.wait(resident)


def _differing_marts(first: Path, second: Path) -> list[str]:
    """The marts that two files do not hold alike, but for the numbers of the runs."""
    found = []
    for path in sorted((ROOT / "models/marts").glob("*/*.sql")):
        rows = []
        for file in (first, second):
            with duckdb.connect(str(file), read_only=True) as connection:
                columns = "columns(lambda name: name <> '_cdc_run')"
                query = f"select {columns} from marts.{path.stem}"
                rows.append(sorted(map(repr, connection.execute(query).fetchall())))
        if rows[0] != rows[1]:
            found.append(path.stem)
    return found


@pytest.mark.timeout(1200)
def test_beside_it_people_read_and_it_goes_on(warehouse: Warehouse, resident: Resident) -> None:
    landing = Landing(warehouse, 3, 500)
    landing.land()
    resident.start()
    resident.wait_until(resident.file.exists)

    # readers that never let go delay nothing
    held = [resident.reader()]
    for _ in range(2):
        landing.land(resident)
        held.append(resident.reader())
    opened = [run for _, run in held]
    assert opened == sorted(set(opened))
    assert [int(reader.communicate()[0]) for reader, _ in held] == opened, "they hold their runs"

    # nothing new: no invocation, no write
    written = warehouse.file.stat().st_mtime_ns, resident.file.stat(), resident.said
    time.sleep(3)
    assert (warehouse.file.stat().st_mtime_ns, resident.file.stat(), resident.said) == written

    asked = resident.beside("lakehouse", "query", "--json", "select 1 as one, date '2026-01-02'")
    assert json.loads(asked.stdout)["rows"] == [[1, "2026-01-02"]]
    assert resident.beside("lakehouse", "query", "select").returncode == 2
    assert resident.beside("lakehouse", "query", "orders_waiting").returncode == 0
    assert "unbuilt" in resident.beside("lakehouse", "status").stdout
    refused = resident.beside("dbt", "build", "--select", "dim_date")
    assert refused.returncode != 0
    assert f"kill {resident.process.pid}" in refused.stdout  # type: ignore[union-attr]
    second = resident.beside("lakehouse", "run")
    assert (second.returncode, "owns" in second.stderr) == (4, True)

    assert resident.end(signal.SIGTERM) == 0
