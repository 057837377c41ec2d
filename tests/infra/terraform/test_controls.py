"""All that is planned is as controls.yml, policies.txt and the drawing say; faults are noticed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.terraform import controls, harness, held_back
from tests.infra.terraform.alarms import unlike_its_series
from tests.infra.terraform.conftest import Applied, Environment
from tests.infra.terraform.controls import Planned
from tests.infra.terraform.drawing import flows

MUTANTS: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("mutants.yml").read_text("utf-8")
)
# What no plan shows: of the state, and of the accounts that are applied to.
WRITTEN = {
    "bootstrap/main.tf": {"prevent_destroy = true"},
    "replica/main.tf": {"prevent_destroy = true"},
    "versions.tf": {
        "encrypt = true",
        "use_lockfile = true",
        "allowed_account_ids = var.account_ids",
    },
}


@pytest.fixture(scope="module")
def everything(
    lake: Environment,
    cluster: Environment,
    environments: dict[str, Environment],
    bootstrap: Applied,
    replica: Applied,
) -> list[Planned]:
    """dev as it was applied with the lake target, prod as it is planned, what dev has beside.

    And what a cluster has otherwise, of which prod's plan knows little.
    """
    plans = {"dev": lake.plan, "cluster": cluster.plan, "prod": environments["prod"].plan}
    applied = {"bootstrap": bootstrap.state, "replica": replica.state}
    found = controls.everything(plans | applied)
    known = [(r.kind, r.name, r.values) for r in found if r.root == "dev"]
    return [
        r
        for r in found
        if r.root != "cluster"
        or (r.kind.startswith("aws_redshift") and (r.kind, r.name, r.values) not in known)
        or "redshift:GetClusterCredentialsWithIAM" in str(r.values.get("policy"))
    ]


def test_what_protects_is_on_in_qa_too(environments: dict[str, Environment]) -> None:
    """And the rule sees what dev has off."""
    qa, dev = (
        set(controls.unprotected(controls.everything({name: environments[name].plan})))
        for name in ("qa", "dev")
    )
    assert qa == set()
    assert len(dev) == 6, dev


def test_the_bootstrap_of_prod_is_as_that_of_dev(bootstraps: dict[str, Applied]) -> None:
    """Its policies word for word, and every resource but GitHub's, which an account has once."""
    found = controls.everything({name: applied.state for name, applied in bootstraps.items()})
    dev, prod = ({(r.kind, r.name) for r in found if r.root == name} for name in ("dev", "prod"))
    assert dev ^ prod == {("aws_iam_openid_connect_provider", "github[0]")}
    assert list(controls.unlike_dev(found)) == []


def unwritten(name: str, text: str) -> set[str]:
    lines = {" ".join(line.split()) for line in text.splitlines()}
    return {f"{name} lacks: {line}" for line in WRITTEN[name] - lines}


def wrong(planned: list[Planned]) -> set[str]:
    alarms = (r.values for r in planned if r.kind == "aws_cloudwatch_metric_alarm")
    unlike = {f"alarm: {alarm['alarm_name']}" for alarm in alarms if unlike_its_series(alarm)}
    return controls.findings(planned, flows()) | unlike


def test_everything_is_as_it_must_be(everything: list[Planned], tmp_path: Path) -> None:
    (tmp_path / "policies.txt").write_text(controls.golden(controls.policies(everything)))
    assert wrong(everything) == set(), f"compare {controls.GOLDEN} with {tmp_path}/policies.txt"
    for name in WRITTEN:
        assert unwritten(name, (harness.SOURCE / name).read_text("utf-8")) == set()


@pytest.mark.parametrize("part", MUTANTS)
def test_a_fault_is_noticed(everything: list[Planned], part: str) -> None:
    survivors = [mutant["is"] for mutant in MUTANTS[part] if not noticed(everything, mutant)]
    assert survivors == []


# One in so many is looked at on every change, all each night.
EACH = 50


@pytest.mark.parametrize("each", [EACH, pytest.param(1, marks=pytest.mark.long)])
def test_faults_that_nobody_has_thought_of_are_noticed(
    everything: list[Planned], lake: Environment, each: int
) -> None:
    """Every value of a security-relevant kind that the configuration sets, set otherwise."""
    faults = list(held_back.faults(everything, lake.plan))
    assert {fault.kind for fault in faults} == set(held_back.KINDS)
    assert len(faults) > 2000
    survivors = []
    for fault in faults[::each]:
        mutant = [*everything[: fault.at], fault.planned, *everything[fault.at + 1 :]]
        if not wrong(mutant):
            survivors.append(str(fault))
    assert survivors == []


def noticed(everything: list[Planned], mutant: dict[str, Any]) -> set[str]:
    """What is found of a mutant.

    Raises:
        AssertionError: there is not what it changes.
    """
    if "file" in mutant:
        text = (harness.SOURCE / mutant["file"]).read_text("utf-8")
        assert mutant["old"] in text, mutant
        return unwritten(mutant["file"], text.replace(mutant["old"], mutant["new"]))
    return wrong(list(mutated(everything, mutant)))


def mutated(everything: list[Planned], mutant: dict[str, Any]) -> Iterator[Planned]:
    if address := mutant.get("add"):
        root, _, rest = address.partition(" ")
        kind, _, name = rest.partition(".")
        yield Planned(root, kind, name, mutant.get("to", {}))
    found = False
    for resource in everything:
        if resource.address != mutant.get("of"):
            yield resource
            continue
        found = True
        if "at" in mutant:
            values = copy.deepcopy(resource.values)
            changed(values, mutant["at"].split("/"), mutant.get("to"))
            assert values != resource.values, mutant
            yield replace(resource, values=values)
    assert found or "add" in mutant, mutant


def changed(value: Any, path: list[str], to: Any) -> Any:
    """The value with what is at a path set, or removed; into JSON and properties as controls go."""
    inside = controls.parsed(value)
    key: Any = path[0]
    if isinstance(inside, list):
        key = len(inside) if key == "+" else controls.position(inside, key)
        assert key is not None, path
        if key == len(inside):
            inside.append({})
    if path[1:]:
        inside[key] = changed(inside[key], path[1:], to)
    elif to is None:
        del inside[key]
    else:
        inside[key] = to
    if isinstance(value, str) and value[:1] not in ("{", "["):
        return "\n".join(f"{name}={x}" for name, x in dict(inside).items())
    return json.dumps(inside) if isinstance(value, str) else inside
