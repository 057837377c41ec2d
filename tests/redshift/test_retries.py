"""Errors in whole builds, first ones and full refreshes: what test_faults.py does a node at a time.

After each the next build finds nothing missing: every table is what target local makes of the same
records at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dbt.artifacts.schemas.run import RunExecutionResult

from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from redshift_standin.wire import Fault
from tests.kit.dbt import WITHOUT_TESTS
from tests.kit.redshift import differences
from tests.redshift.conftest import World, new_world

# What `_handle_execute_exception` (dbt-redshift, connections.py) looks for in the error's text.
CONFLICT = "conflict with concurrent transaction on 101"
OID = "could not open relation with OID 123456"
SCHEMA = 'schema "staging" does not exist'
NODES = ("--select", "+dim_customer_current", "+dim_store")


@pytest.fixture(scope="module")
def world(
    redshift_postgres: PostgresServer, kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A warehouse that was built once; each test builds on."""
    folder = tmp_path_factory.mktemp("retries")
    kafka.delete_all_topics()
    with StandIn(redshift_postgres, {"lake": folder}) as stand_in:
        opened = new_world(stand_in, kafka, folder, "sqlserver")
        opened.lake.produce([*opened.changes.snapshot(), *opened.changes.stream(2)])
        opened.lake.land()
        opened.prod.lakehouse("deploy")
        opened.prod.dbt.build(*NODES)
        yield opened
    kafka.delete_all_topics()


def build_with(world: World, faults: list[Fault], *options: str) -> None:
    """Build from new records; statements like the patterns meet their errors."""
    world.lake.produce(world.changes.stream(2))
    world.lake.land()
    waiting = world.prod.stand_in.faults
    waiting[:] = faults
    world.prod.dbt.invoke("build", *WITHOUT_TESTS, *options)
    assert not waiting, "no statement was like these"


def check_next_build(world: World, *options: str) -> None:
    """It brings what is missing, and nothing twice."""
    world.prod.dbt.build(*options)
    world.local.build(*options)
    different = differences(world.prod, world.local)
    assert {each.table: each.differing for each in different} == {}


def watermark(consumer: str) -> str:
    return rf"insert into \S*watermarks\W[^;]*'{consumer}'"


def replacement(table: str) -> str:
    """The statement with what a build makes of the table's touched rows."""
    return rf'create temporary table\s+"{table}__dbt_tmp'


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_full_refresh_is_whole(world: World) -> None:
    """A log's declaration is kept with the rows that were read by it."""
    prod = world.prod
    saved = "select declaration from operations.declarations where table_name = 'stores'"
    written = "select distinct _cdc_declaration from staging.stores__log"
    [(declaration,)] = prod.rows(saved)
    prod.stand_in.admin("update operations.declarations set declaration = 'older'")
    prod.stand_in.admin("update staging.stores__log set _cdc_declaration = 'older'")
    faults = [
        Fault(r"insert into \S*declarations\W[^;]*'stores'", OID),
        Fault(watermark("marts.dim_customer"), CONFLICT),
    ]
    build_with(world, faults, *NODES, "--full-refresh")
    assert prod.rows(saved) == prod.rows(written)
    prod.stand_in.admin(f"update staging.stores__log set _cdc_declaration = '{declaration}'")
    check_next_build(world, *NODES)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_every_kind_of_node_and_the_data_tests(world: World) -> None:
    """Orders from their first build on; `dbt test` then says what it says locally."""
    rounds: list[list[Fault]] = [
        [
            Fault(watermark("history.orders_history"), SCHEMA),
            Fault(r'create\s+table\s+\S*"order_items_history"', OID),
            Fault(watermark("marts.dim_promotion"), CONFLICT),
        ],
        [
            Fault(r'insert into \S*"products__log"', CONFLICT),
            Fault(r'insert into \S*"orders_history"', OID),
            Fault(watermark("marts.dim_store"), SCHEMA),
        ],
        [Fault(watermark("marts.fct_orders"), CONFLICT)],
        [
            Fault(replacement("agg_daily_sales"), SCHEMA),
            Fault(r"delete from \S*agg_customer_value", OID),
        ],
    ]
    for faults in rounds:
        build_with(world, faults)
        check_next_build(world)
    verdicts = []
    for dbt in (world.prod.dbt, world.local):
        result = dbt.invoke("test", "--vars", "{audit: full}", "--exclude", "test_type:unit")
        assert isinstance(result.result, RunExecutionResult), result.exception
        verdicts.append(
            {each.node.unique_id: (each.status, each.failures) for each in result.result.results}
        )
    assert len(verdicts[0]) > 60
    assert verdicts[0] == verdicts[1]
