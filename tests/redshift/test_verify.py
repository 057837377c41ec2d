"""`lakehouse verify` of prod, with which each deployment ends: how far a mark comes."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from ingestion.errors import RefusedError
from lakehouse.cli import app
from lakehouse.console import Exit
from tests.kit.dbt import environment
from tests.redshift.conftest import World
from tests.redshift.lake import HEARTBEAT


def test_a_mark_of_the_source_is_followed_into_the_warehouse(world: World) -> None:
    """There is none; one is not landed; what came with it is in no log, in no mart; then all is."""
    lake = world.lake
    code, said = verified(world)
    assert code == Exit.ATTENTION and "no mark of the source: none yet in __debezium" in said

    lake.produce(world.changes.snapshot())
    lake.land()
    lake.create([HEARTBEAT])
    lake.beat()
    with pytest.raises(RefusedError, match=r"debezium_heartbeat \(not landed 1\)\. Look under"):
        verified(world)

    lake.land(HEARTBEAT)
    world.prod.lakehouse("deploy")
    with pytest.raises(RefusedError, match=r"caught up: customers \(not built None\)"):
        verified(world)

    world.prod.dbt.build("--select", "models/staging/retail/logs")
    lake.beat()  # the build may have taken longer than a mark is new
    lake.land(HEARTBEAT)
    with pytest.raises(RefusedError, match=r"caught up: the marts \(none is built in run 1\)"):
        verified(world)

    world.prod.dbt.build("--select", "+dim_store", "--exclude-resource-type", "test", "unit_test")
    lake.beat()
    lake.land(HEARTBEAT)
    code, said = verified(world)
    assert (code, "the mark is landed, and every record that Kafka had" in said) == (0, True), said


def verified(world: World) -> tuple[int, str]:
    """How `lakehouse verify` ends in prod's task, and what it says."""
    own = {"LAKEHOUSE_LANDING": str(world.lake.root), "LAKEHOUSE_KAFKA_AUTH": "none"}
    with environment({**world.prod.dbt.settings, **own, "LAKEHOUSE_ENVIRONMENT": "prod"}):
        done = CliRunner().invoke(app, ["verify", "--wait", "0"], catch_exceptions=False)
    return done.exit_code, done.output
