"""What the roles of dev may do, read from its policies: applied, and planned for the lake's."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.terraform import aws
from tests.infra.terraform.conftest import Environment, tool
from tests.infra.terraform.harness import planned
from tests.infra.terraform.policies import Statement, listed, parliament

ROOT = Path(__file__).parents[3]
# Where what Redshift is sent about the landing zone's tables is kept or made.
EXTERNAL_STATEMENTS = (
    "tests/redshift/golden/deploy.sql",
    "lakehouse/warehouse/landing_tables.py",
    "macros/redshift/prepare_landing.sql",
)
# Amazon Redshift Database Developer Guide, "IAM policies for Amazon Redshift Spectrum".
CATALOG_ACTIONS = {
    r"create external schema \w+\s+from data catalog": {"glue:GetDatabase"},
    r"create external table": {"glue:CreateTable"},
    r"drop table landing\.": {"glue:DeleteTable"},
    r"alter table .* add if not exists": {"glue:GetTable", "glue:BatchCreatePartition"},
    r"from svv_external_(tables|columns)": {"glue:GetTables"},
    r"from svv_external_partitions": {
        *("glue:GetPartition", "glue:GetPartitions", "glue:BatchGetPartition"),
    },
}


@pytest.fixture(scope="module")
def policies(lake: Environment) -> dict[str, list[Statement]]:
    """Statements by role, with the lake target on: the others are as they were applied."""
    found = {
        str(resource.get("index", resource["name"])): json.loads(resource["values"]["policy"])[
            "Statement"
        ]
        for resource in planned(lake.plan)
        if resource["type"] == "aws_iam_role_policy"
    }
    assert len(found) > 10
    return found


def granted(statements: list[Statement], pattern: str) -> Iterator[tuple[str, str]]:
    """Pairs of action and resource that are allowed, for actions like `pattern`."""
    for statement in statements:
        if statement["Effect"] == "Allow":
            for action in listed(statement["Action"]):
                if fnmatch.fnmatch(action, pattern):
                    for resource in listed(statement["Resource"]):
                        yield action, resource


def allows(statements: list[Statement], action: str, resource: str) -> bool:
    return any(fnmatch.fnmatch(resource, given) for _, given in granted(statements, action))


def everywhere(policies: dict[str, list[Statement]]) -> dict[str, list[str]]:
    """Actions that are granted on "*", with the roles that have them."""
    found: dict[str, list[str]] = {}
    for role, statements in policies.items():
        for action, resource in granted(statements, "*"):
            if resource == "*":
                found.setdefault(action, []).append(role)
    return found


def test_actions_are_named(policies: dict[str, list[Statement]]) -> None:
    for role, statements in policies.items():
        assert [action for action, _ in granted(statements, "*") if "*" in action] == [], role


def test_no_star_where_a_resource_exists(policies: dict[str, list[Statement]]) -> None:
    """By policy_sentry, which knows for each action of AWS the resources that it can name."""
    asked = everywhere(policies)
    prefixes = sorted({action.partition(":")[0] for action in asked})
    done = subprocess.run(
        [tool("python"), "-c", WILDCARD_ONLY, *prefixes], capture_output=True, text=True, check=True
    )
    without = {action.lower() for action in json.loads(done.stdout)}
    wrong = {a: roles for a, roles in asked.items() if a.lower() not in without}
    assert wrong == {}


# Which of a service's actions know no resource, so that "*" is the only one there is.
WILDCARD_ONLY = """
import json, sys
from policy_sentry.querying.actions import get_actions_that_support_wildcard_arns_only as actions
print(json.dumps([action for service in sys.argv[1:] for action in actions(service)]))
"""


def test_parliament_finds_nothing(policies: dict[str, list[Statement]], tmp_path: Path) -> None:
    """Unknown actions, resources and conditions that do not belong to an action, malformed ARNs."""
    for role, statements in policies.items():
        document = {"Version": "2012-10-17", "Statement": statements}
        (tmp_path / f"{role}.json").write_text(json.dumps(document, indent=1))
    assert parliament(tmp_path) == []


def test_roles_touch_this_environment_only(policies: dict[str, list[Statement]]) -> None:
    """Every named resource carries the environment, or an identifier that AWS gave to it."""
    shared = (
        *("StepFunctionsGetEventsForECSTaskRule", ":catalog", "/aws-glue/iceberg-"),
        ":role/aws-service-role/",
    )
    given = (
        *("network-interface/*", ":vpc/", "subnet/", "security-group/", ":key/"),
        *("workgroup/", "namespace/", "redshift-serverless:eu-central-1:123456789012:snapshot/*"),
    )
    wrong = [
        (role, resource)
        for role, statements in policies.items()
        for _, resource in granted(statements, "*")
        if resource != "*"
        and "retail-lakehouse-dev" not in resource
        and "retail_lakehouse_dev" not in resource
        and not any(part in resource for part in shared + given)
    ]
    assert wrong == []


def test_every_role_is_within_the_boundary(lake: Environment) -> None:
    roles = [resource for resource in planned(lake.plan) if resource["type"] == "aws_iam_role"]
    boundary = f"arn:aws:iam::{aws.ACCOUNT}:policy/retail-lakehouse-dev-boundary"
    assert {role["values"]["permissions_boundary"] for role in roles} == {boundary}


def bucket(zone: str) -> str:
    return f"arn:aws:s3:::retail-lakehouse-dev-{zone}-{aws.ACCOUNT}"


class TestLanding:
    def test_it_writes_the_landing_zone_and_its_checkpoints_only(
        self, policies: dict[str, list[Statement]]
    ) -> None:
        for action in ("s3:PutObject", "s3:DeleteObject"):
            resources = {resource for _, resource in granted(policies["landing"], action)}
            assert resources == {
                f"{bucket('landing')}/landing/*",
                f"{bucket('landing')}/checkpoints/*",
            }

    @pytest.mark.parametrize("zone", ["staging", "curated", "artifacts", "logs"])
    def test_it_cannot_write_elsewhere(
        self, policies: dict[str, list[Statement]], zone: str
    ) -> None:
        assert not allows(policies["landing"], "s3:PutObject", f"{bucket(zone)}/glue/x")

    def test_it_reads_the_declared_topics_and_writes_none(
        self, policies: dict[str, list[Statement]]
    ) -> None:
        assert not list(granted(policies["landing"], "kafka-cluster:*Write*"))
        topics = {
            r.rpartition("/")[2] for _, r in granted(policies["landing"], "kafka-cluster:ReadData")
        }
        assert "retail.retail.dbo.Orders" in topics
        assert not any("*" in topic for topic in topics)

    def test_it_reads_no_secret(self, policies: dict[str, list[Statement]]) -> None:
        assert not list(granted(policies["landing"], "secretsmanager:*"))


class TestDbt:
    def test_it_reads_no_secret(self, policies: dict[str, list[Statement]]) -> None:
        """It logs in with IAM: it has no secret of its own, so it reads none."""
        assert not list(granted(policies["dbt"], "secretsmanager:*"))
        key = aws.ARN.format(service="kms", rest="key/")
        keys = {r for _, r in granted(policies["dbt"], "kms:Decrypt")}
        assert len(keys) == 1 and next(iter(keys)).startswith(key)

    def test_it_touches_neither_kafka_nor_the_landing_zone(
        self, policies: dict[str, list[Statement]]
    ) -> None:
        assert not list(granted(policies["dbt"], "kafka*:*"))
        assert not allows(policies["dbt"], "s3:GetObject", f"{bucket('landing')}/landing/x")

    def test_it_logs_in_to_its_warehouse_only(self, policies: dict[str, list[Statement]]) -> None:
        resources = [r for _, r in granted(policies["dbt"], "redshift*:*")]
        assert resources and not any(r == "*" or r.endswith("/*") for r in resources)


class TestOthers:
    def test_the_login_and_the_salt_are_the_connectors_alone(
        self, policies: dict[str, list[Statement]]
    ) -> None:
        for name in ("shop-database", "pii-salt"):
            secret = f":secret:retail-lakehouse-dev/{name}"
            readers = {
                role
                for role in policies
                for _, resource in granted(policies[role], "secretsmanager:GetSecretValue")
                if secret in resource
            }
            assert readers == {"connector"}
        read = {r for _, r in granted(policies["connector"], "secretsmanager:GetSecretValue")}
        assert len(read) == 2

    def test_redshift_writes_no_data(self, policies: dict[str, list[Statement]]) -> None:
        for pattern in ("s3:Put*", "s3:Delete*", "kafka-cluster:Write*"):
            assert not list(granted(policies["redshift"], pattern))

    def test_redshift_can_what_its_statements_need_of_the_catalog(
        self, policies: dict[str, list[Statement]]
    ) -> None:
        """Each kind of statement on the landing zone that is sent, and no action beside theirs."""
        texts = {path: (ROOT / path).read_text("utf-8") for path in EXTERNAL_STATEMENTS}
        kinds = {
            kind: [path for path, text in texts.items() if re.search(kind, text)]
            for kind in CATALOG_ACTIONS
        }
        assert all(kinds.values()), "a kind that nobody sends"
        [plan] = [text for path, text in texts.items() if path.endswith("deploy.sql")]
        for sent in re.findall(r"^create external .*?;$", plan, re.MULTILINE | re.DOTALL):
            assert "from kafka" in sent or any(re.search(kind, sent) for kind in kinds)
        found = set(granted(policies["redshift"], "glue:*"))
        assert {action for action, _ in found} == set.union(*CATALOG_ACTIONS.values())
        place = aws.ARN.format(service="glue", rest="")
        landing = "retail_lakehouse_dev_landing"
        assert found == {
            (action, place + resource)
            for action, _ in found
            for resource in ("catalog", f"database/{landing}", f"table/{landing}/*")
        }

    def test_deployment_hands_on_its_own_roles_only(
        self, policies: dict[str, list[Statement]]
    ) -> None:
        roles = {r.rpartition("/")[2] for _, r in granted(policies["deploy"], "iam:PassRole")}
        expected = ("dbt", "operations", "execution", "landing", "batch")
        assert roles == {f"retail-lakehouse-dev-{role}" for role in expected}
        assert not list(granted(policies["deploy"], "iam:[!P]*"))
        assert not list(granted(policies["deploy"], "secretsmanager:*"))
