"""What `lakehouse doctor` looks at: each check says what it found and, if need be, what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from ingestion.declarations import Declarations
from ingestion.errors import LakehouseError
from lakehouse.console import explained
from lakehouse.settings import CommandSettings, known_variables

ROOT = Path(__file__).parents[2]
MINIMUM_PYTHON = (3, 11)
MINIMUM_JAVA = 17
# Three beats of heartbeat.interval.ms in infra/connectors/, and some time on the way.
HEARTBEAT_SECONDS = 60
TIMEOUT_SECONDS = 5

State = Literal["ok", "attention", "broken", "skipped"]


@dataclass(frozen=True)
class Result:
    """What a check found; `advice` is what to do about it, empty where there is nothing to do."""

    name: str
    state: State
    found: str
    advice: str = ""


def check_all(
    settings: CommandSettings,
    declarations: Declarations,
    of_source: Declarations,
    environment: dict[str, str],
) -> Iterator[Result]:
    """All checks in the order in which data flows; what needs the broker is skipped without it.

    `of_source` are the declarations as those of the source that is asked, a tenant's maybe.
    """
    yield from check_settings(environment)
    yield check_python()
    yield _guarded("versions", check_versions)
    yield _guarded("Java", check_java)
    yield _guarded("jars", check_jars)
    broker = _guarded("broker", lambda: check_broker(settings))
    yield broker
    for name, check in (
        ("topics", lambda: check_topics(settings, declarations)),
        ("heartbeat", lambda: check_heartbeat(settings, declarations)),
    ):
        yield _guarded(name, check) if broker.state == "ok" else _skipped(name, "no broker")
    asked = "LAKEHOUSE_KAFKA_CONNECT_URL" in environment
    yield _guarded("connector", lambda: check_connector(settings.kafka_connect_url, asked=asked))
    yield _guarded("source", lambda: check_source(settings, of_source))
    yield _guarded(
        "landing", lambda: check_landing(settings, declarations, broker=broker.state == "ok")
    )
    yield _guarded("warehouse", lambda: check_warehouse(settings, declarations))
    if settings.environment:
        yield from check_target(settings.environment, declarations)


def check_settings(environment: dict[str, str]) -> Iterator[Result]:
    """Which variables are set; a misspelt one is named, because it would just have no effect."""
    variables = known_variables()
    known = sorted(name for name in environment if name in variables)
    yield Result("settings", "ok", ", ".join(known) or "none set, all have their defaults")
    for name in sorted(environment):
        if name.startswith("LAKEHOUSE_") and name not in variables:
            yield Result(
                "settings",
                "attention",
                f"{name} is set, and nothing reads it",
                "a misspelling? docs/settings.md lists the variables",
            )


def check_python() -> Result:
    """The Python that runs this."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < MINIMUM_PYTHON:
        return Result(
            "Python", "broken", version, "install Python 3.11 or newer, then `make setup`"
        )
    return Result("Python", "ok", version)


def check_versions() -> Result:
    """Installed packages against requirements/requirements.txt; absent ones are not needed here."""
    pinned = pinned_versions(
        (ROOT / "requirements/requirements.txt").read_text(encoding="utf-8").splitlines()
    )
    installed = {
        re.sub(r"[-_.]+", "-", found.name).lower(): found.version
        for found in metadata.distributions()
    }
    wrong = [
        f"{name} is {installed[name]}, pinned is {version}"
        for name, version in pinned.items()
        if installed.get(name, version) != version
    ]
    if wrong:
        return Result("versions", "attention", "; ".join(wrong), "run `make setup`")
    return Result(
        "versions", "ok", f"dbt-core {installed.get('dbt-core', '-')}, {_short(installed)}"
    )


def pinned_versions(lines: Iterable[str]) -> dict[str, str]:
    """Package and version of each `name==version ; marker` that applies to this Python."""
    pinned = {}
    for line in lines:
        if "==" not in line or line.startswith((" ", "#")):
            continue
        requirement = Requirement(line.rstrip("\\ "))
        if requirement.marker is None or requirement.marker.evaluate():
            [version] = requirement.specifier
            pinned[requirement.name.lower()] = version.version
    return pinned


def _short(installed: dict[str, str]) -> str:
    names = ("duckdb", "pyspark", "confluent-kafka")
    return ", ".join(f"{name} {installed.get(name, '-')}" for name in names)


