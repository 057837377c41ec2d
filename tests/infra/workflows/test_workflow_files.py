"""What must hold of every workflow, read from the files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.delivery.environment import DeliveryError, Environment
from tests.infra.workflows import runner
from tests.infra.workflows.mutants import MUTANTS, planted
from tests.infra.workflows.runner import WORKFLOWS, evaluate, load

GITHUB = WORKFLOWS.parent
TOOLS = Path(sys.executable).parent
NAMES = sorted(path.stem for path in WORKFLOWS.iterdir())
# Go checks what it downloads against its checksum database; later runs find it in its cache.
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
AWS = "aws-actions/configure-aws-credentials"


def jobs(workflow: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from load(workflow)["jobs"].items()


def steps(workflow: str) -> Iterator[dict[str, Any]]:
    for _, job in jobs(workflow):
        yield from job["steps"]


@pytest.mark.parametrize("mutant", MUTANTS["workflows"], ids=lambda mutant: mutant["is"])
def test_a_fault_is_noticed(
    mutant: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a check of this file or by zizmor."""
    planted(mutant, tmp_path)
    monkeypatch.setattr(runner, "WORKFLOWS", tmp_path / ".github/workflows")
    monkeypatch.setitem(globals(), "WORKFLOWS", tmp_path / ".github/workflows")
    monkeypatch.setitem(globals(), "GITHUB", tmp_path / ".github")
    with pytest.raises((AssertionError, KeyError)):
        _check(Path(mutant["file"]).stem)


def _check(workflow: str) -> None:
    for check in (
        test_what_fails_fails_the_run,
        test_only_what_is_pinned_is_installed,
        test_nothing_prints_the_credentials,
        test_what_is_applied_is_a_plan_that_was_made_under_the_lock,
        test_permissions_are_given_to_jobs_one_by_one,
        test_runs_do_not_pile_up_and_end,
        test_aws_is_reached_by_a_role_of_the_environment_and_no_key,
        test_what_runs_other_people_s_code_has_no_role_yet,
        test_a_login_lasts_as_long_as_its_job,
        test_a_pull_request_gets_no_role_that_changes_anything,
    ):
        check(workflow)
    if workflow == "terraform-apply":
        test_changes_of_an_environment_wait_for_its_approval(workflow)
    test_actions_are_those_of_the_table_at_its_commits()
    test_zizmor_finds_nothing_as_an_auditor()


