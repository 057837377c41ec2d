"""Each module: formatted, tested with a mocked provider, and its controls missed when removed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.infra.terraform import harness
from tests.infra.terraform.harness import Terraform
from tests.infra.terraform.mutants import MUTANTS

CONTROL = re.compile(r'"control: ([^"]+)"')
TESTED = sorted([*harness.MODULES, "bootstrap", "root"])
# declarations has no resource, the root only calls the others (test_apply.py).
CONTROLLED = sorted(MUTANTS)


def place(module: str) -> Path:
    """Where a module lies below infra/terraform: the roots are tested as modules."""
    return {"root": Path(), "bootstrap": Path("bootstrap")}.get(module, Path("modules") / module)


def controls(module: str) -> list[str]:
    text = (harness.SOURCE / place(module) / "tests" / "controls.tftest.hcl").read_text()
    return CONTROL.findall(text)


def test_configuration_is_formatted(terraform: Terraform) -> None:
    terraform.must(harness.SOURCE, "fmt", "-check", "-recursive", "-no-color")


def test_every_module_with_resources_has_controls() -> None:
    assert set(TESTED) - {"declarations", "root"} == set(CONTROLLED)


@pytest.mark.parametrize("module", TESTED)
def test_module(terraform: Terraform, tree: Path, module: str) -> None:
    """Its refusals and its controls."""
    terraform.must(tree / place(module), "test", "-no-color")


@pytest.mark.parametrize("module", CONTROLLED)
def test_every_control_has_its_mutant(module: str) -> None:
    assert sorted(controls(module)) == sorted({m.control for m in MUTANTS[module]})
    original = (harness.SOURCE / place(module) / "main.tf").read_text()
    assert not [m.control for m in MUTANTS[module] if m.old not in original], "nothing to remove"


# It proves that controls can fail, not the modules: one of them in the short run.
@pytest.mark.parametrize(
    "module",
    [
        pytest.param(module, marks=() if module == "encryption" else pytest.mark.long)
        for module in CONTROLLED
    ],
)
def test_a_removed_control_is_missed(
    terraform: Terraform, tree: Path, tmp_path: Path, module: str
) -> None:
    """All controls of a module are taken away in one copy; each must be reported for itself."""
    source = tree / place(module)
    copy = tmp_path / place(module)
    shutil.copytree(source, copy, symlinks=True)
    shutil.copytree(tree / "testing", tmp_path / "testing")
    mutated = (source / "main.tf").read_text()
    for mutant in MUTANTS[module]:
        mutated = mutated.replace(mutant.old, mutant.new)
    (copy / "main.tf").write_text(mutated)

    result = terraform.run(copy, "test", "-no-color", "-filter=tests/controls.tftest.hcl")

    reported = set(re.findall(r"control: (.+)", result.output))
    assert reported == {mutant.control for mutant in MUTANTS[module]}, result.output


def test_every_variable_and_output_is_described() -> None:
    for file in harness.SOURCE.rglob("*.tf"):
        for kind, name, body in re.findall(
            r'^(variable|output) "(\w+)" \{\n(.*?)^\}', file.read_text(), re.S | re.M
        ):
            assert "  description = " in body, f"{file}: {kind} {name}"
            if kind == "variable":
                assert re.search(r"^  type\s+= ", body, re.M), f"{file}: {name} has no type"
