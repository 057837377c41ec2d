"""What GitHub's roles may do, held against what Terraform was seen to ask of AWS."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lakehouse.delivery.trust import DEPLOYS_FROM
from tests.infra.terraform import aws, harness
from tests.infra.terraform.calls import Call
from tests.infra.terraform.conftest import Applied, Environment, Replanned, tool
from tests.infra.terraform.harness import Terraform
from tests.infra.terraform.policies import Statement, listed, parliament

BUCKET = f"arn:aws:s3:::retail-lakehouse-dev-{{zone}}-{aws.ACCOUNT}"
STATE = f"{BUCKET.format(zone='terraform')}/dev/terraform.tfstate"
VARIABLES = """
environment          = "dev"
region               = "eu-central-1"
github_repository    = "example-org@987654321/retail-lakehouse@123456789"
github_repository_id = "123456789"
"""
DESTROYABLE = """
resource "aws_s3_bucket" "state" {
  lifecycle {
    prevent_destroy = false
  }
}
"""

# What no call of dev shows, with what a plan reads of it: types of resources that dev has none of.
UNSEEN = {
    # prod's warehouse: moto never has it available.
    "aws_redshift_cluster": {"redshift:DescribeClusters", "redshift:DescribeLoggingStatus"},
    "aws_redshift_parameter_group": {
        "redshift:DescribeClusterParameterGroups",
        "redshift:DescribeClusterParameters",
    },
    "aws_redshift_snapshot_schedule": {"redshift:DescribeSnapshotSchedules"},
    "aws_redshift_snapshot_schedule_association": {"redshift:DescribeSnapshotSchedules"},
    "aws_redshift_subnet_group": {"redshift:DescribeClusterSubnetGroups"},
    "aws_redshift_usage_limit": {"redshift:DescribeUsageLimits"},
    # alarms.emails is empty in dev.
    "aws_sns_topic_subscription": {"sns:GetSubscriptionAttributes"},
    # No root makes these; `lakehouse connector deploy` makes the connector.
    "aws_glue_catalog_table_optimizer": set(),
    "aws_mskconnect_connector": set(),
    "aws_secretsmanager_secret_rotation": set(),
}
# A plan validates a definition that has changed, which the second plan's has not.
CHANGED = {"states:ValidateStateMachineDefinition"}
# AWS answers it to everybody.
NEEDS_NOTHING = {"sts:GetCallerIdentity"}


@pytest.fixture(scope="module")
def bootstrap(
    terraform: Terraform, tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Applied]:
    """dev's bootstrap, applied."""
    folder = tmp_path_factory.mktemp("applied") / "bootstrap"
    source = tree / "bootstrap"
    shutil.copytree(source, folder, symlinks=True, ignore=shutil.ignore_patterns("tests"))
    override = harness.LOCAL_STATE + harness.ON_LOOPBACK + DESTROYABLE
    (folder / "harness_override.tf").write_text(override, encoding="utf-8")
    (folder / "terraform.tfvars").write_text(VARIABLES, encoding="utf-8")
    harness.init(terraform, folder)
    arguments = ("-auto-approve", "-input=false", "-no-color")
    terraform.must(folder, "apply", *arguments)
    environment = Environment("dev", folder, terraform, {}, "")
    yield Applied(environment, harness.show(terraform, folder), frozenset())
    terraform.must(folder, "destroy", *arguments)


@pytest.fixture(scope="module")
def plan_role(bootstrap: Applied) -> list[Statement]:
    """All statements of the plan role."""
    attached = bootstrap.resources("aws_iam_role_policy_attachment").values()
    assert {attachment["role"] for attachment in attached} == {
        "retail-lakehouse-dev-terraform-apply"
    }
    return statements(bootstrap, "plan")


def statements(bootstrap: Applied, role: str) -> list[Statement]:
    policy = bootstrap.resources("aws_iam_role_policy")[role]["policy"]
    found: list[Statement] = json.loads(policy)["Statement"]
    return found


def named(statement: Statement, call: Call) -> bool:
    """Whether a statement is about a call; only calls of S3 show their resource."""
    if not any(fnmatch.fnmatchcase(call.action, like) for like in listed(statement["Action"])):
        return False
    if "NotResource" in statement:
        return not any(
            fnmatch.fnmatchcase(call.resource, r) for r in listed(statement["NotResource"])
        )
    if call.resource == "*" and statement["Effect"] == "Allow":
        return True
    return any(fnmatch.fnmatchcase(call.resource, r) for r in listed(statement["Resource"]))


def effects(policy: list[Statement], call: Call) -> set[str]:
    """Effects of the statements about a call: it is allowed when the only one is Allow."""
    return {statement["Effect"] for statement in policy if named(statement, call)}


def test_a_plan_may_do_what_it_does(plan_role: list[Statement], second_plan: Replanned) -> None:
    asked = {call for call in second_plan.calls if call.action not in NEEDS_NOTHING}
    asked |= {Call("s3:GetObject", STATE), Call("s3:ListBucket", STATE.partition("/")[0])}
    asked |= {Call(action) for action in CHANGED.union(*UNSEEN.values())}
    assert len(asked) > 90
    assert sorted(call for call in asked if effects(plan_role, call) != {"Allow"}) == []


