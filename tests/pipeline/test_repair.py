"""Rows deleted while nobody listened: no event tells of them, `reconcile --repair` does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ingestion.declarations import load
from lakehouse.reconcile.run import reconcile
from playground.services import Services
from playground.services.capture import SALT, Capture
from playground.services.postgres import autocommit_cursor
from playground.shop import schema
from playground.shop.opening import Scale
from playground.shop.simulator import Shop
from tests.pipeline.chain import Chain, count

_SCALE = Scale(customers=60, orders=80, products=40, categories=6)


@dataclass(frozen=True)
class _Captured:
    chain: Chain
    dsn: str
    capture: Capture

    def follow(self) -> None:
        """Take over everything that is in Kafka; what it must come to is checked by the tests."""
        self.chain.land()
        self.chain.build("--exclude-resource-type", "test")


@pytest.fixture
def captured(services: Services, tmp_path: Path) -> Iterator[_Captured]:
    services.kafka.delete_all_topics()
    dsn = services.postgres.create_database("repair")
    settings = {**services.environment(), "LAKEHOUSE_SOURCE_DSN": dsn, "LAKEHOUSE_PII_SALT": SALT}
    schema.create(dsn)
    with Shop(dsn, seed=3, scale=_SCALE) as shop:
        shop.seed()
        capture = services.capture(dsn, load())
        capture.start()
        shop.round(changes=200)
        capture.wait_until_delivered()
    found = _Captured(Chain(tmp_path, settings, tmp_path / "warehouse.duckdb"), dsn, capture)
    found.follow()
    yield found
    capture.delete()
    services.postgres.drop_database("repair")
    services.kafka.delete_all_topics()


def test_rows_deleted_while_the_connector_was_down(captured: _Captured) -> None:
    captured.capture.delete_with_position()
    with autocommit_cursor(captured.dsn) as database:
        database.execute("select max(order_id) from orders where customer_id is not null")
        [(order_id,)] = database.fetchall()
        for table in ("order_items", "payments", "orders"):
            database.execute(f"delete from public.{table} where order_id = %s", (order_id,))
        database.execute("delete from public.promotions where promotion_code = 'Welcome10'")
        database.execute(
            "select customer_id, to_jsonb(one)::text from customers as one order by 1 limit 1"
        )
        [(customer_id, customer)] = database.fetchall()
        database.execute("delete from public.customers where customer_id = %s", (customer_id,))
    captured.capture.start()
    captured.capture.wait_until_delivered()
    captured.follow()

    # The new snapshot does not mention them: for the warehouse they are all still there.
    with pytest.raises(AssertionError, match="rows are gone from the source"):
        captured.chain.run("lakehouse", "reconcile")
    lost = _reconcile(captured).lost_deletes
    assert {delete.table.name for delete in lost} >= {"orders", "order_items", "promotions"}

    with pytest.raises(AssertionError, match="more than --at-most 1"):
        captured.chain.run("lakehouse", "reconcile", "--repair", "--at-most", "1")
    with pytest.raises(AssertionError, match=rf"{len(lost)} deletes written to Kafka"):
        captured.chain.run("lakehouse", "reconcile", "--repair")
    with pytest.raises(AssertionError, match="has not caught up: customers"):
        captured.chain.run("lakehouse", "reconcile", "--repair")

    # What the source does afterwards comes after the repair: the customer returns.
    with autocommit_cursor(captured.dsn) as database:
        database.execute(
            "insert into public.customers"
            " select * from jsonb_populate_record(null::public.customers, %s)",
            (customer,),
        )
    captured.capture.wait_until_delivered()
    captured.chain.land()
    captured.chain.build("--vars", "{audit: full}")

    repaired = _reconcile(captured)
    assert not repaired.lost_deletes
    assert not [mart for mart in repaired.marts if mart.differing_rows]
    warehouse = captured.chain.warehouse
    assert count(warehouse, "select count(*) from staging.quarantine") == 0
    assert count(warehouse, "select count(*) from operations.before_images_chain_customers") == 0
    assert _operations(warehouse, f"customers_history where customer_id = {customer_id}")[-2:] == [
        "d",
        "c",
    ]
    assert _operations(warehouse, f"orders_history where order_id = {order_id}")[-1] == "d"
    for query in (
        f"fct_orders where is_deleted and order_id = {order_id}",
        "dim_promotion where is_deleted and promotion_key = 'welcome10'",
    ):
        assert count(warehouse, f"select count(*) from marts.{query}") == 1, query


def test_rows_that_a_new_snapshot_did_not_read(captured: _Captured) -> None:
    warehouse = captured.chain.warehouse
    captured.capture.delete_with_position()
    with autocommit_cursor(captured.dsn) as database:
        database.execute("delete from public.promotions")  # proved by the notification alone
        database.execute("delete from public.inventory_movements where movement_id % 10 = 0")
        database.execute("delete from public.payments where payment_id % 10 = 0")
    captured.capture.start()
    captured.capture.wait_until_delivered()
    captured.follow()

    lost = _reconcile(captured).lost_deletes
    tables = {delete.table.name for delete in lost}
    assert tables == {"promotions", "inventory_movements", "payments"}
    assert "0 others were alive" in _absences(captured, "products")
    for table in tables:
        with pytest.raises(AssertionError, match="deletes written to Kafka"):
            _absences(captured, table, "--repair")
    with pytest.raises(AssertionError, match="has not caught up: payments"):
        _absences(captured, "payments", "--repair")
    captured.chain.land()
    captured.chain.build("--vars", "{audit: full}")

    # The source's own audit agrees, though nobody asked it.
    repaired = _reconcile(captured)
    assert not repaired.lost_deletes
    assert not [mart for mart in repaired.marts if mart.differing_rows]
    assert count(warehouse, "select count(*) from staging.quarantine") == 0
    for table in tables:
        assert "0 others were alive" in _absences(captured, table)


def _absences(captured: _Captured, table: str, *options: str) -> str:
    return captured.chain.run(
        "lakehouse", "reconcile", "absences", table, "--snapshot", "newest", *options
    )


def _reconcile(captured: _Captured):  # type: ignore[no-untyped-def]
    warehouse = captured.chain.warehouse
    return reconcile(load(), dsn=captured.dsn, warehouse=warehouse, salt=SALT)


def _operations(warehouse: Path, relation: str) -> list[str]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            f"select _cdc_op from history.{relation} order by _cdc_position"
        ).fetchall()
    return [operation for (operation,) in rows]
