"""dev against AWS on loopback: applied, planned again without a change, fed to others, destroyed.

The tests of this file run in order: the last one destroys what the others look at.
"""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from moto.glue.models import glue_backends

from ingestion import declarations
from ingestion.glue import landing
from ingestion.settings import Settings
from lakehouse.settings import known_variables
from lakehouse.source.msk_connect import Place
from tests.infra.terraform import aws, harness
from tests.infra.terraform.conftest import Applied, Environment, replan

SETTING = re.compile(r"(?:LAKEHOUSE|AWS)_[A-Z0-9_]+=[^\"'\n]*")


def client(cloud: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud,
        region_name=aws.REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="module")
def settings_file(dev: Applied, cloud: str) -> str:
    """The environment file as the tasks read it."""
    bucket = f"retail-lakehouse-dev-artifacts-{aws.ACCOUNT}"
    stored = client(cloud, "s3").get_object(
        Bucket=bucket, Key="environment/retail-lakehouse-dev.env"
    )
    content: str = stored["Body"].read().decode()
    return content


# Attributes that moto accepts and forgets; AWS gives them back (docs/security.md). A second plan
# may mention them and nothing else.
FORGOTTEN = {
    "aws_glue_connection": {"connection_type"},
    "aws_glue_job": {"execution_class", "maintenance_window"},
    "aws_kms_key": {"rotation_period_in_days"},
    # The prefix of a rule's filter, and that encrypted objects are copied too.
    "aws_s3_bucket_replication_configuration": {"rule"},
    "aws_vpc_security_group_egress_rule": {"description"},
    "aws_vpc_security_group_ingress_rule": {"description"},
}


def changes(plan: dict[str, Any]) -> list[tuple[str, list[str], set[str]]]:
    """What a plan would change: address, actions, attributes, without what moto forgets."""
    found = []
    for resource in plan["resource_changes"]:
        change = resource["change"]
        if change["actions"] in (["no-op"], ["read"]):
            continue
        before, after = change["before"] or {}, change["after"] or {}
        attributes = {key for key in before.keys() | after if before.get(key) != after.get(key)}
        attributes -= FORGOTTEN.get(resource["type"], set())
        if attributes or change["actions"] != ["update"]:
            found.append((resource["address"], change["actions"], attributes))
    return found


def test_a_second_plan_changes_nothing(second_plan: dict[str, Any]) -> None:
    assert changes(second_plan) == []


def test_an_installation_with_a_root_per_environment_goes_on(dev: Applied) -> None:
    """There each module was called by a module `platform`, and the state had no owner."""
    state = json.loads((dev.environment.folder / "dev.tfstate").read_text())
    state["resources"] = [
        resource | {"module": f"module.platform.{resource['module']}"}
        for resource in state["resources"]
        if "module" in resource
    ]
    (dev.environment.folder / "before.tfstate").write_text(json.dumps(state))

    changed = changes(replan(dev, "moved.tfplan", "-state=before.tfstate"))

    assert [(address, actions) for address, actions, _ in changed] == [
        ("terraform_data.owner", ["create"])
    ]


def test_the_lake_brings_its_jobs_and_roles_and_changes_nothing_else(lake: Environment) -> None:
    changed = {(address, *actions) for address, actions, _ in changes(lake.plan)}
    optimizers = ("compaction", "orphan_file_deletion", "retention")
    assert changed == {
        ('module.glue.aws_glue_job.batch["landing-to-staging"]', "create"),
        *(
            (f'module.glue.aws_glue_catalog_table_optimizer.this["dim_customer {kind}"]', "create")
            for kind in optimizers
        ),
        *(
            (f'module.glue.aws_cloudwatch_log_group.jobs["batch {kind}"]', "create")
            for kind in ("error", "output")
        ),
        *(
            (f'module.iam.{kind}.this["{role}"]', "create")
            for kind in ("aws_iam_role", "aws_iam_role_policy")
            for role in ("batch", "optimizer")
        ),
        ('module.iam.aws_iam_role_policy.this["deploy"]', "update"),
        ('module.monitoring.aws_cloudwatch_event_rule.failed["job-failed"]', "update"),
    }


def test_the_environment_file_is_read_as_settings(settings_file: str) -> None:
    lines = settings_file.splitlines()
    assert lines == sorted(lines)
    assert all(SETTING.fullmatch(line) for line in lines)
    values = dict(line.split("=", 1) for line in lines)

    settings = Settings.from_environment(values)

    assert settings.kafka_auth == "iam"
    assert settings.source == "sqlserver"
    assert settings.landing == f"s3a://retail-lakehouse-dev-landing-{aws.ACCOUNT}/landing"
    assert settings.aws_region == aws.REGION
    assert (settings.environment, settings.metrics_namespace) == ("dev", "RetailLakehouse")
    assert values.keys() <= known_variables()
    brokers = settings.kafka_bootstrap_servers.split(",")
    assert brokers == sorted(brokers)
    assert all(broker.endswith(":9098") for broker in brokers)


