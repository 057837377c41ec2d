"""Fixtures: Terraform (or the reason why not), a scratch tree, a cloud on loopback, its plans."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.infra.terraform import aws, harness
from tests.infra.terraform.calls import Call
from tests.infra.terraform.harness import Terraform

if TYPE_CHECKING:
    from tests.infra.terraform.rights import Policies


def missing(reason: str) -> None:
    """Skip with the reason; where these tests must run (.ci/run), fail with it."""
    if os.environ.get("LAKEHOUSE_REQUIRE_TOOLS"):
        pytest.fail(reason)
    pytest.skip(reason)


def tool(name: str) -> Path:
    """A program of the environment that checkov needs of its own: it pins an old boto3."""
    path = harness.PROJECT / ".venv" / "checkov" / "bin" / name
    if not path.exists():
        missing(f"{name} is not installed: make -f infra/infra.mk tools")
    return path


@pytest.fixture(scope="session")
def calls() -> set[Call]:
    """What has been asked of AWS on loopback, and by whom."""
    return set()


@pytest.fixture(scope="session")
def cloud(calls: set[Call]) -> Iterator[str]:
    """The address of AWS on loopback."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with aws.running(calls) as address:
        yield address


@pytest.fixture(scope="session")
def installing() -> Terraform:
    """Terraform as everybody runs it: `init` installs the provider."""
    if shutil.which("terraform") is None:
        missing("terraform is not installed (docs/runbooks/deployment.md names the version)")
    return harness.terraform()


