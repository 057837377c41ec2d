"""`lakehouse connector`: Debezium's settings, and the SQL that it needs in the source."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ingestion.connectors import cdc_sql, render
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
    )
    typer.echo(json.dumps(rendered, indent=2))


@app.command("cdc-sql")
def print_cdc_sql() -> None:
    """Print the T-SQL that enables change capture on Azure SQL (connectors/enable_cdc.sql)."""
    typer.echo(cdc_sql(load()), nl=False)
