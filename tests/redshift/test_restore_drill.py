"""Drill A of docs/runbooks/restore_drill.md: the warehouse is gone, and landing brings it back."""

from __future__ import annotations

import pytest

from tests.kit.redshift import differences
from tests.redshift.conftest import World


@pytest.mark.long
@pytest.mark.timeout(900)
def test_an_empty_warehouse_is_built_again_from_landing_alone(world: World) -> None:
    """In one build, as it was after builds of several days, though no stream is refreshed."""
    lake = world.lake
    lake.produce([*world.changes.snapshot(), *world.changes.stream(4)])
    lake.land()
    world.local.build()
    lake.produce(world.changes.stream(4))
    lake.land()
    world.local.build()

    world.prod.lakehouse("deploy")
    world.prod.dbt.build("--exclude-resource-type", "unit_test")

    assert world.prod.rows("select count(*) from streaming.orders_1") == [(0,)]
    different = differences(world.prod, world.local)
    assert not different, different
