"""On Redshift too a column with any free name keeps its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingestion.settings import ConnectorName
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
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
from tests.kit.redshift import new_prod
from tests.kit.warehouse import copy_project
from tests.redshift.lake import Lake
from tests.redshift.sent_sql import by_node

CONNECTOR: ConnectorName = "postgresql"


def _build(
    postgres: PostgresServer, broker: KafkaBroker, folder: Path, tables: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Both runs of `tables` on a Redshift of their own; their tests pass. Returns what was sent."""
    folder.mkdir()
    project = copy_project(folder / "project", {"retail": 1})
    declarations = declare(project, *tables)
    declared = [declarations.table(table["name"]) for table in tables]
    selection = [f"{table.name}__log+" for table in declared]
    zone = LandingZone(folder / "landing", declarations, CONNECTOR)
    broker.delete_all_topics()
    Lake(folder / "topics", broker.bootstrap_servers, declarations, CONNECTOR)
    with StandIn(postgres, {"lake": folder}) as stand_in:
        prod = new_prod(stand_in, broker.bootstrap_servers, folder, CONNECTOR, project)
        prod.lakehouse("deploy")
        for run in (1, 2):
            for table in declared:
                zone.land(table, deliveries(table, CONNECTOR, run))
            prod.dbt.run(
                "build", "--vars", "audit: full", "--select", *selection,
                "--exclude", *OF_ALL_TABLES,
            )  # fmt: skip
        with prod.warehouse() as opened:
            for table in declared:
                assert wrong_values(opened.rows, table) == []
        return list(stand_in.statements.sent)


def test_a_column_keeps_its_values_whatever_the_source_calls_and_called_it(
    redshift_postgres: PostgresServer, clean_broker: KafkaBroker, tmp_path: Path
) -> None:
    _build(redshift_postgres, clean_broker, tmp_path / "odd", [ODD_TABLE])


@pytest.mark.long
def test_a_column_keeps_its_values_under_any_free_name(
    redshift_postgres: PostgresServer, clean_broker: KafkaBroker, tmp_path: Path
) -> None:
    sent = _build(redshift_postgres, clean_broker, tmp_path / "base", [BASE])
    of_base = [
        statement for node, own in by_node(sent).items() if "base" in node for statement in own
    ]
    found = identifiers(of_base, "redshift")
    assert {"is_before_image", "row_image", "source_epoch"} < found
    named = tables_of(found, at_most=50)
    _build(redshift_postgres, clean_broker, tmp_path / "named", named)
