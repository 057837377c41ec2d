"""What GitHub's roles may not do, whom they trust, and whether all policies fit."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from lakehouse.delivery.trust import DEPLOYS_FROM
from tests.infra.terraform import aws, harness
from tests.infra.terraform.calls import Call
from tests.infra.terraform.conftest import Applied
from tests.infra.terraform.policies import Statement, listed, parliament
from tests.infra.terraform.rights import Policies

BUCKET = f"arn:aws:s3:::retail-lakehouse-dev-{{zone}}-{aws.ACCOUNT}"


@pytest.fixture(scope="module")
def plan_role(bootstrap: Applied) -> list[Statement]:
    """All statements of the plan role."""
    attached = bootstrap.resources("aws_iam_role_policy_attachment").values()
    assert {attachment["role"].rpartition("-dev-")[2] for attachment in attached} == {
        *("terraform-apply", "break-glass")
    }
    policy = bootstrap.resources("aws_iam_role_policy")["plan"]["policy"]
    found: list[Statement] = json.loads(policy)["Statement"]
    return found


def refused(policies: Policies, action: str, resource: str = "*") -> str:
    [decision] = policies.decide([Call("terraform-plan", action, resource)])
    return decision.result


def test_the_list_is_sorted_and_in_one_place() -> None:
    text = (harness.SOURCE / "bootstrap" / "plan_reads.tf").read_text()
    actions = re.findall(r'^    "([\w-]+:\w+)",$', text, re.M)
    assert len(actions) > 90
    assert actions == sorted(set(actions))


@pytest.mark.parametrize("name", harness.ENVIRONMENTS)
def test_both_roots_of_an_environment_are_told_alike(name: str) -> None:
    root, bootstrap = (
        (harness.SOURCE / folder / f"environments/{name}.tfvars").read_text()
        for folder in ("", "bootstrap")
    )
    told, given = (dict(re.findall(r'^(\w+) += (".+")$', text, re.M)) for text in (bootstrap, root))
    assert told.keys() == {"environment", "region", "github_repository", "github_repository_id"}
    assert told == {variable: given[variable] for variable in told}


@pytest.mark.parametrize(
    "action",
    [
        *("logs:GetLogEvents", "logs:FilterLogEvents", "logs:StartQuery", "logs:GetQueryResults"),
        *("sqs:ReceiveMessage", "ssm:GetParameter", "ssm:GetParametersByPath"),
        *("secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"),
        *("kafkaconnect:DescribeConnector", "states:GetExecutionHistory"),
        *("states:DescribeExecution", "redshift-data:GetStatementResult"),
    ],
)
def test_a_plan_sees_no_contents(policies: Policies, action: str) -> None:
    assert refused(policies, action) == "ExplicitlyDenied"


@pytest.mark.parametrize(
    "key",
    [
        f"{BUCKET.format(zone='landing')}/landing/customers/0.parquet",
        f"{BUCKET.format(zone='artifacts')}/state/deployed.json",
        f"{BUCKET.format(zone='artifacts')}/glue/v1/landing.py",
        f"{BUCKET.format(zone='terraform')}/prod/terraform.tfstate",
        f"{BUCKET.format(zone='artifacts').replace('dev', 'prod')}/environment/x.env",
        "arn:aws:s3:::somebody-elses/object",
    ],
)
def test_a_plan_reads_no_other_object(policies: Policies, key: str) -> None:
    for action in ("s3:GetObject", "s3:GetObjectVersion"):
        assert refused(policies, action, key) == "ExplicitlyDenied"


def test_parliament_finds_nothing_in_the_plan_role(
    plan_role: list[Statement], tmp_path: Path
) -> None:
    """But that configuration is read everywhere, and a condition that KMS has for every key."""
    document = {"Version": "2012-10-17", "Statement": plan_role}
    (tmp_path / "plan.json").write_text(json.dumps(document, indent=1))
    known = ("RESOURCE_STAR", "Unknown condition kms:ResourceAliases for action kms:Decrypt")
    found = parliament(tmp_path)
    assert [finding for finding in found if not {*known} & {finding[0], str(finding[1])}] == []


def test_github_is_asked_for_the_refs_that_the_roles_trust(
    bootstrap: Applied, dev: Applied
) -> None:
    """What `check-environments` demands of an environment is what its roles' trust admits."""
    roles = bootstrap.resources("aws_iam_role") | dev.resources("aws_iam_role")

    def trusted(role: str) -> set[str]:
        [statement] = json.loads(roles[role]["assume_role_policy"])["Statement"]
        claim = "token.actions.githubusercontent.com:ref"
        return {
            ref
            for claims in statement["Condition"].values()
            for ref in listed(claims.get(claim, []))
        }

    def demanded(end: str) -> set[str]:
        folders = {"branch": "refs/heads/", "tag": "refs/tags/"}
        return {
            name if name.startswith("refs/") else folders[kind] + name
            for kind, name in DEPLOYS_FROM[end]
        }

    assert trusted("plan") == demanded("-plan")
    assert trusted("apply") | trusted("deploy") == demanded("")


