"""Each module: formatted, described, tested with a mocked provider."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.infra.terraform import harness
from tests.infra.terraform.harness import Terraform

TESTED = sorted([*harness.MODULES, "bootstrap", "replica", "root"])


def place(module: str) -> Path:
    """Where a module lies below infra/terraform: the roots are tested as modules."""
    roots = {"root": Path(), "bootstrap": Path("bootstrap"), "replica": Path("replica")}
    return roots.get(module, Path("modules") / module)


def test_configuration_is_formatted(terraform: Terraform) -> None:
    terraform.must(harness.SOURCE, "fmt", "-check", "-recursive", "-no-color")


def test_every_root_has_the_hashes_of_its_provider() -> None:
    """`init` refuses another provider than this; on each platform that HashiCorp signs it for."""
    roots = [harness.SOURCE, harness.SOURCE / "bootstrap", harness.SOURCE / "replica"]
    [lock] = {(root / ".terraform.lock.hcl").read_text() for root in roots}
    assert f'version     = "{harness.PROVIDER.name}"' in lock
    assert len(re.findall(r'"h1:[\w+/]{43}="', lock)) > 1
    assert len(re.findall(r'"zh:[0-9a-f]{64}"', lock)) == 15
    for root in roots:
        assert f'version = "{harness.PROVIDER.name}"' in (root / "versions.tf").read_text()


@pytest.mark.parametrize("module", TESTED)
def test_module(terraform: Terraform, tree: Path, module: str) -> None:
    """Its refusals, and what no environment's plan shows."""
    terraform.must(tree / place(module), "test", "-no-color")


def test_every_variable_and_output_is_described() -> None:
    for file in harness.SOURCE.rglob("*.tf"):
        for kind, name, body in re.findall(
            r'^(variable|output) "(\w+)" \{\n(.*?)^\}', file.read_text(), re.S | re.M
        ):
            assert "  description = " in body, f"{file}: {kind} {name}"
            if kind == "variable":
                assert re.search(r"^  type\s+= ", body, re.M), f"{file}: {name} has no type"
