"""Before an apply: whether account and region have room for what a plan makes.

An apply that meets a quota stops half-way. And whether CloudTrail hears what a rule is to tell of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.delivery.environment import DeliveryError, Finding


@dataclass(frozen=True)
class Quota:
    """A quota of Service Quotas that counts resources of one type in a region."""

    kind: str
    service: str
    code: str
    call: str
    """The operation of EC2 that lists what is there already."""
    listed: str


# What else a plan of ours comes near to, tests hold: sizes of policies, whatever the names.
QUOTAS = (
    Quota("aws_vpc", "vpc", "L-F678F1CE", "describe_vpcs", "Vpcs"),
    Quota("aws_eip", "ec2", "L-0263D0A3", "describe_addresses", "Addresses"),
    Quota(
        "aws_internet_gateway",
        "vpc",
        "L-A4707A72",
        "describe_internet_gateways",
        "InternetGateways",
    ),
)


def check(plan: Path, connect: Callable[[str, str | None], Any]) -> Iterator[Finding]:
    """What `plan` (the file of `terraform show -json`) makes, against account and region.

    `connect` makes a client of a service in a region: the plan's variable `region`.

    Raises:
        DeliveryError: the file is no plan.
    """
    try:
        content = json.loads(plan.read_text(encoding="utf-8"))
        changes, variables = content["resource_changes"], content.get("variables", {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeliveryError(
            f"{plan} is not what `terraform show -json <plan>` prints: {error}"
        ) from error
    made = [
        (change["type"], change["change"]["after"])
        for change in changes
        if change["change"]["actions"] == ["create"] and change["mode"] == "managed"
    ]
    region = variables.get("region", {}).get("value")
    for quota in QUOTAS:
        if wanted := sum(kind == quota.kind for kind, _ in made):
            yield _room(quota, wanted, lambda service: connect(service, region))
    if any("via CloudTrail" in (values.get("event_pattern") or "") for _, values in made):
        yield _trail(connect("cloudtrail", region))
    endpoints = {values.get("service_name") for kind, values in made if kind == "aws_vpc_endpoint"}
    if endpoints:
        calls = connect("ec2", region).get_paginator("describe_vpc_endpoint_services")
        known = {name for page in calls.paginate() for name in page["ServiceNames"]}
        for name in sorted(endpoints - {None}):
            lacking = "the region has none: name it in network.unavailable_endpoints"
            yield Finding(f"endpoint {name}", "" if name in known else lacking)


def _trail(cloudtrail: Any) -> Finding:
    """Without one EventBridge hears of no call (its User Guide, "Events from AWS services")."""
    trails = [trail["TrailARN"] for trail in cloudtrail.describe_trails()["trailList"]]
    logging = [arn for arn in trails if cloudtrail.get_trail_status(Name=arn)["IsLogging"]]
    if logging:
        return Finding(f"CloudTrail: {logging[0].rpartition('/')[2]}")
    wrong = (
        "no trail of this account, or of its organization, logs the region's calls: make one, with"
        " all management events, or nobody is told when the role break-glass is taken"
    )
    return Finding("CloudTrail", wrong)


def _room(quota: Quota, wanted: int, connect: Callable[[str], Any]) -> Finding:
    quotas = connect("service-quotas")
    named = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    try:
        # Without a value of its own the account has AWS's (Service Quotas API, GetServiceQuota).
        found = quotas.get_service_quota(**named)["Quota"]
    except quotas.exceptions.NoSuchResourceException:
        found = quotas.get_aws_default_service_quota(**named)["Quota"]
    used = len(getattr(connect("ec2"), quota.call)()[quota.listed])
    allowed = int(found["Value"])
    said = f"{found['QuotaName']}: {wanted} more, {used} of {allowed} in use"
    if used + wanted <= allowed:
        return Finding(said)
    more = (
        f"request {used + wanted} (Service Quotas, {quota.service}, {quota.code}), or remove some"
    )
    return Finding(said, more)
