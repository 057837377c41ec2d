"""Whether the account has room: quotas, what is there already, the region's endpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lakehouse.delivery.__main__ import main
from lakehouse.delivery.preflight import check
from tests.infra.workflows.cloud import CREDENTIALS, REGION, Cloud


@pytest.fixture(autouse=True)
def _signed_in(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": cloud.endpoint}.items():
        # The region is the plan's.
        monkeypatch.setenv(name, "us-west-2" if value == REGION else value)


def plan_of(folder: Path, *changes: tuple[str, str, dict[str, Any] | None]) -> Path:
    """The file of `terraform show -json`: type, action and values of what changes."""
    path = folder / "plan.json"
    found = [
        {"mode": "managed", "type": kind, "change": {"actions": [action], "after": after}}
        for kind, action, after in changes
    ]
    variables = {"region": {"value": REGION}}
    path.write_text(json.dumps({"resource_changes": found, "variables": variables}))
    return path


def test_a_quota_is_compared_with_what_is_there_and_what_is_made(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_of(
        tmp_path,
        ("aws_vpc", "create", {}),
        ("aws_internet_gateway", "no-op", {}),
        ("aws_vpc", "delete", None),
    )
    ec2 = cloud.client("ec2")
    while len(ec2.describe_vpcs()["Vpcs"]) < 4:
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
    assert main(["preflight", str(plan)]) == 0
    assert capsys.readouterr().out == "VPCs per Region: 1 more, 4 of 5 in use: right\n"

    ec2.create_vpc(CidrBlock="10.0.0.0/16")
    assert main(["preflight", str(plan)]) == 1
    assert "5 of 5 in use: request 6 (Service Quotas, vpc, L-F678F1CE)" in capsys.readouterr().out


def test_an_endpoint_that_the_region_lacks_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"com.amazonaws.{REGION}"
    services = [{"service_name": f"{name}.logs"}, {"service_name": f"{name}.of-nobody"}]
    plan = plan_of(tmp_path, *(("aws_vpc_endpoint", "create", each) for each in services))
    assert main(["preflight", str(plan)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"endpoint {name}.logs: right"
    assert said[1].startswith(f"endpoint {name}.of-nobody: the region has none: name it in network")


def test_a_quota_that_nobody_has_raised_is_awss(tmp_path: Path) -> None:
    quotas = boto3.client("service-quotas", region_name=REGION)
    asked = {"ServiceCode": "ec2", "QuotaCode": "L-0263D0A3"}
    value = {"Quota": {**asked, "QuotaName": "EC2-VPC Elastic IPs", "Value": 5.0}}
    clients = {"service-quotas": quotas, "ec2": boto3.client("ec2", region_name=REGION)}
    with Stubber(quotas) as stub, Stubber(clients["ec2"]) as others:
        stub.add_client_error("get_service_quota", "NoSuchResourceException", expected_params=asked)
        stub.add_response("get_aws_default_service_quota", value, asked)
        others.add_response("describe_addresses", {"Addresses": [{}, {}, {}]})
        plan = plan_of(tmp_path, *(("aws_eip", "create", {}) for _ in range(3)))
        [finding] = check(plan, lambda service, _region: clients[service])
    assert finding.subject == "EC2-VPC Elastic IPs: 3 more, 3 of 5 in use"
    assert finding.wrong.startswith("request 6 ")


def test_a_trail_that_logs_is_asked_for_where_a_rule_hears_of_calls(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = json.dumps({"detail-type": ["AWS API Call via CloudTrail"]})
    plan = plan_of(tmp_path, ("aws_cloudwatch_event_rule", "create", {"event_pattern": pattern}))
    cloud.client("s3").create_bucket(
        Bucket="trail", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    trails = cloud.client("cloudtrail")
    trails.create_trail(Name="all", S3BucketName="trail")
    assert main(["preflight", str(plan)]) == 1
    assert "logs the region's calls: make one" in capsys.readouterr().out

    trails.start_logging(Name="all")
    assert main(["preflight", str(plan)]) == 0
    assert capsys.readouterr().out == "CloudTrail: all: right\n"


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_what_is_no_plan_is_refused(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.bin").write_text(content)
    assert main(["preflight", str(tmp_path / "plan.bin")]) == 1
    assert "plan.bin is not what `terraform show -json <plan>` prints" in capsys.readouterr().err
