"""The Terraform workflows, line by line, with real Terraform and its S3 backend on moto.

The root is a small one without a provider: what is proved here is the workflow (checks, plan, the
comment, apply of nothing but the approved plan). The modules are proved in tests/infra/terraform.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.infra.workflows.cloud import CREDENTIALS, REGION, Cloud
from tests.infra.workflows.runner import Job, StepFailedError, base_environment
from tests.kit.dbt import ROOT
from tests.kit.runbooks import Shell, section

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
BACKEND = (
    f'bucket = "{STATE}"\nregion = "{REGION}"\nuse_path_style = true\n'
    "skip_credentials_validation = true\nskip_requesting_account_id = true\n"
    "skip_metadata_api_check = true\n"
)
# What a run that was cut off leaves beside the state.
LOCK = {"ID": "5fa09ec9-4cd0-3d54-9b4e-1f4e3b6d3f4c", "Operation": "OperationTypeApply"}
# The part of `aws` that the workflow calls.
AWS = """import sys
import boto3
service, command, *options = sys.argv[1:]
if (service, command) == ("cloudwatch", "put-metric-data"):
    given = dict(zip(options[::2], options[1::2], strict=True))
    name, _, value = given["--dimensions"].partition("=")
    metric = {"MetricName": given["--metric-name"], "Value": float(given["--value"])}
    metric["Dimensions"] = [{"Name": name, "Value": value}]
    boto3.client("cloudwatch").put_metric_data(Namespace=given["--namespace"], MetricData=[metric])
    sys.exit()
quiet, source, target = options
assert (service, command, quiet) == ("s3", "cp", "--only-show-errors")
if source.startswith("s3://"):
    bucket, _, key = source.removeprefix("s3://").partition("/")
    boto3.client("s3").download_file(bucket, key, target)
else:
    bucket, _, key = target.removeprefix("s3://").partition("/")
    boto3.client("s3").upload_file(source, bucket, key)
"""
# Its state cannot be written: the bucket goes while it is applied.
BREAKS = """
resource "terraform_data" "breaks" {
  provisioner "local-exec" {
    command     = <<-PYTHON
      import boto3
      bucket = boto3.resource("s3").Bucket("STATE")
      bucket.objects.all().delete()
      bucket.delete()
    PYTHON
    interpreter = ["PYTHON3", "-c"]
  }
}
"""


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
        for root in ("bootstrap", "replica"):
            (terraform / root).mkdir()
            (terraform / root / "main.tf").write_text(MODULE)
        (terraform / "modules/sized/tests").mkdir(parents=True)
        (terraform / "modules/sized/main.tf").write_text(MODULE)
        (terraform / "modules/sized/tests/sized.tftest.hcl").write_text(MODULE_TEST)
        (self.tree / "requirements").mkdir()
        shutil.copy(ROOT / "requirements/delivery.txt", self.tree / "requirements")
        self._make_bucket()
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir()
        gh = folder / "bin" / "gh"
        gh.parent.mkdir()
        gh.write_text(
            '#!/bin/sh\necho "$@" > ../gh-arguments\n'
            '[ -n "$GH_TOKEN" ] && cp comment.md ../posted.md\n'
        )
        gh.chmod(0o755)
        aws = gh.with_name("aws")
        aws.write_text(f"#!{sys.executable}\n{AWS}")
        aws.chmod(0o755)

    def _make_bucket(self) -> None:
        self.cloud.client("s3").create_bucket(
            Bucket=STATE, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def run(self, workflow: str, job: str, **contexts: Any) -> Job:
        workspace = self.folder / "work" / "workspace"
        shutil.rmtree(workspace.parent, ignore_errors=True)
        workspace.mkdir(parents=True)
        given = {
            "vars": {
                "AWS_REGION": REGION,
                "AWS_PLAN_ROLE_ARN": "plan-role",
                "AWS_APPLY_ROLE_ARN": "apply-role",
                "TERRAFORM_BACKEND": BACKEND,
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
            "GITHUB_RUN_ID": "1",
            "TF_DATA_DIR": ".terraform",
            # The tests' own packages are those of the list already: pip must not touch them.
            "PIP_DRY_RUN": "1",
        }
        return Job(workflow, job, given, workspace, environment, self._actions(job)).run()

    def _actions(self, job_name: str) -> dict[str, Callable[[Job, Any], None]]:
        def check_out(job: Job, _inputs: Any) -> None:
            shutil.copytree(self.tree, job.workspace, dirs_exist_ok=True)

        def log_in(job: Job, inputs: Any) -> None:
            expected = "apply-role" if job_name == "apply" else "plan-role"
            assert inputs["role-to-assume"] == expected
            job.environment |= {**CREDENTIALS, "AWS_ENDPOINT_URL": self.cloud.endpoint}
            buckets = self.cloud.client("s3").list_buckets()["Buckets"]
            if STATE not in [bucket["Name"] for bucket in buckets]:
                self._make_bucket()

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
            "actions/setup-python": lambda _job, inputs: None,
            "aws-actions/configure-aws-credentials": log_in,
            "actions/upload-artifact": upload,
            "actions/download-artifact": download,
        }

    def by_hand(self, main: str) -> Shell:
        """At the root of a checkout, with what a page's reader knows."""
        folder = self.folder / "by-hand"
        shutil.copytree(self.tree, folder)
        root = folder / "infra/terraform"
        (root / "main.tf").write_text(main)
        (root / "environments/dev.s3.tfbackend").write_text(BACKEND + "use_lockfile = true\n")
        environment = {
            **base_environment(self.folder / "bin", Path(sys.executable).parent),
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.cloud.endpoint,
            "SAID": str(self.folder / "said"),
        }
        names = {"<bucket of the state>": STATE, "<run>": "1", "<ID in the message>": LOCK["ID"]}
        return Shell(folder, environment, names)

    def state(self) -> str:
        """What has been applied, as Terraform's state holds it."""
        s3 = self.cloud.client("s3")
        try:
            body = s3.get_object(Bucket=STATE, Key="dev/terraform.tfstate")["Body"]
        except s3.exceptions.NoSuchKey:
            return ""
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

    assert "nothing that counts against a quota: right" in applied.output
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


