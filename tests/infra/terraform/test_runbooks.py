"""The lines of docs/runbooks that Terraform and the AWS CLI run, as they are, on AWS on loopback.

Two environments one after the other, by-hand plans of the first, then break-glass.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.terraform import aws, harness
from tests.infra.terraform.conftest import DESTROYABLE, missing
from tests.infra.terraform.harness import Terraform
from tests.kit.runbooks import Shell, section

# What a page's reader puts into the place of `<…>`.
NAMES = {"<owner>": "example-org", "<repository>": "retail-lakehouse", "<account>": aws.ACCOUNT}


@pytest.fixture(scope="module")
def shell(
    terraform: Terraform, tree: Path, cloud: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    """A checkout, and an administrator who answers `yes`."""
    if shutil.which("aws") is None:
        missing("the AWS CLI is not installed")
    folder = tmp_path_factory.mktemp("walk")
    root = harness.copy_tree(folder)
    bootstrap = root / "bootstrap"
    harness.on_loopback(bootstrap, harness.LOCAL_STATE + DESTROYABLE % "state")
    harness.fill_in(bootstrap, aws.ACCOUNT)
    harness.on_loopback(root, state="")
    plugins = harness.plugin_folder()
    environment = terraform.environment | {
        "AWS_ENDPOINT_URL": cloud,
        "AWS_PAGER": "",
        "SAID": str(folder / "said"),
        "TF_CLI_ARGS": "-no-color",
        "TF_CLI_ARGS_init": f"-plugin-dir={plugins}" if plugins else "",
        # moto cannot delete a bucket in which a lock has been
        "TF_CLI_ARGS_plan": "-lock=false",
        "TF_CLI_ARGS_apply": "-auto-approve -input=false",
        "TF_VAR_break_glass_principals": f'["arn:aws:iam::{aws.ACCOUNT}:user/ada"]',
    }
    yield Shell(
        folder,
        {**environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        NAMES,
    )
    for name in ("dev", "qa"):
        own = Terraform(environment | {"TF_WORKSPACE": name})
        own.must(bootstrap, "destroy", "-auto-approve", f"-var-file=environments/{name}.tfvars")


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_two_environments_then_break_glass(shell: Shell, tree: Path) -> None:
    """The lines of `deployment.md`, step 1 and 3, and of `break_glass.md`."""
    root = shell.folder / "infra/terraform"
    backends = []
    for line in section(
        __file__, "deployment.md", "1. State, roles and trust (once, by an administrator)"
    ):
        output = shell.walk(line)
        if line.text == "terraform workspace new qa":
            shell.run("echo 'create_oidc_provider = false' >> environments/qa.tfvars")
        if "backend_config" in line.text:
            backends.append(output)
    assert [re.findall(r"lakehouse-(\w+)-terraform-", backend) for backend in backends] == [
        ["dev"],
        ["qa"],
    ]
    shell.run("terraform workspace select dev")
    refused = subprocess.run(
        ["terraform", "plan", "-input=false", "-var-file=environments/qa.tfvars"],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "terraform workspace select -or-create qa" in refused.stderr

    # moto has one address for all buckets
    loopback = "use_path_style = true\nskip_requesting_account_id = true\n"
    (root / "environments/dev.s3.tfbackend").write_text(backends[0] + loopback)
    shell.folder = root.parents[1]
    # moto's list of endpoints is older than those of MSK, MSK Connect and Redshift Serverless.
    shell.ends["python -m lakehouse.delivery preflight"] = 1
    for title in ("3. The account", "Before the first apply: has the account room?"):
        for line in section(__file__, "deployment.md", title):
            shell.walk(line)

    for line in section(__file__, "break_glass.md", "How"):
        if line.text.startswith("export"):
            shell.environment |= _credentials(output) | {"AWS_DEFAULT_REGION": aws.REGION}
        else:
            output = shell.walk(line)
    for line in section(__file__, "break_glass.md", "Afterwards"):
        shell.walk(line)


def _credentials(answer: str) -> dict[str, str]:
    """What `export` is given, from the answer of `assume-role`."""
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    variables = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {
        variable: re.search(rf'"{name}": "(.+?)"', answer)[1]  # type: ignore[index]
        for variable, name in zip(variables, names, strict=True)
    }
