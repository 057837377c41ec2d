"""`dbt build --target prod` gives what target local gives from the same events."""

from __future__ import annotations

import pytest

from tests.redshift.conftest import World
from tests.redshift.lake import Message
from tests.redshift.warehouse import differences, duckdb_rows

# Minutes on two cores; `make test-long` runs it.
pytestmark = pytest.mark.long


def _assert_equal(world: World) -> None:
    """Land everything, build both targets, compare every table."""
    world.lake.land()
    world.prod.refresh()
    world.prod.dbt.build()
    world.local.build()
    different = differences(world.prod, world.local_file)
    assert not different, different


@pytest.mark.timeout(1800)
def test_every_table_is_equal_after_each_thing_that_can_happen_to_a_stream(world: World) -> None:
    """Landing behind, a gap after a recreated view, rows appended away, a full refresh, no news."""
    prod, lake = world.prod, world.lake
    lake.produce([*world.changes.snapshot(), *world.changes.stream(4)])
    lake.land()
    lake.produce(world.changes.stream(2))
    prod.dbt.operation("deploy_streaming")
    prod.refresh()

    # the stream is ahead of landing: what follows the ledger's end without a gap is read
    prod.dbt.build("--select", "customers__log")
    ahead = prod.rows("select count(*) from staging.customers__log")
    assert ahead == prod.rows("select count(*) from streaming.customers_1")
    _assert_equal(world)

    # rows leave for the archive, the view is made again: it starts at the earliest offset
    prod.dbt.operation("archive_streams")
    assert prod.rows("select count(*) from streaming.customers_1") == [(0,)]
    prod.stand_in.admin("drop materialized view streaming.customers_1")
    lake.produce(world.changes.stream(2))
    prod.dbt.operation("deploy_streaming")
    _assert_equal(world)

    # a typed full refresh, with nothing left in view and archive: landing has it all
    prod.stand_in.admin("truncate streaming.customers_1_archive")
    prod.stand_in.admin("truncate streaming.customers_1")
    prod.dbt.build("--full-refresh")
    assert not differences(prod, world.local_file)

    # nothing new: nothing is written
    prod.dbt.build()
    assert _written_by_newest_run(world) == 0


def _written_by_newest_run(world: World) -> int:
    tables = world.prod.rows(
        "select table_schema, table_name from information_schema.columns"
        " where column_name = '_cdc_run' and table_schema in ('staging', 'history', 'marts')"
    )
    newest = world.prod.rows("select max(run_number) from operations.runs")[0][0]
    return sum(
        world.prod.rows(f"select count(*) from {schema}.{table} where _cdc_run = {newest}")[0][0]
        for schema, table in tables
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("connector", ["postgresql"], indirect=True)
def test_history_of_postgresql_envelopes_is_equal(world: World) -> None:
    """The other connector's envelopes: logs, staging and histories."""
    selection = ("--select", "path:models/staging", "path:snapshots")
    world.lake.produce([*world.changes.snapshot(), *world.changes.stream(8)])
    world.lake.land()
    world.prod.dbt.operation("deploy_streaming")
    world.prod.refresh()
    world.prod.dbt.build(*selection)
    world.local.build(*selection)
    assert not differences(world.prod, world.local_file)
    assert duckdb_rows(world.local_file, "select count(*) > 10 from history.orders_history") == [
        (True,)
    ]


@pytest.mark.timeout(600)
def test_a_partition_waits_at_a_gap_until_the_ledger_covers_it(world: World) -> None:
    """A view that begins behind the log's end hides nothing: the log stops at the ledger."""
    selection = ("--select", "stores__log")
    prod, lake = world.prod, world.lake
    log = "select kafka_offset from staging.stores__log where kafka_partition = 0 order by 1"

    def store(number: int) -> Message:
        return Message("stores", b"{}", f'{{"n":{number}}}'.encode(), partition=0)

    lake.produce(store(number) for number in range(4))
    lake.land("stores")
    prod.dbt.operation("deploy_streaming")
    prod.dbt.build(*selection)
    assert prod.rows(log) == [(0,), (1,), (2,), (3,)]

    lake.produce(store(number) for number in range(4, 10))
    prod.refresh("stores")
    prod.stand_in.admin("delete from streaming.stores_1 where kafka_offset < 6")
    prod.dbt.build(*selection)
    assert prod.rows(log)[-1] == (3,), "offsets 4 and 5 are in no place that the run can see"

    lake.land("stores")
    prod.stand_in.admin("delete from streaming.stores_1 where kafka_offset = 8")
    prod.dbt.build(*selection)
    assert prod.rows(log) == [(number,) for number in range(10)]


@pytest.mark.timeout(600)
def test_a_recreated_topic_gets_a_view_of_its_own(world: World) -> None:
    """Offsets start again; the old view's rows stay readable under the old incarnation."""
    selection = ("--select", "stores__log")
    prod, lake = world.prod, world.lake
    lake.produce([Message("stores", b"{}", b'{"old":1}'), Message("stores", b"{}", b'{"old":2}')])
    lake.land("stores")
    prod.dbt.operation("deploy_streaming")
    prod.refresh("stores")
    prod.dbt.build(*selection)

    lake.recreate("stores")
    lake.produce([Message("stores", b"{}", b'{"new":1}')])
    lake.land("stores")
    plan = prod.dbt.operation("deploy_streaming")
    assert "drop materialized view streaming.stores_1" in plan
    prod.refresh("stores")
    prod.dbt.build(*selection)
    assert prod.rows(
        "select _cdc_incarnation, kafka_offset, convert_from(kafka_value, 'UTF8')"
        " from staging.stores__log where kafka_partition = 0 order by 1, 2"
    ) == [(1, 0, '{"old":1}'), (1, 1, '{"old":2}'), (2, 0, '{"new":1}')]
    assert prod.rows("select count(*) from streaming.stores where _cdc_incarnation = 1") == [(2,)]


@pytest.mark.timeout(600)
def test_of_two_builds_at_once_one_is_refused_and_names_the_other(world: World) -> None:
    """The lock is a row of operations.runs: a live run of another invocation stops this one."""
    prod = world.prod
    prod.dbt.operation("deploy_streaming")
    prod.dbt.build("--select", "stores__log")
    prod.stand_in.admin(
        "insert into operations.runs (run_number, invocation_id, started_at, status)"
        " select max(run_number) + 1, 'another-invocation', getdate(), 'running'"
        " from operations.runs"
    )
    result = prod.dbt.invoke("build", "--select", "stores__log")
    assert not result.success
    assert "another-invocation" in "\n".join([*prod.dbt.said, str(result.exception)])
