"""The project's own metrics, put into CloudWatch; infra/terraform/modules/monitoring watches them.

docs/runbooks/operations.md says what each metric means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingestion.errors import TransientError
from ingestion.settings import Settings


class Metrics:
    """Where an environment's metrics go: a namespace, and a dimension for the environment."""

    def __init__(self, client: Any, namespace: str, environment: str) -> None:
        self._client = client
        self._namespace = namespace
        self._environment = environment

    def put(self, values: Mapping[str, float], **dimensions: str) -> None:
        """Put one value for each metric, now, with `dimensions` besides the environment.

        Raises:
            TransientError: CloudWatch does not take them; the message says why.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        named = {"Environment": self._environment, **dimensions}
        try:
            self._client.put_metric_data(
                Namespace=self._namespace,
                MetricData=[
                    {
                        "MetricName": name,
                        "Dimensions": [{"Name": k, "Value": v} for k, v in named.items()],
                        "Value": float(value),
                        "Unit": "Seconds" if "Seconds" in name else "Count",
                    }
                    for name, value in values.items()
                ],
            )
        except (BotoCoreError, ClientError) as error:
            raise TransientError(
                f"CloudWatch does not take the metrics {', '.join(values)}: {error}. The role "
                f"needs cloudwatch:PutMetricData for the namespace {self._namespace}."
            ) from error


def open_metrics(settings: Settings) -> Metrics | None:
    """The metrics of the environment, None where there is no CloudWatch (one machine)."""
    if not settings.metrics_namespace:
        return None
    import boto3

    client = boto3.client("cloudwatch", region_name=settings.aws_region)
    return Metrics(client, settings.metrics_namespace, settings.environment)
