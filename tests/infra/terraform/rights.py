"""Who may do what: the policies as they were applied, and what iam-simulate decides by them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.infra.terraform import aws, harness
from tests.infra.terraform.calls import HERE, Call
from tests.infra.terraform.conftest import Applied, missing
from tests.infra.terraform.policies import listed

Document = dict[str, Any]
Values = Mapping[str, Any]
PREFIX = "retail-lakehouse-dev-"
ROLE = f"arn:aws:iam::{aws.ACCOUNT}:role/"
# Every request travels so, and comes from this account.
ALWAYS = {
    "aws:SecureTransport": "true",
    "s3:TlsVersion": "1.3",
    "aws:PrincipalAccount": aws.ACCOUNT,
    "aws:SourceAccount": aws.ACCOUNT,
}
# The value of a condition key that a service does not send.
UNKNOWN = "-"
TABLE = Path(__file__).with_name("services.yml")


@dataclass(frozen=True)
class Decision:
    """Of one call: "Allowed" or why not, and the statements that allow it."""

    call: Call
    result: str
    used: frozenset[str]


@dataclass(frozen=True)
class Policies:
    """All that decides in an environment: of roles by name, of resources by ARN."""

    identity: dict[str, list[Document]]
    boundary: dict[str, Document]
    resource: dict[str, Document]
    aliases: dict[str, str]

    @classmethod
    def of(cls, roots: Iterable[Applied], managed: Mapping[str, Document]) -> Policies:
        """As the roots were applied; `managed` are AWS's own policies by ARN."""
        found = cls({}, {}, {}, {})
        known = dict(managed)
        for root in roots:
            known |= {
                policy["arn"]: json.loads(policy["policy"])
                for policy in root.resources("aws_iam_policy").values()
            }
        for root in roots:
            for role in root.resources("aws_iam_role").values():
                name = role["name"].removeprefix(PREFIX)
                found.identity.setdefault(name, [])
                found.resource[ROLE + role["name"]] = json.loads(role["assume_role_policy"])
                if role["permissions_boundary"]:
                    found.boundary[name] = known[role["permissions_boundary"]]
            for policy in root.resources("aws_iam_role_policy").values():
                # Of a role that is only planned the policy's name is known, which is the role's.
                name = policy.get("role", policy["name"]).removeprefix(PREFIX)
                found.identity[name].append(json.loads(policy["policy"]))
            for attached in root.resources("aws_iam_role_policy_attachment").values():
                name = attached["role"].removeprefix(PREFIX)
                found.identity[name].append(known[attached["policy_arn"]])
            found.resource.update(_of_resources(root))
            for alias in root.resources("aws_kms_alias").values():
                found.aliases[alias["target_key_arn"]] = alias["name"]
        return found

    def question(self, call: Call) -> dict[str, Any]:
        """The call with what bears on it, as decide.mjs reads it."""
        role = call.who in self.identity
        context: dict[str, Any] = ALWAYS | dict(call.context)
        context = {key: value for key, value in context.items() if value != UNKNOWN}
        if alias := self.aliases.get(call.resource):
            context["kms:ResourceAliases"] = [alias]
        target = call.resource.removeprefix(ROLE + PREFIX)
        if call.action in ("iam:PutRolePolicy", "iam:DeleteRolePolicy") and target in self.boundary:
            # The condition looks at the boundary that the role has.
            context["iam:PermissionsBoundary"] = (
                f"arn:aws:iam::{aws.ACCOUNT}:policy/{PREFIX}boundary"
            )
        asked: dict[str, Any] = {
            "principal": call.who,
            "action": call.action,
            "resource": call.resource,
            "context": context,
            "account": next(iter(re.findall(r"\d{12}", call.resource)), aws.ACCOUNT),
        }
        if role:
            named = f"arn:aws:sts::{aws.ACCOUNT}:assumed-role/{PREFIX}{call.who}/x"
            asked["principal"] = named
            context["aws:PrincipalArn"] = f"{ROLE}{PREFIX}{call.who}"
            policies = enumerate(self.identity[call.who])
            asked["identityPolicies"] = [{"name": str(n), "policy": p} for n, p in policies]
            if call.who in self.boundary:
                limit = {"name": "boundary", "policy": self.boundary[call.who]}
                asked["permissionBoundaryPolicies"] = [limit]
        # The policy of an object is its bucket's.
        owner = call.resource.partition("/")[0] if ":s3:::" in call.resource else call.resource
        if owner in self.resource and not call.action.startswith("iam:"):
            asked["resourcePolicy"] = self.resource[owner]
        return asked

    def decide(self, calls: Iterable[Call]) -> list[Decision]:
        """What is decided of each call."""
        asked = sorted(calls)
        answers = _simulated([self.question(call) for call in asked])
        return [
            Decision(call, answer["result"], frozenset(answer["used"]))
            for call, answer in zip(asked, answers, strict=True)
        ]


