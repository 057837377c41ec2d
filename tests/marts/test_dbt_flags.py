"""dbt's own flags on a warehouse that goes on being built: what comes of them is right, or refused.

The warehouse was built from the first part of a small shop's records; landing has all of them by
now. Whatever flags are used then, after the next build every table equals that of one build into an
empty database; or the flags are refused with a sentence, and nothing was written.
"""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode

from tests.kit.dbt import ROOT
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import LandingZone
from tests.kit.tables import differing_rows, relations
from tests.kit.warehouse import Warehouse, parsed_project
from tests.marts.shop import Shop, land

BUILT = ("staging", "history", "marts")
CHAIN = ("--select", "+fct_orders")
LOGS = ("orders__log", "order_items__log")
WINDOW = "{'start': '2026-02-03', 'end': '2026-02-04'}"


@dataclass(frozen=True)
class Flagged:
    """Warehouses on one landing zone: before its newest records, and built at once from all."""

    before: Warehouse
    at_once: Warehouse

    def copied(self, folder: Path) -> Warehouse:
        """A warehouse of a test's own that lacks the newest records."""
        own = self.before.moved_to(folder / "own")
        shutil.copyfile(self.before.file, own.file)
        return replace(own, manifest=copy.deepcopy(own.manifest))

    def differing(self, warehouse: Warehouse) -> list[str]:
        """The tables that are not those of one build."""
        return differing(warehouse, self.at_once)


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Flagged:
    before = parsed_project(ROOT, tmp_path_factory.mktemp("flagged"), "sqlserver")
    shop = Shop(before.connector, Random(20260308))
    shop.trade(60)
    shop.read_all()
    shop.trade(240)
    zone = LandingZone(before.landing, DECLARATIONS, before.connector)
    earlier, newest = shop.rounds(2)
    land(zone, earlier)
    before.build(*CHAIN)
    land(zone, newest)
    at_once = before.moved_to(tmp_path_factory.mktemp("at_once") / "own")
    at_once.build(*CHAIN)
    assert len(differing(before, at_once)) > 8, "the newest records reach nearly every table"
    return Flagged(before, at_once)


def differing(left: Warehouse, right: Warehouse) -> list[str]:
    names = relations(right.file, BUILT)
    assert names == relations(left.file, BUILT)
    return [name for name in names if differing_rows(left.file, right.file, name)]


def run(warehouse: Warehouse, *arguments: str) -> None:
    result = warehouse.invoke(*arguments)
    assert result.success, (arguments, told(result.exception, result.result))


def told(exception: BaseException | None, result: object) -> str:
    """All that dbt says of why an invocation failed."""
    nodes = result.results if isinstance(result, RunExecutionResult) else []
    said = [
        f"{node.node.name}: {node.message}"
        for node in nodes
        if node.status not in ("success", "pass", "skipped")
    ]
    return "\n".join([str(exception), *said])


def refused(warehouse: Warehouse, *arguments: str) -> str:
    """What dbt says when it refuses; nothing has been written."""
    before = written(warehouse)
    result = warehouse.invoke(*arguments)
    assert not result.success, arguments
    assert written(warehouse) == before
    return " ".join(told(result.exception, result.result).split())


def written(warehouse: Warehouse) -> dict[str, list[Any]]:
    """Every view, and every row of every table."""
    with duckdb.connect(str(warehouse.file), read_only=True) as connection:
        views = connection.execute("select schema_name, view_name, sql from duckdb_views()")
        found: dict[str, list[Any]] = {"views": sorted(views.fetchall())}
        tables = connection.execute("select schema_name, table_name from duckdb_tables()")
        for schema, table in tables.fetchall():
            rows = connection.execute(f"select * from {schema}.{table}").fetchall()
            found[f"{schema}.{table}"] = sorted(rows, key=str)
    return found


# --- --select and show ---------------------------------------------------------------------------


