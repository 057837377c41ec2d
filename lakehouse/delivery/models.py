"""Build what a release changes in the warehouse. Runs inside the VPC, as a task of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.delivery.environment import DEPLOYED


@dataclass(frozen=True)
class Build:
    """What to build: dbt's target and target path."""

    target: str
    full_refresh: bool
    directory: Path


def build(s3: Any, bucket: str, dbt: Callable[[Sequence[str]], int], what: Build) -> int:
    """`dbt build` of the modified models and what depends on them; dbt's exit code.

    Modified is what differs from this environment's last deployment, whatever release that was. At
    the first one everything is built. After a success the manifest is kept for the next comparison.
    """
    # Unit tests prove code, not data: they have run before there was a release.
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    arguments += ["--target", what.target, "--target-path", str(what.directory)]
    state = what.directory / "state"
    if _download(s3, bucket, DEPLOYED, state / "manifest.json"):
        # All tables are as of one build here: whatever test reads a modified one can run.
        arguments += ["--select", "state:modified+", "--indirect-selection", "eager"]
        arguments += ["--state", str(state)]
    else:
        print("nothing was deployed here yet: every model is built", flush=True)
    if what.full_refresh:
        arguments.append("--full-refresh")
    code = dbt(arguments)
    if code == 0:
        s3.upload_file(str(what.directory / "manifest.json"), bucket, DEPLOYED)
    return code


def _download(s3: Any, bucket: str, key: str, path: Path) -> bool:
    """Whether there was such an object; it is then at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return False
    path.write_bytes(content)
    return True
