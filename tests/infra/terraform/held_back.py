"""Faults that nobody has thought of: each value of a security-relevant kind, otherwise or left out.

Where mutants.yml has faults by hand, these follow from the plans by the name of what is configured
(KINDS). They hold the rules of controls.yml to what is there, not to what their author had in mind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.infra.terraform.controls import ECHOES, LATER, Planned, parsed

# A path is of the first kind whose pattern is in it.
KINDS = {
    "statement": "Statement/",
    "encryption": "kms|encrypt|sse_|_tls|require_ssl",
    "public access": "public|block_|restrict_|acl$|object_ownership",
    "versions": "versioning|mutability|object_lock|/status$",
    "retention": "retention|_days|/days|skip_final|force_destroy|countNumber|noncurrent",
    "connection": (
        "from_port|to_port|ip_protocol|cidr_ipv4|security_group|destination_cidr|traffic"
        "|route_table|subnet"
    ),
    "logging": "(^|[_/])log|exporter|enhanced_monitoring|tracing|containerInsights|scan_on",
    "schedule": "schedule_expression$|^state$|^definitions|/enabled$",
    "threshold": (
        "threshold|period|datapoints|comparison|statistic|metric_name|treat_missing|_actions"
        "|target_value|capacity|amount|breach|event_pattern|notification"
    ),
    "who": "role_arn|iam_roles|boundary|session|client_id|/user$|readonly|privileged|essential",
    "protection": "protection|deletion|recovery|rotat|dead_letter|Attempts|prevent",
}
# Of which none is left out: the provider demands them, or policies.txt has the whole.
SAID = {"statement", "retention", "schedule", "threshold"}
# What a value becomes, where another of its kind exists; else one that is none.
OTHERS = {
    "Allow": "Deny",
    "Deny": "Allow",
    "GreaterThanThreshold": "LessThanThreshold",
    "LessThanThreshold": "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold": "LessThanThreshold",
    "LessThanOrEqualToThreshold": "GreaterThanThreshold",
    "missing": "breaching",
    "notBreaching": "breaching",
    "breaching": "notBreaching",
    "Maximum": "Sum",
    "Sum": "Minimum",
    "Minimum": "Sum",
    "Average": "Minimum",
    "ENABLED": "DISABLED",
    "true": "false",
    "false": "true",
}


@dataclass(frozen=True)
class Fault:
    """A resource with one value changed: where, of what kind, and what it would be."""

    at: int
    kind: str
    path: str
    planned: Planned

    def __str__(self) -> str:
        return f"{self.kind}: {self.planned.address} {self.path}"


def faults(everything: list[Planned], plan: Mapping[str, Any]) -> Iterator[Fault]:
    """Every fault of these kinds; `plan` says what the configuration sets, its values aside."""
    configured = _configured(plan["configuration"]["root_module"])
    for at, resource in enumerate(everything):
        if resource.kind == "aws_cloudwatch_dashboard":
            continue
        for path, value in _leaves(resource.values, ()):
            named = tuple(part for part in path if not part.isdigit())
            text = "/".join(path)
            kind = next((kind for kind, like in KINDS.items() if re.search(like, text)), None)
            own = configured.get(resource.kind)
            echo = resource.kind in ECHOES and "policy" in path[0] and kind == "statement"
            if kind is None or echo or value in (None, "", LATER) or path[0].startswith("tags"):
                continue
            if own is None or any(named[:length] in own for length in range(1, len(named) + 1)):
                values = _changed(resource.values, path, _other(value))
                yield Fault(at, kind, text, replace(resource, values=values))
                # A list goes as a whole, with its first; what is off is so without being said.
                whole = path[: -1 if path[-1] == "0" else None]
                if kind not in SAID and value and not whole[-1].isdigit():
                    values = _changed(resource.values, whole, None)
                    yield Fault(at, kind, f"without {text}", replace(resource, values=values))


def _configured(module: Mapping[str, Any]) -> dict[str, set[tuple[str, ...]]]:
    """The paths that resources of a type are given values at."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for resource in module.get("resources", ()):
        own = found.setdefault(resource["type"], set())
        own.update(_given(resource.get("expressions", {}), ()))
    for call in module.get("module_calls", {}).values():
        for kind, paths in _configured(call["module"]).items():
            found.setdefault(kind, set()).update(paths)
    return found


def _given(expressions: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(expressions, list):
        for block in expressions:
            yield from _given(block, path)
    elif isinstance(expressions, dict):
        if not expressions or {"references", "constant_value"} & set(expressions):
            yield path
        else:
            for name, inner in expressions.items():
                yield from _given(inner, (*path, name))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inside = _parsed(value)
    if isinstance(inside, dict):
        for name, inner in inside.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(inside, list):
        for number, inner in enumerate(inside):
            yield from _leaves(inner, (*path, str(number)))
    else:
        yield path, inside


def _parsed(value: Any) -> Any:
    try:
        return parsed(value)
    except json.JSONDecodeError:  # a text that begins with a brace
        return value


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 10 + 7
    # What has been named is named otherwise: the key, group or role of something else.
    named = re.sub(r"<(?!here)[\w.-]+>(?!.*<(?!here))", "<other>", value)
    return OTHERS.get(value, f"{value}-other" if named == value else named)


def _changed(value: Any, path: tuple[str, ...], to: Any) -> Any:
    inside = _parsed(value)
    key: Any = int(path[0]) if isinstance(inside, list) else path[0]
    inside = inside.copy()
    inside[key] = _changed(inside[key], path[1:], to) if path[1:] else to
    if isinstance(value, str) and value[:1] not in ("{", "["):
        return "\n".join(f"{name}={inner}" for name, inner in inside.items())
    return json.dumps(inside) if isinstance(value, str) else inside
