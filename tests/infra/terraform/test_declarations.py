"""Terraform reads the same tables and topics from the declarations as the project's own code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

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
    assert {name: table["topics"] for name, table in found["tables"].items()} == {
        table.name: [table.topics[connector]] for table in declared.tables
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


def test_tenants_of_one_connector_have_topics_each(
    terraform: Terraform, tree: Path, tmp_path: Path
) -> None:
    module, sources = tmp_path / "infra/terraform/modules/declarations", tmp_path / "models/staging"
    shutil.copytree(tree / "modules/declarations", module)
    (sources / "retail").mkdir(parents=True)
    document = yaml.safe_load(declarations.SOURCES_FILE.read_text("utf-8"))
    source = document["sources"][0]
    databases = {"de": "ShopDE", "fr": ["ShopFR2", "ShopFR"]}
    source["config"]["meta"]["tenants"] = {
        name: {"sqlserver": {"database": database}} for name, database in databases.items()
    }
    del source["config"]["meta"]["connectors"]["postgresql"]
    for table in source["tables"]:
        topic = f"{{prefix}}.{{database}}.dbo.{table['name']}"
        table["config"]["meta"]["topics"] = {"sqlserver": topic}
    file = sources / "retail/_retail__sources.yml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    terraform.must(module, "apply", "-auto-approve", "-input=false", "-no-color")
    found = json.loads(terraform.must(module, "output", "-json"))["topics"]["value"]
    desired = topics.desired_topics(declarations.load(file), "sqlserver")
    assert found == sorted(topic.name for topic in desired)

    source["config"]["meta"]["tenants"]["fr"]["sqlserver"] |= {
        "topic_prefix": "f",
        "epochs": {"f": 1},
    }
    file.write_text(yaml.safe_dump(document), "utf-8")
    refused = terraform.run(module, "plan", "-input=false", "-no-color")
    assert "the tenants of the source need one topic_prefix" in " ".join(refused.output.split())
