"""The documentation site: it opens from disk, asks nobody, and knows each column's origin."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.chain import Chain

# Columns that are made of nothing: counted rows, literals, the calendar.
_MADE = {
    "agg_customer_cohorts.active_customer_count",
    "agg_customer_months.order_count",
    "agg_customer_value.order_count",
    "agg_daily_sales.order_count",
    "agg_daily_sales.cancelled_order_count",
    "agg_daily_sales_converted.reporting_currency_code",
    "dim_customer.member_kind",
    "fct_orders.line_count",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a project of which nothing has been built: what a clone can publish."""
    folder = tmp_path_factory.mktemp("docs")
    chain = Chain(folder, {}, folder / "warehouse.duckdb")
    chain.run("lakehouse", "docs", "--output", str(folder / "site"))
    assert not chain.warehouse.exists()
    return folder / "site"


def test_it_is_three_files_that_load_nothing(site: Path) -> None:
    pages = {path.name: path.read_text(encoding="utf-8") for path in site.iterdir()}
    assert set(pages) == {"index.html", "catalog.html", "lineage.html"}
    for name, page in pages.items():
        loaded = re.findall(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"(http[^\"]+)\"", page)
        assert not loaded, name
    assert "window.colibriTelemetry = false" in pages["lineage.html"]


def test_the_first_page_leads_to_every_mart(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    marts = {path.stem for path in Path("models/marts").rglob("*.sql")}
    assert set(re.findall(r"catalog\.html#!/model/model\.retail_lakehouse\.(\w+)", page)) == marts
    assert "<svg" in page


def test_each_column_of_the_marts_has_its_origin(site: Path) -> None:
    lineage = _lineage(site)
    known = {
        f"{edge['target'].split('.')[-1]}.{edge['targetColumn']}"
        for edge in lineage["lineage"]["edges"]
        if edge.get("targetColumn")
    }
    columns = {
        f"{node.split('.')[-1]}.{column}"
        for node, content in lineage["nodes"].items()
        if re.match(r"model\.retail_lakehouse\.(dim|fct|agg)_", node)
        for column in content["columns"]
        if not node.endswith(".dim_date")
    }
    assert len(columns) > 200
    assert columns - known == _MADE


def _lineage(site: Path) -> dict[str, Any]:
    page = (site / "lineage.html").read_text(encoding="utf-8")
    [data, *_] = re.findall(r"window\.colibriData = JSON\.parse\(atob\(\"([^\"]+)\"\)\)", page)
    found: dict[str, Any] = json.loads(base64.b64decode(data))
    return found
