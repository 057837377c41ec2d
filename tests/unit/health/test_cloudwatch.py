"""What is sent to CloudWatch, against botocore's stub, which checks every request."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ingestion.errors import TransientError
from ingestion.metrics import Metrics, open_metrics
from ingestion.settings import Settings


def cloudwatch() -> Any:
    return boto3.client(
        "cloudwatch",
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def datum(name: str, value: float, unit: str) -> dict[str, object]:
    dimensions = [{"Name": "Environment", "Value": "dev"}, {"Name": "Job", "Value": "orders"}]
    return {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}


def test_values_go_to_the_namespace_with_their_dimensions() -> None:
    client = cloudwatch()
    with Stubber(client) as stub:
        data = [
            datum("ConsumerLagRecords", 3.0, "Count"),
            datum("LandingLagSeconds", 1.5, "Seconds"),
        ]
        stub.add_response("put_metric_data", {}, {"Namespace": "Shop", "MetricData": data})
        Metrics(client, "Shop", "dev").put(
            {"ConsumerLagRecords": 3, "LandingLagSeconds": 1.5}, Job="orders"
        )
        stub.assert_no_pending_responses()


def test_a_refusal_says_what_is_needed() -> None:
    client = cloudwatch()
    with Stubber(client) as stub:
        stub.add_client_error("put_metric_data", "AccessDenied")
        with pytest.raises(TransientError, match="cloudwatch:PutMetricData for the namespace Shop"):
            Metrics(client, "Shop", "dev").put({"LostOffsets": 1})


def test_one_machine_has_no_cloudwatch() -> None:
    settings = Settings.from_environment({})
    assert open_metrics(settings) is None
    there = settings.model_copy(update={"metrics_namespace": "Shop", "aws_region": "eu-central-1"})
    assert isinstance(open_metrics(there), Metrics)
