"""`lakehouse init`: the project without the shop, ready for another company's tables."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ingestion.declarations import SOURCE, SOURCES_FILE, load
from ingestion.errors import RefusedError, TerminalError
from ingestion.settings import ConnectorName
from lakehouse.console import ROOT, note, say
from lakehouse.dbt_files import STAGING

# What belongs to the shop, and to the proofs and measurements that are made with it: all of it is
# left out. A pattern matches from its start.
_SHOP = (
    # but for the tests of what every source has: quarantine, drift, dates, figures
    f"{STAGING}/(?!(quality|operations)/_)",
    r"models/(intermediate|marts)/",
    "macros/marts/",
    r"(snapshots|seeds|analyses)/(?!README)",
    r"tests/(?!data/(generic/(?!binds_to_valid_version)|operations/))",
    "playground/",
    "benchmarks/",
    "infra/connectors/enable_cdc.sql",
    r"docs/(metrics|scale|where_it_is)\.md|docs/report\.png|selectors\.yml",
    r"\.github/workflows/nightly\.yml",
    r"\.ci/|\.pre-commit-config\.yaml|CHANGELOG\.md|CONTRIBUTING\.md|README\.md",
)
# Where names are said that follow from no declaration: dbt's project, AWS, and the pages.
_NAMED = (
    r"dbt_project\.yml|profiles\.yml|models/.*\.md|docs/.*\.md"
    r"|infra/terraform/(bootstrap/)?(variables\.tf|environments/.*\.tfvars)"
)
_README = Path(__file__).with_name("init_readme.txt")


def init(
    folder: Annotated[Path, typer.Argument(help="A new folder, or an empty one.")],
    name: Annotated[
        str, typer.Option(help="What the source is called: in names of topics, views, AWS.")
    ],
    source: Annotated[
        ConnectorName, typer.Option(help="What the source's database is.")
    ] = "sqlserver",
) -> None:
    """Make the project without the shop's tables and marts, for another company's.

    It has the code, dbt's project, infrastructure and workflows, and declares no table yet: the
    next command there is `lakehouse onboard`.
    """
    if not re.fullmatch("[a-z][a-z0-9_]{1,8}", name) or name in ("debezium", "dbt"):
        raise TerminalError(
            f"--name {name}: 2 to 9 lower-case letters, digits and _ (AWS's names have it), and "
            "neither debezium nor dbt"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(f"{folder} is not empty: name a new folder")
    declared = Path("models/staging", name, f"_{name}__sources.yml")
    for path in _kept():
        target = folder / path.replace(str(STAGING), str(declared.parent))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target, follow_symlinks=False)
        if re.fullmatch(_NAMED, path):
            target.write_text(_renamed((ROOT / path).read_text("utf-8"), name, path), "utf-8")
    readme = _README.read_text("utf-8").format(
        name=name, source=source, file=declared, folder=declared.parent
    )
    (folder / declared).write_text(_no_tables(name, source), "utf-8")
    (folder / "README.md").write_text(readme, "utf-8")
    say(f"{folder}: a project for the tables of {name}, {source}")
    note(f"next: cd {folder} && git init && make setup; its README.md goes on from there")


def _kept() -> Iterator[str]:
    """The project's files that are not the shop's, relative to its root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if not listed.stdout:
        why = listed.stderr.strip() or "git knows none of its files; `git add --all` there first"
        raise TerminalError(f"{ROOT} is no checkout of the project: {why}")
    for path in filter(None, listed.stdout.split("\0")):
        if not any(re.match(shop, path) for shop in _SHOP) and (ROOT / path).exists():
            yield path


def _renamed(text: str, name: str, path: str = "") -> str:
    """`text` with the source's name in place of the shop's, and without what is the shop's own."""
    if path.startswith("infra/"):
        text = re.sub(r"(?m)^  (customer-cdc|nightly_plan += true).*\n", "", text)
        text = text.replace("order-cdc   ", "cdc")
        name = name.replace("_", "-")
    if path == "docs/README.md":
        text = re.sub(r"(?m)^\|.*(metrics|scale|where_it_is)\.md.*\n", "", text)
    text = text.replace("the retailer's shop", f"the source {name}")
    text = text.replace("A retailer's shop", f"The source {name}")
    return re.sub(rf"(?<![A-Za-z]){SOURCE}(?=__|_lakehouse|_landing|(?![A-Za-z_]))", name, text)


def _no_tables(name: str, source: ConnectorName) -> str:
    """The declarations with one connector and no table."""
    head, key, _ = SOURCES_FILE.read_text("utf-8").partition("\n    tables:\n")
    for other in set(load().connectors) - {source}:
        head = re.sub(rf"(?m)^ +{other}: .*\n", "", head)
    return _renamed(head + key, name)