def test_actionlint_finds_nothing() -> None:
    if shutil.which("go") is None:
        if os.environ.get("LAKEHOUSE_REQUIRE_TOOLS"):
            pytest.fail("go is needed to run actionlint")
        pytest.skip("actionlint is run with go, which is not here")
    lint = subprocess.run(
        ["go", "run", ACTIONLINT, "-shellcheck=", "-pyflakes="],
        cwd=GITHUB.parent,
        env={**os.environ, "GOFLAGS": "-buildvcs=false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_zizmor_finds_nothing_as_an_auditor() -> None:
    audit = subprocess.run(
        [str(TOOLS / "zizmor"), "--offline", "--persona=auditor", "--no-ignores", str(GITHUB)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert "No findings to report" in audit.stdout + audit.stderr


def test_the_delivery_commands_are_typed() -> None:
    check = subprocess.run(
        [str(TOOLS / "mypy"), "-p", "lakehouse.delivery"],
        cwd=GITHUB.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_actions_are_those_of_the_table_at_its_commits() -> None:
    table = yaml.safe_load((GITHUB / "pinned_actions.yml").read_text())
    used = set()
    for path in WORKFLOWS.iterdir():
        for name, commit, tag in re.findall(
            r"uses: ([\w./-]+)@(\S+) # (\S+)\n", path.read_text(encoding="utf-8")
        ):
            assert (commit, tag) == (table[name]["commit"], table[name]["tag"]), path.name
            used.add(name)
    named = {
        step["uses"].partition("@")[0] for flow in NAMES for step in steps(flow) if "uses" in step
    }
    assert used == named == set(table)
    for pin in table.values():
        assert re.fullmatch("[0-9a-f]{40}", pin["commit"])


@pytest.mark.parametrize("workflow", NAMES)
def test_permissions_are_given_to_jobs_one_by_one(workflow: str) -> None:
    assert load(workflow)["permissions"] == {}
    for name, job in jobs(workflow):
        assert job["permissions"], name
        assert set(job["permissions"].values()) <= {"read", "write"}
        written = {key for key, value in job["permissions"].items() if value == "write"}
        assert written <= {"id-token", "pull-requests", "pages", "issues", "packages"}, name
        assert not {"id-token", "packages"} <= written, "what builds an image has no role of AWS"


def commands(workflow: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each line that a job runs, with the step that it is of."""
    for step in steps(workflow):
        for line in step.get("run", "").replace("\\\n", " ").splitlines():
            yield step, line.strip()


@pytest.mark.parametrize("workflow", NAMES)
def test_what_fails_fails_the_run(workflow: str) -> None:
    assert load(workflow)["defaults"]["run"] == {"shell": "bash"}
    for _, job in jobs(workflow):
        assert "continue-on-error" not in job
        for step in job["steps"]:
            assert not {"continue-on-error", "shell"} & set(step)
    for step, line in commands(workflow):
        assert not re.search(r"\|\| *(true|:)|^set \+", line), line
        if line.startswith("make test"):
            assert step["env"]["LAKEHOUSE_REQUIRE_TOOLS"] == "1"


@pytest.mark.parametrize("workflow", NAMES)
def test_only_what_is_pinned_is_installed(workflow: str) -> None:
    for _, line in commands(workflow):
        if "pip install" in line:
            assert re.search(
                r"pip install --quiet --require-hashes --no-deps --requirement [\w./]+$", line
            ), line


@pytest.mark.parametrize("workflow", NAMES)
def test_nothing_prints_the_credentials(workflow: str) -> None:
    for _, line in commands(workflow):
        assert not re.search(r"(^|[;&|] *)(env|printenv|export|set -\w*x|set)( *$| *[|;>-])", line)


@pytest.mark.parametrize("workflow", NAMES)
def test_what_is_applied_is_a_plan_that_was_made_under_the_lock(workflow: str) -> None:
    for _, job in jobs(workflow):
        text = "\n".join(step.get("run", "") for step in job["steps"])
        assert "-auto-approve" not in text
        if applied := re.findall(r"terraform .* apply (.+)", text):
            assert applied == ["-input=false plan.bin"]
            assert "-lock=false" not in text
            assert job["if"] == "github.ref == 'refs/heads/main'"


@pytest.mark.parametrize("workflow", NAMES)
def test_runs_do_not_pile_up_and_end(workflow: str) -> None:
    concurrency = load(workflow)["concurrency"]
    # Cutting off a deployment would leave it half done; cutting off a check wastes nothing.
    assert concurrency["cancel-in-progress"] is (workflow in {"test", "docs", "terraform"})
    for _, job in jobs(workflow):
        assert job["timeout-minutes"] <= 300


@pytest.mark.parametrize("workflow", NAMES)
def test_aws_is_reached_by_a_role_of_the_environment_and_no_key(workflow: str) -> None:
    text = (WORKFLOWS / f"{workflow}.yml").read_text()
    assert "secrets." not in text
    assert "aws-access-key-id" not in text
    for name, job in jobs(workflow):
        logins = [step for step in job["steps"] if step.get("uses", "").startswith(AWS)]
        if logins:
            assert job["permissions"]["id-token"] == "write", name
            assert job["environment"], f"{name}: the role trusts an environment's jobs only"
        for login in logins:
            assert re.fullmatch(r"\$\{\{ vars\.\w+_ROLE_ARN \}\}", login["with"]["role-to-assume"])


@pytest.mark.parametrize("workflow", NAMES)
def test_what_runs_other_people_s_code_has_no_role_yet(workflow: str) -> None:
    """pip, Maven and builds of images come before the login, or in another job."""
    for name, job in jobs(workflow):
        names = [step.get("uses", step.get("run", "")) for step in job["steps"]]
        logins = [at for at, text in enumerate(names) if text.startswith(AWS)]
        builds = [at for at, text in enumerate(names) if re.search(r"pip install|/build_", text)]
        assert not logins or max(builds, default=-1) < logins[0], name


@pytest.mark.parametrize("workflow", NAMES)
def test_a_login_lasts_as_long_as_its_job(workflow: str) -> None:
    """The action asks for an hour unless told otherwise, and nobody renews the keys under way."""
    for name, job in jobs(workflow):
        logins = [step["with"] for step in job["steps"] if step.get("uses", "").startswith(AWS)]
        if logins:
            # A later one is for what is left after a failure.
            lasts = int(logins[0].get("role-duration-seconds", 3600))
            assert lasts >= 60 * job["timeout-minutes"], name


@pytest.mark.parametrize("workflow", NAMES)
def test_a_pull_request_gets_no_role_that_changes_anything(workflow: str) -> None:
    if "pull_request" not in load(workflow)["on"]:
        return
    for _, job in jobs(workflow):
        for step in job["steps"]:
            role = step.get("with", {}).get("role-to-assume", "")
            assert role in ("", "${{ vars.AWS_PLAN_ROLE_ARN }}")
            if role:
                assert job["environment"].endswith("-plan")
                assert "head.repo.full_name == github.repository" in job["if"]


@pytest.mark.parametrize(
    "workflow", ["deploy-glue", "deploy-warehouse", "rollback", "terraform-apply"]
)
def test_changes_of_an_environment_wait_for_its_approval(workflow: str) -> None:
    for name, job in jobs(workflow):
        if "id-token" in job["permissions"]:
            assert job["environment"].startswith("${{ inputs.environment"), name


@pytest.mark.parametrize(("value", "published"), [("true", True), ("", False), (None, False)])
def test_the_documentation_is_public_only_where_somebody_says_so(
    value: str | None, published: bool
) -> None:
    condition = load("docs")["jobs"]["publish"]["if"]
    assert evaluate(condition, {"vars": {"PUBLISH_DOCS": value}}) is published


def test_a_rollback_waits_for_the_deployments_of_its_part() -> None:
    groups = {name: job["concurrency"]["group"] for name, job in jobs("rollback")}
    for part, group in groups.items():
        deployment = load(f"deploy-{part}")["concurrency"]["group"]
        assert group.partition("-$")[0] == deployment.partition("-$")[0] == part


def test_terraform_writes_every_name_that_deployments_read() -> None:
    root = GITHUB.parent / "infra/terraform/main.tf"
    with pytest.raises(DeliveryError) as everything:
        Environment.parse("", "an empty file")
    needed = re.findall(r"LAKEHOUSE_\w+", str(everything.value))
    assert len(needed) == len(Environment.model_fields)
    written = set(re.findall(r"^ +(LAKEHOUSE_\w+) +=", root.read_text(), re.MULTILINE))
    assert set(needed) <= written


def test_operations_wait_for_no_playbook_that_is_not_there() -> None:
    """Every file that a command inside the VPC names is in the image."""
    named = set()
    for workflow in NAMES:
        for step in steps(workflow):
            named |= set(re.findall(r"infra/[\w./$-]+\.(?:yml|sh|py)", step.get("run", "")))
    for name in named:
        for stage in ("dev", "qa", "prod"):
            assert (GITHUB.parent / name.replace("$ENVIRONMENT", stage)).exists(), name
    assert "infra/ansible/playbooks/site.yml" in named


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.environment || 'dev'", "dev"),
        ("github.ref == 'refs/heads/main'", True),
        ("inputs.part != 'glue' && !inputs.full", True),
        ("inputs.full && 'yes' || ''", ""),
        ("steps.image.outputs.exists == 'false'", False),
    ],
    ids=["default", "equal", "not", "ternary", "missing"],
)
def test_the_runner_evaluates_expressions(expression: str, value: object) -> None:
    contexts = {
        "inputs": {"part": "all", "full": False},
        "github": {"ref": "refs/heads/main"},
        "steps": {},
    }
    assert evaluate(expression, contexts) == value
