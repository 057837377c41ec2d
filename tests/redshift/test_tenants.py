"""Tenants on Redshift: a stream for each one's topic, read beside each other and beside landing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.declarations import load
from playground.services.kafka import KafkaBroker
from redshift_standin.server import StandIn
from tests.kit.redshift import new_prod
from tests.kit.tenants import declare_tenants
from tests.kit.warehouse import copy_project
from tests.redshift.events import Changes
from tests.redshift.lake import Lake


@pytest.mark.timeout(600)
def test_each_tenants_topic_is_a_stream_of_its_own(
    stand_in: StandIn, clean_broker: KafkaBroker, tmp_path: Path
) -> None:
    """The same records in both topics: equal keys, positions, partitions and offsets."""
    servers = clean_broker.bootstrap_servers
    project = copy_project(tmp_path / "project", {"retail": 1})
    declared = declare_tenants(project)
    lakes = [
        Lake(
            tmp_path / "landing",
            servers,
            replace(part, tables=(part.table("stores"),)),
            "sqlserver",
            partitions=1,
            _incarnations={"stores": number},
        )
        for number, part in enumerate(declared.tenants.values(), start=1)
    ]
    changes = Changes(load(), "sqlserver", seed=20)
    messages = [*changes.snapshot(), *changes.stream(20)]
    stores = [replace(message, partition=0) for message in messages if message.table == "stores"]
    prod = new_prod(stand_in, servers, tmp_path, "sqlserver", project)
    selection = ("--select", "stores__log", "stg_retail__stores")
    log = """
        select tenant, _cdc_incarnation, count(*), max(kafka_offset)
        from staging.stores__log group by 1, 2 order by 1, 2
        """

    def produce(first: int, until: int) -> None:
        for lake in lakes:
            lake.produce(stores[first:until])

    prod.lakehouse("deploy")
    prod.dbt.build(*selection)
    assert prod.rows(log) == []

    produce(0, 2)
    for lake in lakes:
        lake.land("stores")
    plan = prod.lakehouse("deploy")
    assert 'from kafka."shop.ShopDE.dbo.Stores"' in plan
    assert 'from kafka."shop.Shop___.dbo.Stores"' in plan
    assert "nothing to do" in prod.lakehouse("deploy")
    produce(2, 3)
    prod.refresh("stores")
    prod.dbt.build(*selection)
    assert prod.rows(log) == [("de", 1, 3, 2), ("fr", 2, 3, 2)]

    lakes[0].recreate("stores")
    lakes[0]._incarnations["stores"] = 3
    lakes[0].produce(stores[:1])
    lakes[0].land("stores")
    plan = prod.lakehouse("deploy")
    assert "drop materialized view streaming.stores_1" in plan and "streaming.stores_2 " not in plan
    produce(1, 2)
    prod.refresh("stores")
    prod.dbt.build(*selection)
    assert prod.rows(log) == [("de", 1, 3, 2), ("de", 3, 2, 1), ("fr", 2, 4, 3)]
