"""On Redshift too a column with any free name keeps its values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ingestion.declarations import Table
from ingestion.settings import ConnectorName
from playground.services.kafka import KafkaBroker
from tests.history.landing_files import LandingZone
from tests.history.named_columns import (
    BASE,
    declare,
    deliveries,
    identifiers,
    tables_of,
    wrong_values,
)
from tests.history.warehouse import copy_project
from tests.redshift.lake import Lake
from tests.redshift.sent_sql import by_node
from tests.redshift.standin.server import StandIn
from tests.redshift.warehouse import Dbt, Prod, redshift_settings


class _World:
    """Tables in a project, a landing zone and topics of their own, on target prod."""

    def __init__(
        self, stand_in: StandIn, broker: KafkaBroker, folder: Path, tables: list[Mapping[str, Any]]
    ) -> None:
        self.connector: ConnectorName = "postgresql"
        project = copy_project(folder / "project", {"retail": 1})
        declarations = declare(project, *tables)
        self.tables: list[Table] = [declarations.table(table["name"]) for table in tables]
        self.zone = LandingZone(folder / "landing", declarations, self.connector)
        broker.delete_all_topics()
        Lake(folder / "topics", broker.bootstrap_servers, declarations, self.connector)
        settings = redshift_settings(stand_in, broker.bootstrap_servers) | {
            "LAKEHOUSE_LANDING": f"s3://lake/{folder.name}/landing",
            "LAKEHOUSE_SOURCE": self.connector,
        }
        self.prod = Prod(stand_in, Dbt("prod", settings, folder / "prod", project))

    def build(self) -> None:
        """Both runs of every table, with their tests."""
        selection = [f"{table.name}__log+" for table in self.tables]
        for run in (1, 2):
            for table in self.tables:
                self.zone.land(table, deliveries(table, self.connector, run))
            if run == 1:
                self.prod.dbt.operation("deploy_streaming")
            self.prod.dbt.run(
                "build", "--vars", "audit: full", "--select", *selection,
                "--exclude", "quarantine", "unknown_columns",
            )  # fmt: skip
        with self.prod.warehouse() as opened:
            for table in self.tables:
                assert wrong_values(opened.rows, table) == []


@pytest.mark.timeout(900)
def test_a_column_with_any_free_name_keeps_its_values(
    stand_in: StandIn, clean_broker: KafkaBroker, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    _World(stand_in, clean_broker, base, [BASE]).build()
    of_base = [
        statement
        for node, own in by_node(stand_in.statements.sent).items()
        if "base" in node
        for statement in own
    ]
    found = identifiers(of_base, "redshift")
    assert {"is_before_image", "row_image", "source_epoch"} < found
    named = tmp_path / "named"
    named.mkdir()
    _World(stand_in, clean_broker, named, tables_of(found)).build()