def test_the_connector_is_made_from_the_environment_file(settings_file: str) -> None:
    values = dict(line.split("=", 1) for line in settings_file.splitlines())
    request = Place.read(values).request({}, "b-1:9098")
    assert request["connectorName"] == "retail-lakehouse-dev-sqlserver"
    [plugin] = request["plugins"]
    assert ":custom-plugin/" in plugin["customPlugin"]["customPluginArn"]
    assert len(request["kafkaCluster"]["apacheKafkaCluster"]["vpc"]["subnets"]) == 3


def test_the_jobs_report_to_where_the_alarms_look(dev: Applied) -> None:
    alarms = dev.resources("aws_cloudwatch_metric_alarm").values()
    watched = {
        (alarm["namespace"], alarm["dimensions"]["Environment"], alarm["dimensions"]["Job"])
        for alarm in alarms
        if "Job" in alarm["dimensions"]
    }
    jobs = dev.resources("aws_glue_job").values()
    assert watched == {
        (
            job["default_arguments"]["--metrics_namespace"],
            job["default_arguments"]["--environment"],
            job["name"],
        )
        for job in jobs
    }
    known = {f"--{name}" for name in (*landing.REQUIRED, *landing.DEFAULTS)}
    for job in jobs:
        own = {name for name in job["default_arguments"] if "-" not in name[2:]}
        assert own - {"--release"} <= known


def test_the_output_is_the_environment_file(dev: Applied, settings_file: str) -> None:
    assert dev.state["values"]["outputs"]["environment_file"]["value"] == settings_file


def test_every_declared_table_is_landed_by_one_job(dev: Applied) -> None:
    declared = {table.name for table in declarations.load().tables}
    own = {
        "debezium_heartbeat",
        "debezium_transaction",
        "debezium_notification",
        "debezium_schema_changes",
    }
    file = str(harness.PROJECT / harness.DECLARATIONS)
    landed = []
    for job in dev.resources("aws_glue_job").values():
        given = {key[2:]: value for key, value in job["default_arguments"].items()}
        resolved = landing.DEFAULTS | given | {"JOB_NAME": job["name"], "declarations": file}
        parsed = landing.parse(resolved, {"AWS_REGION": aws.REGION})
        landed += [each.table for each in parsed.job.subscriptions()]
    assert sorted(landed) == sorted(declared | own)


def test_the_state_holds_no_password(dev: Applied) -> None:
    text = json.dumps(dev.state)
    assert dev.resources("aws_secretsmanager_secret_version") == {}
    namespace = dev.resources("aws_redshiftserverless_namespace")["0"]
    assert namespace["manage_admin_password"] is True
    assert not namespace["admin_user_password"]
    assert not re.search(r'"(?:master_|admin_user_)?password(?:_wo)?": "[^"]', text)


def test_an_apply_does_not_undo_a_release(dev: Applied, cloud: str) -> None:
    """What a deployment does, out of Terraform's sight: another image, another script."""
    ecs = client(cloud, "ecs")
    family = "retail-lakehouse-dev-dbt"
    described = ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
    latest = described["taskDefinition"]
    containers = latest["containerDefinitions"]
    containers[0]["image"] = containers[0]["image"].replace(":initial", ":v2")
    kept = (
        "family",
        "taskRoleArn",
        "executionRoleArn",
        "networkMode",
        "volumes",
        "cpu",
        "memory",
        "runtimePlatform",
        "requiresCompatibilities",
    )
    again = {name: latest[name] for name in kept if name in latest}
    ecs.register_task_definition(**again, containerDefinitions=containers, tags=described["tags"])
    # moto has no UpdateJob: the stored job is changed as it would change it.
    job = glue_backends[aws.ACCOUNT][aws.REGION].jobs["retail-lakehouse-dev-landing-order-cdc"]
    places: list[Any] = [job.command, job.default_arguments]
    for place in places:
        for name in ("ScriptLocation", "--extra-py-files", "--release"):
            if name in place:
                place[name] = place[name].replace("initial", "v2")

    assert changes(replan(dev, "third.tfplan")) == []


@pytest.mark.usefixtures("destroyed")
def test_destroy_leaves_nothing(cloud: str) -> None:
    assert client(cloud, "s3").list_buckets()["Buckets"] == []
    roles = client(cloud, "iam").list_roles()["Roles"]
    assert [role for role in roles if role["RoleName"].startswith("retail-lakehouse")] == []
