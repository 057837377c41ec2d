"""Rights suffice, and no more: each call that is recorded or tabled is allowed, each right is used.

iam-simulate decides: what the boundary and the role's policies allow, less what is denied, with the
policies of keys, buckets, secrets and topics.
"""

from __future__ import annotations

import copy
import dataclasses
import fnmatch
import json
import re
from collections.abc import Callable, Iterable

import pytest

from tests.infra.terraform import harness
from tests.infra.terraform.calls import Call
from tests.infra.terraform.conftest import Applied
from tests.infra.terraform.policies import Statement, listed
from tests.infra.terraform.rights import Decision, Document, Policies, tabled

PROTECTION = "KeepWhatHoldsData"


@pytest.fixture(scope="module")
def tables(dev: Applied, bootstrap: Applied, replica: Applied) -> dict[str, list[Call]]:
    return tabled(dev, bootstrap, replica)


@pytest.fixture(scope="module")
def table(tables: dict[str, list[Call]]) -> dict[str, list[Call]]:
    """What is asked."""
    return {kind: calls for kind, calls in tables.items() if kind != "nobody"}


@pytest.fixture(scope="module")
def recorded(calls: set[Call], policies: Policies, destroyed: None) -> set[Call]:
    """What Terraform was seen to ask as one of the two roles: plans, apply, destroy."""
    found = {call for call in calls if call.who in policies.identity}
    assert len(found) > 500
    return found


@pytest.fixture(scope="module")
def everything(recorded: set[Call], table: dict[str, list[Call]]) -> set[Call]:
    return recorded.union(*table.values())


def without(policies: Policies, role: str, sid: str, *actions: str) -> Policies:
    """The policies less a statement of a role, or less some of its actions."""
    changed = copy.deepcopy(policies)
    for document in changed.identity[role]:
        for statement in [s for s in document["Statement"] if s.get("Sid") == sid]:
            statement["Action"] = [a for a in listed(statement["Action"]) if a not in actions]
            if not actions or not statement["Action"]:
                document["Statement"].remove(statement)
    assert changed != policies, f"{role} has no {sid} {actions}"
    return changed


@pytest.fixture(scope="module")
def decided(policies: Policies, everything: set[Call]) -> list[Decision]:
    """Of an environment that is not protected: a destroy is of no other."""
    return without(policies, "terraform-apply", PROTECTION).decide(everything)


def refused(decisions: Iterable[Decision]) -> set[tuple[str, str, str]]:
    """Who is refused what, and how."""
    return {(d.call.who, d.call.action, d.result) for d in decisions if d.result != "Allowed"}


def test_what_is_asked_is_allowed(decided: list[Decision]) -> None:
    assert [decision for decision in decided if decision.result != "Allowed"] == []


def test_protection_refuses_to_delete_what_holds_data_and_nothing_else(
    policies: Policies, recorded: set[Call]
) -> None:
    applying = [call for call in recorded if call.who == "terraform-apply"]
    assert refused(policies.decide(applying)) == {
        ("terraform-apply", action, "ExplicitlyDenied")
        for action in (
            *("kafka:DeleteCluster", "kms:ScheduleKeyDeletion", "secretsmanager:DeleteSecret"),
            "glue:DeleteDatabase",
            *("redshift-serverless:DeleteNamespace", "redshift-serverless:DeleteWorkgroup"),
            *("s3:DeleteBucket", "s3:DeleteObjectVersion"),
        )
    }


def test_every_type_of_resource_has_its_row(dev: Applied, table: dict[str, list[Call]]) -> None:
    files = [*harness.SOURCE.glob("*.tf"), *harness.SOURCE.glob("[mbr]*/**/*.tf")]
    sources = (path.read_text() for path in files)
    types = {kind for text in sources for kind in re.findall(r'^resource "(\w+)"', text, re.M)}
    assert {kind for kind in table if re.match(r"(aws|terraform)_", kind)} == types
    unseen = {kind for kind in types if not dev.resources(kind)}
    planned = {kind for kind in unseen if any(c.who == "terraform-plan" for c in table[kind])}
    # bootstrap's and the replica's own, and what nothing makes: `lakehouse connector deploy`
    # makes the connector.
    assert unseen - planned == {
        *("aws_iam_openid_connect_provider", "aws_iam_policy", "aws_iam_role_policy_attachment"),
        *("aws_glue_catalog_table_optimizer", "aws_mskconnect_connector"),
        *("aws_s3_bucket_object_lock_configuration", "aws_secretsmanager_secret_rotation"),
    }


