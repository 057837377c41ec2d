"""What the shop declares nowhere: a folded key that has a history, a type that got wider."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from tests.kit.batches import Batch, wrong_logs
from tests.kit.declared import redeclare
from tests.kit.logs import as_page, random_logs
from tests.kit.redshift import Prod, new_prod
from tests.kit.warehouse import Warehouse, copy_project
from tests.kit.worked import EPOCHS
from tests.redshift.lake import Lake


@dataclass(frozen=True)
class OnProd(Warehouse):
    """Target prod as a batch of logs wants its warehouse."""

    prod: Prod = field(kw_only=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.prod.rows(query)


@pytest.mark.timeout(600)
def test_keys_that_are_folded_and_numbers_that_got_wider(
    redshift_postgres: PostgresServer, clean_broker: KafkaBroker, tmp_path: Path
) -> None:
    project = copy_project(tmp_path / "project", EPOCHS)
    redeclare(project, "promotions", history="all", tracked_columns=["name"])
    narrow = {"payment_id": "integer", "amount": "decimal(14,2)"}
    declarations = redeclare(project, "payments", narrow)
    logs = random_logs("sqlserver", 18, 30, ("promotions", "payments"), declarations)
    landed = Warehouse(project, tmp_path / "landing", tmp_path / "none.duckdb", "sqlserver")
    batch = Batch(declarations, logs, landed)
    Lake(tmp_path / "topics", clean_broker.bootstrap_servers, declarations, "sqlserver")
    for run in batch.runs:
        batch.land(run)
    with StandIn(redshift_postgres, {"lake": tmp_path}) as stand_in:

        def built(batch: Batch) -> Prod:
            """Target prod, with the declarations of now, after a build."""
            prod = new_prod(
                stand_in, clean_broker.bootstrap_servers, tmp_path, "sqlserver", project
            )
            prod.lakehouse("deploy")
            # what was parsed first is of the first declarations
            replace(prod.dbt, manifest=None).build(*batch.selection)
            on_prod = OnProd(project, landed.landing, landed.file, "sqlserver", prod=prod)
            found = batch.over(on_prod).histories()
            wrong = wrong_logs(batch.expected(), found)
            assert not wrong, as_page(batch.logs[min(wrong)])
            return prod

        built(batch)
        wide = redeclare(project, "payments", {"payment_id": "bigint", "amount": "decimal(18,2)"})
        prod = built(batch.over(landed, wide))
        types = prod.rows(
            "select table_name, column_name, data_type, numeric_precision"
            " from information_schema.columns"
            " where table_name in ('payments__log', 'payments_history')"
            " and column_name in ('payment_id', '_before_payment_id', 'amount')"
        )
        assert sorted(types) == [
            ("payments__log", "_before_payment_id", "bigint", 64),
            ("payments__log", "amount", "numeric", 18),
            ("payments__log", "payment_id", "bigint", 64),
            ("payments_history", "amount", "numeric", 18),
            ("payments_history", "payment_id", "bigint", 64),
        ]
