"""`lakehouse connector`: Debezium's settings, and the SQL that it needs in the source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from ingestion.declarations import load
from ingestion.settings import ConnectorName
from lakehouse.settings import CommandSettings
from lakehouse.source.connectors import cdc_sql, render

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
) -> None:
    """Print the connector's settings as JSON; secrets are references in them."""
    settings = CommandSettings.from_environment()
    rendered = _rendered(settings, source or settings.source, snapshot_of or ())
    typer.echo(json.dumps(rendered, indent=2))


@app.command()
def deploy(
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Delete it and make it again; it goes on where it stopped."),
    ] = False,
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
    rendered = _rendered(settings, "sqlserver")
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
    settings: CommandSettings, source: ConnectorName, snapshot_of: Sequence[str] = ()
) -> dict[str, str]:
    return render(
        load(),
        source,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auth=settings.kafka_auth,
        snapshot_of=snapshot_of,
        shop_login=settings.shop_database_secret,
        pii_salt=settings.pii_salt_secret,
    )


@app.command("cdc-sql")
def print_cdc_sql() -> None:
    """Print the T-SQL that enables change capture on Azure SQL: infra/connectors/enable_cdc.sql."""
    typer.echo(cdc_sql(load()), nl=False)
