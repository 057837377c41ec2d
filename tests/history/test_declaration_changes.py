"""A declaration that changes in mid-log: rejected records heal, columns are gained, types stay."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ingestion import declarations
from tests.history.customers import SOURCE, Columns, Customers
from tests.kit.declared import redeclare
from tests.kit.landing import LandingZone
from tests.kit.warehouse import Warehouse, copy_project


@pytest.fixture
def customers(tmp_path: Path) -> Customers:
    parts = ("macros", "models/staging", "snapshots", "tests/data/generic")
    project = copy_project(tmp_path / "project", SOURCE.epochs, parts)
    warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "postgresql")
    return Customers(warehouse, LandingZone(warehouse.landing, declarations.load(), "postgresql"))


def nullable_tier(columns: Columns) -> None:
    columns["tier"]["config"] = {"meta": {"nullable": True}}


def test_a_rejected_record_takes_its_place_when_the_rule_is_fixed(customers: Customers) -> None:
    customers.land("c", 10, "tier=bronze")
    customers.land("u", 20, "tier=null", before="tier=bronze")
    customers.land("u", 30, "tier=gold", before="tier=silver")
    customers.build("+quarantine")
    assert customers.quarantined() == [(1, "missing_column:tier", None)]
    assert customers.history() == customers.expected()
    assert len(customers.history()) == 2

    customers.build()
    assert customers.quarantined() == [(1, "missing_column:tier", None)]

    customers.declare(nullable_tier)
    customers.build()
    assert customers.quarantined() == []
    assert customers.history() == customers.expected()
    assert len(customers.history()) == 3


def test_a_value_that_is_none_becomes_null_where_that_is_declared(customers: Customers) -> None:
    customers.land("c", 10, f"first_name={'x' * 101}")
    customers.build("+quarantine")
    assert customers.quarantined() == [(0, "value_too_long:first_name", None)]

    def null_when_invalid(columns: Columns) -> None:
        columns["first_name"]["config"]["meta"]["on_invalid"] = None

    customers.declare(null_when_invalid)
    customers.land("u", 20, "first_name=Ada", before=f"first_name={'x' * 101}")
    customers.build("+quarantine", "+drift")
    assert customers.quarantined() == []
    assert customers.history() == customers.expected()
    names = "select first_name from history.customers_history order by _cdc_position"
    assert customers.warehouse.rows(names) == [(None,), ("Ada",)]
    told = "select kind, column_names, record_count, is_current from staging.drift"
    assert customers.warehouse.rows(told) == [("replaced", "first_name", 1, False)]


def test_a_gained_column_is_null_in_older_versions_until_they_are_read_again(
    customers: Customers,
) -> None:
    kept: Columns = {}
    customers.declare(lambda columns: kept.update(phone=columns.pop("phone")))
    customers.land("c", 10, "tier=bronze, phone=1")
    customers.land("u", 20, "tier=silver, phone=2", before="tier=bronze, phone=1")
    customers.build("+drift")
    assert customers.history() == customers.expected()
    unknown = """
        select kind, column_names, record_count, epoch(last_seen_at - first_seen_at), is_current
        from staging.drift
        """
    assert customers.warehouse.rows(unknown) == [("unknown", "phone", 2, 10, True)]

    def gain(columns: Columns) -> None:
        columns.update(kept)

    customers.declare(gain)
    customers.land("u", 30, "tier=gold, phone=3", before="tier=silver, phone=2")
    customers.build()
    customers.build("+drift")
    assert customers.warehouse.rows(unknown) == [("unknown", "phone", 2, 10, False)]
    phones = "select phone from history.customers_history order by _cdc_position"
    assert customers.warehouse.rows(phones) == [(None,), (None,), ("3",)]

    customers.build("--full-refresh")
    assert customers.warehouse.rows(phones) == [("1",), ("2",), ("3",)]
    assert customers.warehouse.rows(unknown) == []
    assert customers.history() == customers.expected()


def renamed(columns: Columns) -> None:
    names = {"postgresql": ["mobile", "phone"]}
    columns["phone"]["config"] = {"meta": {"nullable": True, "source_columns": names}}


AS_MOBILE = ('"phone":', '"mobile":')
PHONES = "select phone from history.customers_history order by _cdc_position"


def test_a_renamed_column_has_the_values_of_both_names(customers: Customers) -> None:
    customers.land("c", 10, "tier=bronze, phone=1")
    customers.build()
    customers.declare(renamed)
    customers.land("u", 20, "tier=bronze, phone=2", "tier=bronze, phone=1", spelled=AS_MOBILE)
    both = ('"phone":', '"phone":"left","mobile":')
    customers.land("u", 30, "tier=bronze, phone=3", "tier=bronze, phone=2", spelled=both)
    customers.land("u", 40, "tier=gold, phone=3", "tier=bronze, phone=3", spelled=AS_MOBILE)
    customers.build("+drift")
    assert customers.warehouse.rows(PHONES) == [("1",), ("2",), ("3",), ("3",)]
    assert customers.history() == customers.expected()
    assert customers.warehouse.rows("select * from staging.drift") == []
    customers.build("--full-refresh")
    assert customers.history() == customers.expected()


def test_a_record_without_a_column_says_what_it_has_instead(customers: Customers) -> None:
    customers.land("c", 10, "tier=bronze", spelled=('"tier":', '"Tier":'))
    customers.build("+quarantine", "+drift")
    assert customers.quarantined() == [(0, "missing_column:tier", "Tier")]
    assert customers.warehouse.rows("select * from staging.drift") == []


def test_a_log_from_when_a_column_had_one_name_goes_on(customers: Customers) -> None:
    customers.land("c", 10, "tier=bronze, phone=1")
    customers.build()
    with duckdb.connect(customers.warehouse.file) as connection:
        connection.execute(
            """
            update operations.declarations
            set columns = regexp_replace(
                columns, '"source_names": \\[("[^"]*")\\]', '"source_name": \\1', 'g'
            )
            """
        )
        told = connection.execute("select columns from operations.declarations").fetchall()
    assert all('source_name"' in columns and "source_names" not in columns for (columns,) in told)
    customers.declare(renamed)
    customers.land("u", 20, "tier=gold, phone=2", "tier=bronze, phone=1", spelled=AS_MOBILE)
    customers.build()
    assert customers.history() == customers.expected()


def test_what_came_under_a_name_before_it_was_declared_is_read_again(customers: Customers) -> None:
    customers.land("c", 10, "tier=bronze, phone=1")
    customers.land("u", 20, "tier=bronze, phone=2", "tier=bronze, phone=1", spelled=AS_MOBILE)
    customers.build()
    assert customers.warehouse.rows(PHONES) == [("1",), ("1",)]
    customers.declare(renamed)
    stopped = customers.warehouse.invoke("build", "--select", "+customers_history")
    assert "column phone has come as mobile, which was not declared" in str(stopped.exception)
    assert "lakehouse rebuild customers" in str(stopped.exception)
    customers.build("--full-refresh")
    assert customers.warehouse.rows(PHONES) == [("1",), ("2",)]
    assert customers.history() == customers.expected()


def test_a_changed_type_stops_the_run_with_the_command_that_reads_everything_again(
    customers: Customers,
) -> None:
    customers.land("c", 10, "tier=bronze")
    customers.build()
    before = customers.history()

    def smaller_key(columns: Columns) -> None:
        columns["customer_id"]["data_type"] = "integer"

    customers.declare(smaller_key)
    customers.land("u", 20, "tier=silver", before="tier=bronze")
    result = customers.warehouse.invoke("build", "--select", "+customers_history")
    assert not result.success
    assert "lakehouse rebuild customers" in str(result.exception)
    assert "bigint to integer" in str(result.exception)

    def bigger_key(columns: Columns) -> None:
        columns["customer_id"]["data_type"] = "bigint"

    customers.declare(bigger_key)
    assert customers.history() == before
    customers.build()
    assert customers.history() == customers.expected()


def test_a_change_of_what_is_tracked_stops_the_run_too(customers: Customers) -> None:
    """Versions of untouched keys would keep the hash of the former columns."""
    customers.land("c", 10, "tier=bronze")
    customers.build()
    before = customers.history()

    customers.declare_table(lambda table: table["config"]["meta"]["tracked_columns"].remove("tier"))
    customers.land("u", 20, "tier=silver", before="tier=bronze")
    result = customers.warehouse.invoke("build", "--select", "+customers_history")
    assert not result.success
    assert "column tier is no longer tracked" in str(result.exception)
    assert "lakehouse rebuild customers" in str(result.exception)
    assert customers.history() == before


def test_a_key_that_becomes_another_stops_the_run(tmp_path: Path) -> None:
    """Folded, two rows from before would be one; hashed, each would be two."""
    project = copy_project(tmp_path / "project", {"retail": 1})
    code, types = "promotion_code", {"promotion_code": "varchar(64)"}
    declared = redeclare(project, "promotions", types, columns={code: {"collation": "binary"}})
    warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "postgresql")
    LandingZone(warehouse.landing, declared, "postgresql")
    warehouse.build("--select", "+stg_retail__promotions")
    for changed, says in (
        ({"collation": "case_insensitive"}, f"the collation of key column {code} changed, so rows"),
        ({"collation": "binary", "pii": "hash"}, f"the key column {code} hashed"),
    ):
        redeclare(project, "promotions", columns={code: changed})
        stopped = warehouse.invoke("build", "--select", "+stg_retail__promotions")
        assert says in str(stopped.exception)
        assert "lakehouse rebuild promotions" in str(stopped.exception)