# Faults of the first review, each put back by a change of the policies: who is then refused what.
FAULTS: dict[str, tuple[Callable[[Policies], Policies], set[tuple[str, str]]]] = {
    "F4 protection denies an apply to version its buckets": (
        lambda p: denying(p, "terraform-apply", PROTECTION, "s3:PutBucketVersioning"),
        {("terraform-apply", "s3:PutBucketVersioning")},
    ),
    "F6 a plan may not read connections nor use the catalog's key": (
        lambda p: without(
            without(p, "terraform-plan", "ReadOthers", "glue:GetConnection"),
            *("terraform-plan", "DataKey"),
        ),
        {("terraform-plan", "glue:GetConnection"), ("terraform-plan", "kms:Decrypt")},
    ),
    "F9 Redshift only reads the catalog": (
        lambda p: without(
            without(p, "redshift", "DefineLandingTables"),
            *("redshift", "DataKey", "kms:Encrypt", "kms:GenerateDataKey"),
        ),
        {
            ("redshift", action)
            for action in (
                *("glue:CreateTable", "glue:DeleteTable", "glue:BatchCreatePartition"),
                *("kms:Encrypt", "kms:GenerateDataKey"),
            )
        },
    ),
    "F12 Scheduler may not use the key of the schedules": (
        lambda p: without(p, "scheduler", "DataKey"),
        {("scheduler", "kms:Decrypt")},
    ),
    "F13 tasks are not tagged as they start": (
        lambda p: without(without(p, "runner", "TagTasks"), "scheduler", "TagTasks"),
        {("runner", "ecs:TagResource"), ("scheduler", "ecs:TagResource")},
    ),
    "F16 the first connector makes no service-linked role": (
        lambda p: without(p, "operations", "ServiceLinkedRole"),
        {("operations", "iam:CreateServiceLinkedRole")},
    ),
}


def denying(policies: Policies, role: str, sid: str, action: str) -> Policies:
    """The policies with one action more in a statement that denies."""
    changed = copy.deepcopy(policies)
    for document in changed.identity[role]:
        for statement in document["Statement"]:
            if statement.get("Sid") == sid:
                statement["Action"].append(action)
    return changed


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_put_back_is_found(policies: Policies, everything: set[Call], name: str) -> None:
    change, expected = FAULTS[name]
    roles = {role for role, _ in expected}
    asked = [call for call in everything if call.who in roles]
    before = refused(policies.decide(asked))
    found = {(who, action) for who, action, _ in refused(change(policies).decide(asked)) - before}
    assert found == expected


# --------------------------------------------------------------------------------- and no more

# prod's warehouse is a cluster, dev's a workgroup.
OF_A_CLUSTER = {"redshift:DescribeClusters", "redshift:GetClusterCredentialsWithIAM"}


def allows(statement: Statement) -> bool:
    return bool(statement["Effect"] == "Allow")


def test_every_statement_is_used(policies: Policies, decided: list[Decision]) -> None:
    """By each something that is asked is allowed; those of AWS's own policy have no Sid."""
    used = {(decision.call.who, sid) for decision in decided for sid in decision.used}
    granted = {
        (role, statement["Sid"])
        for role, documents in policies.identity.items()
        for document in documents
        for statement in document["Statement"]
        if allows(statement) and "Sid" in statement
    }
    assert granted - used == set()


def test_every_action_is_used(policies: Policies, everything: set[Call]) -> None:
    asked: dict[str, set[str]] = {}
    for call in everything:
        asked.setdefault(call.who, set()).add(call.action)
    unused = {
        (role, action)
        for role, documents in policies.identity.items()
        for document in documents
        for statement in document["Statement"]
        if allows(statement) and "Sid" in statement
        for action in listed(statement["Action"])
        if not fnmatch.filter(asked.get(role, set()), action)
    }
    assert unused == set()


