"""The whole star, built in rounds from records that come late, twice and in any order.

However the rounds fall, whatever was selected or refreshed in between: the tables equal those of
one run into an empty database, the daily sales equal the shop's own rows, every data test passes on
all rows, and a run without new records changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
import sqlglot
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.contracts.graph.nodes import AnalysisNode, ModelNode
from sqlglot import exp

from ingestion.settings import ConnectorName
from tests.kit.dbt import ROOT
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import LandingZone
from tests.kit.warehouse import Warehouse, parsed_project
from tests.marts.shop import MEASURES, Shop, daily_sales, land

ROUNDS = 3
TRANSACTIONS = 900
FACTS_AND_DIMENSIONS = tuple(
    path.stem for path in sorted((ROOT / "models/marts").glob("*/*.sql")) if path.stem[:3] != "agg"
)
ANALYSES = tuple(path.stem for path in sorted((ROOT / "analyses").glob("*.sql")))
# Nobody in this shop has been away for 90 days.
MAY_BE_EMPTY = {"customers_to_win_back"}
TABLES = tuple(path.stem for path in sorted((ROOT / "models/marts").glob("*/*.sql")))


# Nothing here depends on the connector but the positions, which the histories' own tests prove.
CONNECTORS = ["sqlserver", pytest.param("postgresql", marks=pytest.mark.long)]


@pytest.fixture(scope="module", params=CONNECTORS)
def parsed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    connector: ConnectorName = request.param
    return parsed_project(ROOT, tmp_path_factory.mktemp(connector), connector)


@pytest.fixture(scope="module")
def shop(parsed: Warehouse) -> Shop:
    shop = Shop(parsed.connector, Random(20260303))
    shop.trade(TRANSACTIONS // 3)
    shop.read_all()
    shop.trade(TRANSACTIONS)
    return shop


@pytest.fixture(scope="module")
def in_rounds(parsed: Warehouse, shop: Shop) -> Warehouse:
    zone = LandingZone(parsed.landing, DECLARATIONS, parsed.connector)
    for number, records in enumerate(shop.rounds(ROUNDS)):
        land(zone, records)
        if number:
            selected = shop.random.sample(FACTS_AND_DIMENSIONS, 3)
            refresh = ["--full-refresh"] if number == ROUNDS - 1 else []
            parsed.build("--select", *selected, *refresh)
        parsed.build()
    return parsed


@pytest.fixture(scope="module")
def at_once(in_rounds: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    at_once = in_rounds.moved_to(tmp_path_factory.mktemp("at_once") / "folder")
    at_once.build()
    return at_once


def content(file: Path, table: str, *, with_runs: bool = False) -> list[str]:
    with duckdb.connect(str(file), read_only=True) as connection:
        shown = "*" if with_runs else "columns(lambda name: name <> '_cdc_run')"
        rows = connection.execute(f"select {shown} from marts.{table}").fetchall()
    return sorted(map(repr, rows))


def test_each_mart_has_the_selector_that_refreshes_it(parsed: Warehouse) -> None:
    listed = ("--resource-type", "model", "--resource-type", "snapshot", "--output", "name")
    selected: list[str] = []
    for selector in ("scd_type_1", "scd_type_2", "facts", "aggregates"):
        result = parsed.invoke("ls", "--quiet", "--selector", selector, *listed).result
        assert isinstance(result, list)
        selected += map(str, result)
    histories = [path.stem for path in (ROOT / "snapshots").glob("*.yml")]
    assert sorted(selected) == sorted({*TABLES, *histories} - {"dim_country_date", "dim_date"})


@pytest.mark.parametrize("table", TABLES)
def test_equals_one_run_into_an_empty_database(
    table: str, in_rounds: Warehouse, at_once: Warehouse
) -> None:
    rows = content(in_rounds.file, table)
    assert rows == content(at_once.file, table)
    assert len(rows) > 1


def test_daily_sales_are_what_the_shop_knows(in_rounds: Warehouse, shop: Shop) -> None:
    columns = ", ".join(MEASURES)
    found = in_rounds.rows(
        f"select sales_date, store_id, currency_code, {columns} from marts.agg_daily_sales"
    )
    sales = {group: tuple(measures.values()) for group, measures in daily_sales(shop).items()}
    assert {tuple(row[:3]): tuple(row[3:]) for row in found} == sales


def test_every_data_test_passes_on_all_rows(in_rounds: Warehouse) -> None:
    result = in_rounds.invoke(
        "test", "--vars", "{audit: full}", "--select", "test_type:data"
    ).result
    assert isinstance(result, RunExecutionResult)
    assert result.results
    failed = {
        node.node.name: node.message for node in result.results if node.status in ("fail", "error")
    }
    assert not failed


def test_a_run_without_new_records_changes_nothing(in_rounds: Warehouse) -> None:
    before = {table: content(in_rounds.file, table, with_runs=True) for table in TABLES}
    in_rounds.build()
    assert before == {table: content(in_rounds.file, table, with_runs=True) for table in TABLES}


def compiled_by(warehouse: Warehouse, *flags: str) -> dict[str, str]:
    """The marts' and the example queries as dbt compiles them."""
    result = warehouse.invoke(
        "compile", *flags, "--select", "marts", "intermediate", "path:analyses"
    ).result
    assert isinstance(result, RunExecutionResult)
    found: dict[str, str] = {}
    for node in result.results:
        if isinstance(node.node, AnalysisNode | ModelNode):
            assert node.node.compiled_code
            found[node.node.name] = node.node.compiled_code
    return found