def test_a_selection_is_not_tested_against_tables_beside_it(
    flagged: Flagged, tmp_path: Path
) -> None:
    """The other facts are not there; elsewhere they are as an older build left them."""
    run(flagged.copied(tmp_path), "build", *CHAIN)


def test_a_preview_of_a_log_says_how_to_read_the_log(flagged: Flagged) -> None:
    assert "dbt show --inline" in refused(flagged.before, "show", "--select", LOGS[0])
    run(flagged.before, "show", "--inline", f"select * from {{{{ ref('{LOGS[0]}') }}}}")
    run(flagged.before, "show", "--select", "fct_orders")


# --- --empty --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [True, False], ids=["nothing built", "something built"])
def test_views_of_an_empty_build_hide_no_row_from_those_who_read_next(
    fresh: bool, flagged: Flagged, tmp_path: Path
) -> None:
    warehouse = flagged.before.moved_to(tmp_path / "own") if fresh else flagged.copied(tmp_path)
    warehouse.build("--empty", *CHAIN)
    run(warehouse, "run", "--select", *LOGS)
    run(warehouse, "snapshot", *CHAIN)
    warehouse.build(*CHAIN)
    assert not flagged.differing(warehouse)


def test_no_view_keeps_the_limit_of_an_empty_build(flagged: Flagged) -> None:
    views = "config.materialized:view"
    compiled = flagged.at_once.invoke("compile", "--empty", "--select", views).result
    assert isinstance(compiled, RunExecutionResult)
    limited = {
        result.node.name: "limit 0" in (result.node.compiled_code or "")
        for result in compiled.results
        if isinstance(result.node, ModelNode)
    }
    assert len(limited) > 10
    assert not [name for name, is_limited in limited.items() if is_limited]


def test_what_an_empty_build_emptied_is_read_again(flagged: Flagged, tmp_path: Path) -> None:
    warehouse = flagged.copied(tmp_path)
    emptied = ("fct_orders", "order_items_history")
    warehouse.build("--empty", "--full-refresh", "--select", *emptied)
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute("drop table marts.dim_customer")
    warehouse.build("--empty", "--select", "dim_customer")
    for table in ("marts.fct_orders", "history.order_items_history"):
        assert warehouse.rows(f"select count(*) from {table}") == [(0,)]
    warehouse.build(*CHAIN)
    assert not flagged.differing(warehouse)


