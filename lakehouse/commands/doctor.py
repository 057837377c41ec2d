"""`lakehouse doctor`: what works, what does not, and what to do about it."""

from __future__ import annotations

import os

import typer

from ingestion.declarations import load
from lakehouse.console import AsJson, Exit, OnTarget, Tenant, say, show_json
from lakehouse.settings import CommandSettings
from lakehouse.source.tenants import of_tenant

_STYLES = {"ok": "green", "attention": "yellow", "broken": "bold red", "skipped": "dim"}


def doctor(tenant: Tenant = "", target: OnTarget = None, as_json: AsJson = False) -> None:
    """Check settings, programs, broker, connector, landing and warehouse; say what to do.

    On Redshift also what stands in the way of a build there: streaming views, partitions, locks.
    Where the source has tenants, its database is that of the one named.

    Exit code 3 if something is broken or asks for attention.
    """
    from lakehouse.health.checks import check_all

    results = []
    declared, settings = load(), CommandSettings.of_target(target)
    of_source = of_tenant(declared, tenant)
    for result in check_all(settings, declared, of_source, dict(os.environ)):
        results.append(result)
        if as_json:
            continue
        say((result.state, _STYLES[result.state]), " ", (result.name, "bold"), f": {result.found}")
        if result.advice:
            say(f"    → {result.advice}")
    if as_json:
        show_json({"checks": results})
    if any(result.state in ("broken", "attention") for result in results):
        raise typer.Exit(Exit.ATTENTION)
