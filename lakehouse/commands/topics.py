"""`lakehouse topics`: make the declared topics, and find out where a broker differs from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ingestion.declarations import load
from ingestion.errors import RefusedError
from ingestion.settings import ConnectorName, Settings
from lakehouse.console import AsJson, Exit, Tenant, say, show_json, show_table
from lakehouse.source.tenants import of_tenant

if TYPE_CHECKING:
    from lakehouse.kafka.admin import Topics
    from lakehouse.kafka.topics import Finding

app = typer.Typer(no_args_is_help=True, help="Kafka's topics: make, check, look into.")

SourceOption = Annotated[
    ConnectorName | None,
    typer.Option("--source", help="Whose topics; by default what LAKEHOUSE_SOURCE says."),
]
ReplicationOption = Annotated[
    int | None,
    typer.Option(min=1, help="Copies of each partition; by default three, or all the brokers."),
]


@app.command()
def apply(
    source: SourceOption = None,
    replication_factor: ReplicationOption = None,
    add_partitions: Annotated[
        bool,
        typer.Option(
            "--add-partitions",
            help="Add missing partitions, although keys then move between partitions.",
        ),
    ] = False,
    alter_settings: Annotated[
        bool, typer.Option("--alter-settings", help="Correct settings that lose nothing.")
    ] = False,
    shorten_retention: Annotated[
        bool,
        typer.Option(
            "--shorten-retention", help="Correct retention downwards: older records are deleted."
        ),
    ] = False,
) -> None:
    """Create the topics that are missing; existing ones change only where an option allows it."""
    from lakehouse.kafka.admin import apply as apply_topics
    from lakehouse.kafka.topics import desired_topics

    topics, connector = _connect(source)
    permits = {
        "--add-partitions": add_partitions,
        "--alter-settings": alter_settings,
        "--shorten-retention": shorten_retention,
    }
    desired = desired_topics(load(), connector)
    outcome = apply_topics(
        topics,
        desired,
        replication_factor=_replication_factor(topics, replication_factor),
        permits=frozenset(name for name, allowed in permits.items() if allowed),
    )
    if outcome.created:
        show_table(
            ("created topic", "partitions", "retention"),
            [
                (topic.name, str(topic.partitions), _days(topic.retention_ms))
                for topic in outcome.created
            ],
        )
    if outcome.changed:
        say("changed:")
        _show(outcome.changed)
    untouched = len(desired) - len(outcome.created)
    say(
        f"{len(outcome.created)} created, {len(outcome.changed)} settings changed, "
        f"{untouched} topics existed"
    )
    if outcome.refused:
        _show(outcome.refused)
        raise RefusedError("some topics differ from their declaration and stay as they are")


@app.command()
def check(
    source: SourceOption = None,
    replication_factor: ReplicationOption = None,
    as_json: AsJson = False,
) -> None:
    """Compare the broker's topics with the declarations; exit code 3 on any difference."""
    from lakehouse.kafka.topics import compare, desired_topics

    topics, connector = _connect(source)
    desired = desired_topics(load(), connector)
    findings = compare(
        desired,
        topics.describe(topic.name for topic in desired),
        _replication_factor(topics, replication_factor),
    )
    if as_json:
        show_json({"source": connector, "declared": len(desired), "differences": findings})
    elif findings:
        _show(findings)
        say((f"{len(findings)} to correct", "bold red"), f", {len(desired)} topics declared")
    else:
        say(f"{len(desired)} topics of {connector}: as declared")
    if findings:
        raise typer.Exit(Exit.ATTENTION)


@app.command()
def describe(source: SourceOption = None) -> None:
    """Show the declared topics as the broker has them."""
    from lakehouse.kafka.topics import desired_topics

    topics, connector = _connect(source)
    names = [topic.name for topic in desired_topics(load(), connector)]
    found = topics.describe(names)
    rows: list[tuple[str | Text, ...]] = [
        (
            topic.name,
            str(topic.partitions),
            str(topic.replication_factor),
            _days(int(topic.settings["retention.ms"])),
            topic.settings["message.timestamp.type"],
            f"{int(topic.settings['max.message.bytes']):,} bytes",
        )
        if (topic := found.get(name))
        else (name, Text("missing", "red"))
        for name in names
    ]
    show_table(("topic", "partitions", "copies", "retention", "timestamps", "records up to"), rows)


@app.command()
def peek(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of a declared table.")],
    partition: Annotated[int, typer.Option(min=0)] = 0,
    offset: Annotated[int, typer.Option(min=0, help="The first offset to show.")] = 0,
    count: Annotated[int, typer.Option(min=1)] = 1,
    source: SourceOption = None,
    tenant: Tenant = "",
) -> None:
    """Print records as they are on the broker, with their coordinates, one JSON object each."""
    from lakehouse.kafka.records import read

    settings = Settings.from_environment()
    declared = {table.name: table.topics for table in of_tenant(load(), tenant).tables}
    name = declared[topic][source or settings.source] if topic in declared else topic
    for record in read(settings, name, partition, offset, count):
        shown = record | {"key": _readable(record["key"]), "value": _readable(record["value"])}
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))


def _connect(source: ConnectorName | None) -> tuple[Topics, ConnectorName]:
    from lakehouse.kafka.admin import Topics

    settings = Settings.from_environment()
    return Topics(settings), source or settings.source


def _replication_factor(topics: Topics, asked: int | None) -> int:
    from lakehouse.kafka.admin import default_replication_factor

    return asked or default_replication_factor(topics.broker_count())


def _show(findings: Iterable[Finding]) -> None:
    """A paragraph each, because names and reasons are longer than a table's columns."""
    for finding in findings:
        actual = f" is {finding.actual}" if finding.actual != "-" else ""
        say((finding.topic, "bold"), f": {finding.what}{actual}, declared {finding.declared}")
        allowed = f" ({finding.permit} allows the change)" if finding.permit else ""
        say(f"    → {finding.advice}{allowed}")


def _days(milliseconds: int) -> str:
    from lakehouse.kafka.topics import DAY_MILLISECONDS

    return "for ever" if milliseconds < 0 else f"{milliseconds / DAY_MILLISECONDS:g} days"


def _readable(content: bytes | None) -> Any:
    """The content as JSON where it is JSON, else as text, else its bytes in hexadecimal."""
    if content is None:
        return None
    try:
        return json.loads(content)
    except ValueError:
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content.hex()
