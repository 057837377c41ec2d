"""Values of every type of the sources become on Redshift what they become everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.declarations import CONNECTORS
from ingestion.settings import ConnectorName
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from tests.kit.corpus.types import TABLE, declare, reported_cut, samples
from tests.kit.landing import Delivery, LandingZone
from tests.kit.redshift import new_prod
from tests.kit.reference import canonical_text
from tests.kit.warehouse import copy_project
from tests.redshift.lake import Lake


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_value_of_every_type(
    connector: ConnectorName,
    redshift_postgres: PostgresServer,
    clean_broker: KafkaBroker,
    tmp_path: Path,
) -> None:
    project = copy_project(tmp_path / "project", {"retail": 1})
    declarations = declare(project, connector)
    table, told = declarations.table(TABLE), samples(connector)
    zone = LandingZone(tmp_path / "landing", declarations, connector)
    Lake(tmp_path / "topics", clean_broker.bootstrap_servers, declarations, connector)
    zone.land(table, [Delivery(b"{}", sample.value, 0, 0) for sample in told])
    names = [column.name for column in table.landed_columns]
    with StandIn(redshift_postgres, {"lake": tmp_path}) as stand_in:
        prod = new_prod(stand_in, clean_broker.bootstrap_servers, tmp_path, connector, project)
        prod.lakehouse("deploy")
        prod.dbt.build("--select", f"{TABLE}__log")
        rows = prod.rows(
            f"select _cdc_reject_reason, _cdc_replaced_columns, {', '.join(names)}"
            f" from staging.{TABLE}__log order by kafka_offset"
        )
    found = {
        str(sample): (
            row[0],
            canonical_text(row[2 + names.index(sample.column)], table.column(sample.column)),
        )
        for sample, row in zip(told, rows, strict=True)
    }
    assert found == {str(sample): (sample.reason, sample.text) for sample in told}
    for sample, row in zip(told, rows, strict=True):
        assert reported_cut(row[1], sample) == sample.is_cut, sample
