"""How the tests run playbooks: as the image does, with the project's own command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ANSIBLE = ROOT / "infra" / "ansible"
TOOLS = Path(sys.executable).parent


@dataclass(frozen=True)
class Play:
    """What a run of a playbook ended with."""

    returncode: int
    output: str
    stats: Mapping[str, int]


RunPlaybook = Callable[..., Play]


@pytest.fixture
def run_playbook(tmp_path: Path) -> RunPlaybook:
    """Run `playbook` with the inventory of `stage`; `environment` is added to a small one."""
    lakehouse = tmp_path / "bin" / "lakehouse"
    lakehouse.parent.mkdir(exist_ok=True)
    lakehouse.write_text(f"#!{sys.executable}\nfrom lakehouse.cli import main\nmain()\n")
    lakehouse.chmod(0o755)

    def run(playbook: str, *arguments: str, stage: str, environment: Mapping[str, str]) -> Play:
        completed = subprocess.run(
            [
                *(str(TOOLS / "ansible-playbook"), f"playbooks/{playbook}.yml"),
                *("--inventory", f"inventories/{stage}/hosts.yml", *arguments),
            ],
            cwd=ANSIBLE,
            env={
                "PATH": f"{lakehouse.parent}:{TOOLS}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "LC_ALL": "C.UTF-8",
                "PYTHONPATH": str(ROOT),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"),
                "ANSIBLE_SHOW_CUSTOM_STATS": "false",
                "LAKEHOUSE_ENVIRONMENT": stage,
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        output = completed.stdout + completed.stderr
        return Play(completed.returncode, output, _stats(output, stage))

    return run


def _stats(output: str, host: str) -> dict[str, int]:
    """The numbers of the recap line of `host`; none when the play did not come so far."""
    for line in output.splitlines():
        if line.startswith(host) and "ok=" in line:
            pairs = (word.split("=") for word in line.split() if "=" in word)
            return {name: json.loads(number) for name, number in pairs}
    return {}
