"""dev, qa and prod: the same modules, and nothing of one in another's plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.terraform import harness
from tests.infra.terraform.conftest import Environment

Environments = dict[str, Environment]


def planned(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the plan makes: address, type, values."""
    modules = [plan["planned_values"]["root_module"]]
    for module in modules:
        yield from (r for r in module.get("resources", []) if "values" in r)
        modules.extend(module.get("child_modules", []))


def words(plan: dict[str, Any]) -> str:
    """Everything that the plan was given, has read and would send."""
    return json.dumps([plan["planned_values"], plan["variables"], plan["prior_state"]])


@pytest.mark.parametrize("name", harness.ENVIRONMENTS)
def test_nothing_of_another_environment_is_in_the_plan(
    environments: Environments, name: str
) -> None:
    text = words(environments[name].plan)
    others = [other for other in harness.ENVIRONMENTS if other != name]
    for other in others:
        for form in ("retail-lakehouse-{}", "retail_lakehouse_{}", '"{}"', "{}/terraform.tfstate"):
            assert form.format(other) not in text


@pytest.mark.parametrize("name", harness.ENVIRONMENTS)
def test_every_name_carries_its_environment(environments: Environments, name: str) -> None:
    """Names are unique in an account: one without its environment would collide."""
    own = ("name", "bucket", "cluster_name", "cluster_identifier", "alarm_name",
           "workgroup_name", "namespace_name", "identifier", "dashboard_name")  # fmt: skip
    # Names inside something that carries the environment itself, and endpoints' aliases.
    inner = {"aws_iam_role_policy", "aws_glue_catalog_table"}
    wrong = [
        (resource["address"], key, value)
        for resource in planned(environments[name].plan)
        if resource["mode"] == "managed" and resource["type"] not in inner
        for key in own
        if isinstance(value := resource["values"].get(key), str)
        if f"retail-lakehouse-{name}" not in value and f"retail_lakehouse_{name}" not in value
    ]
    assert wrong == []


@pytest.mark.parametrize("name", harness.ENVIRONMENTS)
def test_default_tags_say_whose_it_is(environments: Environments, name: str) -> None:
    tagged = [
        resource["values"]["tags_all"]
        for resource in planned(environments[name].plan)
        if resource["values"].get("tags_all")
    ]
    assert len(tagged) > 50
    assert {tags["Environment"] for tags in tagged} == {name}
    assert {tags["ManagedBy"] for tags in tagged} == {"terraform"}


def test_states_are_apart(environments: Environments) -> None:
    for name in harness.ENVIRONMENTS:
        text = (harness.SOURCE / "environments" / name / "versions.tf").read_text()
        assert f'key          = "{name}/terraform.tfstate"' in text
        assert "use_lockfile = true" in text
        assert "encrypt      = true" in text


def test_prod_keeps_what_holds_data(environments: Environments) -> None:
    made = list(planned(environments["prod"].plan))
    buckets = [r["values"] for r in made if r["type"] == "aws_s3_bucket"]
    assert len(buckets) == 5
    assert not any(bucket["force_destroy"] for bucket in buckets)
    [cluster] = [r["values"] for r in made if r["type"] == "aws_redshift_cluster"]
    assert cluster["skip_final_snapshot"] is False
    assert cluster["final_snapshot_identifier"] == "retail-lakehouse-prod-final"
    assert len([r for r in made if r["type"] == "aws_nat_gateway"]) == 3


def test_environments_are_the_same_modules() -> None:
    """A root differs from another in its name, its addresses and its sizes."""

    def neutral(name: str, file: str) -> str:
        text = (harness.SOURCE / "environments" / name / file).read_text()
        return text.replace(f'"{name}"', '"env"').replace(f'"{name}/', '"env/')

    for file in ("versions.tf", "variables.tf", "outputs.tf"):
        assert neutral("dev", file) == neutral("qa", file) == neutral("prod", file)
