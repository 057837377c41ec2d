"""`lakehouse connector`: Debezium's settings, and the SQL that it needs in the source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingestion.declarations import load
from ingestion.errors import RefusedError, TerminalError
from ingestion.settings import ConnectorName
from lakehouse.console import Exit, Tenant, note
from lakehouse.settings import CommandSettings
from lakehouse.source.connectors import cdc_sql, render
from lakehouse.source.tenants import of_tenant

if TYPE_CHECKING:
    from lakehouse.source.misfits import Misfit

app = typer.Typer(no_args_is_help=True, help="Debezium's settings, and what the source needs.")


@app.command("render")
def render_settings(
    source: Annotated[
        ConnectorName | None,
        typer.Option("--source", help="Which one; by default what LAKEHOUSE_SOURCE says."),
    ] = None,
    snapshot_of: Annotated[
        list[str] | None,
        typer.Option(
            help="Settings of a second connector instead, which only reads the rows that this "
            "table holds now; for a table with rows that is captured anew.",
        ),
    ] = None,
    tenant: Tenant = "",
) -> None:
    """Print the connector's settings as JSON; secrets are references in them."""
    settings = CommandSettings.from_environment()
    rendered = _rendered(settings, source or settings.source, tenant, snapshot_of or ())
    typer.echo(json.dumps(rendered, indent=2))


@app.command()
def deploy(
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Delete it and make it again; it goes on where it stopped."),
    ] = False,
    tenant: Tenant = "",
) -> None:
    """Make the connector on Amazon MSK Connect, or change it to what the declarations say.

    For the operations task: what Terraform has prepared is in LAKEHOUSE_CONNECT_*. Without a
    difference nothing is done.
    """
    import boto3

    from lakehouse.source.msk_connect import Place
    from lakehouse.source.msk_connect import deploy as deploy_connector

    settings = CommandSettings.from_environment()
    place = Place.read()
    session = boto3.Session(region_name=settings.aws_region)
    rendered = _rendered(settings, "sqlserver", tenant)
    # MSK Connect would restart the connector again and again to look for new secrets (MSK Developer
    # Guide, "Using a configuration provider to externalize secrets").
    rendered["config.action.reload"] = "none"
    deploy_connector(
        session.client("kafkaconnect"),
        place,
        rendered,
        settings.kafka_bootstrap_servers,
        typer.echo,
        replace=replace,
    )


def _rendered(
    settings: CommandSettings,
    source: ConnectorName,
    tenant: str,
    snapshot_of: Sequence[str] = (),
) -> dict[str, str]:
    return render(
        load(),
        source,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auth=settings.kafka_auth,
        snapshot_of=snapshot_of,
        tenant=tenant,
        shop_login=settings.shop_database_secret,
        pii_salt=settings.pii_salt_secret,
    )


@app.command("catalog")
def print_catalog(
    print_query: Annotated[
        ConnectorName | None,
        typer.Option(
            help="Print instead the query whose answer somebody who may log in saves for "
            "`--catalog`: from SSMS (the whole grid, or results to file), sqlcmd -y 0, DBeaver, "
            "psql."
        ),
    ] = None,
) -> None:
    """Print what the source's database says of its tables, as JSON (LAKEHOUSE_SOURCE_DSN)."""
    from lakehouse.source.catalog import catalog_query, live_catalog

    if print_query:
        typer.echo(catalog_query(print_query), nl=False)
    else:
        typer.echo(live_catalog(CommandSettings.from_environment()).json())


@app.command("cdc-sql")
def print_cdc_sql(
    catalog: Annotated[
        Path | None,
        typer.Option(
            help="What `lakehouse connector catalog` printed of the source; by default the source "
            "is asked where LAKEHOUSE_SOURCE is `sqlserver` and LAKEHOUSE_SOURCE_DSN is set.",
        ),
    ] = None,
    tenant: Tenant = "",
) -> None:
    """Print the T-SQL that enables change capture on Azure SQL: infra/connectors/enable_cdc.sql.

    Where the source's catalog is known, its computed columns are left out (exit code 3), and
    nothing is printed while anything else is not as declared (4).
    """
    from lakehouse.source.catalog import live_catalog, load_catalog
    from lakehouse.source.misfits import misfits

    settings, declared = CommandSettings.from_environment(), of_tenant(load(), tenant)
    computed: list[Misfit] = []
    if catalog or (settings.source == "sqlserver" and settings.source_dsn):
        source = load_catalog(catalog) if catalog else live_catalog(settings)
        if source.connector != "sqlserver":
            raise TerminalError(f"{catalog} is of {source.connector}; the script is for SQL Server")
        found = list(misfits(declared, source))
        if wrong := [misfit for misfit in found if misfit.kind == "declared"]:
            raise RefusedError("\n".join(["not all is as declared:", *map(str, wrong)]))
        computed = [misfit for misfit in found if misfit.kind == "computed"]
    typer.echo(cdc_sql(declared, [misfit.where for misfit in computed]), nl=False)
    for misfit in computed:
        note(f"left out: {misfit}")
    if computed:
        raise typer.Exit(Exit.ATTENTION)