@pytest.fixture(scope="session")
def tree(installing: Terraform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of infra/terraform whose modules are initialised once, all from one."""
    root = harness.copy_tree(tmp_path_factory.mktemp("terraform"))
    harness.on_loopback(root)
    first = root / "modules" / "encryption"
    harness.init(installing, first)
    for module in harness.MODULES:
        if module not in ("encryption", "declarations"):
            harness.share_init(first, root / "modules" / module)
    harness.share_init(first, root / "bootstrap")
    for folder in (root / "modules" / "declarations", root / "replica", root):
        harness.init(installing, folder)
    return root


@pytest.fixture(scope="session")
def terraform(installing: Terraform, tree: Path, cloud: str) -> Iterator[Terraform]:
    """Terraform that speaks to one provider for all tests, and that provider to `cloud`."""
    environment = installing.at(AWS_ENDPOINT_URL=cloud).environment
    with harness.running_provider(tree / "modules" / "encryption", environment) as provider:
        yield installing.at(TF_REATTACH_PROVIDERS=provider)


@dataclass(frozen=True)
class Environment:
    """The root, initialised for an environment, and the plan of its first apply."""

    name: str
    folder: Path
    terraform: Terraform
    plan: dict[str, Any]
    plan_file: str


@pytest.fixture(scope="session")
def environments(terraform: Terraform, tree: Path, replica: Applied) -> dict[str, Environment]:
    """The first plans of dev, qa and prod, with Debezium's plugin in the bucket and a copy."""
    found = {}
    for name in harness.ENVIRONMENTS:
        tfvars, plan_file = f"-var-file=environments/{name}.tfvars", f"{name}.tfplan"
        own = terraform.at(
            TF_DATA_DIR=f".terraform-{name}",
            TF_CLI_ARGS_plan=tfvars,
            TF_CLI_ARGS_destroy=tfvars,
            TF_VAR_access_key="terraform-plan",
            # prod's tfvars name another.
            TF_VAR_landing_replica=json.dumps(copied_to(replica)).replace("-dev-", f"-{name}-"),
        )
        harness.init(own, tree, f"-backend-config=path={name}.tfstate")
        own.must(tree, "plan", "-input=false", "-no-color", f"-out={plan_file}")
        plan = harness.show(own, tree, plan_file)
        found[name] = Environment(name, tree, own, plan, plan_file)
    return found


@dataclass(frozen=True)
class Applied:
    """A root as it was applied."""

    environment: Environment
    state: dict[str, Any]

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Values of all resources of a type by their key (for_each) or name."""
        return {
            str(resource.get("index", resource["name"])): resource["values"]
            for resource in _resources(self.state["values"]["root_module"])
            if resource["type"] == kind and resource["mode"] == "managed"
        }


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _changing(environment: Environment, command: str, *arguments: str) -> None:
    applying = environment.terraform.at(TF_VAR_access_key="terraform-apply")
    options = ("-input=false", "-no-color", "-parallelism=40", *arguments)
    applying.must(environment.folder, command, *options)


@pytest.fixture(scope="session")
def dev(environments: dict[str, Environment]) -> Applied:
    """dev, applied to the cloud on loopback."""
    environment = environments["dev"]
    _changing(environment, "apply", environment.plan_file)
    return Applied(environment, harness.show(environment.terraform, environment.folder))


@pytest.fixture(scope="session")
def second_plan(dev: Applied) -> dict[str, Any]:
    """dev, planned again at once."""
    return replan(dev, "second.tfplan")


@pytest.fixture(scope="session")
def destroyed(
    dev: Applied, second_plan: dict[str, Any], lake: Environment, cluster: Environment
) -> None:
    """dev, destroyed: whoever looks at what is there does so before."""
    _changing(dev.environment, "destroy", "-auto-approve")


@pytest.fixture(scope="session")
def bootstraps(
    terraform: Terraform, tree: Path, replica: Applied, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Applied]]:
    """dev's and prod's, each in a workspace of its own, as their tfvars say."""
    folder = tmp_path_factory.mktemp("applied") / "bootstrap"
    source = tree / "bootstrap"
    shutil.copytree(source, folder, symlinks=True, ignore=shutil.ignore_patterns("tests"))
    harness.on_loopback(folder, harness.LOCAL_STATE + DESTROYABLE % "state")
    harness.fill_in(folder, aws.ACCOUNT)
    harness.init(terraform, folder)
    arguments: dict[str, tuple[str, ...]] = {}
    found = {}
    for name in ("dev", "prod"):
        own = terraform.at(
            TF_WORKSPACE=name,
            TF_VAR_break_glass_principals=f'["arn:aws:iam::{aws.ACCOUNT}:user/ada"]',
            TF_VAR_create_oidc_provider=str(name == "dev").lower(),
        )
        arguments[name] = (
            *("-auto-approve", "-input=false", "-no-color"),
            f"-var-file=environments/{name}.tfvars",
            f"-var=replica_key_arn={copied_to(replica)['key_arn']}",
        )
        own.must(folder, "apply", *arguments[name])
        found[name] = Applied(Environment(name, folder, own, {}, ""), harness.show(own, folder))
    yield found
    for name, applied in found.items():
        applied.environment.terraform.must(folder, "destroy", *arguments[name])


@pytest.fixture(scope="session")
def bootstrap(bootstraps: dict[str, Applied]) -> Applied:
    """dev's bootstrap, applied."""
    return bootstraps["dev"]


# The account that keeps the copy.
REPLICA = "999988887777"


@pytest.fixture(scope="session")
def replica(terraform: Terraform, tree: Path, cloud: str) -> Iterator[Applied]:
    """The bucket for the copy of dev's landing zone, applied in an account of its own."""
    folder = tree / "replica"
    harness.on_loopback(folder, harness.LOCAL_STATE + DESTROYABLE % "this")
    sts: Any = boto3.client(
        *("sts", aws.REGION), endpoint_url=cloud, aws_access_key_id="x", aws_secret_access_key="x"
    )
    role = f"arn:aws:iam::{REPLICA}:role/administrator"
    login = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    own = terraform.at(
        TF_VAR_environment="dev",
        TF_VAR_region="eu-west-1",
        TF_VAR_source_account_id=aws.ACCOUNT,
        TF_VAR_readers=f'["arn:aws:iam::{aws.ACCOUNT}:role/retail-lakehouse-dev-break-glass"]',
        TF_VAR_access_key=login["AccessKeyId"],
    )
    harness.init(own, folder)
    arguments = ("-auto-approve", "-input=false", "-no-color")
    own.must(folder, "apply", *arguments)
    yield Applied(Environment("dev", folder, own, {}, ""), harness.show(own, folder))
    own.must(folder, "destroy", *arguments)


def copied_to(replica: Applied) -> dict[str, str]:
    """What an environment is told of the copy."""
    told: dict[str, str] = replica.state["values"]["outputs"]["landing_replica"]["value"]
    return told


DESTROYABLE = """
resource "aws_s3_bucket" "%s" {
  lifecycle {
    prevent_destroy = false
  }
}
"""


# A job and a table of the lake, which no environment has.
LAKE = """-var=lake_target={
  batch_jobs       = { landing-to-staging = { description = "x", script = "x.py" } }
  optimized_tables = ["dim_customer"]
}"""


@pytest.fixture(scope="session")
def lake(dev: Applied) -> Environment:
    """dev with the lake target on, planned over what is there."""
    return replace(dev.environment, plan=replan(dev, "lake.tfplan", LAKE))


# The warehouse as prod has it: what only an apply tells is known here.
CLUSTER = (
    "-var=deletion_protection=true",
    '-var=redshift={ mode = "provisioned", snapshot_retention_days = 35 }',
)


@pytest.fixture(scope="session")
def cluster(dev: Applied) -> Environment:
    """dev with a cluster in the place of its workgroup, planned over what is there."""
    return replace(dev.environment, plan=replan(dev, "cluster.tfplan", *CLUSTER))


POWER = "arn:aws:iam::aws:policy/PowerUserAccess"


@pytest.fixture(scope="session")
def policies(lake: Environment, bootstrap: Applied, replica: Applied, cloud: str) -> Policies:
    """All that decides in dev, with the lake target on: the others are as they were applied."""
    from tests.infra.terraform.rights import Policies

    iam: Any = boto3.client(
        *("iam", aws.REGION), endpoint_url=cloud, aws_access_key_id="x", aws_secret_access_key="x"
    )
    version = iam.get_policy(PolicyArn=POWER)["Policy"]["DefaultVersionId"]
    power = iam.get_policy_version(PolicyArn=POWER, VersionId=version)["PolicyVersion"]["Document"]
    planned = Applied(lake, {"values": lake.plan["planned_values"]})
    return Policies.of((planned, bootstrap, replica), {POWER: power})


def replan(applied: Applied, name: str, *options: str) -> dict[str, Any]:
    """A new plan, kept as the file `name`."""
    environment = applied.environment
    environment.terraform.must(
        environment.folder, "plan", "-input=false", "-no-color", f"-out={name}", *options
    )
    return harness.show(environment.terraform, environment.folder, name)
