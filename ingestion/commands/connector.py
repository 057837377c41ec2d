"""`lakehouse connector`: Debezium's settings, and the SQL that it needs in the source."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from ingestion.connectors import SHOP_LOGIN, cdc_sql, render
from ingestion.declarations import load
from ingestion.settings import ConnectorName, Settings

app = typer.Typer(no_args_is_help=True, help="Debezium's settings, and what the source needs.")


@app.command("render")
def render_settings(
    source: Annotated[
        ConnectorName | None,
        typer.Option("--source", help="Which one; by default what LAKEHOUSE_SOURCE says."),
    ] = None,
    salt: Annotated[
        str,
        typer.Option(envvar="LAKEHOUSE_PII_SALT", help="Salt of the columns with pii: hash."),
    ] = "",
    snapshot_of: Annotated[
        list[str] | None,
        typer.Option(
            help="Settings of a second connector instead, which only reads the rows that this "
            "table holds now; for a table with rows that is captured anew.",
        ),
    ] = None,
) -> None:
    """Print the connector's settings as JSON: a secret, because the salt is among them."""
    settings = Settings.from_environment()
    rendered = render(
        load(),
        source or settings.source,
        salt=salt,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auth=settings.kafka_auth,
        snapshot_of=snapshot_of or (),
        shop_login=os.environ.get("LAKEHOUSE_SHOP_DATABASE_SECRET", SHOP_LOGIN),
    )
    typer.echo(json.dumps(rendered, indent=2))


@app.command()
def deploy(
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Delete it and make it again; it goes on where it stopped."),
    ] = False,
) -> None:
    """Make the connector on Amazon MSK Connect, or change it to what the declarations say.

    For the operations task: what Terraform has prepared is in LAKEHOUSE_CONNECT_*, the salt in the
    secret LAKEHOUSE_PII_SALT_SECRET. Without a difference nothing is done.
    """
    import boto3

    from ingestion.msk_connect import Place, salt
    from ingestion.msk_connect import deploy as deploy_connector

    settings = Settings.from_environment()
    place = Place.from_environment(os.environ)
    session = boto3.Session(region_name=settings.aws_region)
    secret = os.environ.get("LAKEHOUSE_PII_SALT_SECRET", "")
    rendered = render(
        load(),
        "sqlserver",
        salt=salt(session.client("secretsmanager"), secret)
        if secret
        else os.environ.get("LAKEHOUSE_PII_SALT", ""),
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auth=settings.kafka_auth,
        shop_login=os.environ.get("LAKEHOUSE_SHOP_DATABASE_SECRET", SHOP_LOGIN),
    )
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


@app.command("cdc-sql")
def print_cdc_sql() -> None:
    """Print the T-SQL that enables change capture on Azure SQL (connectors/enable_cdc.sql)."""
    typer.echo(cdc_sql(load()), nl=False)