def test_a_plan_may_do_nothing_else(plan_role: list[Statement], second_plan: Replanned) -> None:
    granted = [s for s in plan_role if s["Effect"] == "Allow"]
    actions = {action for statement in granted for action in listed(statement["Action"])}
    asked = {call.action for call in second_plan.calls} - NEEDS_NOTHING
    # No recording sees which key a service uses on our behalf.
    assert actions == asked | CHANGED.union(*UNSEEN.values()) | {"kms:Decrypt"}
    for statement in granted:
        if statement["Action"] == "kms:Decrypt":
            assert "Condition" in statement or listed(statement["Resource"]) != ["*"]


def test_every_type_of_resource_is_seen_or_listed(dev: Applied) -> None:
    files = [*harness.SOURCE.glob("*.tf"), *harness.SOURCE.glob("modules/*/*.tf")]
    sources = (path.read_text() for path in files)
    types = {kind for text in sources for kind in re.findall(r'^resource "(\w+)"', text, re.M)}
    assert {kind for kind in types if not dev.resources(kind)} == set(UNSEEN)


def test_the_list_is_sorted_and_in_one_place() -> None:
    text = (harness.SOURCE / "bootstrap" / "plan_reads.tf").read_text()
    actions = re.findall(r'^    "([\w-]+:\w+)",$', text, re.M)
    assert len(actions) > 90
    assert actions == sorted(set(actions))


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
def test_a_plan_sees_no_contents(plan_role: list[Statement], action: str) -> None:
    assert effects(plan_role, Call(action, "arn:aws:x")) == {"Deny"}


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
def test_a_plan_reads_no_other_object(plan_role: list[Statement], key: str) -> None:
    for action in ("s3:GetObject", "s3:GetObjectVersion"):
        assert effects(plan_role, Call(action, key)) == {"Deny"}


def test_protection_does_not_stop_an_apply(bootstrap: Applied, dev: Applied) -> None:
    """deletion_protection is on unless it is switched off: an apply must pass it."""
    apply_role = statements(bootstrap, "apply")
    assert "KeepWhatHoldsData" in {statement["Sid"] for statement in apply_role}
    denied = {call for call in dev.calls if "Deny" in effects(apply_role, call)}
    assert sorted(denied) == []


def test_recorded_calls_are_actions_of_iam(second_plan: Replanned, dev: Applied) -> None:
    """By policy_sentry, which knows every action of AWS."""
    asked = {call.action for call in second_plan.calls | dev.calls}
    prefixes = sorted({action.partition(":")[0] for action in asked})
    done = subprocess.run(
        [tool("python"), "-c", ALL_ACTIONS, *prefixes], capture_output=True, text=True, check=True
    )
    known = {action.lower() for action in json.loads(done.stdout)}
    assert sorted(action for action in asked if action.lower() not in known) == []


ALL_ACTIONS = """
import json, sys
from policy_sentry.querying.actions import get_actions_for_service as actions
print(json.dumps([action for service in sys.argv[1:] for action in actions(service)]))
"""


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
    """AssumeRole refuses a longer session than the role's; no role lasts longer than it must."""
    roles = bootstrap.resources("aws_iam_role") | dev.resources("aws_iam_role")
    asked = {"apply": 3600, "plan": 3600, "deploy": 3600}
    for path in (harness.PROJECT / ".github/workflows").iterdir():
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for login in (step.get("with", {}) for step in job["steps"]):
                if match := re.search(r"AWS_(\w+)_ROLE_ARN", login.get("role-to-assume", "")):
                    role, lasts = match[1].lower(), login.get("role-duration-seconds", 3600)
                    asked[role] = max(asked[role], lasts)
    assert {role: roles[role]["max_session_duration"] for role in asked} == asked
    others = {role["max_session_duration"] for name, role in roles.items() if name not in asked}
    assert others == {3600}


def test_policies_fit(bootstrap: Applied, dev: Applied) -> None:
    """IAM's quotas in characters, for the longest names that a project can have."""
    longest = f"{'p' * 19}-prod"

    def size(policy: str) -> int:
        for name in ("retail-lakehouse-dev", "retail_lakehouse_dev"):
            policy = policy.replace(name, longest)
        return len(policy)

    for applied in (bootstrap, dev):
        for policy in applied.resources("aws_iam_policy").values():
            assert size(policy["policy"]) <= 6144, policy["name"]
        inline: dict[str, int] = defaultdict(int)
        for policy in applied.resources("aws_iam_role_policy").values():
            inline[policy["role"]] += size(policy["policy"])
        assert {role: total for role, total in inline.items() if total > 10240} == {}
        for role in applied.resources("aws_iam_role").values():
            assert size(role["assume_role_policy"]) <= 2048, role["name"]
