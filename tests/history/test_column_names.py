"""A column keeps its values whatever free name it has, and what is refused is what the SQL has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.contracts.graph.nodes import ModelNode
from dbt_common.events.base_types import EventMsg
from sqlglot import exp

from ingestion import declarations, reserved_names
from ingestion.declarations import load
from ingestion.reserved_names import column_taken
from ingestion.settings import ConnectorName
from lakehouse.commands import rebuild
from tests.kit.dbt import environment
from tests.kit.landing import LandingZone
from tests.kit.named_columns import (
    BASE,
    ODD_TABLE,
    OF_ALL_TABLES,
    declare,
    deliveries,
    identifiers,
    tables_of,
    wrong_values,
)
from tests.kit.warehouse import SOURCES, WHOLE_PROJECT, Warehouse, copy_project

_MARTS = {
    "dim_customer": ("customers", "customer_addresses"),
    "dim_customer_current": ("customers", "customer_addresses"),
    "dim_product": ("products", "product_categories"),
    "dim_promotion": ("promotions",),
    "dim_store": ("stores",),
    "fct_inventory_movements": ("inventory_movements",),
    "fct_order_lines": ("order_items",),
    "fct_orders": ("orders",),
    "fct_payments": ("payments",),
}
_MARTS |= {f"{mart}_current": of for mart, of in _MARTS.items() if "customer" not in mart}
"""The tables whose rows a mart has, first the one whose key is the mart's."""
_OF_NO_TABLE = {
    *("agg_customer_cohorts", "agg_customer_months", "agg_customer_value", "agg_daily_sales"),
    *("agg_daily_sales_converted", "agg_daily_stock", "agg_product_returns"),
    *("dim_country_date", "dim_currency", "dim_date"),
}
_OWN = reserved_names.HISTORY | reserved_names.BESIDE_THE_KEY


def _build(
    folder: Path, connector: ConnectorName, *tables: Mapping[str, Any], again: bool = False
) -> list[str]:
    """Both runs of `tables`, maybe all again from the start; tests pass. Returns what was sent."""
    project = copy_project(folder / "project", {"retail": 1})
    all_declared = declare(project, *tables)
    warehouse = Warehouse(project, folder / "landing", folder / "warehouse.duckdb", connector)
    zone = LandingZone(warehouse.landing, all_declared, connector)
    declared = [all_declared.table(table["name"]) for table in tables]
    sent: list[str] = []

    def listen(event: EventMsg) -> None:
        if event.info.name == "SQLQuery":
            sent.append(event.data.sql)

    selection = [f"{table.name}__log+" for table in declared]
    for run, options in ((1, []), (2, []), *([(3, ["--full-refresh"])] if again else [])):
        for table in declared if run < 3 else []:
            zone.land(table, deliveries(table, connector, run))
        result = warehouse.invoke(
            "build", *options, "--vars", "audit: full", "--select", *selection,
            "--exclude", *OF_ALL_TABLES, callbacks=[listen],
        )  # fmt: skip
        assert isinstance(result.result, RunExecutionResult), result.exception
        failed = [
            (each.node.name, each.message)
            for each in result.result.results
            if each.status not in ("success", "pass")
        ]
        assert not failed
    for table in declared:
        assert wrong_values(warehouse.rows, table) == []
    return sent


@pytest.mark.parametrize(
    "connector", ["postgresql", pytest.param("sqlserver", marks=pytest.mark.long)]
)
def test_a_column_keeps_its_values_under_any_free_name(
    tmp_path: Path, connector: ConnectorName
) -> None:
    """Free are names of CTEs and aliases, too, and a refused one as the source's is no matter."""
    used = identifiers(_build(tmp_path / "base", connector, BASE, again=True), "duckdb")
    assert used > _OWN
    words = duckdb.sql(
        "select keyword_name from duckdb_keywords() where keyword_category = 'column_name'"
    ).fetchall()
    # a column costs time: DuckDB's own words are tried in the long run
    names = used | {word for (word,) in words} if connector == "sqlserver" else used
    free, keyed = tables_of(names, at_most=1000)
    of_the_log = {"op", "source_name", "total_order", "is_json", "reject_reason", "unknown_columns"}
    assert of_the_log < set(free["others"]) & set(keyed["key"])
    assert {"valid_from", "before", "source", "name"} < set(free["others"])
    assert {"before", "source", "name"} < set(keyed["key"])
    sources = {f"shop_{name}": name for name in sorted(_OWN | reserved_names.RESERVED["DuckDB"])}
    renamed = {"name": "renamed", "key": ["renamed_id"], "others": list(sources)}
    _build(tmp_path / "named", connector, free, keyed, {**renamed, "sources": sources})