def test_the_boundary_is_no_wider_than_its_roles(policies: Policies, everything: set[Call]) -> None:
    """Each of its actions, wildcards too, is one that a role within it asks for."""
    [boundary] = {json.dumps(document) for document in policies.boundary.values()}
    asked = {call.action for call in everything if call.who in policies.boundary}
    unused = {
        action
        for statement in json.loads(boundary)["Statement"]
        for action in listed(statement["Action"])
        if not fnmatch.filter(asked, action)
    }
    assert unused == OF_A_CLUSTER


def test_nobody_may_do_what_nobody_needs(policies: Policies, tables: dict[str, list[Call]]) -> None:
    """Neighbours of what is allowed: of every kind of resource, principal and condition."""
    decisions = policies.decide(set(tables["nobody"]))
    assert len(decisions) > 400
    assert [d for d in decisions if not d.result.endswith("lyDenied")] == []


def test_the_boundary_keeps_what_a_policy_would_give_away(
    policies: Policies, tables: dict[str, list[Call]]
) -> None:
    """Were a role's own policy "*": what it then could do to what is not its environment's."""
    everything = {"Version": "2012-10-17", "Statement": [ALL]}
    identity = {role: [everything] for role in policies.boundary}
    open_policies = dataclasses.replace(policies, identity=policies.identity | identity)
    asked = [call for call in tables["nobody"] if call.who == "operations"]
    allowed = {d.call for d in open_policies.decide(asked) if d.result == "Allowed"}
    assert {call.action for call in allowed} == WITHIN_THE_ENVIRONMENT
    assert [call for call in allowed if ":s3:::" in call.resource and STATE in call.resource] == []


STATE = "-dev-terraform-"
ALL = {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}
# The boundary goes by name and service: inside the environment the role's own policy decides.
WITHIN_THE_ENVIRONMENT = {
    *("cloudwatch:PutMetricData", "ecs:RunTask", "ecs:TagResource", "iam:PassRole"),
    *("glue:BatchDeletePartition", "glue:DeletePartition", "glue:UpdateTable"),
    *("kafka-cluster:CreateTopic", "kafka-cluster:DeleteTopic"),
    *("kafka-cluster:ReadData", "kafka-cluster:WriteData"),
    *("logs:GetLogEvents", "redshift-serverless:GetCredentials"),
    *("s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
}


def test_no_role_may_do_what_only_another_needs(
    policies: Policies, table: dict[str, list[Call]]
) -> None:
    """Every tabled request, made by every other role that has its action; bootstrap's aside."""
    needed = set().union(*table.values())
    own = {(call.who, call.action, call.resource) for call in needed}
    asked = {call for call in needed if call.who in policies.identity}
    others = {
        dataclasses.replace(call, who=role)
        for role, documents in policies.identity.items()
        if role in policies.boundary
        for call in asked
        if (role, call.action, call.resource) not in own and named(documents, call.action)
    }
    assert len(others) > 100
    allowed = {
        (d.call.who, d.call.action.partition(":")[0], d.call.resource.rpartition("/")[2])
        for d in policies.decide(others)
        if d.result == "Allowed"
    }
    assert allowed == SHARED


def named(documents: Iterable[Document], action: str) -> bool:
    return any(
        fnmatch.fnmatchcase(action, like)
        for document in documents
        for statement in document["Statement"]
        if allows(statement)
        for like in listed(statement["Action"])
    )


# What one statement gives beside what the role needs.
SHARED = {
    ("batch", "glue", "retail_lakehouse_dev_landing"),  # a table's actions name its database too
    ("connector", "kafka-cluster", "retail.transaction"),  # which it writes, and landing reads
    ("deploy", "ecs", "retail-lakehouse-dev-operations:1"),  # families as the schedules run them
    ("operations", "kafka-cluster", "lakehouse-landing-x"),  # repairs move landing's groups
    ("operations", "kafka-cluster", "retail.transaction"),  # all declared topics are managed
    ("operations", "kafka-cluster", "schema-history.retail"),
    ("operations", "s3", "x"),  # landing's checkpoints
    # Redshift chooses the names of its consumer groups.
    *(
        ("redshift", "kafka-cluster", group)
        for group in (
            *("__amazon_msk_connect_x", "connect-x", "lakehouse-landing-x", "lakehouse-x"),
            "retail-schemahistory",
        )
    ),
}