def check_java() -> Result:
    """The Java that landing starts Spark with, where there is a Spark."""
    metadata.version("pyspark")
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    advice = f"install Java {MINIMUM_JAVA} or newer, or let JAVA_HOME point at it: `make setup`"
    if java is None:
        return Result("Java", "broken", f"no java in {home or 'PATH'}", advice)
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)[^"]*"', said)
    if match is None or int(match[1]) < MINIMUM_JAVA:
        return Result("Java", "broken", f"{java}: {said.splitlines()[:1]}", advice)
    return Result("Java", "ok", match[0].split('"')[1])


def check_jars() -> Result:
    """The jars that landing gives to Spark, which must be of PySpark's own version."""
    folder = ROOT / ".jars/spark"
    found = sorted(path.name for path in folder.glob("spark-sql-kafka-*.jar"))
    version = metadata.version("pyspark")
    if not found:
        return Result("jars", "broken", f"no Kafka source for Spark in {folder}", "run `make jars`")
    if not found[0].endswith(f"-{version}.jar"):
        return Result(
            "jars",
            "broken",
            f"{found[0]} does not belong to PySpark {version}",
            "set spark.version in requirements/jars/pom.xml to it, then run `make jars`",
        )
    return Result("jars", "ok", f"{len(list(folder.glob('*.jar')))} in {folder}")


def check_broker(settings: CommandSettings) -> Result:
    """Whether the brokers can be reached, step by step: name, port, Kafka."""
    from lakehouse.kafka.admin import Topics

    here = " (`make up` on this machine: then `source data/services/environment`)"
    here = here if (ROOT / "playground").is_dir() else ""
    for server in settings.kafka_bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS).close()
        except (OSError, ValueError) as error:
            return Result(
                "broker",
                "broken",
                f"{server}: {error}",
                f"start it{here}, or correct LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS",
            )
    count = Topics(settings).broker_count()
    return Result("broker", "ok", f"{count} at {settings.kafka_bootstrap_servers}")


def check_topics(settings: CommandSettings, declarations: Declarations) -> Result:
    """The topics against the declarations."""
    from lakehouse.kafka.admin import Topics, default_replication_factor
    from lakehouse.kafka.topics import compare, desired_topics

    topics = Topics(settings)
    desired = desired_topics(declarations, settings.source)
    findings = compare(
        desired,
        topics.describe(topic.name for topic in desired),
        default_replication_factor(topics.broker_count()),
    )
    if not findings:
        return Result("topics", "ok", f"{len(desired)} of {settings.source}, as declared")
    missing = sum(finding.what == "missing" for finding in findings)
    return Result(
        "topics",
        "broken" if missing else "attention",
        f"{missing} missing, {len(findings) - missing} other differences",
        "`lakehouse topics check` lists them, `lakehouse topics apply` creates what is missing",
    )


def check_heartbeat(settings: CommandSettings, declarations: Declarations) -> Result:
    """Whether Debezium has been heard of lately: a quiet source sends heartbeats all the same."""
    from ingestion.kafka.brokers import Brokers
    from lakehouse.kafka.records import newest_timestamp

    age = 0.0
    topics = {part.connectors[settings.source].heartbeat_topic for part in declarations.parts}
    there = Brokers(settings).topic_ids(topics)
    for topic in sorted(topics):
        newest = newest_timestamp(settings, topic) if topic in there else None
        if newest is None:
            return Result(
                "heartbeat",
                "attention",
                f"none yet in {topic}",
                "is the connector created and running?",
            )
        age = max(age, time.time() - newest)
    if age > HEARTBEAT_SECONDS:
        return Result(
            "heartbeat",
            "attention",
            f"the last one is {age:.0f} s old",
            "the connector stands still: look at its state and its log",
        )
    return Result("heartbeat", "ok", f"{max(0, age):.0f} s ago")


def check_connector(url: str, *, asked: bool) -> Result:
    """The connectors' state, where Kafka Connect has its REST interface (Amazon MSK has none)."""
    try:
        with urllib.request.urlopen(  # noqa: S310 - the address is a setting
            f"{url}/connectors?expand=status", timeout=TIMEOUT_SECONDS
        ) as response:
            connectors = json.load(response)
    except (OSError, ValueError) as error:
        if not asked:
            return _skipped("connector", "LAKEHOUSE_KAFKA_CONNECT_URL is not set")
        return Result(
            "connector",
            "broken",
            f"Kafka Connect at {url}: {error}",
            "start it, or correct LAKEHOUSE_KAFKA_CONNECT_URL",
        )
    if not connectors:
        return Result(
            "connector",
            "attention",
            f"Kafka Connect at {url} runs none",
            "create one with the settings of `lakehouse connector render`",
        )
    states = []
    for name, entry in sorted(connectors.items()):
        parts = [entry["status"]["connector"], *entry["status"]["tasks"]]
        for part in parts:
            if part["state"] == "FAILED":
                return Result(
                    "connector",
                    "broken",
                    f"{name}: {part.get('trace', 'failed').splitlines()[0]}",
                    f"correct the cause, then POST {url}/connectors/{name}/restart"
                    "?includeTasks=true; the worker's log has the whole error",
                )
        states.append(f"{name} {parts[0]['state'].lower()}, {len(parts) - 1} task(s)")
    return Result("connector", "ok", "; ".join(states))


