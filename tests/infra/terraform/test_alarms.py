"""Every alarm is raised by what it is for, and ends when that ends."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.events.models import EventPattern

from tests.infra.terraform.conftest import Environment
from tests.infra.terraform.harness import planned

SERIES = yaml.safe_load(Path(__file__).with_name("alarms.yml").read_text("utf-8"))
OPERATORS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}
# CloudWatch looks at more periods than it evaluates; how many more it does not say.
MORE = 2
SILENCE = (None,) * 20
# Where a value must come, and its lack is an alarm.
TELLS_OF_SILENCE = {
    *("landing-lag", "consumer-lag", "connector-down", "warehouse-down"),
    *("streaming-view-errors", "streaming-view-stopped", "streaming-view-stale"),
    *("archive-overdue", "quarantine-growth", "schema-drift", "stale-marts"),
}
Values = Sequence[float | None]


def alarms(environments: dict[str, Environment]) -> dict[str, dict[str, Any]]:
    """All of dev's and prod's, whose warehouses are of two kinds, by name."""
    return {
        resource["values"]["alarm_name"]: resource["values"]
        for name in ("dev", "prod")
        for resource in planned(environments[name].plan)
        if resource["type"] == "aws_cloudwatch_metric_alarm"
    }


def page(alarm: dict[str, Any]) -> str:
    return str(alarm["alarm_description"]).rpartition("#")[2]


def states(alarm: dict[str, Any], values: Values) -> list[str]:
    """The alarm's state after each value.

    Amazon CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data": where
    enough of what it looks at is there, the newest of that count; else what is missing is filled
    up as the alarm says, or left out (`missing`).
    """
    number, enough = alarm["evaluation_periods"], alarm["datapoints_to_alarm"]
    breaches = OPERATORS[alarm["comparison_operator"]]
    missing = alarm["treat_missing_data"]
    found, state = [], "OK"
    for end in range(1, len(values) + 1):
        # Before the first of the series all was well.
        looked_at = [*(False,) * (number + MORE), *values[:end]][-number - MORE :]
        there = [
            value if isinstance(value, bool) else breaches(value, alarm["threshold"])
            for value in looked_at
            if value is not None
        ][-number:]
        lacking = number - len(there)
        if missing in ("breaching", "notBreaching"):
            there = [missing == "breaching"] * lacking + there
            lacking = 0
        if not there:
            state = "INSUFFICIENT_DATA"
        else:
            state = "ALARM" if sum(there) >= enough - lacking else "OK"
        found.append(state)
    return found


def unlike_its_series(alarm: dict[str, Any]) -> bool:
    """Whether the alarm is of another metric, or not raised just where its page's series says.

    Or whether it keeps silent with its metric, or speaks though nothing must come.
    """
    series = SERIES.get(page(alarm), {"of": [], "values": [], "raised": []})
    metric = "{namespace} {metric_name} {statistic} {period}".format_map(alarm)
    if metric not in series["of"]:
        return True
    after = states(alarm, series["values"])
    raised = [at for at, state in enumerate(after) if state == "ALARM"]
    silent = (states(alarm, SILENCE)[-1] == "ALARM") != (page(alarm) in TELLS_OF_SILENCE)
    return silent or not raised or raised != series["raised"] or after[-1] != "OK"


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
