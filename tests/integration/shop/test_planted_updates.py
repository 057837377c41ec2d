"""Each column of each mart, changed in one row: reconcile sees it, or the data test named here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import yaml
from dbt.artifacts.schemas.run import RunExecutionResult

from ingestion.declarations import load
from lakehouse.reconcile.loaded import load_rows, load_source, load_totals
from lakehouse.reconcile.scope import Scope
from lakehouse.reconcile.source import open_source
from lakehouse.reconcile.star import MARTS, Mart, compare_mart, compare_star, compared_columns
from playground.shop.simulator import RoundSummary
from tests.integration.shop.conftest import SALT
from tests.kit.warehouse import Warehouse

MODELS = Path(__file__).parents[3] / "models/marts"
BOUND, TILED = "test_name:binds_to_valid_version", "customer_versions_tile_time"
COSTED = "line_costs_are_of_their_time"
# Columns that are no value of the source, and dbt's selection of the data test that sees them.
TESTED = {
    "dim_customer.customer_key": BOUND,
    "dim_customer.valid_from": TILED,
    "dim_customer.valid_to": TILED,
    "dim_customer.is_current": TILED,
    "dim_customer.is_deleted": TILED,
    "dim_store.calendar_time_zone": "store_days_are_in_their_time_zone",
    "agg_daily_sales.revenue_amount": "daily_sales_equal_facts",
    "fct_orders.customer_key": BOUND,
    "agg_daily_sales.costed_revenue_amount": "daily_sales_equal_facts",
    "agg_daily_sales.cost_amount": "daily_sales_equal_facts",
    "fct_order_lines.customer_key": BOUND,
    "fct_order_lines.product_version_id": BOUND,
    "fct_order_lines.unit_cost": COSTED,
    "fct_order_lines.cost_amount": COSTED,
    "fct_order_lines.returned_cost_amount": COSTED,
    "fct_order_lines.margin_amount": COSTED,
    "fct_payments.customer_key": BOUND,
}
# By the beginning of a type: any other value.
CHANGED = {
    "VARCHAR": "coalesce({0}, '') || 'x'",
    "BOOLEAN": "not coalesce({0}, false)",
    "DATE": "coalesce({0}, date '2020-01-01') + 1",
    "TIMESTAMP": "coalesce({0}, timestamp '2020-01-01') + interval 1 microsecond",
    "DECIMAL": "case when {0} > 0 then {0} - 0.01 else coalesce({0}, 0) + 0.01 end",
    "": "coalesce({0}, 0) + 1",
}


@pytest.fixture(scope="module")
def compared(
    built: Warehouse,
    traded: tuple[str, list[RoundSummary]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a copy of the warehouse that has been compared once, and agreed.

    There its views are tables with the same rows, so that these can be changed too.
    """
    copy = shutil.copy(built.file, tmp_path_factory.mktemp("compared") / built.file.name)
    with duckdb.connect(copy) as connection, open_source(traded[0]) as source:
        connection.execute("set timezone = 'UTC'")
        for table in load().tables:
            load_source(connection, Scope(table, SALT), source.changes(table))
            load_rows(connection, Scope(table, SALT))
        load_totals(connection, source.totals())
        views = "select view_name from duckdb_views() where schema_name = 'marts'"
        for (view,) in connection.execute(views).fetchall():
            connection.execute(
                f"create table marts.held as from marts.{view}; drop view marts.{view};"
                f" alter table marts.held rename to {view}"
            )
        assert not [report for report in compare_star(connection) if report.differing_rows]
        yield connection


def declared_columns() -> dict[str, list[str]]:
    """The columns of each mart's contract, but for lineage: it tells where a row came from."""
    found = {}
    for file in MODELS.glob("*/*.yml"):
        for model in yaml.safe_load(file.read_text())["models"]:
            names = [column["name"] for column in model["columns"]]
            found[model["name"]] = [name for name in names if not name.startswith("_cdc_")]
    return found


def below(mart: str) -> str:
    """The table that a view has a column from, where a data test sees it."""
    return mart.removesuffix("_current").removesuffix("_converted")


def test_each_column_is_compared_or_seen_by_a_data_test(
    compared: duckdb.DuckDBPyConnection,
) -> None:
    declared = {name: set(columns) for name, columns in declared_columns().items()}
    known = {}
    for mart in MARTS:
        tested = {name for name in declared[mart.name] if f"{below(mart.name)}.{name}" in TESTED}
        known[mart.name] = {*compared_columns(compared, mart), *tested}
    assert known == declared


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_an_update_of_a_compared_column_is_a_difference(
    compared: duckdb.DuckDBPyConnection, mart: Mart
) -> None:
    types = dict(
        compared.execute(
            "select column_name, data_type from information_schema.columns"
            f" where table_schema = 'marts' and table_name = '{mart.name}'"
        ).fetchall()
    )
    # the first row, the last one, and one that the shop has deleted
    keys = ", ".join(mart.key)
    marks = "is_deleted" if "is_deleted" in types else "false"
    rows = f"select rowid from marts.{mart.name} where {mart.compared}"
    places = compared.execute(
        f"({rows} order by {keys} limit 1) union ({rows} order by {keys} desc limit 1)"
        f" union ({rows} and {marks} order by {keys} limit 1)"
    ).fetchall()
    unseen = []
    for column in compared_columns(compared, mart):
        if f"{mart.name}.{column}" in TESTED:
            continue
        kind = next(kind for kind in CHANGED if types[column].startswith(kind))
        value = CHANGED[kind].format(column)
        for (place,) in places:
            compared.execute("begin")
            compared.execute(
                f"update marts.{mart.name} set {column} = {value} where rowid = {place}"
            )
            if not compare_mart(compared, mart).differing_rows:
                unseen.append((column, place))
            compared.execute("rollback")
    assert places
    assert not unseen


@pytest.mark.parametrize("name", TESTED)
def test_an_update_of_a_computed_column_fails_its_data_test(
    built: Warehouse, tmp_path: Path, name: str
) -> None:
    table, _, column = name.partition(".")
    warehouse = built.moved_to(tmp_path / "spoilt")
    shutil.copy(built.file, warehouse.file)
    with duckdb.connect(warehouse.file) as connection:
        [(kind,)] = connection.execute(
            f"select data_type from information_schema.columns where table_schema = 'marts'"
            f" and table_name = '{table}' and column_name = '{column}'"
        ).fetchall()
        value = CHANGED[next(known for known in CHANGED if kind.startswith(known))].format(column)
        connection.execute(f"update marts.{table} set {column} = {value}")
    result = warehouse.invoke("test", "--select", TESTED[name], "--vars", "{audit: full}").result
    assert isinstance(result, RunExecutionResult)
    assert any(node.failures for node in result.results)
