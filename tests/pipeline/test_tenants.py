"""Two databases with the same tables, each with its own connector, in one warehouse."""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from ingestion.landing.job import Job, Landing
from ingestion.landing.subscriptions import subscriptions
from ingestion.settings import Settings
from lakehouse.cli import app
from lakehouse.commands import reconcile as reconcile_commands
from lakehouse.kafka.produce import Record, produce
from lakehouse.kafka.records import messages
from lakehouse.local_spark import local_session
from playground.services import Services
from playground.services.postgres import autocommit_cursor
from playground.shop import schema
from tests.kit.declared import CONNECTORS
from tests.kit.tenants import declare_tenants
from tests.kit.warehouse import Warehouse, copy_project

TABLE = "product_categories"


@pytest.mark.long
def test_what_one_tenant_lacks_is_no_matter_of_another(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefixes = {name: f"{name}{secrets.token_hex(4)}" for name in ("de", "fr")}
    project = copy_project(tmp_path / "project", {"retail": 1})
    tenants: dict[str, dict[str, Any]] = {
        name: {key: {"topic_prefix": prefix, "epochs": {prefix: 1}} for key in CONNECTORS}
        for name, prefix in prefixes.items()
    }
    declared = declare_tenants(project, tenants, start="{prefix}")
    dsns, slots = {}, {}
    with ExitStack() as captures:
        for name, part in declared.tenants.items():
            dsns[name] = dsn = services.postgres.create_database(prefixes[name])
            captures.callback(services.postgres.drop_database, prefixes[name])
            schema.create(dsn)
            with autocommit_cursor(dsn) as shop:
                shop.execute(
                    f"insert into {TABLE} select key, '{name} ' || key, null, '2026-03-01'"
                    " from generate_series(1, 3) as key"
                )
                capture = services.capture(dsn, part)
                capture.start()
                captures.callback(capture.delete_with_position)
                shop.execute(f"update {TABLE} set name = '{name}' where category_id = 2")
                shop.execute(f"delete from {TABLE} where category_id = 3 and name like 'fr%'")
            capture.wait_until_delivered()
            slots[name] = capture.settings["slot.name"]

        warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "postgresql")
        settings = services.environment() | {
            "LAKEHOUSE_LANDING": str(warehouse.landing),
            "LAKEHOUSE_CHECKPOINTS": str(tmp_path / "checkpoints"),
            "LAKEHOUSE_DUCKDB": str(warehouse.file),
        }
        read = Settings.from_environment(settings)
        of_de, of_fr = (p.table(TABLE).topics["postgresql"] for p in declared.tenants.values())
        [astray] = messages(read, of_de, 0, 0, 1)
        record = Record(of_fr, astray.key() or b"", astray.value())
        produce({"bootstrap.servers": read.kafka_bootstrap_servers}, [record])
        wanted = subscriptions(declared, "postgresql")
        spark = local_session(read)
        Landing(Job(read, lambda: wanted, once=True), lambda: spark, print, Event()).run()
        spark.stop()
        warehouse.build("--select", "path:models/staging")
        assert warehouse.rows(
            f"select tenant, category_id, _cdc_op, name from staging.stg_retail__{TABLE}"
            " where _cdc_op <> 'r' order by all"
        ) == [("de", 2, "u", "de"), ("fr", 2, "u", "fr"), ("fr", 3, "d", "fr 3")]

        # a record of one in the other one's topic is neither's
        assert warehouse.rows(
            f"select tenant, _cdc_reject_reason from staging.{TABLE}__log"
            " where _cdc_status = 'rejected'"
        ) == [("fr", "unknown_source")]

        monkeypatch.chdir(project)
        monkeypatch.setattr(reconcile_commands, "load", lambda: declared)

        def rows(tenant: str, of: str) -> Any:
            own = settings | {"LAKEHOUSE_SOURCE_DSN": dsns[of]}
            command = ["reconcile", "rows", TABLE, "--tenant", tenant, "--slot", slots[tenant]]
            done = CliRunner(env=own).invoke(app, [*command, "--wait", "60", "--json"])
            return json.loads(done.stdout) if done.stdout else done.exception

        for tenant, alive in (("de", 3), ("fr", 2)):
            found = rows(tenant, tenant)
            assert isinstance(found, dict) and found["agrees"], found
            assert found["tables"][0]["source_rows"] == alive
        assert "the source has no replication slot" in str(rows("de", of="fr"))

        with duckdb.connect(warehouse.file) as file:
            file.execute(
                f"delete from staging.{TABLE}__log where tenant = 'fr' and category_id = 1"
            )
        assert rows("de", "de")["agrees"]
        [difference] = rows("fr", "fr")["differences"]
        assert (difference["key"], difference["kind"]) == ("category_id=1", "missing row")
