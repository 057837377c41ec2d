"""Policies of IAM: their statements, and what parliament finds in them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.infra.terraform.conftest import tool

Statement = dict[str, Any]
# They act on one of several kinds of resource; parliament misses those that we do not have (map
# runs, express executions).
ONE_OF_SEVERAL = {"states:ListExecutions", "states:DescribeExecution"}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def parliament(folder: Path) -> list[tuple[str, object, str]]:
    """What parliament finds in the policies of a folder: the issue, its detail, the policy."""
    done = subprocess.run(
        [tool("parliament"), "--directory", folder, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == bool(found), done.stdout + done.stderr
    return [
        (finding["issue"], finding["detail"], Path(finding["location"]["filepath"]).stem)
        for finding in found
        if not (
            finding["issue"] == "RESOURCE_MISMATCH"
            and {mismatch["action"] for mismatch in finding["detail"]} <= ONE_OF_SEVERAL
        )
    ]
