"""The report in a real browser without a network: readable, right, and red where something is."""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ingestion.declarations import load
from tests.kit.landing import LandingZone
from tests.kit.warehouse import Warehouse
from tests.pipeline.chain import Chain
from tests.pipeline.conftest import Passed

NAMES = ("chromium", "chromium-browser", "google-chrome")
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; `make test` installs it where it can."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        if os.environ.get("LAKEHOUSE_REQUIRE_TOOLS"):
            pytest.fail("Chromium is missing: scripts/setup browser")
        pytest.skip("there is no Chromium: scripts/setup browser")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a file without a network; at the end its console was silent and nothing was asked."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def open_page(file: Path, at: datetime | None = None, **options: Any) -> Page:
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        if at:
            page.clock.set_fixed_time(at)
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert {url for url in asked if not url.startswith(("file:", "data:"))} == set()
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)


@pytest.fixture(scope="module")
def report(passed: Passed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a chain in which nothing is wrong; this shop's old sales are new ones."""
    folder = tmp_path_factory.mktemp("report")
    copy = folder / "warehouse.duckdb"
    shutil.copy(passed.chain.warehouse, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute(
            "update marts.agg_daily_sales set sales_date = current_date - store_id % 50"
        )
    return written(replace(passed.chain, warehouse=copy), folder / "report.html")


def written(chain: Chain, file: Path, *arguments: str) -> Path:
    chain.run("lakehouse", "report", "--output", str(file), *arguments)
    return file


def report_of(warehouse: Warehouse, file: Path) -> Path:
    return written(Chain(warehouse.landing.parent, {}, warehouse.file), file)


def alerts(page: Page) -> dict[str, str]:
    """What the page tells first, and its level."""
    items = page.locator("ul.alerts li")
    return {
        items.nth(n).locator("span").inner_text(): str(items.nth(n).get_attribute("class"))
        for n in range(items.count())
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_is_readable(report: Path, open_page: Open, scheme: str, width: int) -> None:
    assert report.stat().st_size < 3_000_000
    page = open_page(report, color_scheme=scheme, viewport={"width": width, "height": 800})
    for section in ("now", "trust", "history", "business", "cost"):
        assert page.locator(f"#{section}").is_visible()
    drawn = ("lag", "tests", "hours", "versions", "sales", "statuses", "tiers", "stock", "runs")
    assert [name for name in drawn if not page.locator(f"#{name} > svg").count()] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # pictures have the page's own colours, of both schemes
    ink = page.evaluate("getComputedStyle(document.body).color")
    fills = "[...document.querySelectorAll('svg text')].map(t => getComputedStyle(t).fill)"
    assert set(page.evaluate(fills)) == {ink}
    assert (ink == "rgb(227, 232, 238)") == (scheme == "dark")


def test_it_holds_no_personal_data(report: Path, passed: Passed) -> None:
    text = report.read_text("utf-8")
    with duckdb.connect(str(passed.chain.warehouse), read_only=True) as connection:
        people = connection.execute(
            "select email, phone, address_line_1 from marts.dim_customer"
        ).fetchall()
    values = {str(value) for row in people for value in row if value and len(value) > 5}
    assert len(values) > 100
    assert [value for value in values if value in text] == []


def test_its_age_turns_red(report: Path, open_page: Open) -> None:
    made = datetime.fromisoformat(str(open_page(report).locator("#age").get_attribute("data-made")))
    for hours, is_old, orders in ((1, False, ""), (7, True, "yellow"), (26, True, "red")):
        page = open_page(report, made + timedelta(hours=hours))
        assert ("old" in (page.locator("#age").get_attribute("class") or "")) is is_old
        assert f"{hours} h ago" in page.locator("#age").inner_text() or hours == 1
        cell = page.locator("#now tr", has_text="inventory_movements").locator(".age").first
        assert (cell.get_attribute("class") or "").removeprefix("age").strip() == orders


def test_the_keyboard_finds_a_row(report: Path, open_page: Open) -> None:
    page = open_page(report)
    rows = page.locator("tbody tr:visible")
    every = rows.count()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("/")
    page.keyboard.type("Payments")
    told = rows.all_inner_texts()
    assert 0 < len(told) < every and all("payments" in text.lower() for text in told)
    assert (
        page.locator("#found")
        .inner_text()
        .startswith(f"{page.locator('tbody tr:not([hidden])').count()} rows")
    )
    page.keyboard.press("Escape")
    assert rows.count() == every


def test_faults_are_seen_until_they_are_mended(
    warehouse: Warehouse, tmp_path: Path, open_page: Open
) -> None:
    """A late table, a break in the chain of before-images, a data test that fails."""
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute(
            "update staging.orders__log set kafka_timestamp = kafka_timestamp - interval 3 day;"
            "insert into marts.fct_orders select * from marts.fct_orders limit 1;"
            "update history.customers_history set tier = 'another', _cdc_row_hash = 'another'"
            " where dbt_scd_id = (select min(dbt_scd_id) from (select dbt_scd_id, lead(_cdc_op)"
            " over (partition by customer_id order by _cdc_order) as next_op"
            " from history.customers_history) where next_op = 'u')"
        )
    build = ("build", "--select", "fct_orders", "+customers_history", "--vars", "audit: full")
    assert not warehouse.invoke(*build, "--exclude-resource-type", "unit_test").success
    page = open_page(report_of(warehouse, tmp_path / "report.html"))
    told = alerts(page)
    for wanted in (
        "one_row_a_key_fct_orders",
        "orders: the newest record is of",
        "customers: 1 br",
    ):
        assert [level for text, level in told.items() if wanted in text] == ["red"], told
    assert [level for text, level in told.items() if text.startswith("run ")] == ["red"]
    failed = page.locator("#tests tbody tr", has_text="fail").last.locator("td")
    assert failed.last.text_content() == "1"

    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute(
            "update staging.orders__log set kafka_timestamp = kafka_timestamp + interval 3 day;"
            "create table kept as select distinct * from marts.fct_orders;"
            "delete from marts.fct_orders; insert into marts.fct_orders from kept; drop table kept"
        )
    warehouse.dbt.run(*build, "--exclude-resource-type", "unit_test")
    told = alerts(open_page(report_of(warehouse, tmp_path / "report.html")))
    assert [text for text, level in told.items() if level == "red"] == [
        next(text for text in told if text.startswith("customers: 1 break"))
    ]


def test_the_last_comparison_with_the_source_is_told(
    passed: Passed, copied_warehouse: Path, tmp_path: Path, open_page: Open
) -> None:
    chain = replace(passed.chain, warehouse=copied_warehouse)
    line = ["lakehouse", "reconcile"]
    chain.run(*line)
    file = tmp_path / "report.html"
    cells = open_page(written(chain, file)).locator("#trust tr", has_text="agree").locator("td")
    assert cells.first.inner_text() == "reconcile"
    with duckdb.connect(str(copied_warehouse)) as connection:
        connection.execute("update marts.dim_store set store_name = 'another'")
    with pytest.raises(AssertionError):
        chain.run(*line)
    [told] = [
        level
        for text, level in alerts(open_page(written(chain, file))).items()
        if "differed" in text
    ]
    assert told == "red"


def test_a_warehouse_without_records_says_so(
    parsed: Warehouse, tmp_path: Path, open_page: Open
) -> None:
    empty = replace(parsed, landing=tmp_path / "landing").moved_to(tmp_path / "empty")
    LandingZone(empty.landing, load(), "postgresql")
    empty.build()
    page = open_page(report_of(empty, tmp_path / "report.html"))
    said = page.locator(".empty").all_inner_texts()
    assert len(said) > 8 and "No sales in the last 60 days." in said
    assert alerts(page) == {}


def test_a_customer_has_a_page_of_its_own(passed: Passed, tmp_path: Path, open_page: Open) -> None:
    with duckdb.connect(str(passed.chain.warehouse), read_only=True) as connection:
        [(key, orders)] = connection.execute(
            "select customer_id, count(*) from marts.fct_orders where not is_deleted"
            " and customer_id in (select customer_id from marts.dim_customer)"
            " group by 1 order by 2 desc, 1 limit 1"
        ).fetchall()
    file = tmp_path / "report.html"
    passed.chain.run("lakehouse", "report", "--output", str(file), "--key", f"customer_id={key}")
    page = open_page(tmp_path / f"report_customer_id_{key}.html")
    assert page.locator('svg [aria-label^="order "]').count() == orders
    assert page.locator('svg [aria-label^="tier "]').count() > 0
    assert not file.exists()


def test_the_views_are_what_logs_and_histories_hold(warehouse: Warehouse) -> None:
    with duckdb.connect(str(warehouse.file)) as connection:
        # one version read by a later run than the one that follows it
        connection.execute(
            "update history.orders_history set _cdc_run = 99 where dbt_scd_id = (select"
            " min(dbt_scd_id) from history.orders_history where dbt_valid_to is not null)"
        )
    opened: Counter[Any] = Counter()
    late: Counter[Any] = Counter()
    by_key: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for key, *version in warehouse.rows(
        "select order_id, cast(_cdc_committed_at as date), _cdc_run from history.orders_history"
        " order by order_id, _cdc_order"
    ):
        opened[version[0]] += 1
        by_key[key].append(tuple(version))
    for versions in by_key.values():
        for (day, run), (_, next_run) in pairwise(versions):
            late[day] += run > next_run
    found = warehouse.rows(
        "select version_date, opened_count, late_count from operations.version_days"
        " where table_name = 'orders'"
    )
    assert {day: int(count) for day, count, _ in found if count} == dict(opened)
    assert {day: int(count) for day, _, count in found if count} == {
        d: n for d, n in late.items() if n
    }
    assert sum(late.values()) > 0
    for table in load().tables:
        log = f"staging.{table.name}__log"
        logged = dict(warehouse.rows(f"select _cdc_status, count(*) from {log} group by 1"))
        [told] = warehouse.rows(
            "select sum(accepted_count), sum(tombstone_count), sum(rejected_count) from"
            f" operations.record_hours where table_name = '{table.name}'"
        )
        assert [int(n or 0) for n in told] == [
            logged.get(status, 0) for status in ("accepted", "tombstone", "rejected")
        ]


def test_old_results_become_one_row_a_day(warehouse: Warehouse) -> None:
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute(
            "insert into operations.node_runs select run, current_date - age, false, 'model',"
            " 'fct_orders', 'changed', 1, 0.5, 10 from range(1, 101) as runs (run),"
            " (values (3), (8), (9), (500)) as ages (age)"
        )
    totals = (
        "select ran_on, count(*), sum(node_count), sum(seconds), sum(row_count) from"
        " operations.node_runs where ran_on < current_date group by 1 order by 1 desc"
    )
    for _ in range(2):
        warehouse.build("--select", "node_results")
        assert [row[1:] for row in warehouse.rows(totals)] == [
            (100, 100, 50, 1000), (1, 100, 50, 1000), (1, 100, 50, 1000)
        ]  # fmt: skip


def test_a_run_keeps_the_rows_that_each_node_changed(warehouse: Warehouse) -> None:
    [(run,)] = warehouse.rows("select max(run_number) from operations.runs")
    kept = dict(
        warehouse.rows(
            "select node, row_count from operations.node_results"
            f" where run_number = {run} and status = 'changed'"
        )
    )
    assert kept["orders__log"] and kept["orders_history"] and kept["fct_orders"]
    for schema, node in (
        ("staging", "orders__log"), ("history", "orders_history"), ("marts", "fct_orders")
    ):  # fmt: skip
        counted = f"select count(*) from {schema}.{node} where _cdc_run = {run}"
        assert warehouse.rows(counted) == [(kept[node],)]