def _of_resources(root: Applied) -> Iterable[tuple[str, Document]]:
    named = {
        "aws_s3_bucket_policy": "arn:aws:s3:::{bucket}",
        "aws_kms_key": "{arn}",
        "aws_secretsmanager_secret_policy": "{secret_arn}",
        "aws_sns_topic_policy": "{arn}",
    }
    for kind, arn in named.items():
        for values in root.resources(kind).values():
            yield arn.format_map(values), json.loads(values["policy"])
    for values in root.resources("aws_sqs_queue_policy").values():
        document = json.loads(values["policy"])
        yield document["Statement"][0]["Resource"], document


def tabled(dev: Applied, *others: Applied) -> dict[str, list[Call]]:
    """The calls of services.yml by the type of resource, or the reason, for which they are made."""
    facts = _facts(dev, others)

    def calls(row: Values) -> Iterator[Call]:
        context = {key: value.format(**facts) for key, value in row.get("with", {}).items()}
        context |= dict.fromkeys(row.get("lacks", ()), UNKNOWN)
        for who in listed(row["who"]):
            for action in row["does"]:
                for resource in row["at"]:
                    named = resource.format(**facts)
                    yield Call(who, action, named, tuple(sorted(context.items())))

    table: dict[str, list[dict[str, Any]]] = yaml.safe_load(TABLE.read_text("utf-8"))
    return {kind: [call for row in rows for call in calls(row)] for kind, rows in table.items()}


def _facts(dev: Applied, others: Iterable[Applied]) -> dict[str, Any]:
    """What stands for the names in braces of services.yml."""
    roots = (dev, *others)

    def named(kind: str, name: str, value: str, cut: str) -> dict[str, str]:
        found = (values for root in roots for values in root.resources(kind).values())
        return {values[name].removeprefix(cut): values[value] for values in found}

    def one(kind: str, value: str) -> str:
        return str(next(iter(dev.resources(kind).values()))[value])

    cluster = one("aws_msk_cluster", "arn")
    buckets = named("aws_s3_bucket", "bucket", "arn", PREFIX)
    return {
        "here": HERE,
        "name": PREFIX.removesuffix("-"),
        "catalog": PREFIX.removesuffix("-").replace("-", "_"),
        "role": ROLE + PREFIX,
        "services": f"{ROLE}aws-service-role/",
        "bucket": {zone.rpartition("-")[0]: arn for zone, arn in buckets.items()},
        "key": named("aws_kms_alias", "name", "target_key_arn", f"alias/{PREFIX}"),
        "secret": named("aws_secretsmanager_secret", "name", "arn", "retail-lakehouse-dev/"),
        "group": named("aws_security_group", "name", "id", PREFIX),
        "kafka": {
            kind: cluster.replace(":cluster/", f":{kind}/")
            for kind in ("cluster", "topic", "group")
        },
        "vpc": one("aws_vpc", "id"),
        "subnet": next(
            subnet["id"]
            for subnet in dev.resources("aws_subnet").values()
            if "-private-" in subnet["tags"]["Name"]
        ),
        "workgroup": one("aws_redshiftserverless_workgroup", "arn"),
        "namespace": one("aws_redshiftserverless_namespace", "arn"),
        "administrator": one("aws_redshiftserverless_namespace", "admin_password_secret_arn"),
        "history": "schema-history.retail",
    }


def _simulated(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    modules = harness.PROJECT / ".venv" / "iam-simulate" / "node_modules"
    if not modules.is_dir():
        missing("iam-simulate is not installed: make -f infra/infra.mk tools")
    done = subprocess.run(
        ["node", Path(__file__).with_name("decide.mjs"), modules],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers
