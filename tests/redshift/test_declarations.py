"""What the shop declares nowhere: a folded key with a history, no key, a type that got wider."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.source.envelopes import Event, Row, value_bytes
from lakehouse.source.positions import SqlServerPlace
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from tests.kit.batches import Batch, wrong_logs
from tests.kit.declared import redeclare
from tests.kit.landing import Delivery
from tests.kit.logs import as_page, random_logs
from tests.kit.redshift import Prod, new_prod
from tests.kit.warehouse import Warehouse, copy_project
from tests.kit.worked import EPOCHS
from tests.redshift.lake import Lake

NO_KEY = "product_categories"
MOMENT = datetime(2026, 3, 1)


@dataclass(frozen=True)
class OnProd(Warehouse):
    """Target prod as a batch of logs wants its warehouse."""

    prod: Prod = field(kw_only=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.prod.rows(query)


@pytest.mark.timeout(600)
def test_keys_that_are_folded_or_none_and_numbers_that_got_wider(
    redshift_postgres: PostgresServer, clean_broker: KafkaBroker, tmp_path: Path
) -> None:
    project = copy_project(tmp_path / "project", EPOCHS)
    redeclare(project, "promotions", history="all", tracked_columns=["name"])
    narrow = {"payment_id": "integer", "amount": "decimal(14,2)"}
    redeclare(project, NO_KEY, primary_key=[], history="none")
    declarations = redeclare(project, "payments", narrow)
    logs = random_logs("sqlserver", 18, 30, ("promotions", "payments"), declarations)
    landed = Warehouse(project, tmp_path / "landing", tmp_path / "none.duckdb", "sqlserver")
    batch = Batch(declarations, logs, landed)
    Lake(tmp_path / "topics", clean_broker.bootstrap_servers, declarations, "sqlserver")
    for run in batch.runs:
        batch.land(run)
    row: Row = {"category_id": 1, "name": "a", "parent_category_id": None, "updated_at": MOMENT}
    twice = value_bytes(
        Event("c", SqlServerPlace(10, 1, 1), 1_772_359_200_000, row, None),
        *(declarations.table(NO_KEY), "sqlserver", "retail"),
    )
    batch._zone.land(declarations.table(NO_KEY), [Delivery(None, twice, 0, 0)] * 2)
    with StandIn(redshift_postgres, {"lake": tmp_path}) as stand_in:

        def built(batch: Batch) -> Prod:
            """Target prod, with the declarations of now, after a build."""
            prod = new_prod(
                stand_in, clean_broker.bootstrap_servers, tmp_path, "sqlserver", project
            )
            prod.lakehouse("deploy")
            # what was parsed first is of the first declarations
            replace(prod.dbt, manifest=None).build(*batch.selection, f"+stg_retail__{NO_KEY}")
            on_prod = OnProd(project, landed.landing, landed.file, "sqlserver", prod=prod)
            found = batch.over(on_prod).histories()
            wrong = wrong_logs(batch.expected(), found)
            assert not wrong, as_page(batch.logs[min(wrong)])
            return prod

        built(batch)
        redeclare(project, "promotions", {"promotion_code": "varchar(60)"})
        wide = redeclare(project, "payments", {"payment_id": "bigint", "amount": "decimal(18,2)"})
        prod = built(batch.over(landed, wide))
        types = prod.rows(
            "select table_name, column_name, data_type, numeric_precision"
            " from information_schema.columns"
            " where table_name in ('payments__log', 'payments_history')"
            " and column_name in ('payment_id', '_before_payment_id', 'amount')"
        )
        lengths = prod.rows(
            "select table_name, column_name, character_maximum_length"
            " from information_schema.columns where column_name in ('promotion_code', 'method')"
            " and table_name in ('promotions__log', 'payments__log')"
        )
        assert {(table, column): length for table, column, length in lengths} == {
            ("promotions__log", "promotion_code"): 240,
            ("payments__log", "method"): 80,
        }
        assert prod.rows(f"select count(*) from staging.{NO_KEY}__log") == [(2,)]
        with prod.warehouse() as warehouse:
            view = f"staging.stg_retail__{NO_KEY}"
            assert [tuple(row) for row in warehouse.rows(f"select kafka_offset from {view}")] == [
                (0,)
            ]
        assert sorted(types) == [
            ("payments__log", "_before_payment_id", "bigint", 64),
            ("payments__log", "amount", "numeric", 18),
            ("payments__log", "payment_id", "bigint", 64),
            ("payments_history", "amount", "numeric", 18),
            ("payments_history", "payment_id", "bigint", 64),
        ]
