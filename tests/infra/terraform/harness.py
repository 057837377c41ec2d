"""Terraform for tests: where it is, a scratch copy of the configuration, one `init` for all."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[3]
SOURCE = PROJECT / "infra" / "terraform"
DECLARATIONS = Path("models/staging/retail/_retail__sources.yml")
PROVIDER = Path("registry.terraform.io/hashicorp/aws/5.100.0")
MODULES = sorted(path.name for path in (SOURCE / "modules").iterdir() if path.is_dir())
ENVIRONMENTS = ("dev", "qa", "prod")
# What a checkout holds beside what is committed.
LEFT_BEHIND = (".terraform", ".terraform-*", "*.tfstate*", "*.tfbackend")

# Of the real environment only what a process needs; no credentials, no settings of the developer.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")


def plugin_folder() -> Path | None:
    """A folder on this machine that holds the provider, None when `init` must download it."""
    homes = [Path.home() / ".terraform.d/plugins", *Path("/opt").glob("*")]
    shares = [Path("/usr/local/share/terraform/plugins"), Path("/usr/share/terraform/plugins")]
    named = os.environ.get("TF_PLUGIN_CACHE_DIR")
    candidates = [*([Path(named)] if named else []), *homes, *shares]
    return next((folder for folder in candidates if (folder / PROVIDER).is_dir()), None)


@dataclass(frozen=True)
class Result:
    """What a command left."""

    code: int
    output: str


@dataclass(frozen=True)
class Terraform:
    """The command, with the environment that it runs in."""

    environment: dict[str, str]

    def run(self, folder: Path, *arguments: str) -> Result:
        """Run it in `folder`; the output is stdout and stderr in one."""
        done = subprocess.run(
            ["nice", "-n", "10", "terraform", *arguments],
            cwd=folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return Result(done.returncode, done.stdout)

    def must(self, folder: Path, *arguments: str) -> str:
        """Run it in `folder`; its output, an AssertionError with it when it fails."""
        result = self.run(folder, *arguments)
        assert result.code == 0, f"terraform {' '.join(arguments)}\n{result.output}"
        return result.output

    def at(self, **environment: str) -> Terraform:
        """The same with more environment variables."""
        return Terraform(self.environment | environment)


def terraform() -> Terraform:
    """The command with a clean environment."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return Terraform(
        kept
        | {
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            # Most of what Terraform and the provider hold is the provider's schema, which Go's
            # collector would go through again and again.
            "GOGC": "400",
        }
    )


def copy_tree(target: Path) -> Path:
    """A copy of the configuration with what it reads, below `target`; the copy's root."""
    root = target / "infra" / "terraform"
    shutil.copytree(SOURCE, root, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    (target / DECLARATIONS).parent.mkdir(parents=True)
    shutil.copy(PROJECT / DECLARATIONS, target / DECLARATIONS)
    return root


def init(command: Terraform, folder: Path, *options: str) -> None:
    """`terraform init`, from the machine's provider folder when it has one."""
    plugins = plugin_folder()
    source = [f"-plugin-dir={plugins}"] if plugins else []
    command.must(folder, "init", "-input=false", "-no-color", *source, *options)


@contextmanager
def running_provider(initialised: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The AWS provider of an initialised folder, run once: the value of TF_REATTACH_PROVIDERS.

    Terraform starts the provider anew for each step of each command, which is four fifths of the
    time of a mocked test. Attached to one that runs (Terraform's documentation, "Debugging
    Providers") it does not, and is otherwise the same. `environment` is the provider's: its
    credentials, and where AWS is.
    """
    [executable] = (initialised / ".terraform" / "providers" / PROVIDER).glob(
        "*/terraform-provider-aws*"
    )
    process = subprocess.Popen(
        ["nice", "-n", "10", executable, "-debug"],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if match := re.search(r"TF_REATTACH_PROVIDERS='(.+)'", line):
                yield match[1]
                break
        else:
            raise AssertionError(f"the provider has not started: {said}")
    finally:
        process.terminate()
        process.wait()


def share_init(initialised: Path, folder: Path) -> None:
    """Give `folder`, which calls no module, the providers of an initialised one."""
    shutil.copy(initialised / ".terraform.lock.hcl", folder)
    shutil.copytree(
        initialised / ".terraform" / "providers", folder / ".terraform" / "providers", symlinks=True
    )
    plugin_path = initialised / ".terraform" / "plugin_path"
    if plugin_path.exists():
        shutil.copy(plugin_path, folder / ".terraform" / "plugin_path")


def show(command: Terraform, folder: Path, plan: str | None = None) -> dict[str, Any]:
    """The saved plan, or the state, as Terraform's JSON."""
    arguments = ("show", "-json", plan) if plan else ("show", "-json")
    shown: dict[str, Any] = json.loads(command.must(folder, *arguments))
    return shown


LOCAL_STATE = """
terraform {
  backend "local" {}
}
"""
ON_LOOPBACK = """
provider "aws" {
  access_key                  = var.access_key
  secret_key                  = var.access_key
  max_retries                 = 10
  s3_use_path_style           = true
  skip_metadata_api_check     = true
}
"""
# Whose calls these are (calls.py). A plan file does not keep it: each command has its own.
ACCESS_KEY = """
variable "access_key" {
  type      = string
  default   = null
  ephemeral = true
}
"""


def on_loopback(root: Path, state: str = LOCAL_STATE) -> None:
    """Let the root speak to a local server and keep its state beside it, or where `state` says.

    Terraform merges override files into the configuration; the modules are untouched.
    """
    (root / "harness_override.tf").write_text(state + ON_LOOPBACK, encoding="utf-8")
    (root / "harness.tf").write_text(ACCESS_KEY, encoding="utf-8")
    if (root / "bootstrap").exists():
        # As after the first upload: then the plugin is made as well.
        uploaded = "connect = { plugin_uploaded = true }\n"
        (root / "harness.auto.tfvars").write_text(uploaded, "utf-8")


def fill_in(bootstrap: Path, account: str) -> None:
    """What deployment.md, step 1, lets an administrator put into the tfvars."""
    for path in (bootstrap / "environments").glob("*.tfvars"):
        text = path.read_text("utf-8").replace("example-org@", "shop@")
        path.write_text(text.replace('["<account>"]', f'["{account}"]'), "utf-8")


def planned(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the plan makes: address, type, values."""
    modules = [plan["planned_values"]["root_module"]]
    for module in modules:
        yield from (r for r in module.get("resources", []) if "values" in r)
        modules.extend(module.get("child_modules", []))
