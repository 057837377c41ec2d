"""The pages on architecture and security name what Terraform makes, all of it and nothing else."""

from __future__ import annotations

import re

import pytest

from tests.infra.terraform import harness
from tests.infra.terraform.conftest import Environment
from tests.infra.terraform.drawing import DOCS, NAME, Deployment, drawn
from tests.infra.terraform.harness import planned

# bootstrap makes these two, as an administrator (test_bootstrap.py).
OF_BOOTSTRAP = frozenset({"terraform-plan", "terraform-apply", "break-glass"})


def made(environment: Environment) -> Deployment:
    """As the environment's plan has it."""
    resources = list(planned(environment.plan))
    connections = set()
    for rule in resources:
        if rule["type"] == "aws_vpc_security_group_egress_rule":
            client, server = {
                "flow": rule["index"].partition("-to-")[::2],
                "s3": (rule["index"], "s3"),
                "azure_sql": ("connect", "azure"),
            }[rule["name"]]
            values = rule["values"]
            connections.add((client, server, values["from_port"], values["to_port"]))
    prefix = f"retail-lakehouse-{environment.name}-"
    return Deployment(
        frozenset(r["index"] for r in resources if r["type"] == "aws_security_group"),
        frozenset(connections),
        frozenset(environment.plan["configuration"]["root_module"]["module_calls"]),
        OF_BOOTSTRAP
        | frozenset(
            r["values"]["name"].removeprefix(prefix)
            for r in resources
            if r["type"] == "aws_iam_role"
        ),
    )


@pytest.mark.parametrize("name", harness.ENVIRONMENTS)
def test_the_deployment_is_as_it_is_drawn(environments: dict[str, Environment], name: str) -> None:
    page = (DOCS / "architecture.md").read_text("utf-8")
    assert drawn(page, lake=False) == made(environments[name])


def test_the_lake_is_as_it_is_drawn(lake: Environment) -> None:
    assert drawn((DOCS / "architecture.md").read_text("utf-8")) == made(lake)


def test_the_roles_are_those_that_are_explained(lake: Environment) -> None:
    page = (DOCS / "security.md").read_text("utf-8")
    table = page.partition("\n## Roles\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", table, re.M)
    explained = {name for cell in cells for name in NAME.findall(cell)}
    assert explained == made(lake).roles


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("connect & glue & redshift & tasks -->|9098| msk", "connect & glue -->|9098| msk"),
        ("tasks -->|5439| redshift", "tasks -->|5439| redshift\n    glue -->|5439| redshift"),
        ("-->|1433| azure", "-->|1434| azure"),
        ('        endpoints["', '        gateway["'),
        ("`runner`", "`walker`"),
        ("| `monitoring` |", "| |"),
    ],
    ids=["a way less", "a way more", "a port", "a group", "a role", "a module"],
)
def test_a_wrong_drawing_is_noticed(lake: Environment, old: str, new: str) -> None:
    page = (DOCS / "architecture.md").read_text("utf-8")
    assert old in page
    assert drawn(page.replace(old, new)) != made(lake)


def test_the_table_of_modules_says_what_they_say() -> None:
    first_lines = {
        module: (harness.SOURCE / "modules" / module / "main.tf").read_text("utf-8").splitlines()[0]
        for module in harness.MODULES
    }
    rows = [f"| `{module}` | {line.removeprefix('# ')} |" for module, line in first_lines.items()]
    page = (harness.SOURCE / "README.md").read_text("utf-8")
    assert page.partition("\n## Modules\n")[2].splitlines()[5:] == rows
