"""Terraform reads the same tables and topics from the declarations as the project's own code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingestion import declarations
from ingestion.settings import ConnectorName
from lakehouse.kafka import topics
from tests.infra.terraform import harness
from tests.infra.terraform.harness import Terraform


@pytest.mark.parametrize("connector", ["sqlserver", "postgresql"])
def test_topics_and_tables_are_the_declared_ones(
    terraform: Terraform, tree: Path, connector: ConnectorName
) -> None:
    root = tree / f"declarations-{connector}"
    root.mkdir()
    (root / "main.tf").write_text(
        'module "declarations" {\n  source = "../modules/declarations"\n'
        f'  connector = "{connector}"\n}}\n'
        'output "declarations" {\n  value = module.declarations\n}\n'
    )
    harness.init(terraform, root)
    terraform.must(root, "apply", "-auto-approve", "-input=false", "-no-color")
    found = json.loads(terraform.must(root, "output", "-json"))["declarations"]["value"]

    declared = declarations.load()
    assert found["topics"] == sorted(
        topic.name for topic in topics.desired_topics(declared, connector)
    )
    assert {name: table["topic"] for name, table in found["tables"].items()} == {
        table.name: table.topics[connector] for table in declared.tables
    }
    assert {name: table["partitions"] for name, table in found["tables"].items()} == {
        table.name: table.partitions for table in declared.tables
    }
    own = declared.connectors[connector]
    assert found["connector_topics"] == {
        "debezium_heartbeat": own.heartbeat_topic,
        "debezium_transaction": own.transaction_topic,
        "debezium_notification": own.notification_topic,
        "debezium_schema_changes": own.schema_change_topic,
    }
