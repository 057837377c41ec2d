"""Controls over everything that is planned: what must hold of each resource, and who may do what.

controls.yml has each type of resource that there may be, how many of it, and what holds of all of
them; policies.txt has every policy as it is rendered. Both are closed: what stands in neither is a
finding. Checks are functions of the planned resources, so that a fault can be planted in a plan
(mutants.yml) without planning again.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.infra.terraform.calls import HERE
from tests.infra.terraform.policies import listed

RULES: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("controls.yml").read_text("utf-8")
)
GOLDEN = Path(__file__).with_name("policies.txt")
LATER = "(known after apply)"
# Of environments/dev.tfvars.
AZURE_SQL = "203.0.113.0/24"
# These repeat what is in a resource of its own.
ECHOES = {
    *("aws_s3_bucket", "aws_secretsmanager_secret", "aws_sns_topic", "aws_sqs_queue"),
    "aws_ecr_lifecycle_policy",
}
# By what keys, subnets, groups, the VPC, the cluster and the warehouse are named.
GIVEN = re.compile(
    r"(?:sg|subnet|vpc|pl|rtb)-[0-9a-f]{17}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
)
SECRET = re.compile(r'(secret:[^"*\\]+)-[A-Za-z0-9]{6}(?=["\\])')
Way = tuple[str, str, int, int]


@dataclass(frozen=True)
class Planned:
    """A resource of a root (dev, prod, bootstrap) with what is planned of it."""

    root: str
    kind: str
    name: str
    values: dict[str, Any]

    @property
    def address(self) -> str:
        return f"{self.root} {self.kind}.{self.name}"

    @property
    def label(self) -> str:
        """A short name: its key, or what it is called, or what it is."""
        name, _, index = self.name.rstrip("]").partition("[")
        called = self.kind.removeprefix("aws_") if name == "this" else name
        return called if index in ("", "0") else index


def everything(roots: Mapping[str, Mapping[str, Any]]) -> list[Planned]:
    """The managed resources of plans or states, as Terraform shows them, by the root's name.

    What AWS gave of itself is replaced by the name of what has it: <glue> is a security group.
    """
    found = [resource for root, shown in roots.items() for resource in _resources(root, shown)]
    names = {
        given: f"<{resource.label}>"
        for resource in found
        for key in ("key_id", "id", "arn", "namespace_id", "workgroup_id", "prefix_list_id")
        for given in GIVEN.findall(str(resource.values.get(key)))
        if resource.kind not in ("aws_kms_alias", "aws_route", "aws_vpc_security_group_egress_rule")
    }

    def named(values: dict[str, Any]) -> dict[str, Any]:
        text = SECRET.sub(r"\1", json.dumps(values)).replace(HERE, "<here>")
        replaced: dict[str, Any] = json.loads(GIVEN.sub(lambda m: names.get(m[0], m[0]), text))
        return replaced

    return [replace(resource, values=named(resource.values)) for resource in found]


def _resources(root: str, shown: Mapping[str, Any]) -> Iterator[Planned]:
    unknown = {
        change["address"]: change["change"]["after_unknown"]
        for change in shown.get("resource_changes", ())
    }
    modules = [shown.get("planned_values", shown.get("values"))["root_module"]]
    for module in modules:
        modules.extend(module.get("child_modules", []))
        for found in module.get("resources", []):
            if found["mode"] == "managed":
                index = f"[{found['index']}]" if "index" in found else ""
                values = _with_unknown(found.get("values", {}), unknown.get(found["address"], {}))
                yield Planned(root, found["type"], found["name"] + index, values)


def _with_unknown(values: Any, unknown: Any) -> Any:
    if unknown is True:
        return LATER
    if isinstance(unknown, dict):
        values = dict(values or {})
        return values | {key: _with_unknown(values.get(key), x) for key, x in unknown.items() if x}
    if isinstance(unknown, list) and isinstance(values, list):
        return [_with_unknown(*pair) for pair in zip(values, unknown, strict=False)]
    return values


def findings(planned: list[Planned], flows: frozenset[Way]) -> set[str]:
    """All that is wrong: of the resources, their number, their policies, their connections."""
    return {
        *wrong_resources(planned),
        *(f"policy: {address}" for address in changed_policies(planned)),
        *(f"prod: {address}" for address in unlike_dev(planned)),
        *unprotected(resource for resource in planned if resource.root != "dev"),
        *(f"connection: {way}" for way in connections(planned) ^ flows),
    }


# -------------------------------------------------------------------------------- resources


def wrong_resources(planned: list[Planned]) -> Iterator[str]:
    """What is of no type in controls.yml, too few or too many, or not as it says."""
    numbers = Counter((resource.root, resource.kind) for resource in planned)
    kinds = {name.partition(".")[0] for name in RULES} | {r.kind for r in planned}
    for kind in sorted(kinds):
        expected = RULES.get(kind, {}).get("are", {})
        for root in ("dev", "prod", "bootstrap", "replica"):
            if numbers[root, kind] != expected.get(root, 0):
                yield f"number: {root} has {numbers[root, kind]} {kind}"
    for resource in planned:
        names = {resource.name.partition("[")[0], resource.name}
        for name in (resource.kind, *(f"{resource.kind}.{name}" for name in names)):
            for path, rule in RULES.get(name, {}).items():
                wanted = rule.get(resource.root, rule) if isinstance(rule, dict) else rule
                found = list(leaves(resource.values, path.split("/"))) or [None]
                if path != "are" and not all(fits(leaf, wanted) for leaf in found):
                    yield f"control: {resource.address} {path} {found}"


def fits(found: Any, wanted: Any) -> bool:
    """Whether a value is as wanted: a value, one of several, all of a set, a pattern, these keys.

    What is not set is null, or only known after the apply.
    """
    nothing = found in (None, "", [], {}, LATER)
    if found is ... or wanted is None:  # of a text that is only known after the apply, dev's is
        return nothing or found is ...
    if isinstance(wanted, dict):
        return isinstance(found, dict) and set(found) == set(wanted["keys"])
    if isinstance(wanted, list):
        if isinstance(found, list) and found:
            return set(map(str, found)) == set(map(str, wanted))
        return any(fits(found, one) for one in wanted)
    if isinstance(wanted, str) and wanted.startswith("~"):
        return re.search(wanted[1:], "" if found is None else str(found)) is not None
    return bool(found == wanted)


def leaves(value: Any, path: list[str]) -> Iterator[Any]:
    """What is at a path, of all elements of a list or the one so named; into texts too."""
    if not path:
        yield value
        return
    value, key = parsed(value), path[0]
    if isinstance(value, list):
        if (at := position(value, key)) is not None:
            yield from leaves(value[at], path[1:])
        else:
            for element in value:
                yield from leaves(element, path)
    elif isinstance(value, dict):
        named = value.values() if key == "*" else [value.get(key)]
        for inner in named:
            yield from leaves(inner, path[1:])
    else:
        yield ... if value == LATER else None


def parsed(value: Any) -> Any:
    """JSON and properties that are kept as a text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    if isinstance(value, str) and value != LATER and "=" in value:
        return dict(line.split("=", 1) for line in value.splitlines() if line)
    return value