@pytest.mark.parametrize("connector", ["postgresql", "sqlserver"])
def test_a_column_keeps_its_values_whatever_the_source_calls_and_called_it(
    tmp_path: Path, connector: ConnectorName
) -> None:
    _build(tmp_path, connector, ODD_TABLE)


def test_a_column_called_like_ours_is_repaired_by_another_name_and_a_rebuild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was before such names were refused; then as the runbook says."""
    notes = {"name": "notes", "key": ["note_id"], "others": ["body", "op", "is_deleted"]}
    with monkeypatch.context() as before:
        before.setattr(declarations, "column_taken", lambda *_, **__: None)
        project = copy_project(tmp_path / "project", {"retail": 1})
        table = declare(project, notes).table("notes")
        warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "postgresql")
        zone = LandingZone(warehouse.landing, load(project / SOURCES), "postgresql")
    nodes = ("--select", "notes__log+", "--exclude", *OF_ALL_TABLES)
    for run in (1, 2):
        zone.land(table, deliveries(table, "postgresql", run))
        warehouse.build(*nodes)
    wrong = {(relation, column) for relation, column, *_ in wrong_values(warehouse.rows, table)}
    assert wrong == {
        ("history.notes_history", "is_deleted"),
    }
    sources = {"shop_op": "op", "shop_is_deleted": "is_deleted"}
    declared = declare(project, {**notes, "others": ["body", *sources], "sources": sources})
    stopped = warehouse.invoke("build", "--select", "notes__log")
    assert "`lakehouse rebuild notes`" in str(stopped.exception)

    monkeypatch.chdir(project)
    monkeypatch.setattr(rebuild, "load", lambda: declared)
    with environment(warehouse.dbt.settings):
        rebuild.rebuild(["notes"], swap=True)
    warehouse.build(*nodes)
    assert wrong_values(warehouse.rows, declared.table("notes")) == []


def test_what_the_marts_of_a_table_add_is_refused_in_it(tmp_path: Path) -> None:
    """What a mart shows that is none of the table's columns, or a query has beside all of them."""
    declared = load()
    project = copy_project(tmp_path / "project", {"retail": 1}, WHOLE_PROJECT)
    warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "postgresql")
    LandingZone(warehouse.landing, declared, "postgresql")
    compiled = warehouse.invoke("compile", "--select", "marts", "intermediate").result
    assert isinstance(compiled, RunExecutionResult)
    models = [each.node for each in compiled.results if isinstance(each.node, ModelNode)]
    assert {model.name for model in models if "marts" in model.fqn} == {*_MARTS, *_OF_NO_TABLE}
    names = {t.name: {column.name for column in t.columns} for t in declared.tables}
    added: dict[str, set[str]] = {name: set() for name in names}
    for model in models:
        tables = _MARTS.get(model.name, ())
        for table in tables:
            own = names[table].union(*(names[t] for t in tables if table != tables[0]))
            added[table] |= set(model.columns) - own
        for table, columns in names.items():
            relations = {f"{table}_history", f"stg_retail__{table}", f"{table}__log"}
            added[table] |= _beside_every_column(model.compiled_code or "", relations, columns)
    free = {
        table: {n for n in found if n[0] != "_" and not column_taken("", n, is_key=False)}
        for table, found in added.items()
    }
    assert free == reserved_names.MARTS


def _beside_every_column(sql: str, relations: set[str], columns: set[str]) -> set[str]:
    """Names that `sql` selects beside all `columns` of `relations`, or of a query that has them."""
    carrying: set[str] = set(relations)
    found: set[str] = set()

    def carries(query: exp.Expr) -> bool:
        if isinstance(query, exp.SetOperation):
            return any([carries(query.left), carries(query.right)])
        if not isinstance(query, exp.Select):
            return carries(query.this)
        start = query.args.get("from_")
        sources = [*([start.this] if start else []), *(j.this for j in query.args.get("joins", []))]
        full = {
            source.alias_or_name: source.name in carrying
            if isinstance(source, exp.Table)
            else carries(source)
            for source in sources
        }
        stars = [column for column in query.expressions if column.is_star]
        passed_on = (
            full.get(star.table, False) if isinstance(star, exp.Column) else any(full.values())
            for star in stars
        )
        named = {column.alias_or_name for column in query.expressions if column not in stars}
        if not any(passed_on) and not (any(full.values()) and columns <= named):
            return False
        found.update(named)
        return True

    tree = sqlglot.parse_one(sql, dialect="duckdb")
    for cte in tree.args["with_"].expressions if tree.args.get("with_") else ():
        if carries(cte.this):
            carrying.add(cte.alias)
    carries(tree)
    return found - columns
