"""What a start of landing loads, kept in the form in which Java maps it: `.jars/landing.jsa`.

A start of Spark loads some 22,000 classes; from an archive of them it costs a third less CPU time.
The archive is what Java writes at the end of a landing run (`-XX:ArchiveClassesAtExit`). Java looks
at its own version and at the jars first: where something has changed since, it does without.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ingestion.declarations import load
from ingestion.settings import Settings
from lakehouse.kafka.admin import Topics
from lakehouse.kafka.produce import Record, produce
from lakehouse.kafka.topics import Topic
from lakehouse.local_spark import CLASS_ARCHIVE
from playground.services import Services

_TABLE = "orders"


def write() -> None:
    """Write the archive, from a run that lands some records of a broker of its own."""
    CLASS_ARCHIVE.unlink(missing_ok=True)
    written = CLASS_ARCHIVE.with_suffix(".new")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Services(folder / "services", postgres=False, connect=False) as services:
            environment = services.kafka.environment()
            settings = Settings.from_environment(environment)
            topic = load().table(_TABLE).topics[settings.source]
            Topics(settings).create([Topic(topic, 1, -1)], replication_factor=1)
            produce(
                {"bootstrap.servers": settings.kafka_bootstrap_servers},
                [Record(topic, b'{"n": %d}' % number, b"{}") for number in range(1_000)],
            )
            lakehouse = str(Path(sys.executable).with_name("lakehouse"))
            # The archive is whole when Java has closed its output, some time after the command has.
            run = subprocess.run(
                [lakehouse, "land", "--once", "--tables", _TABLE],
                env=os.environ
                | environment
                | {
                    "LAKEHOUSE_LANDING": str(folder / "landing"),
                    "LAKEHOUSE_CHECKPOINTS": str(folder / "checkpoints"),
                    "JAVA_TOOL_OPTIONS": f"-XX:ArchiveClassesAtExit={written}",
                },
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if run.returncode != 0:
                sys.exit(run.stdout)
    written.replace(CLASS_ARCHIVE)


if __name__ == "__main__":
    write()
