"""Before an apply: whether account and region have room for what a plan makes.

An apply that meets a quota stops half-way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
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


def check(plan: Path, client: Callable[[str], Any]) -> Iterator[Finding]:
    """What `plan` (the file of `terraform show -json`) makes, against account and region.

    Raises:
        DeliveryError: the file is no plan.
    """
    made = _made(plan)
    for quota in QUOTAS:
        wanted = sum(kind == quota.kind for kind, _ in made)
        if wanted:
            yield _room(quota, wanted, client)
    endpoints = {
        str(values.get("service_name")) for kind, values in made if kind == "aws_vpc_endpoint"
    }
    if endpoints:
        pages = client("ec2").get_paginator("describe_vpc_endpoint_services").paginate()
        known = {name for page in pages for name in page["ServiceNames"]}
        for name in sorted(endpoints):
            wrong = (
                ""
                if name in known
                else "the region has none: name it in network.unavailable_endpoints"
            )
            yield Finding(f"endpoint {name}", wrong)


def _made(plan: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        changes = json.loads(plan.read_text(encoding="utf-8"))["resource_changes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeliveryError(
            f"{plan} is not what `terraform show -json <plan>` prints: {error}"
        ) from error
    return [
        (change["type"], change["change"]["after"])
        for change in changes
        if change["change"]["actions"] == ["create"] and change.get("mode") == "managed"
    ]


def _room(quota: Quota, wanted: int, client: Callable[[str], Any]) -> Finding:
    quotas = client("service-quotas")
    named = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    try:
        # Without a value of its own the account has AWS's (Service Quotas API, GetServiceQuota).
        found = quotas.get_service_quota(**named)["Quota"]
    except quotas.exceptions.NoSuchResourceException:
        found = quotas.get_aws_default_service_quota(**named)["Quota"]
    used = len(getattr(client("ec2"), quota.call)()[quota.listed])
    allowed = int(found["Value"])
    said = f"{found['QuotaName']}: {wanted} more, {used} of {allowed} in use"
    if used + wanted <= allowed:
        return Finding(said)
    more = (
        f"request {used + wanted} (Service Quotas, {quota.service}, {quota.code}), or remove some"
    )
    return Finding(said, more)