@pytest.fixture(scope="module")
def compiled(in_rounds: Warehouse) -> dict[str, str]:
    """For a build that goes on from the one before."""
    return compiled_by(in_rounds)


@pytest.fixture(scope="module")
def compiled_anew(in_rounds: Warehouse) -> dict[str, str]:
    """For a build from nothing."""
    return compiled_by(in_rounds, "--full-refresh")


def added_over_currencies(sql: str) -> list[str]:
    """Sums of money in `sql` over rows of several currencies: an order has one."""
    return [
        str(total)
        for select in sqlglot.parse_one(sql, read="duckdb").find_all(exp.Select)
        for total in select.find_all(exp.Sum, exp.Avg)
        if total.find_ancestor(exp.Select) is select
        and re.search("amount|price|cost", " ".join(_columns(total)))
        and not {"currency_code", "reporting_currency_code", "order_id"}
        & _columns(select.args.get("group") or exp.Group())
    ]


def _columns(expression: exp.Expr) -> set[str]:
    return {column.name for column in expression.find_all(exp.Column)}


def outer_joins_of_all_pairs(plan: dict[str, Any]) -> Iterator[str]:
    """The conditions of outer joins for which DuckDB compares each row with each."""
    told = plan["extra_info"]
    if plan["name"] == "BLOCKWISE_NL_JOIN" and told["Join Type"] != "INNER":
        yield str(told["Condition"])
    for child in plan["children"]:
        yield from outer_joins_of_all_pairs(child)


@pytest.mark.parametrize("kind", ["compiled", "compiled_anew"])
def test_no_mart_compares_every_row_with_every_row(
    kind: str, in_rounds: Warehouse, request: pytest.FixtureRequest
) -> None:
    """DuckDB hashes the keys of an outer join only where each condition compares both sides.

    A hundred thousand customers took 90 seconds, in which a second does. Exempt are dated rates,
    which are few by their nature.
    """
    queries: dict[str, str] = request.getfixturevalue(kind)
    found = set()
    with duckdb.connect(str(in_rounds.file), read_only=True) as connection:
        for name in TABLES:
            [(_, plan)] = connection.execute(f"explain (format json) {queries[name]}").fetchall()
            found |= {
                (name, each) for tree in json.loads(plan) for each in outer_joins_of_all_pairs(tree)
            }
    assert {name for name, _ in found} == {"agg_daily_sales_converted"}, found


def test_no_figure_adds_currencies(compiled: dict[str, str]) -> None:
    found = {name: added_over_currencies(sql) for name, sql in compiled.items()}
    assert {name for name, sums in found.items() if sums} == set()
    assert len(found) > 20
    assert added_over_currencies("select sum(net_amount) from sales group by store_id")


@pytest.mark.parametrize("name", ANALYSES)
def test_example_query_answers(name: str, in_rounds: Warehouse, compiled: dict[str, str]) -> None:
    rows = in_rounds.rows(f"{compiled[name]}\nlimit 20")  # as `dbt show` adds it
    assert rows or name in MAY_BE_EMPTY
