"""What is published is the warehouse, whatever a run has done to it and whoever reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from lakehouse.published import published
from lakehouse.resident.publication import Publication

KEYS = {"marts.facts": ["id"], "marts.groups": ["day", "store"]}
BUILT = ("staging.orders__log", "marts.facts", "marts.groups", "marts.seed")
TABLES = (*BUILT, "operations.runs", "operations.watermarks", "operations.found")


class Warehouse:
    """A file with the kinds of tables that there are, and runs that change them at random."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.file = folder / "warehouse.duckdb"
        self._random = random
        self._run = 0
        self.connection = duckdb.connect(str(self.file))
        self.connection.execute("""
            create schema staging; create schema marts; create schema operations;
            create table operations.runs (run_number bigint, status text);
            create table operations.watermarks (consumer text, run_number bigint);
            create table operations.found (what text);
            create table staging.orders__log (kafka_offset bigint, _cdc_run bigint);
            create table marts.facts (id bigint, amount bigint, _cdc_run bigint);
            create table marts.groups (day date, store bigint, amount bigint, _cdc_run bigint);
            create table marts.seed (code text);
            create view marts.current as select * from warehouse.marts.facts where amount > 0;
            """)

    def run(self) -> None:
        """A run that builds some tables: rows come, change, vanish."""
        self._run += 1
        self._sql(f"insert into operations.runs values ({self._run}, 'succeeded')")
        self._sql("delete from operations.found")
        self._sql(f"insert into operations.found values ('{self._random.random()}')")
        for table in self._random.sample(BUILT, self._random.randint(0, 4)):
            getattr(self, f"_{table.split('.')[1]}")()
            self._sql(f"delete from operations.watermarks where consumer = '{table}'")
            self._sql(f"insert into operations.watermarks values ('{table}', {self._run})")

    def _orders__log(self) -> None:
        self._sql(f"insert into staging.orders__log select range, {self._run} from range(3)")

    def _facts(self) -> None:
        one, other = self._some(), self._some()
        self._sql(f"delete from marts.facts where id in ({one})")
        self._sql(f"insert into marts.facts values ({one}, {other}, {self._run})")

    def _groups(self) -> None:
        # some come, some go: their number may stay the same
        self._sql(f"delete from marts.groups where store = {self._some()}")
        store = self._some()
        self._sql(f"delete from marts.groups where store = {store}")
        for day in self._random.sample(range(1, 29), self._random.randint(0, 3)):
            day_or_none = f"'2026-02-{day}'" if day > 3 else "null"
            self._sql(f"insert into marts.groups values ({day_or_none}, {store}, 1, {self._run})")

    def _seed(self) -> None:
        self._sql("delete from marts.seed")
        self._sql(f"insert into marts.seed values ('{self._run}')")

    def _some(self) -> int:
        return self._random.randint(1, 8)

    def _sql(self, sql: str) -> None:
        self.connection.execute(sql)

    def content(self) -> dict[str, list[Any]]:
        """All rows of all tables and of the view."""
        return content(self.connection)


def content(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    return {
        name: sorted(connection.execute(f"from {name}").fetchall(), key=repr)
        for name in (*TABLES, "marts.current")
    }


def read(file: Path) -> dict[str, list[Any]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return content(connection)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[[int], tuple[Warehouse, Publication]]]:
    opened: list[Warehouse] = []

    def make(seed: int) -> tuple[Warehouse, Publication]:
        (tmp_path / str(seed)).mkdir()
        warehouse = Warehouse(tmp_path / str(seed), Random(seed))
        opened.append(warehouse)
        warehouse.run()
        publication = Publication(warehouse.file)
        publication.whole(warehouse.connection)
        return warehouse, publication

    yield make
    for warehouse in opened:
        warehouse.connection.close()


@pytest.mark.parametrize("seed", range(4))
def test_after_each_run_it_is_the_warehouse(
    seed: int, made: Callable[[int], tuple[Warehouse, Publication]]
) -> None:
    warehouse, publication = made(seed)
    file = published(warehouse.file)
    for _ in range(25):
        for _ in range(Random(seed).randint(1, 2)):
            warehouse.run()
        before = file.stat().st_ino
        publication.forward(warehouse.connection, KEYS)
        assert file.stat().st_ino != before, "the name was given to another file"
        assert read(file) == warehouse.content()


def test_new_tables_columns_and_views_come_too(
    made: Callable[[int], tuple[Warehouse, Publication]],
) -> None:
    warehouse, publication = made(0)
    file = published(warehouse.file)
    for change in (
        "create or replace view marts.current as from warehouse.marts.facts where amount > 4",
        "alter table marts.facts add column note text default 'x'",
        "create table marts.other as select 1 as one",
    ):
        warehouse.connection.execute(change)
        publication.forward(warehouse.connection, KEYS)
        assert read(file) == warehouse.content()
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute("from marts.other").fetchall() == [(1,)]
