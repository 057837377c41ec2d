"""A seed is written where it differs from its file, and only there."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest
from dbt_common.events.base_types import EventMsg

from tests.kit.warehouse import Warehouse, copy_project, parsed_project

PARTS = ("macros", "models/staging", "seeds", "snapshots", "tests/data/generic")
SEED = "staging.time_zones"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    project = copy_project(tmp_path_factory.mktemp("project"), {"retail": 1}, PARTS)
    warehouse = parsed_project(project, tmp_path_factory.mktemp("built"), "sqlserver")
    assert writes(warehouse)
    return warehouse


def writes(warehouse: Warehouse, *arguments: str) -> list[str]:
    """What a build sends that writes to a seed; afterwards SEED holds its file's rows."""
    sent: list[str] = []

    def listen(event: EventMsg) -> None:
        if event.info.name == "SQLQuery" and event.data.node_info.resource_type == "seed":
            sql = event.data.sql.split("*/")[-1].strip()
            if "watermarks" not in sql:  # each node's, with which its transaction ends
                sent.append(sql)

    warehouse.build("--select", "resource_type:seed", *arguments, callbacks=[listen])
    with (warehouse.project / "seeds/time_zones.csv").open(encoding="utf-8") as file:
        rows = [tuple(row) for row in csv.reader(file)][1:]
    assert sorted(warehouse.rows(f"from {SEED}")) == sorted(rows)
    return [sql for sql in sent if not sql.lower().startswith(("select", "begin", "commit"))]


def test_an_unchanged_seed_is_not_written(built: Warehouse) -> None:
    assert writes(built) == []


@pytest.mark.parametrize(
    "change",
    [
        f"delete from {SEED} where name = 'UTC'",
        f"insert into {SEED} from {SEED} where name = 'UTC'",
        f"update {SEED} set time_zone = null where name = 'UTC'",
    ],
    ids=["one less", "one twice", "another"],
)
def test_a_seed_that_differs_is_replaced(change: str, built: Warehouse) -> None:
    with duckdb.connect(str(built.file)) as connection:
        connection.execute(change)
    assert [sql.split()[0] for sql in writes(built)] == ["delete", "insert"]
    assert writes(built) == []


def test_a_changed_file_is_loaded(built: Warehouse) -> None:
    file = Path(built.project, "seeds/time_zones.csv")
    file.write_text(file.read_text("utf-8") + "Local,Europe/Berlin\n", "utf-8")
    assert [sql.split()[0] for sql in writes(built)] == ["delete", "insert"]


def test_a_full_refresh_makes_it_anew(built: Warehouse) -> None:
    kinds = [sql.split()[0] for sql in writes(built, "--full-refresh")]
    assert kinds[0] == "drop" and kinds[-1] == "insert"
