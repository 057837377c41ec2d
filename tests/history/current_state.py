"""Random logs of codes, stores and products, and the dimensions that follow from them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from ingestion.declarations import Table
from ingestion.settings import ConnectorName
from tests.kit import reference
from tests.kit.batches import Batch, new_batch, owner
from tests.kit.declared import DECLARATIONS
from tests.kit.logs import as_page, random_logs
from tests.kit.warehouse import (
    KILLED,
    Warehouse,
)
from tests.kit.worked import WorkedHistory, load

DIMENSIONS = {
    "promotions": (
        "dim_promotion",
        {
            "promotion_code": "promotion_code",
            "name": "promotion_name",
            "discount_percent": "discount_percent",
            "starts_at": "starts_at",
            "ends_at": "ends_at",
            "updated_at": "updated_at",
        },
    ),
    "stores": (
        "dim_store",
        {
            "store_id": "store_id",
            "name": "store_name",
            "city": "city",
            "country_code": "country_code",
            "time_zone": "time_zone",
            "opened_on": "opened_date",
            "closed_on": "closed_date",
        },
    ),
    "products": (
        "dim_product",
        {
            "product_id": "product_id",
            "sku": "sku",
            "name": "product_name",
            "brand": "brand",
            "unit_price": "unit_price",
            "unit_cost": "unit_cost",
            "weight_kg": "weight_kg",
            "is_discontinued": "is_discontinued",
            "description": "description",
        },
    ),
}
"""Declared columns and what the dimension calls them."""
SELECTION = ("--select", *(f"+{dimension}" for dimension, _ in DIMENSIONS.values()))
Line = tuple[Any, ...]


def logs_of_dimensions(connector: ConnectorName, of: int) -> list[WorkedHistory]:
    """Random logs of the tables with a current state only, and the worked histories of them."""
    return [
        *random_logs(connector, 4, of, tuple(DIMENSIONS)),
        *(
            worked
            for worked in load(DECLARATIONS)
            if worked.connector == connector and worked.table.name in DIMENSIONS
        ),
    ]


def expected_lines(batch: Batch) -> set[Line]:
    # what facts without a store, product or promotion find
    lines: set[Line] = {
        (name, *[None] * len(columns), False) for name, (_, columns) in DIMENSIONS.items()
    }
    for number, log in enumerate(batch.logs):
        columns = [column.name for column in log.table.landed_columns]
        for current in reference.current_rows(batch.changes(number), log.table).values():
            row = dict(zip(columns, current.row, strict=True))
            values = [row[name] for name in DIMENSIONS[log.table.name][1]]
            lines.add((log.table.name, *values, current.is_deleted))
    return lines


def found_lines(batch: Batch, warehouse: Warehouse) -> set[Line]:
    lines = [
        (table.name, *line) for table in batch.tables for line in dimension_lines(warehouse, table)
    ]
    assert len(set(lines)) == len(lines)
    return set(lines)


def dimension_lines(warehouse: Warehouse, table: Table) -> list[Line]:
    dimension, columns = DIMENSIONS[table.name]
    return warehouse.rows(
        f"select {', '.join(columns.values())}, is_deleted from marts.{dimension}"
    )


def build_somehow(batch: Batch, random: Random) -> str:
    """Build what has been landed, last of all in full; returns how."""
    dimension = random.choice([dimension for dimension, _ in DIMENSIONS.values()])
    way = random.choice(["plainly", "selected", "killed", "refreshed"])
    if batch.warehouse.file.exists():
        if way == "selected":
            batch.warehouse.build("--select", dimension)
        elif way == "refreshed":
            batch.warehouse.build("--full-refresh", "--select", dimension)
        elif way == "killed":
            after = random.randint(10, 80)
            assert batch.warehouse.killed_build(*SELECTION, after_queries=after) in (0, KILLED)
    batch.warehouse.build(*SELECTION)
    return f"{way}, {dimension}"


def explain(batch: Batch, expected: set[Line], found: set[Line], way: str) -> str:
    numbers = {owner(line[1]) for line in expected ^ found if line[1] is not None}
    number = min(numbers, key=lambda number: len(batch.logs[number].log))
    missing = [line for line in expected - found if line[1] and owner(line[1]) == number]
    too_much = [line for line in found - expected if line[1] and owner(line[1]) == number]
    return (
        f"{len(numbers)} logs are wrong ({way}), one of them:\n{as_page(batch.logs[number])}\n"
        f"missing: {missing}\ntoo much: {too_much}"
    )


def prove_current_state(parsed: Warehouse, folder: Path, random: Random, of: int) -> None:
    """Dimensions are right after every run of `of` random logs, and as one run makes them."""
    logs = logs_of_dimensions(parsed.connector, of)
    batch = new_batch(parsed, folder, DECLARATIONS, logs)
    for run in batch.runs:
        batch.land(run)
        way = build_somehow(batch, random)
        expected, found = expected_lines(batch), found_lines(batch, batch.warehouse)
        assert expected == found, explain(batch, expected, found, f"run {run}, {way}")
    once = batch.warehouse.moved_to(folder / "once")
    once.build(*SELECTION)
    assert found_lines(batch, once) == expected_lines(batch)