def position(elements: list[Any], name: str) -> int | None:
    """Which element of a list has the number, or the name (a path has no slash but its own)."""
    if name.isdigit():
        return int(name) if int(name) < len(elements) else None
    keys = ("Sid", "name", "parameter_key", "id")
    for at, element in enumerate(elements):
        names = [element.get(key, "") for key in keys] if isinstance(element, dict) else []
        if name in [str(called).replace("/", ".") for called in names]:
            return at
    return None


# What keeps what holds data from a destroy: on, or off, wherever there is such an argument.
PROTECTS = {
    **dict.fromkeys(("deletion_protection", "deletion_protection_enabled"), True),
    **dict.fromkeys(("deletion_window_in_days", "recovery_window_in_days"), True),
    **dict.fromkeys(("force_delete", "force_destroy", "skip_final_snapshot"), False),
}


def unprotected(planned: Iterable[Planned]) -> Iterator[str]:
    """Which argument of which resource protects nothing; dev may be destroyed."""
    for resource in planned:
        for argument in PROTECTS.keys() & resource.values.keys():
            if bool(resource.values[argument]) is not PROTECTS[argument]:
                yield f"unprotected: {resource.address} {argument}"


# --------------------------------------------------------------------------------- policies


def policies(planned: Iterable[Planned]) -> dict[str, str]:
    """Each policy of dev and of its bootstrap by its resource, as policies.txt has it."""
    found = {}
    for resource in planned:
        for attribute, what in (("assume_role_policy", "trust"), ("policy", "policy")):
            text = resource.values.get(attribute) or LATER
            if text != LATER and resource.root != "prod" and resource.kind not in ECHOES:
                # A table is declared in one place, which is not this.
                text = re.sub(r"retail\.retail\.dbo\.\w+", "<a table's>", text)
                found[f"{resource.address} {what}"] = rendered(text)
    return found