def check_source(settings: CommandSettings, declarations: Declarations) -> Result:
    """The source's own catalog against the declarations."""
    from lakehouse.source.catalog import live_catalog
    from lakehouse.source.misfits import misfits

    if not settings.source_dsn:
        return _skipped("source", "LAKEHOUSE_SOURCE_DSN is not set")
    if declarations.tenants:
        return _skipped("source", "--tenant has to say whose database LAKEHOUSE_SOURCE_DSN is")
    catalog = live_catalog(settings)
    if found := [str(misfit) for misfit in misfits(declarations, catalog)]:
        told = f"{catalog.database} is not as declared in {len(found)} points"
        return Result("source", "attention", told, "; ".join(found))
    tables = len(declarations.tables)
    return Result("source", "ok", f"{tables} tables in {catalog.database}, as declared")


def check_landing(settings: CommandSettings, declarations: Declarations, *, broker: bool) -> Result:
    """Whether the landing zone can be read and landing would go on from where its ledger ends."""
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.ledger import Ledger
    from ingestion.landing.plan import plan, shown
    from ingestion.landing.subscriptions import subscriptions
    from ingestion.landing.writers import registered
    from lakehouse.health.landing_zone import find_zone, no_zone

    storage = find_zone(settings)
    if storage is None:
        return Result("landing", "attention", no_zone(settings), "run `lakehouse land`")
    progress = Ledger(storage).progress
    writers = "; ".join(f"written by {writer}" for writer in registered(storage).values())
    found = f"{len(progress.positions)} partitions in {settings.landing}, {writers or 'no writer'}"
    if broker:
        wanted = subscriptions(declarations, settings.source)
        topics = Brokers(settings).topics({subscription.topic for subscription in wanted})
        now = datetime.now(UTC).isoformat()
        stops = plan(progress, wanted, topics, now).stops
        if stops:
            command = shown(stops).splitlines()[-1].strip()
            return Result("landing", "broken", stops[0].reason, command)
    if not progress.positions:
        return Result("landing", "attention", found, "run `lakehouse land`")
    return Result("landing", "ok", found)


def check_warehouse(settings: CommandSettings, declarations: Declarations) -> Result:
    """The warehouse and its newest build."""
    from lakehouse.health.warehouse import read_warehouse

    warehouse = read_warehouse(settings, declarations)
    if warehouse.problem:
        state: State = "attention" if warehouse.answers else "broken"
        return Result("warehouse", state, warehouse.problem)
    run = warehouse.last_run
    if run is None:
        return Result("warehouse", "attention", "nothing built yet", "run `dbt build`")
    place = settings.environment or settings.duckdb
    found = f"{len(warehouse.logs)} logs in {place}; run {run.number} {run.status}"
    if run.status in ("failed", "abandoned"):
        return Result("warehouse", "attention", found, "run `dbt build` again and read its errors")
    return Result("warehouse", "ok", found)


def check_target(target: str, declarations: Declarations) -> Iterator[Result]:
    """What Redshift itself says; nothing more where `check_warehouse` could not log in."""
    from lakehouse.health.redshift import check_redshift
    from lakehouse.warehouse import connection

    try:
        settings = connection.WarehouseSettings.from_environment(target)
        with closing(connection.Warehouse(settings)) as warehouse:
            yield from check_redshift(warehouse, declarations)
    except LakehouseError as error:
        yield _skipped("Redshift", str(error))


def _guarded(name: str, check: Callable[[], Result]) -> Result:
    """The check's result, or its error as one: each check runs whatever became of the others."""
    try:
        return check()
    except LakehouseError as error:
        return Result(name, "broken", str(error))
    except (ModuleNotFoundError, FileNotFoundError) as error:
        missing = explained(error)
        if missing is None:
            raise
        return _skipped(name, missing)


def _skipped(name: str, reason: str) -> Result:
    return Result(name, "skipped", reason)
