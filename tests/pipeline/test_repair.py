"""Rows deleted while nobody listened: no event tells of them, `reconcile --repair` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count as count_up
from pathlib import Path
from threading import Event, Thread
from typing import Any

import duckdb
import pytest

from ingestion.declarations import load
from ingestion.kafka.brokers import Brokers
from ingestion.settings import Settings
from lakehouse.reconcile.run import reconcile
from playground.services import Services
from playground.services.capture import SALT, Capture
from playground.services.postgres import autocommit_cursor
from playground.shop import schema
from playground.shop.opening import Scale
from playground.shop.simulator import Shop
from playground.shop.stress import Stress
from tests.kit.dbt import ROOT
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
    with Shop(dsn, seed=3, scale=_SCALE, market=Stress()) as shop:
        shop.seed()
        capture = services.capture(dsn, load())
        capture.start()
        shop.round(changes=200)
        capture.wait_until_delivered()
    yield _Captured(Chain(tmp_path, settings, tmp_path / "warehouse.duckdb"), dsn, capture)
    capture.delete_with_position()  # the next one of its name begins anew
    services.postgres.drop_database("repair")
    services.kafka.delete_all_topics()


def test_rows_deleted_while_the_connector_was_down(captured: _Captured) -> None:
    captured.follow()
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
        "dim_promotion where is_deleted and lower(promotion_code) = 'welcome10'",
    ):
        assert count(warehouse, f"select count(*) from marts.{query}") == 1, query


def test_rows_that_a_new_snapshot_did_not_read(captured: _Captured) -> None:
    captured.follow()
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


def test_rows_of_the_source_itself_beside_a_shop_that_never_rests(
    captured: _Captured, services: Services
) -> None:
    planted = _plant(captured)
    with _never_resting(captured.dsn):
        code, found, said = _compare_rows(captured, "--repair")
    assert {(one["table"], one["key"], one["kind"]) for one in found["differences"]} == planted
    # many more were on their way when the first reading was compared
    assert all(table["read_again"] > table["differing_rows"] for table in found["tables"])
    assert (code, "2 deletes written to Kafka" in said) == (4, True), said
    assert "--snapshot-of order_items --snapshot-of promotions" in said

    # What it does not write itself, a second connector reads.
    wrong = ["order_items", "promotions"]
    brokers = Brokers(Settings.from_environment(captured.chain.environment))
    topics = [load().table(name).topics["postgresql"] for name in wrong]
    with autocommit_cursor(captured.dsn) as database:
        database.execute("select (select count(*) from order_items), count(*) from promotions")
        [rows] = database.fetchall()
    captured.capture.wait_until_delivered()
    wanted = [end + more for end, more in zip(_ends(brokers, topics), rows, strict=True)]
    snapshot = services.capture(captured.dsn, load(), wrong)
    snapshot.create()
    deadline = time.monotonic() + 120
    while _ends(brokers, topics) != wanted:
        assert time.monotonic() < deadline, (wanted, snapshot.status())
        time.sleep(0.2)
    snapshot.delete()
    code, found, said = _compare_rows(captured)
    assert (code, found["differences"]) == (0, []), said

    # The connector's newest heartbeat comes through as well.
    code, out, said = _beside(captured.chain, "verify", "--wait", "10", select=())
    assert (code, "every record that Kafka had of 10 tables is built" in out) == (0, True), (
        out + said
    )


def _ends(brokers: Brokers, topics: list[str]) -> list[int]:
    """How many records each of them has had."""
    found = brokers.topics(topics)
    return [sum(one.latest for one in found[topic].partitions.values()) for topic in topics]


def _plant(captured: _Captured) -> set[tuple[str, str, str]]:
    """Changes that the connector is not shown; what there is to find: table, key, kind."""
    publication = captured.capture.settings["publication.name"]
    tables = "public.customers, public.order_items, public.promotions"
    with autocommit_cursor(captured.dsn) as database:
        database.execute(f"alter publication {publication} drop table {tables}")
        database.execute("select min(customer_id) from customers")
        [(first,)] = database.fetchall()
        database.execute("select min(order_id), max(order_id) from order_items")
        [(gone, changed)] = database.fetchall()
        database.execute("delete from customers where customer_id = %s", (first,))
        database.execute("delete from order_items where order_id = %s and line_no = 1", (gone,))
        database.execute(
            "update order_items set quantity = quantity + 1 where order_id = %s and line_no = 1",
            (changed,),
        )
        database.execute(
            "insert into promotions select * from jsonb_populate_record(null::promotions,"
            " (select to_jsonb(one) from promotions as one order by 1 limit 1)"
            ' || \'{"promotion_code": "Behind~The|Log"}\')'
        )
        database.execute(f"alter publication {publication} add table {tables}")
    return {
        ("customers", f"customer_id={first}", "extra row"),
        ("order_items", f"order_id={gone}, line_no=1", "extra row"),
        ("order_items", f"order_id={changed}, line_no=1", "wrong row"),
        ("promotions", "promotion_code=Behind~The|Log", "missing row"),
    }


@contextmanager
def _never_resting(dsn: str) -> Iterator[None]:
    """Rows come, change and go, in each of the tables."""
    done = Event()

    def trade() -> None:
        with autocommit_cursor(dsn) as database:
            database.execute("select array_agg(customer_id) from customers")
            [(customers,)] = database.fetchall()
            for number in count_up():
                if done.is_set():
                    return
                customer = customers[number % len(customers)]
                database.execute(
                    "update customers set first_name = %s where customer_id = %s",
                    (f"Ada {number}", customer),
                )
                database.execute(
                    "update order_items set quantity = quantity + 1 where order_id = (select"
                    " order_id from order_items order by order_id offset %s limit 1)",
                    (5 + number % 40,),
                )
                database.execute(
                    "insert into promotions select * from jsonb_populate_record(null::promotions,"
                    " (select to_jsonb(one) from promotions as one order by 1 limit 1)"
                    " || jsonb_build_object('promotion_code', %s))",
                    (f"T{number}",),
                )
                database.execute(
                    "delete from promotions where promotion_code = %s", (f"T{number - 50}",)
                )
                done.wait(0.1)

    trader = Thread(target=trade)
    trader.start()
    try:
        yield
    finally:
        done.set()
        trader.join()


def _compare_rows(captured: _Captured, *options: str) -> tuple[int, dict[str, Any], str]:
    """How `reconcile rows` ends, finds and says."""
    command = ["reconcile", "rows", "customers", "order_items", "promotions"]
    command += ["--chunk-rows", "25", "--json"]
    command += ["--slot", captured.capture.settings["slot.name"], *options]
    code, out, said = _beside(captured.chain, *command)
    assert out, said
    return code, json.loads(out), said


LOGS = ("--select", "path:models/staging")


def _beside(chain: Chain, *command: str, select: tuple[str, ...] = LOGS) -> tuple[int, str, str]:
    """How a command ends, prints and says while the pipeline runs beside it."""
    with subprocess.Popen(
        [str(Path(sys.executable).with_name("lakehouse")), *command],
        cwd=ROOT,
        env={**os.environ, **chain.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while running.poll() is None:
            chain.land()
            # for a moment the command may hold the file that dbt has to write
            with suppress(AssertionError):
                chain.build(*select, "--exclude-resource-type", "test")
            with suppress(subprocess.TimeoutExpired):
                running.wait(5)
        out, said = running.communicate()
    return running.returncode, out, said


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
