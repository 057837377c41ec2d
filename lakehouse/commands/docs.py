"""`lakehouse docs`: the documentation of the warehouse as a static site that opens from disk."""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ingestion.declarations import load
from ingestion.errors import TerminalError
from lakehouse.commands.report import write_report
from lakehouse.console import TITLE, say
from lakehouse.dbt import in_project
from lakehouse.settings import CommandSettings

_DIAGRAM = Path(__file__).parents[2] / "docs/architecture.svg"
_INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
  body {{ font: 1rem/1.5 system-ui, sans-serif; color: #123; margin: 2rem auto; max-width: 62rem;
         padding: 0 1rem }}
  svg {{ width: 100%; height: auto }} table {{ border-collapse: collapse }}
  td {{ padding: .3rem 1rem .3rem 0; vertical-align: top; border-top: 1px solid #dde }}
  a {{ color: #06c }}
</style>
<h1>{title}</h1>
<p><a href="catalog.html">Catalog</a>: every model, snapshot, column and test (dbt docs).
<a href="lineage.html">Lineage</a>: from which column each column comes (dbt-colibri); it begins at
the logs, which take their columns out of the raw records.{report}</p>
{diagram}
<h2>Marts</h2>
<table>
{marts}
</table>
</html>
"""
_REPORT = '\n<a href="report.html">Report</a>: what is fresh, red, late and costly, and the sales.'
_MART = '<tr><td><a href="catalog.html#!/model/{id}">{name}</a></td><td>{description}</td></tr>'


def docs(
    output: Annotated[Path, typer.Option(help="Folder of the site.")] = Path("data/docs"),
    target: Annotated[str, typer.Option("--target", "-t", help="dbt target.")] = "local",
    report: Annotated[
        bool,
        typer.Option(
            "--report", help="Write the report of `lakehouse report` too: the target's own figures."
        ),
    ] = False,
) -> None:
    """Write dbt docs and column-level lineage as a static site that opens from disk.

    The columns' types are those of the warehouse; where target local has none yet, one without
    rows is built for it and removed again.
    """
    from lakehouse.reconcile.run import open_warehouse

    output = output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    # A target path of its own: `dbt test` rewrites the manifest without compiled SQL, and with it
    # the lineage of columns would vanish.
    work = output / ".target"
    options = ("--target", target, "--target-path", str(work), *in_project())
    variables = dict(os.environ)
    settings = CommandSettings.from_environment()
    if target == "local" and settings.readable_duckdb != settings.duckdb:
        # dbt opens what it reads to write; who has it open is not written under
        work.mkdir(exist_ok=True)
        with open_warehouse(settings.readable_duckdb):
            copy = shutil.copy(settings.readable_duckdb, work / settings.duckdb.name)
        variables |= {"LAKEHOUSE_DUCKDB": str(copy)}
    elif target == "local" and not settings.duckdb.exists():
        variables |= _empty_landing(work)
        _run(variables, "dbt", "build", "--exclude-resource-type", "test", "unit_test", *options)
    _run(variables, "dbt", "docs", "generate", "--static", *options)
    catalog = json.loads((work / "catalog.json").read_text(encoding="utf-8"))
    if not catalog["nodes"]:
        raise TerminalError(f"target {target} holds none of the models: run `dbt build` first")
    said = _run(
        variables,
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
    # It goes on after an error, with a hole in the lineage, and exits with 0.
    errors = [line for line in said.splitlines() if line.startswith("[ERROR]")]
    if errors:
        raise TerminalError("colibri found no lineage for some columns:\n" + "\n".join(errors[:10]))
    shutil.copyfile(work / "static_index.html", output / "catalog.html")
    shutil.copyfile(work / "lineage" / "index.html", output / "lineage.html")
    manifest = json.loads((work / "manifest.json").read_text(encoding="utf-8"))
    if report:
        write_report(output / "report.html", target)
    has_report = (output / "report.html").exists()
    (output / "index.html").write_text(_index(manifest, has_report), encoding="utf-8")
    shutil.rmtree(work)
    say(f"written: {output / 'index.html'}")


def _index(manifest: dict[str, Any], has_report: bool) -> str:
    """The first page: the diagram, and the marts with what dbt's manifest says of them."""
    models = sorted(
        (node for node in manifest["nodes"].values() if node["path"].startswith("marts/")),
        key=lambda node: str(node["name"]),
    )
    marts = [
        _MART.format(
            id=node["unique_id"],
            name=node["name"],
            description=html.escape(node["description"]),
        )
        for node in models
        if node["resource_type"] == "model"
    ]
    diagram = _DIAGRAM.read_text(encoding="utf-8")
    report = _REPORT if has_report else ""
    return _INDEX.format(title=TITLE, report=report, diagram=diagram, marts="\n".join(marts))


def _empty_landing(work: Path) -> dict[str, str]:
    """Variables of a warehouse to be built in `work`, from topics in which there is nothing."""
    from ingestion.landing import layout
    from ingestion.landing.records import empty_file
    from ingestion.landing.storage import open_storage
    from ingestion.landing.subscriptions import subscriptions

    landing = work / "landing"
    storage = open_storage(str(landing))
    for subscription in subscriptions(load(), "postgresql"):
        storage.put_if_absent(layout.schema_file(subscription.table), empty_file())
    return {"LAKEHOUSE_LANDING": str(landing), "LAKEHOUSE_DUCKDB": str(work / "warehouse.duckdb")}


def _run(variables: Mapping[str, str], program: str, *arguments: str) -> str:
    """What the program printed.

    Raises:
        TerminalError: it failed.
    """
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    result = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**variables, "DO_NOT_TRACK": "1"},
    )
    if result.returncode != 0:
        raise TerminalError(f"{program} {arguments[0]} failed:\n{result.stdout[-4000:]}")
    return result.stdout
