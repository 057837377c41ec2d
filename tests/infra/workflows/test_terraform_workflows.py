"""The Terraform workflows, line by line, with real Terraform and its S3 backend on moto.

The root is a small one without a provider: what is proved here is the workflow (checks, plan, the
comment, apply of nothing but the approved plan). The modules are proved in tests/infra/terraform.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra.workflows.cloud import CREDENTIALS, REGION, Cloud
from tests.infra.workflows.runner import Job, StepFailedError, base_environment

ROOT_MODULE = """terraform {
  backend "s3" {}
}

variable "environment" {
  type = string
}

resource "terraform_data" "this" {
  input = "one of ${var.environment}"
}
"""
MODULE = """variable "size" {
  type    = number
  default = 1
}
"""
MODULE_TEST = """run "has_a_size" {
  command = plan

  assert {
    condition     = var.size == 1
    error_message = "size is not 1"
  }
}
"""
STATE = "terraform-state"


@pytest.fixture(autouse=True)
def _terraform() -> None:
    if shutil.which("terraform") is None:
        if os.environ.get("LAKEHOUSE_REQUIRE_TOOLS"):
            pytest.fail("terraform is needed to run its workflows")
        pytest.skip("terraform is not here")


class Repository:
    """A checkout, GitHub's variables and artifacts, and the comments of a pull request."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.folder = folder
        self.cloud = cloud
        self.tree = folder / "tree"
        terraform = self.tree / "infra/terraform"
        (terraform / "environments").mkdir(parents=True)
        for stage in ("dev", "qa", "prod"):
            tfvars = terraform / "environments" / f"{stage}.tfvars"
            tfvars.write_text(f'environment = "{stage}"\n')
        (terraform / "main.tf").write_text(ROOT_MODULE)
        (terraform / "bootstrap").mkdir()
        (terraform / "bootstrap/main.tf").write_text(MODULE)
        (terraform / "modules/sized/tests").mkdir(parents=True)
        (terraform / "modules/sized/main.tf").write_text(MODULE)
        (terraform / "modules/sized/tests/sized.tftest.hcl").write_text(MODULE_TEST)
        cloud.client("s3").create_bucket(
            Bucket=STATE, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir()
        gh = folder / "bin" / "gh"
        gh.parent.mkdir()
        gh.write_text(
            '#!/bin/sh\necho "$@" > ../gh-arguments\n'
            '[ -n "$GH_TOKEN" ] && cp comment.md ../posted.md\n'
        )
        gh.chmod(0o755)

    def run(self, workflow: str, job: str, **contexts: Any) -> Job:
        workspace = self.folder / "work" / "workspace"
        shutil.rmtree(workspace.parent, ignore_errors=True)
        workspace.mkdir(parents=True)
        backend = (
            f'bucket = "{STATE}"\nregion = "{REGION}"\nuse_path_style = true\n'
            "skip_credentials_validation = true\nskip_requesting_account_id = true\n"
            "skip_metadata_api_check = true\n"
        )
        given = {
            "vars": {
                "AWS_REGION": REGION,
                "AWS_PLAN_ROLE_ARN": "plan-role",
                "AWS_APPLY_ROLE_ARN": "apply-role",
                "TERRAFORM_BACKEND": backend,
            },
            "github": {
                "run_id": "1",
                "token": "t",
                "ref": "refs/heads/main",
                "repository": "shop/lakehouse",
                "event": {
                    "pull_request": {
                        "number": 7,
                        "head": {"repo": {"full_name": "shop/lakehouse"}},
                    }
                },
            },
            **contexts,
        }
        environment = {
            **base_environment(self.folder / "bin", Path(sys.executable).parent),
            "GITHUB_REPOSITORY": "shop/lakehouse",
            "TF_DATA_DIR": ".terraform",
        }
        return Job(workflow, job, given, workspace, environment, self._actions(job)).run()

    def _actions(self, job_name: str) -> dict[str, Callable[[Job, Any], None]]:
        def check_out(job: Job, _inputs: Any) -> None:
            shutil.copytree(self.tree, job.workspace, dirs_exist_ok=True)

        def log_in(job: Job, inputs: Any) -> None:
            expected = "apply-role" if job_name == "apply" else "plan-role"
            assert inputs["role-to-assume"] == expected
            job.environment |= {**CREDENTIALS, "AWS_ENDPOINT_URL": self.cloud.endpoint}

        def upload(job: Job, inputs: Any) -> None:
            target = self.artifacts / inputs["name"]
            target.mkdir(exist_ok=True)
            shutil.copy(job.workspace / inputs["path"], target)

        def download(job: Job, inputs: Any) -> None:
            for folder in self.artifacts.glob(inputs.get("name") or inputs["pattern"]):
                shutil.copytree(folder, job.workspace, dirs_exist_ok=True)

        return {
            "actions/checkout": check_out,
            "hashicorp/setup-terraform": lambda _job, inputs: None,
            "aws-actions/configure-aws-credentials": log_in,
            "actions/upload-artifact": upload,
            "actions/download-artifact": download,
        }

    def state(self) -> str:
        """What has been applied, as Terraform's state holds it."""
        listing = self.cloud.client("s3").list_objects_v2(Bucket=STATE).get("Contents", [])
        if not listing:
            return ""
        [state] = listing
        assert state["Key"] == "dev/terraform.tfstate"
        body = self.cloud.client("s3").get_object(Bucket=STATE, Key=state["Key"])["Body"]
        return str(body.read().decode())


@pytest.fixture
def repository(cloud: Cloud, tmp_path: Path) -> Repository:
    return Repository(tmp_path, cloud)


def test_applies_the_plan_that_was_approved(repository: Repository) -> None:
    inputs = {"environment": "dev"}
    planned = repository.run("terraform-apply", "plan", inputs=inputs)
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in planned.summary
    assert repository.state() == "", "a plan changes nothing"

    applied = repository.run("terraform-apply", "apply", inputs=inputs)

    assert "Apply complete! Resources: 1 added" in applied.output
    assert '"one of dev"' in repository.state()


def test_refuses_a_plan_that_is_not_the_approved_one(repository: Repository) -> None:
    inputs = {"environment": "dev"}
    repository.run("terraform-apply", "plan", inputs=inputs)
    main = repository.tree / "infra/terraform/main.tf"
    main.write_text(ROOT_MODULE.replace("one", "two"))

    with pytest.raises(StepFailedError, match="no longer the approved one"):
        repository.run("terraform-apply", "apply", inputs=inputs)

    assert "two" not in repository.state()


def test_applies_what_is_in_main_only(repository: Repository) -> None:
    with pytest.raises(StepFailedError, match="its `if` does not hold"):
        repository.run(
            "terraform-apply",
            "apply",
            inputs={"environment": "dev"},
            github={"ref": "refs/heads/mine", "run_id": "1"},
        )


def test_checks_format_roots_and_modules(repository: Repository) -> None:
    plain = re.sub(r"\x1b\[\d*m", "", repository.run("terraform", "check").output)
    assert plain.count("Success! The configuration is valid.") == 2
    assert "1 passed, 0 failed" in plain


@pytest.mark.parametrize(
    ("file", "content", "step"),
    [
        ("bootstrap/main.tf", MODULE.replace("type    =", "type ="), "Check the format"),
        ("bootstrap/main.tf", MODULE.replace("number", "nothing"), "Validate every root"),
        ("modules/sized/main.tf", MODULE.replace("= 1", "= 2"), "Test every module"),
    ],
    ids=["format", "validate", "test"],
)
def test_each_check_can_fail(repository: Repository, file: str, content: str, step: str) -> None:
    (repository.tree / "infra/terraform" / file).write_text(content)
    with pytest.raises(StepFailedError, match=step):
        repository.run("terraform", "check")


def test_comments_the_plan_of_each_environment(repository: Repository) -> None:
    for stage in ("dev", "qa", "prod"):
        repository.run("terraform", "plan", matrix={"environment": stage})
    repository.run("terraform", "comment")

    posted = (repository.folder / "work/posted.md").read_text()
    for stage in ("dev", "qa", "prod"):
        assert f'"one of {stage}"' in posted
        assert f"Terraform plan of {stage}: Plan: 1 to add, 0 to change, 0 to destroy." in posted
    arguments = (repository.folder / "work/gh-arguments").read_text().split()
    assert arguments[:5] == ["pr", "comment", "7", "--repo", "shop/lakehouse"]


def test_a_pull_request_from_a_fork_gets_no_role(repository: Repository) -> None:
    fork = {"pull_request": {"head": {"repo": {"full_name": "somebody/lakehouse"}}}}
    with pytest.raises(StepFailedError, match="its `if` does not hold"):
        repository.run(
            "terraform",
            "plan",
            matrix={"environment": "dev"},
            github={"event": fork, "repository": "shop/lakehouse"},
        )