def test_roles_last_as_long_as_workflows_ask(bootstrap: Applied, dev: Applied) -> None:
    """AssumeRole refuses a longer session than the role's; no role lasts longer than it must.

    A rollback by hand, as its page has it, asks for what its workflow does.
    """
    roles = {
        re.sub(r"^retail-lakehouse-dev-(terraform-)?", "", role["name"]): role
        for applied in (bootstrap, dev)
        for role in applied.resources("aws_iam_role").values()
    }
    page = (harness.PROJECT / "docs/runbooks/rollback.md").read_text()
    [by_hand] = map(int, re.findall(r"--duration-seconds (\d+)", page))
    asked = {"apply": 3600, "plan": 3600, "deploy": 3600, "break-glass": by_hand}
    for path in (harness.PROJECT / ".github/workflows").iterdir():
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for login in (step.get("with", {}) for step in job["steps"]):
                if match := re.search(r"AWS_(\w+)_ROLE_ARN", login.get("role-to-assume", "")):
                    role, lasts = match[1].lower(), login.get("role-duration-seconds", 3600)
                    asked[role] = max(asked[role], lasts)
    assert {role: roles[role]["max_session_duration"] for role in asked} == asked
    others = {role["max_session_duration"] for name, role in roles.items() if name not in asked}
    assert (others, by_hand) == ({3600}, asked["deploy"])


KAFKA = ("cluster", "topic", "group", "transactional-id")


def test_policies_fit(bootstrap: Applied, dev: Applied) -> None:
    """IAM's quotas in characters, for the longest names that a project and a region can have.

    The boundary also with an MSK cluster and a Redshift that are there already: their names have 64
    and 63 characters (Amazon MSK API, CreateCluster; Amazon Redshift API, CreateCluster).
    """
    longest = f"{'p' * 19}-prod"

    def size(policy: str) -> int:
        for name in ("retail-lakehouse-dev", "retail_lakehouse_dev"):
            policy = policy.replace(name, longest)
        return len(policy.replace(aws.REGION, "ap-southeast-1"))

    [boundary] = bootstrap.resources("aws_iam_policy").values()
    kafka = [aws.ARN.format(service="kafka", rest=f"{kind}/{'k' * 64}/*") for kind in KAFKA]
    redshift = [aws.ARN.format(service="redshift", rest=f"dbname:{'r' * 63}/*")]
    assert size(boundary["policy"] + json.dumps(kafka + redshift)) <= 6144

    for applied in (bootstrap, dev):
        for policy in applied.resources("aws_iam_policy").values():
            assert size(policy["policy"]) <= 6144, policy["name"]
        inline: dict[str, int] = defaultdict(int)
        for policy in applied.resources("aws_iam_role_policy").values():
            inline[policy["role"]] += size(policy["policy"])
        assert {role: total for role, total in inline.items() if total > 10240} == {}
        for role in applied.resources("aws_iam_role").values():
            assert size(role["assume_role_policy"]) <= 2048, role["name"]
