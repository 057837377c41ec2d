"""Every alarm is raised by what it is for, and ends when that ends."""

from __future__ import annotations

import re
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.infra.terraform.alarms import SERIES, alarms, page, unlike_its_series
from tests.infra.terraform.conftest import Environment
from tests.infra.terraform.harness import planned


def test_every_alarm_is_raised_and_ends(environments: dict[str, Environment]) -> None:
    found = alarms(environments)
    assert {page(alarm) for alarm in found.values()} == set(SERIES)
    assert [name for name, alarm in found.items() if unlike_its_series(alarm)] == []


@pytest.mark.parametrize(
    ("change", "matched"),
    [
        ({}, True),
        ({"containers": {"exitCode": 3}}, True),
        ({"containers": {"exitCode": 0}}, False),
        ({"containers": {}, "stopCode": "TaskFailedToStart"}, True),
        ({"lastStatus": "RUNNING", "containers": {}}, False),
        ({"startedBy": "delivery"}, False),
        ({"startedBy": "AWS Step Functions"}, False),
        ({"clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/other"}, False),
    ],
    ids=["failed", "attention", "done", "no image", "running", "by hand", "a run", "elsewhere"],
)
def test_a_failed_task_is_noticed(
    environments: dict[str, Environment], change: dict[str, Any], matched: bool
) -> None:
    """Whichever task: the rule knows none of their names."""
    [rule] = [
        resource["values"]
        for resource in planned(environments["dev"].plan)
        if resource["type"] == "aws_cloudwatch_event_rule"
        and resource.get("index") == "task-failed"
    ]
    detail = {
        "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/retail-lakehouse-dev",
        "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "startedBy": "chronos-schedule/retail-lakehouse-dev-expire",
        # A list in the event; EventBridge matches a pattern with any of it.
        "containers": {"exitCode": 1},
    }
    event: Any = {
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "detail": detail | change,
    }
    assert not re.search("expire|compact|measure|archive", rule["event_pattern"])
    pattern = EventPattern.load(rule["event_pattern"])
    assert pattern.matches_event(event) is matched
