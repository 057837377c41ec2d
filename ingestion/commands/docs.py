"""`lakehouse docs`: the documentation of the warehouse as a static site that opens from disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ingestion.errors import TerminalError

_INDEX = """<!doctype html>
<meta charset="utf-8">
<title>Retail lakehouse</title>
<style>body { font: 1.1rem/1.6 system-ui; margin: 4rem auto; max-width: 40rem }</style>
<h1>Retail lakehouse</h1>
<ul>
  <li><a href="catalog.html">Catalog</a>: every model, snapshot, column and test (dbt docs).</li>
  <li><a href="lineage.html">Lineage</a>: from which column each column comes (dbt-colibri).</li>
</ul>
"""


def docs(
    output: Annotated[Path, typer.Option(help="Folder of the site.")] = Path("data/docs"),
    target: Annotated[str, typer.Option("--target", "-t", help="dbt target.")] = "local",
) -> None:
    """Write dbt docs and column-level lineage as a static site that opens from disk."""
    output.mkdir(parents=True, exist_ok=True)
    # A target path of its own: `dbt test` rewrites the manifest without compiled SQL, and with it
    # the lineage of columns would vanish.
    work = output / ".target"
    _run("dbt", "docs", "generate", "--static", "--target", target, "--target-path", str(work))
    _run(
        "colibri",
        "generate",
        "--disable-telemetry",
        "--manifest",
        str(work / "manifest.json"),
        "--catalog",
        str(work / "catalog.json"),
        "--output-dir",
        str(work / "lineage"),
    )
    shutil.copyfile(work / "static_index.html", output / "catalog.html")
    shutil.copyfile(work / "lineage" / "index.html", output / "lineage.html")
    (output / "index.html").write_text(_INDEX, encoding="utf-8")
    shutil.rmtree(work)
    Console(highlight=False).print(f"written: {output / 'index.html'}", soft_wrap=True)


def _run(program: str, *arguments: str) -> None:
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    result = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "DO_NOT_TRACK": "1"},
    )
    if result.returncode != 0:
        raise TerminalError(f"{program} {arguments[0]} failed:\n{result.stdout[-4000:]}")
