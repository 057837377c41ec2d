"""`lakehouse topics`: make the declared topics, and find out where a broker differs from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingestion.declarations import load
from ingestion.settings import ConnectorName, Settings

if TYPE_CHECKING:
    from ingestion.kafka.admin import Topics
    from ingestion.kafka.topics import Finding

# Tells scripts a difference from an error, which ends with 1.
DIFFERENCES = 3

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
    from ingestion.kafka.admin import apply as apply_topics
    from ingestion.kafka.topics import desired_topics

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
    console = Console()
    if outcome.created:
        created = Table("created topic", "partitions", "retention")
        for topic in outcome.created:
            created.add_row(topic.name, str(topic.partitions), _days(topic.retention_ms))
        console.print(created)
    if outcome.changed:
        console.print("changed:")
        _show(outcome.changed, console)
    untouched = len(desired) - len(outcome.created)
    console.print(
        f"{len(outcome.created)} created, {len(outcome.changed)} settings changed, "
        f"{untouched} topics existed"
    )
    if outcome.refused:
        _show(outcome.refused, console)
        console.print("[bold red]Some topics differ from their declaration[/] and stay as they are")
        raise typer.Exit(1)


@app.command()
def check(source: SourceOption = None, replication_factor: ReplicationOption = None) -> None:
    """Compare the broker's topics with the declarations; exit code 3 on any difference."""
    from ingestion.kafka.topics import compare, desired_topics

    topics, connector = _connect(source)
    desired = desired_topics(load(), connector)
    findings = compare(
        desired,
        topics.describe(topic.name for topic in desired),
        _replication_factor(topics, replication_factor),
    )
    console = Console()
    if findings:
        _show(findings, console)
        console.print(f"[bold red]{len(findings)} to correct[/], {len(desired)} topics declared")
        raise typer.Exit(DIFFERENCES)
    console.print(f"{len(desired)} topics of {connector}: as declared")


@app.command()
def describe(source: SourceOption = None) -> None:
    """Show the declared topics as the broker has them."""
    from ingestion.kafka.topics import desired_topics

    topics, connector = _connect(source)
    names = [topic.name for topic in desired_topics(load(), connector)]
    found = topics.describe(names)
    table = Table("topic", "partitions", "copies", "retention", "timestamps", "records up to")
    for name in names:
        if name not in found:
            table.add_row(name, "[red]missing[/]")
            continue
        topic = found[name]
        table.add_row(
            name,
            str(topic.partitions),
            str(topic.replication_factor),
            _days(int(topic.settings["retention.ms"])),
            topic.settings["message.timestamp.type"],
            f"{int(topic.settings['max.message.bytes']):,} bytes",
        )
    Console().print(table)


@app.command()
def peek(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of a declared table.")],
    partition: Annotated[int, typer.Option(min=0)] = 0,
    offset: Annotated[int, typer.Option(min=0, help="The first offset to show.")] = 0,
    count: Annotated[int, typer.Option(min=1)] = 1,
    source: SourceOption = None,
) -> None:
    """Print records as they are on the broker, with their coordinates, one JSON object each."""
    from ingestion.kafka.records import read

    settings = Settings.from_environment()
    declared = {table.name: table.topics for table in load().tables}
    name = declared[topic][source or settings.source] if topic in declared else topic
    for record in read(settings, name, partition, offset, count):
        shown = record | {"key": _readable(record["key"]), "value": _readable(record["value"])}
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))


def _connect(source: ConnectorName | None) -> tuple[Topics, ConnectorName]:
    from ingestion.kafka.admin import Topics

    settings = Settings.from_environment()
    return Topics(settings), source or settings.source


def _replication_factor(topics: Topics, asked: int | None) -> int:
    from ingestion.kafka.admin import default_replication_factor

    return asked or default_replication_factor(topics.broker_count())


def _show(findings: Iterable[Finding], console: Console) -> None:
    """A paragraph each, because names and reasons are longer than a table's columns."""
    for finding in findings:
        console.print(
            f"[bold]{finding.topic}[/]: {finding.what}"
            + (f" is {finding.actual}," if finding.actual != "-" else ",")
            + f" declared {finding.declared}",
            soft_wrap=True,
        )
        allowed = f" ({finding.permit} allows the change)" if finding.permit else ""
        console.print(f"    → {escape(finding.advice)}{allowed}", soft_wrap=True)


def _days(milliseconds: int) -> str:
    from ingestion.kafka.topics import DAY_MILLISECONDS

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
