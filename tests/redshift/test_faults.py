"""Nothing or everything, at every statement of every kind of node: whatever is retried.

dbt-redshift sends a statement once more, alone, on a new connection after certain errors, and on
the same one after others; what the transaction did before is gone then. After each error at each
statement the warehouse is as before the node or as after it, or one more build brings it there; no
run is kept as succeeded in which something is missing. What "after" is, target local says too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from lakehouse.warehouse.comparison import Comparison
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from tests.kit.dbt import WITHOUT_TESTS
from tests.kit.redshift import differences
from tests.redshift.conftest import World, new_world
from tests.redshift.faults import ALL, DONE, ERRORS, Case, Faulty, every_error_can_be_met, faulty

# In an order in which no node is built before the one that it is built on; each kind by the node
# that the fewest others have to be built for.
FEW = (
    *("time_zones", "stores__log", "stg_retail__stores", "dim_store"),
    *("customers_history", "archive", "deploy"),
)
# Of three declared tables: customers, orders, stores. The hooks are those of `time_zones`.
KINDS = (
    *(*FEW[:4], "customers__log", "customers_history", "dim_customer", "dim_customer_current"),
    *("orders_history", "fct_orders", "agg_customer_value", *FEW[5:]),
)
# At which statement which error did what in an earlier release.
FOUND = [
    # a watermark that was sent again alone was committed without the rows that it speaks of
    ("dim_store", r"insert into \S*watermarks", "conflict"),
    # a COMMIT that is sent again ends the failed transaction, and dbt says success
    ("dim_store", r"^COMMIT", "internal"),
    ("stores__log", r"^COMMIT", "interface"),
    ("stg_retail__stores", r"^COMMIT", "internal"),
    # of a run whose COMMIT was sent again there were two
    ("hooks", r"^commit;", "conflict, done"),
    # a run that could not forget its older watermarks refused all others for hours
    ("hooks", r"delete from \S*watermarks", "1023"),
]


def cases(opened: Faulty, kind: str) -> list[Case]:
    """Each statement with each error; what commits also with an unknown outcome."""
    return [
        Case(kind, number, error)
        for number, sql in opened.statements(kind)
        for error in (ERRORS | DONE if sql.lower().startswith("commit") else ERRORS)
    ]


@pytest.mark.timeout(1500)
def test_twelve_drawn_errors(
    redshift_postgres: PostgresServer, kafka: KafkaBroker, tmp_path: Path
) -> None:
    """Those that found something, mended by one more build, and others, half by `dbt retry`."""
    with faulty(redshift_postgres, kafka, tmp_path) as opened:
        opened.prepare(FEW)
        wrong = []
        for kind, pattern, error in FOUND:
            case = Case(kind, opened.statement(kind, pattern), error)
            wrong.append(opened.outcome(case, "build"))
            if "running" in opened.runs() or "abandoned" in opened.runs():
                wrong.append(f"{case}: a run was left without an end")
        all_of_them = [case for kind in (*FEW, "hooks") for case in cases(opened, kind)]
        drawn = random.Random(21).sample(all_of_them, 12 - len(FOUND))
        wrong += [
            opened.outcome(case, "build" if number % 2 else "retry")
            for number, case in enumerate(drawn)
        ]
    assert [told for told in wrong if told] == []


@pytest.fixture(scope="module", params=["snapshot", "serializable"])
def prepared(
    request: pytest.FixtureRequest,
    redshift_postgres: PostgresServer,
    kafka: KafkaBroker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Faulty]:
    """Every kind with something to do, under each isolation level."""
    folder = tmp_path_factory.mktemp("faults")
    with faulty(redshift_postgres, kafka, folder, request.param) as opened:
        opened.prepare(KINDS)
        yield opened


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", [*KINDS, "hooks"])
def test_each_error_at_each_statement(prepared: Faulty, kind: str) -> None:
    """Under SERIALIZABLE a statement meets one of them, each in its turn."""
    found = cases(prepared, kind)
    if prepared.level == "serializable":
        found = found[:: len(ERRORS) + 1]
    wrong = [prepared.outcome(case) for case in found]
    assert [told for told in wrong if told] == []


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_errors_while_four_nodes_are_built(
    redshift_postgres: PostgresServer, kafka: KafkaBroker, tmp_path: Path
) -> None:
    """Three of a kind in a build, at drawn statements of any thread; then a build without them.

    What has its watermark is what target local makes of the same records, and in the end all is.
    """
    kafka.delete_all_topics()
    drawn, nodes = random.Random(21), ("--select", "+dim_customer_current", "+dim_store")
    with StandIn(redshift_postgres, {"lake": tmp_path}) as stand_in, every_error_can_be_met():
        world = new_world(stand_in, kafka, tmp_path, "sqlserver")
        world.prod.dbt.settings["LAKEHOUSE_REDSHIFT_THREADS"] = "4"  # type: ignore[index]
        world.lake.produce(world.changes.snapshot())
        world.lake.land()
        world.prod.lakehouse("deploy")
        world.prod.dbt.build(*nodes)
        world.lake.produce(world.changes.stream(2))
        world.lake.land()
        before = len(stand_in.statements.sent)
        world.prod.dbt.build(*nodes)
        statements = len(stand_in.statements.sent) - before
        for name, error in ALL.items():
            world.lake.produce(world.changes.stream(2))
            world.lake.land()
            [(older,)] = world.prod.rows("select max(run_number) from operations.runs")
            places = drawn.sample(range(statements), 3)
            stand_in.faults[:] = [replace(error, passing=place) for place in places]
            world.prod.dbt.invoke("build", *WITHOUT_TESTS, *nodes)
            assert len(stand_in.faults) < len(places), "no statement has met one"
            stand_in.faults.clear()
            world.local.build(*nodes)
            assert _wrongly_written(world, older) == [], (name, places)
            stand_in.admin(
                "update operations.runs set started_at = dateadd(day, -1, started_at)"
                " where status = 'running'"
            )
            world.prod.dbt.build(*nodes)
            assert differences(world.prod, world.local) == [], (name, places)
    kafka.delete_all_topics()


def _wrongly_written(world: World, older: int) -> list[Comparison]:
    """What a run after `older` says that it has written, and has not as target local has it."""
    runs = dict(
        world.prod.rows(
            f"select run_number, status from operations.runs where run_number > {older}"
        )
    )
    marked = world.prod.rows(
        f"select consumer from operations.watermarks where abs(run_number) > {older}"
    )
    return [
        each
        for each in differences(world.prod, world.local)
        if (each.table,) in marked or "succeeded" in runs.values()
    ]


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("level", ["serializable"])
def test_nodes_beside_each_other_do_not_conflict(
    redshift_postgres: PostgresServer,
    kafka: KafkaBroker,
    tmp_path: Path,
    level: Literal["serializable"],
) -> None:
    """Four at a time, so that transactions overlap: whole builds, and none fails by another."""
    kafka.delete_all_topics()
    with StandIn(redshift_postgres, {"lake": tmp_path}, level) as stand_in:
        world = new_world(stand_in, kafka, tmp_path, "sqlserver")
        world.prod.dbt.settings["LAKEHOUSE_REDSHIFT_THREADS"] = "4"  # type: ignore[index]
        world.lake.produce([*world.changes.snapshot(), *world.changes.stream(2)])
        world.lake.land()
        world.prod.lakehouse("deploy")
        world.prod.dbt.build()
        world.lake.produce(world.changes.stream(3))
        world.lake.land()
        world.prod.dbt.build()
        world.prod.dbt.build("--full-refresh")
    kafka.delete_all_topics()
