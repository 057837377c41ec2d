"""The topic playbook against a real broker."""

from __future__ import annotations

from ingestion.declarations import load
from ingestion.settings import Settings
from lakehouse.kafka.admin import Topics
from lakehouse.kafka.topics import desired_topics
from playground.services.kafka import KafkaBroker
from tests.infra.ansible.conftest import RunPlaybook


def test_creates_the_declared_topics_and_then_changes_nothing(
    clean_broker: KafkaBroker, run_playbook: RunPlaybook
) -> None:
    environment = {**clean_broker.environment(), "LAKEHOUSE_SOURCE": "sqlserver"}
    declared = {topic.name for topic in desired_topics(load(), "sqlserver")}
    broker = Topics(Settings.from_environment(environment))

    checked = run_playbook("topics", "--check", stage="prod", environment=environment)
    assert checked.returncode == 0, checked.output
    assert checked.stats["changed"] == 1, checked.output
    assert not declared & set(broker.names()), "check mode has created topics"

    first = run_playbook("topics", stage="prod", environment=environment)
    assert first.returncode == 0, first.output
    assert first.stats["changed"] == 1, first.output
    assert declared <= set(broker.names())

    second = run_playbook("topics", stage="prod", environment=environment)
    assert second.returncode == 0, second.output
    assert second.stats["changed"] == 0, second.output


def test_does_in_prod_only_what_its_inventory_permits(
    clean_broker: KafkaBroker, run_playbook: RunPlaybook
) -> None:
    environment = {**clean_broker.environment(), "LAKEHOUSE_SOURCE": "sqlserver"}
    broker = Topics(Settings.from_environment(environment))
    declared = desired_topics(load(), "sqlserver")
    broker.create(declared, replication_factor=1)
    topic = declared[0]
    broker.alter(topic.name, {"message.timestamp.type": "CreateTime"})
    broker.alter(topic.name, {"retention.ms": str(topic.retention_ms * 2)})

    prod = run_playbook("topics", stage="prod", environment=environment)

    assert prod.returncode != 0, "shortening retention deletes records: prod does not permit it"
    assert "--shorten-retention" in prod.output
    settings = broker.describe([topic.name])[topic.name].settings
    assert settings["message.timestamp.type"] == "LogAppendTime"
    assert settings["retention.ms"] == str(topic.retention_ms * 2)

    dev = run_playbook("topics", stage="dev", environment=environment)

    assert dev.returncode == 0, dev.output
    assert broker.describe([topic.name])[topic.name].settings["retention.ms"] == str(
        topic.retention_ms
    )


def test_tells_an_error_from_a_difference(run_playbook: RunPlaybook) -> None:
    play = run_playbook("topics", stage="dev", environment={"LAKEHOUSE_KAFKA_AUTH": "password"})
    assert play.returncode != 0
    assert "LAKEHOUSE_KAFKA_AUTH is 'password'" in " ".join(play.output.replace("''", "'").split())


def test_refuses_the_inventory_of_another_environment(run_playbook: RunPlaybook) -> None:
    play = run_playbook("topics", stage="prod", environment={"LAKEHOUSE_ENVIRONMENT": "dev"})
    assert play.returncode != 0
    assert "The inventory is for prod" in " ".join(play.output.split())
