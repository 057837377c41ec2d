"""Releases of a small project: this one's own delivery, playbooks and command line, with three
models on DuckDB in place of the warehouse's, so that a deployment takes seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TAKEN = (
    "Dockerfile",
    "infra/ansible",
    "infra/connectors",
    "infra/image",
    "ingestion",
    "lakehouse",
    "models/staging/retail/_retail__sources.yml",
    "pyproject.toml",
    "README.md",
    "requirements",
)
PROFILE = """
small:
  outputs:
    prod:
      type: duckdb
      path: "{{ env_var('LAKEHOUSE_DUCKDB') }}"
      threads: 1
"""
PROJECT = """
name: small
profile: small
model-paths: [marts]
flags: {send_anonymous_usage_stats: false}
models: {small: {+materialized: table}}
"""
# The operations of the warehouse, which need Redshift: here they note from which code they ran.
OPERATIONS = """
import os
import duckdb
import typer

app = typer.Typer()


@app.command()
def deploy(target: str = typer.Option()) -> None:
    with duckdb.connect(os.environ["LAKEHOUSE_DUCKDB"]) as connection:
        connection.execute("create table if not exists deployed_by (release varchar)")
        connection.execute("insert into deployed_by values ('RELEASE')")
    print("-- streaming views of RELEASE")


@app.command()
def access(target: str = typer.Option()) -> None:
    print("-- masks of RELEASE")
"""
# So does what follows a mark of the source, which the three models do not have.
VERIFICATION = """
import typer


def verify(wait: float = typer.Option(90)) -> None:
    print("verified in RELEASE")
"""


def write_release(folder: Path, release: str, *, price: str, broken: bool = False) -> None:
    """Write the project as of `release`, whose model `prices` selects `price`.

    One that is `broken` declares no tables."""
    for name in TAKEN:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "terraform", "*.egg-info")
            shutil.copytree(source, target, ignore=ignored)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    files = {
        "profiles.yml": PROFILE,
        "dbt_project.yml": PROJECT,
        "lakehouse/commands/verify.py": VERIFICATION.replace("RELEASE", release),
        "lakehouse/commands/warehouse.py": OPERATIONS.replace("RELEASE", release),
        "marts/prices.sql": f"select {price} as price",
        "marts/totals.sql": "select sum(price) as total from {{ ref('prices') }}",
        "marts/stores.sql": "select 1 as store",
        "ingestion/glue/landing.py": f"RELEASE = {json.dumps(release)}\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if broken:
        (folder / "models/staging/retail/_retail__sources.yml").write_text("sources: []\n")
