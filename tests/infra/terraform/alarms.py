"""What CloudWatch makes of an alarm's values, and which values each alarm is for."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

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
    *("landing-lag", "consumer-lag", "connector-down", "warehouse-down", "configuration-drift"),
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