def test_a_state_that_could_not_be_written_is_pushed_as_the_runbook_says(
    repository: Repository,
) -> None:
    inputs = {"environment": "dev"}
    main = repository.tree / "infra/terraform/main.tf"
    breaks = BREAKS.replace("STATE", STATE).replace("PYTHON3", sys.executable)
    main.write_text(ROOT_MODULE + breaks)
    repository.run("terraform-apply", "plan", inputs=inputs)

    with pytest.raises(StepFailedError, match="Apply ended with 1") as broken:
        repository.run("terraform-apply", "apply", inputs=inputs)

    assert "errored.tfstate" in str(broken.value)
    kept = repository.cloud.client("s3").list_objects_v2(Bucket=STATE)["Contents"]
    assert [entry["Key"] for entry in kept] == ["dev/errored/1.tfstate"]

    shell = repository.by_hand(main=ROOT_MODULE + breaks)
    unlock, *others = section(__file__, "deployment.md", "An apply that broke")
    for line in others:
        said = shell.walk(line)
    assert "No changes" in said

    lock = {"Bucket": STATE, "Key": "dev/terraform.tfstate.tflock", "Body": json.dumps(LOCK)}
    repository.cloud.client("s3").put_object(**lock)
    with pytest.raises(AssertionError, match="Error acquiring the state lock"):
        shell.run("terraform plan -input=false -var-file=environments/dev.tfvars")
    shell.walk(replace(unlock, text=f"yes yes | {unlock.text}"))
    shell.run("terraform plan -input=false -var-file=environments/dev.tfvars")
    assert '"one of dev"' in repository.state()


@pytest.mark.parametrize(
    ("root", "ends"), [(ROOT_MODULE, 0), (ROOT_MODULE.replace("one", "two"), 2), ("nonsense", 1)]
)
def test_a_night_tells_of_an_environment_that_is_not_as_planned(
    repository: Repository, root: str, ends: int
) -> None:
    """And its alarm looks at what it puts (tests/infra/terraform/alarms.yml)."""
    inputs = {"environment": "dev"}
    repository.run("terraform-apply", "plan", inputs=inputs)
    repository.run("terraform-apply", "apply", inputs=inputs)
    night = {"matrix": {"environment": "dev"}}
    (repository.tree / "infra/terraform/main.tf").write_text(root)
    if ends:
        with pytest.raises(StepFailedError, match=rf"\A(Plan, .+|Initialise) ended with {ends}"):
            repository.run("nightly", "drift", **night)
    else:
        assert "No changes" in repository.run("nightly", "drift", **night).output
    assert drifted(repository.cloud) == [float(ends > 0)]


def drifted(cloud: Cloud) -> list[float]:
    """The values of the metric that the alarm `configuration-drift` of dev looks at."""
    now = datetime.now(UTC)
    found = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="RetailLakehouse/Plan",
        MetricName="Drifted",
        Dimensions=[{"Name": "Environment", "Value": "dev"}],
        StartTime=now - timedelta(hours=12),
        EndTime=now + timedelta(hours=12),
        Period=86400,
        Statistics=["Maximum"],
    )
    return [point["Maximum"] for point in found["Datapoints"]]


def test_checks_format_roots_and_modules(repository: Repository) -> None:
    plain = re.sub(r"\x1b\[\d*m", "", repository.run("terraform", "check").output)
    assert plain.count("Success! The configuration is valid.") == 3
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


@pytest.mark.parametrize(
    ("planned", "result"),
    [(("dev", "qa", "prod"), "success"), (("dev",), "failure"), ((), "failure")],
    ids=["all", "one", "none"],
)
def test_comments_the_plan_of_each_environment_that_has_one(
    repository: Repository, planned: tuple[str, ...], result: str
) -> None:
    for stage in planned:
        repository.run("terraform", "plan", matrix={"environment": stage})
    commenting = {"always": lambda: True, "needs": {"plan": {"result": result}}}
    repository.run("terraform", "comment", **commenting)

    if not planned:
        assert not (repository.folder / "work/posted.md").exists()
        return
    posted = (repository.folder / "work/posted.md").read_text()
    assert posted.count("<details>") == len(planned)
    for stage in planned:
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
