"""What the data tests see under `audit: touched` on target prod, where the schedule runs them."""

from __future__ import annotations

import pytest
from dbt.artifacts.schemas.run import RunExecutionResult
from typer.testing import CliRunner

from lakehouse.cli import app
from tests.kit.dbt import environment
from tests.redshift.conftest import World

NODES = ("--select", "+customers_history")
ONCE = "each_record_once"
VERSIONED = "cdc_history_every_change_has_its_version"
CHAIN = "before_images_chain"
BECAUSE = ("--all", "--reason", "cleaned up before it was captured", "--by", "ada")


def told(world: World, *command: str) -> set[str]:
    """Beginnings of the names of the data tests that fail or warn in an invocation."""
    selection = () if command[0] == "retry" else NODES
    done = world.prod.dbt.invoke(*command, *selection, keep_results=True)
    assert isinstance(done.result, RunExecutionResult), done.exception
    errors = [node.message for node in done.result.results if node.status == "error"]
    assert not errors, errors
    names = {str(node.node.name) for node in done.result.results if node.status in ("fail", "warn")}
    return {name.split("_customers")[0] for name in names}


def accept(world: World, *arguments: str) -> int:
    with environment({**world.prod.dbt.settings, "LAKEHOUSE_ENVIRONMENT": "prod"}):
        return CliRunner().invoke(app, ["accept", *arguments]).exit_code


@pytest.mark.timeout(1200)
def test_what_is_wrong_is_told_until_it_is_mended_or_accepted(world: World) -> None:
    prod = world.prod
    world.lake.produce([*world.changes.snapshot(), *world.changes.stream(2)])
    world.lake.land()
    prod.lakehouse("deploy")
    assert not told(world, "build")

    prod.stand_in.admin(
        "update history.customers_history set _cdc_before_hash = 'another' where dbt_scd_id ="
        " (select min(dbt_scd_id) from history.customers_history where _cdc_before_hash is null)"
    )
    assert told(world, "build", "--vars", "audit: full") == {CHAIN}
    assert told(world, "build") == {CHAIN}
    assert accept(world, "list") == 3
    assert accept(world, "break", "customers", *BECAUSE) == 0
    assert accept(world, "list") == 0

    world.lake.produce(world.changes.stream(2))
    world.lake.land()
    prod.dbt.build(*NODES)
    newest = "(select max(run_number) from operations.runs)"
    prod.stand_in.admin(
        f"delete from history.customers_history where _cdc_run = {newest} and _cdc_op <> 'r'"
    )
    assert VERSIONED in told(world, "build")
    assert VERSIONED in told(world, "retry")

    first = "kafka_offset = 0 and kafka_partition = 0"
    prod.stand_in.admin(
        f"insert into staging.customers__log select * from staging.customers__log where {first}"
    )
    prod.stand_in.admin(f"update staging.customers__log set _cdc_run = {newest} where {first}")
    assert ONCE in told(world, "test")
