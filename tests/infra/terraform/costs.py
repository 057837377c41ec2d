"""What an environment costs a month: the resources of its plan times the prices of docs/cost.md."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

HOURS = 730
DAYS = HOURS / 24
DPUS = {"G.025X": 0.25, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8}

_PRICE = re.compile(r"^\| `([\w.-]+)` \| ([^|]+) \| ([\d.]+) \|$", re.M)


def prices(document: str) -> dict[str, float]:
    """Unit prices in US dollars by name, from the document's table."""
    return {name: float(price) for name, _, price in _PRICE.findall(document)}


def _planned(plan: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    modules = [plan["planned_values"]["root_module"]]
    for module in modules:
        for resource in module.get("resources", []):
            if resource["mode"] == "managed" and "values" in resource:
                yield resource["type"], resource["values"]
        modules.extend(module.get("child_modules", []))


def monthly(plan: Mapping[str, Any], price: Mapping[str, float]) -> dict[str, float]:
    """US dollars a month by part of the platform.

    Redshift Serverless counts with its daily limit, the most that it can cost. What depends on the
    amount of data (storage on S3, requests, logs, traffic) is not counted.
    """
    cost: defaultdict[str, float] = defaultdict(float)
    for kind, values in _planned(plan):
        if kind == "aws_msk_cluster":
            [group] = values["broker_node_group_info"]
            size = group["storage_info"][0]["ebs_storage_info"][0]["volume_size"]
            brokers = values["number_of_broker_nodes"]
            cost["Kafka brokers"] += brokers * HOURS * price[group["instance_type"]]
            cost["Kafka storage"] += brokers * size * price["msk-storage"]
        elif kind == "aws_mskconnect_worker_configuration":
            # One worker runs with it; the operation that makes the connector is no resource.
            cost["Debezium (1 MCU)"] += HOURS * price["msk-connect-mcu"]
        elif kind == "aws_glue_job" and values["command"][0]["name"] == "gluestreaming":
            units = DPUS[values["worker_type"]] * values["number_of_workers"]
            cost["Glue streaming"] += units * HOURS * price["glue-dpu"]
        elif kind == "aws_redshift_cluster":
            nodes = values["number_of_nodes"]
            cost["Redshift"] += nodes * HOURS * price[values["node_type"]]
        elif kind == "aws_redshiftserverless_usage_limit":
            cost["Redshift"] += values["amount"] * DAYS * price["redshift-rpu"]
        elif kind == "aws_nat_gateway":
            cost["NAT gateways"] += HOURS * price["nat-gateway"]
        elif kind == "aws_vpc_endpoint" and values["vpc_endpoint_type"] == "Interface":
            cost["Interface endpoints (3 zones)"] += 3 * HOURS * price["interface-endpoint"]
        elif kind == "aws_kms_key":
            cost["Keys"] += price["kms-key"]
    return dict(cost)


def table(plans: Mapping[str, Mapping[str, Any]], price: Mapping[str, float]) -> str:
    """The table of docs/cost.md."""
    costs = {name: monthly(plan, price) for name, plan in plans.items()}
    parts = sorted({part for cost in costs.values() for part in cost})
    lines = [f"| US dollars a month | {' | '.join(costs)} |", "|---" + "|---:" * len(costs) + "|"]
    for part in parts:
        amounts = " | ".join(f"{cost.get(part, 0):,.0f}" for cost in costs.values())
        lines.append(f"| {part} | {amounts} |")
    totals = " | ".join(f"**{sum(cost.values()):,.0f}**" for cost in costs.values())
    return "\n".join([*lines, f"| **sum** | {totals} |"])


def choices(plan: Mapping[str, Any], price: Mapping[str, float], partitions: int) -> str:
    """What the other kinds of warehouse and cluster would cost in a plan's place, as a table.

    Nodes and brokers are as many as planned, of the kind that AWS names as the successor
    (ra3.xlplus: rg.xlarge); a serverless cluster holds `partitions`.
    """
    cost = monthly(plan, price)
    [nodes] = [
        values["number_of_nodes"]
        for kind, values in _planned(plan)
        if kind == "aws_redshift_cluster"
    ]
    rpus = 8 * DAYS * price["redshift-rpu"]
    kafka = price["msk-serverless-cluster"] + partitions * price["msk-serverless-partition"]
    rows = {
        "Redshift, RA3 as planned": cost["Redshift"],
        f"Redshift, {nodes} nodes `rg.xlarge`": nodes * HOURS * price["rg.xlarge"],
        "Redshift Serverless, 8 RPU, awake all day": 24 * rpus,
        "Redshift Serverless, 8 RPU, awake 6 hours a day": 6 * rpus,
        "MSK Standard as planned": cost["Kafka brokers"] + cost["Kafka storage"],
        "MSK Express, 3 brokers `express.m7g.large`": 3 * HOURS * price["express.m7g.large"],
        f"MSK Serverless, {partitions} partitions": HOURS * kafka,
    }
    lines = ["| instead, in prod | US dollars a month |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {name} | {amount:,.0f} |" for name, amount in rows.items())])