# --- --sample -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["build", "run"])
def test_a_sample_is_refused(
    command: str, flagged: Flagged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = with_event_time(flagged.copied(tmp_path))
    arguments = (command, "--select", "orders_history", "fct_orders")
    assert "--sample" in refused(warehouse, *arguments, "--sample", WINDOW)
    monkeypatch.setenv("DBT_SAMPLE", WINDOW)
    assert "--sample" in refused(warehouse, *arguments)


def with_event_time(warehouse: Warehouse) -> Warehouse:
    """The warehouse with a staging view that dbt can take a sample of."""
    assert warehouse.manifest is not None
    orders = warehouse.manifest.nodes["model.retail_lakehouse.stg_retail__orders"]
    assert isinstance(orders, ModelNode)
    orders.config.event_time = "_cdc_committed_at"
    return warehouse


# --- --defer and clone ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Environments:
    """A warehouse, and beside it the tables of another environment with their manifest."""

    own: Warehouse
    manifest_of_other: str
    manifest_of_own: str

    def drop(self, *statements: str) -> None:
        with duckdb.connect(str(self.own.file)) as connection:
            for statement in statements:
                connection.execute(f"drop {statement}")


@pytest.fixture
def environments(flagged: Flagged, tmp_path: Path) -> Environments:
    own = flagged.copied(tmp_path)
    assert own.manifest is not None
    with duckdb.connect(str(own.file)) as connection:
        connection.execute(f"attach '{flagged.at_once.file}' as at_once (read_only)")
        for relation in relations(flagged.at_once.file, BUILT):
            connection.execute(f"create schema if not exists other_{relation.split('.')[0]}")
            connection.execute(f"create table other_{relation} as from at_once.{relation}")
    other = copy.deepcopy(own.manifest)
    for node in other.nodes.values():
        if node.resource_type in ("model", "snapshot"):
            node.schema = f"other_{node.schema}"
            node.relation_name = f'"warehouse"."{node.schema}"."{node.alias}"'
    return Environments(
        own,
        kept_manifest(other, tmp_path / "state_of_other"),
        kept_manifest(own.manifest, tmp_path / "state_of_own"),
    )


def kept_manifest(manifest: Manifest, folder: Path) -> str:
    """The folder that --state reads it from."""
    folder.mkdir()
    manifest.writable_manifest().write(str(folder / "manifest.json"))
    return str(folder)


def test_another_landing_zone_modifies_nothing(environments: Environments, tmp_path: Path) -> None:
    """Else a build of what is modified builds everything wherever the zone has another name."""
    elsewhere = replace(environments.own, landing=tmp_path / "elsewhere", manifest=None)
    state = ("--state", environments.manifest_of_own)
    listed = elsewhere.invoke("ls", "--select", "state:modified", *state)
    assert (listed.success, listed.result) == (True, [])
    parsed = elsewhere.dbt.parse().sources["source.retail_lakehouse.retail.orders"]
    assert parsed.config.meta["landing"] == str(elsewhere.landing)


@pytest.mark.parametrize(
    ("dropped", "command", "reader"),
    [
        pytest.param("table history.orders_history", "run", "fct_orders", id="fact"),
        pytest.param("view staging.stg_retail__orders", "snapshot", "orders_history", id="history"),
        pytest.param("table staging.orders__log", "run", "stg_retail__orders", id="view"),
    ],
)
def test_reading_another_environments_tables_is_refused(
    dropped: str, command: str, reader: str, environments: Environments
) -> None:
    state = ("--defer", "--state", environments.manifest_of_other)
    favoured = (command, *state, "--favor-state", "--select", reader)
    missing = f"other_{dropped.split()[1]} for {reader}"
    assert missing in refused(environments.own, *favoured)
    environments.drop(dropped)
    assert missing in refused(environments.own, command, *state, "--select", reader)


def test_deferral_that_reads_nothing_of_another_environment_goes_on(
    flagged: Flagged, environments: Environments
) -> None:
    history = ("stg_retail__orders", "orders_history")
    state_of_own = ("--defer", "--favor-state", "--state", environments.manifest_of_own)
    run(environments.own, "run", *state_of_own, "--select", "orders__log", history[0])
    environments.drop("table history.orders_history", "view staging.stg_retail__orders")
    state_of_other = ("--defer", "--state", environments.manifest_of_other)
    environments.own.build(*state_of_other, "--select", *history)
    assert not {"staging.orders__log", "history.orders_history"} & {
        *flagged.differing(environments.own)
    }


def test_a_clone_of_what_is_not_there_is_refused(environments: Environments) -> None:
    environments.drop("table history.orders_history", "view staging.stg_retail__orders")
    state = ("--state", environments.manifest_of_other)
    assert "dbt clone" in refused(environments.own, "clone", *state, *CHAIN)


def test_a_clone_into_a_fresh_environment_is_refused_for_each_table(
    environments: Environments,
) -> None:
    environments.drop(*(f"schema {schema} cascade" for schema in BUILT))
    clone = environments.own.invoke("clone", "--state", environments.manifest_of_other, *CHAIN)
    assert isinstance(clone.result, RunExecutionResult)
    told = [str(result.message) for result in clone.result.results]
    assert len(told) > 10
    assert not [message for message in told if "dbt clone would make" not in message]


def test_a_clone_of_what_is_there_leaves_it_as_it_is(environments: Environments) -> None:
    before = written(environments.own)
    state = ("--state", environments.manifest_of_other)
    run(environments.own, "clone", *state, *CHAIN)
    assert written(environments.own) == before
    assert "dbt clone" in refused(environments.own, "clone", "--full-refresh", *state, *CHAIN)
