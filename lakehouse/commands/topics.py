"""`lakehouse topics`: make the declared topics, and find out where a broker differs from them."""

from __future__ import annotations

import json
import re
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
    from ingestion.declarations import Table
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
    personal: Annotated[
        bool, typer.Option("--personal", help="In clear. Not where output is kept, as a task's is.")
    ] = False,
) -> None:
    """Print records with their coordinates, one JSON object each, without personal data.

    Of a declared table's records what is personal, not declared or no JSON is said by its length.
    """
    from lakehouse.kafka.records import read

    settings, declared = Settings.from_environment(), load()
    connector = source or settings.source
    own = {table.name: table for table in of_tenant(declared, tenant).tables}
    name = own[topic].topics[connector] if topic in own else topic
    # Whoever's topic it is: a tenant's may be typed without saying whose.
    of_tables = {table.topics[connector]: table for part in declared.parts for table in part.tables}
    table = None if personal else of_tables.get(name)
    for record in read(settings, name, partition, offset, count):
        parts = {part: _readable(record[part]) for part in ("key", "value")}
        if table:
            parts = _without_personal(parts, table, connector)
        typer.echo(json.dumps(record | parts, ensure_ascii=False, indent=1))


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


# Of an event what is no image of a row (Debezium, "Change events").
_ABOUT = {"op", "source", "transaction", "ts_ms", "ts_us", "ts_ns"}


def _without_personal(
    parts: dict[str, Any], table: Table, connector: ConnectorName
) -> dict[str, Any]:
    """Key and value, of whose columns only the declared ones without `pii` have their values."""
    shown = {
        name
        for column in table.columns
        if column.pii is None
        for name in column.source_names(connector)
    }
    value = parts["value"]
    if isinstance(value, dict):
        value = {
            name: part if name in _ABOUT else _only(shown, part) for name, part in value.items()
        }
    else:
        value = _length(value)
    return {"key": _only(shown, parts["key"]), "value": value}


def _only(shown: set[str], row: Any) -> Any:
    if not isinstance(row, dict):
        return _length(row)
    return {name: value if name in shown else _length(value) for name, value in row.items()}


def _length(value: Any) -> Any:
    """What a hidden value is like: a pseudonym has 64 hexadecimal digits."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    is_hash = isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value)
    return f"… {len(text)} {'hexadecimal digits' if is_hash else 'characters'}, hidden"
