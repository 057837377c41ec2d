"""`lakehouse onboard`: a table of the source becomes a declared one, and leaves again."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer

from ingestion.declarations import SOURCE, SOURCES_FILE
from lakehouse.console import ROOT, note
from lakehouse.dbt_files import out_of_date, remove_files, render, undeclared, write_files
from lakehouse.settings import CommandSettings

_FILE = SOURCES_FILE.relative_to(ROOT)
_CDC_SQL = Path("infra/connectors/enable_cdc.sql")


def onboard(
    table: Annotated[
        str, typer.Argument(help="The source's table, [schema.]name; with --remove the declared.")
    ],
    catalog: Annotated[
        Path | None,
        typer.Option(
            help="What `lakehouse connector catalog` printed of the source, where it cannot be "
            "reached; by default it is asked (LAKEHOUSE_SOURCE_DSN)."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The declared name; by default the source's in snake_case.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take a declared table out, with its generated files.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write it; without this the difference is only shown.")
    ] = False,
) -> None:
    """Propose the declaration of a table from its source's catalog, and write what follows.

    Types, key, nullability, large columns and names follow from the catalog; what is personal data
    is guessed by names. Read the difference, then again with --write, then correct what is wrong.
    """
    from lakehouse.source.catalog import live_catalog, load_catalog
    from lakehouse.source.connectors import cdc_sql
    from lakehouse.source.onboarding import declared_by, propose, without

    remarks: tuple[str, ...] = ()
    if remove:
        declared_name, text = table, without(SOURCES_FILE, table)
    else:
        settings = CommandSettings.from_environment()
        source = load_catalog(catalog) if catalog else live_catalog(settings)
        proposal = propose(source, table, SOURCES_FILE, name)
        declared_name, text, remarks = proposal.name, proposal.text, proposal.remarks
    # What cannot follow from it is an error before anything is written.
    declared = declared_by(text, SOURCES_FILE)
    files, first = render(declared), declared.parts[0]
    if "sqlserver" in first.connectors:
        files[_CDC_SQL] = cdc_sql(first)
    before = SOURCES_FILE.read_text(encoding="utf-8")
    difference = unified_diff(
        before.splitlines(keepends=True), text.splitlines(keepends=True), str(_FILE), str(_FILE)
    )
    typer.echo("".join(difference), nl=False)
    for remark in remarks:
        note(remark)
    if not write:
        note("nothing is written; again with --write does")
        return
    SOURCES_FILE.write_text(text, encoding="utf-8")
    remove_files(undeclared(files, ROOT), ROOT)
    write_files(out_of_date(files, ROOT), ROOT)
    for line in _left(declared_name) if remove else _next(declared_name, declared.tenants):
        note(line)


def _next(name: str, tenants: Iterable[str]) -> list[str]:
    whose = " --tenant <tenant>" if tenants else ""
    return [
        f"next, once {_FILE} says what is meant (docs/runbooks/onboarding.md):",
        f"  lakehouse declarations check && lakehouse doctor{whose}",
        "  lakehouse topics apply",
        "  on SQL Server infra/connectors/enable_cdc.sql; then the connector's new settings:",
        f"    lakehouse connector deploy{whose}, or what lakehouse connector render{whose} prints",
        f"  its rows: a second connector, lakehouse connector render --snapshot-of {name}{whose}",
        "  on AWS a release: landing's jobs and the topics' rights follow the declarations;",
        "    lakehouse warehouse deploy --target <environment>",
        f"  dbt build --select {name}__log+",
        *([f"what says --tenant, once for each: {', '.join(tenants)}"] if tenants else []),
    ]


def _left(name: str) -> list[str]:
    named = [
        f"  {path.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in ("models", "snapshots", "tests/data", "analyses", "seeds")
        for path in sorted((ROOT / folder).rglob("*.*"))
        if path.suffix in (".sql", ".yml", ".md")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if any(f"{quote}{word}{quote}" in line for quote in "'\"" for word in _nodes(name))
    ]
    return [
        *(["these still name it, and stop dbt:", *named] if named else []),
        "its topic, landed files and tables in the warehouse stay until somebody removes them",
    ]


def _nodes(name: str) -> tuple[str, ...]:
    return f"{name}__log", f"stg_{SOURCE}__{name}", f"{name}_history"
