"""An endless landing job beside a broker to which records are written all the time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from confluent_kafka import Producer

from ingestion.declarations import load
from ingestion.landing.layout import LEDGER
from ingestion.settings import Settings
from lakehouse.kafka.admin import Topics
from lakehouse.kafka.topics import Topic
from playground.services.kafka import KafkaBroker

_TABLE = "orders"
# Between two writes.
_BEAT_SECONDS = 0.02


class EndlessLanding:
    """The broker, its writer and the job, in `folder`.

    `rate` is records a second, each of `size` bytes; `interval` seconds are between two batches.
    """

    def __init__(
        self, folder: Path, rate: float = 50, size: int = 2, interval: float = 0.2
    ) -> None:
        self._interval = interval
        self._value = json.dumps("x" * (size - 2)).encode()
        self.broker = KafkaBroker(folder / "kafka", folder / "kafka.log")
        self.broker.start()
        self.broker.wait_until_ready()
        self.topic = load().table(_TABLE).topics["postgresql"]
        settings = Settings.from_environment(self.broker.environment())
        Topics(settings).create([Topic(self.topic, 2, -1)], replication_factor=1)
        self._ledger = folder / "landing" / LEDGER
        self._environment = os.environ | {
            **self.broker.environment(),
            "LAKEHOUSE_SOURCE": "postgresql",
            "LAKEHOUSE_LANDING": str(folder / "landing"),
            "LAKEHOUSE_CHECKPOINTS": str(folder / "checkpoints"),
        }
        self._log = (folder / "landing.log").open("ab")
        self._done = threading.Event()
        threading.Thread(target=self._write, args=[rate], daemon=True).start()
        self.start()

    def _write(self, rate: float) -> None:
        producer = Producer({"bootstrap.servers": self.broker.bootstrap_servers, "log_level": 0})
        began, written = time.monotonic(), 0
        while not self._done.wait(_BEAT_SECONDS):
            due = int((time.monotonic() - began) * rate)
            for number in range(written, due):
                producer.produce(self.topic, self._value, str(number).encode())
            written = due
            producer.poll(0)

    def start(self) -> None:
        """Start the job."""
        lakehouse = str(Path(sys.executable).with_name("lakehouse"))
        self.job = subprocess.Popen(
            [lakehouse, "land", "--tables", _TABLE, "--interval", str(self._interval)],
            env=self._environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def commits(self) -> int:
        """How often the job has committed."""
        return len(list(self._ledger.glob("*.jsonl")))

    def until_next(self) -> None:
        """Wait for the next commit with records."""
        before = self.commits()
        deadline = time.monotonic() + 120
        while self.commits() <= before:
            if time.monotonic() > deadline:
                raise TimeoutError("landing has not come back within two minutes")
            time.sleep(0.01)

    def java(self) -> int:
        """The id of the job's Java process."""
        tasks = Path(f"/proc/{self.job.pid}/task").glob("*/children")
        [java] = [child for task in tasks for child in task.read_text().split()]
        return int(java)

    def close(self) -> None:
        """End everything."""
        self._done.set()
        self.job.terminate()
        self.job.wait()
        self.broker.stop()
        self._log.close()