@cache
def rendered(policy: str) -> str:
    """A policy's statements, a paragraph each, in an order of their own."""
    statements = json.loads(policy)["Statement"]
    return "\n".join(sorted(_statement(statement) for statement in statements))


def _statement(statement: Mapping[str, Any]) -> str:
    lines = [f"{statement.get('Sid', '-')}: {statement['Effect']}"]
    for key in ("Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource"):
        if key in statement:
            values = statement[key]
            if isinstance(values, dict):
                values = [f"{kind} {x}" for kind, found in values.items() for x in listed(found)]
            text = f"{key} {' '.join(sorted(set(listed(values))))}"
            lines += textwrap.wrap(
                text, 110, break_long_words=False, break_on_hyphens=False, subsequent_indent="  "
            )
    for operator, claims in sorted(statement.get("Condition", {}).items()):
        for claim, values in sorted(claims.items()):
            lines.append(f"if {claim} {operator} {' '.join(sorted(listed(values)))}")
    return "\n    ".join(lines)


def golden(found: Mapping[str, str]) -> str:
    """policies.txt: resources of the same policy share it."""
    alike = defaultdict(list)
    for address, text in found.items():
        alike[text].append(address)
    sections = sorted((sorted(addresses), text) for text, addresses in alike.items())
    return "\n".join("\n".join([*(f"# {a}" for a in under), text, ""]) for under, text in sections)


def changed_policies(planned: Iterable[Planned]) -> set[str]:
    """Resources whose policy is not as in policies.txt."""
    known, found = _known_policies(), policies(planned)
    return {address for address in found | known if found.get(address) != known.get(address)}


@cache
def _known_policies() -> dict[str, str]:
    known: dict[str, str] = {}
    for section in GOLDEN.read_text("utf-8").split("\n\n"):
        lines = section.strip("\n").split("\n")
        titles = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
        known |= dict.fromkeys(titles, "\n".join(lines[len(titles) :]))
    return known


# prod's policies and ports are compared with dev's: most of what else bears on them is not known
# before its apply.
AS_IN_DEV = ("assume_role_policy", "policy", "from_port", "to_port", "ip_protocol")


def unlike_dev(planned: Iterable[Planned]) -> Iterator[str]:
    """What prod has otherwise than dev under the same name, as far as it is known."""
    found = list(planned)
    dev = {(r.kind, r.name): r.values for r in found if r.root == "dev"}
    for resource in found:
        same = dev.get((resource.kind, resource.name))
        if resource.root != "prod" or same is None:
            continue
        for key in AS_IN_DEV:
            value = resource.values.get(key)
            if value not in ("", LATER) and _as_dev(value) != _as_dev(same.get(key)):
                yield f"{resource.address} {key}"


def _as_dev(value: Any) -> Any:
    text = re.sub(r"(?<![a-z])prod(?![a-z])", "dev", str(value))
    return rendered(text) if '"Statement"' in text else text


# ------------------------------------------------------------------------------ connections


def connections(planned: Iterable[Planned]) -> frozenset[Way]:
    """Who may connect to whom on which ports, by every rule of dev, whatever makes it.

    A way that only one of its two ends admits is none: it comes with "only in" or "only out".
    """
    found: dict[str, set[Way]] = {"ingress": set(), "egress": set()}
    for resource in planned:
        match = re.fullmatch(r"aws_vpc_security_group_(ingress|egress)_rule", resource.kind)
        if match and resource.root == "dev":
            rule = resource.values
            others = ("referenced_security_group_id", "prefix_list_id", "cidr_ipv4", "cidr_ipv6")
            other = next((rule[kind] for kind in others if rule.get(kind)), "anybody")
            ends = [
                str(end).strip("<>").replace(AZURE_SQL, "azure")
                for end in (rule["security_group_id"], other)
            ]
            client, server = ends if match[1] == "egress" else ends[::-1]
            protocol = "" if rule["ip_protocol"] == "tcp" else f" by {rule['ip_protocol']}"
            server = server.replace(AZURE_SQL, "azure") + protocol
            found[match[1]].add((client, server, rule.get("from_port", 0), rule.get("to_port", 0)))
    outside = {way for way in found["egress"] if way[1] in ("s3", "azure")}
    both = found["ingress"] ^ found["egress"] ^ outside
    return frozenset(
        (found["ingress"] & found["egress"])
        | outside
        | {(client, f"{server} at one end", first, last) for client, server, first, last in both}
    )
