"""How long until landing lands again: `python -m benchmarks.recovery [rounds]`."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Producer

from ingestion.declarations import load
from ingestion.landing.layout import LEDGER
from ingestion.settings import Settings
from lakehouse.kafka.admin import Topics
from lakehouse.kafka.topics import Topic
from playground.services.kafka import KafkaBroker

_TABLE = "orders"
_INTERVAL = "0.2"


class Pipeline:
    """A broker to which records are written all the time, and the job that lands them."""

    def __init__(self, folder: Path) -> None:
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
        threading.Thread(target=self._write, daemon=True).start()
        self.start()

    def _write(self) -> None:
        producer = Producer({"bootstrap.servers": self.broker.bootstrap_servers, "log_level": 0})
        while not self._done.wait(0.02):
            producer.produce(self.topic, b"{}", b"k")
            producer.poll(0)

    def start(self) -> None:
        """Start the job."""
        lakehouse = str(Path(sys.executable).with_name("lakehouse"))
        self.job = subprocess.Popen(
            [lakehouse, "land", "--tables", _TABLE, "--interval", _INTERVAL],
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

    def close(self) -> None:
        """End everything."""
        self._done.set()
        self.job.terminate()
        self.job.wait()
        self.broker.stop()
        self._log.close()


def kill_the_job(pipeline: Pipeline) -> None:
    """`kill -9`, and a supervisor that starts it again at once."""
    pipeline.job.kill()
    pipeline.job.wait()
    pipeline.start()


def kill_java(pipeline: Pipeline) -> None:
    """The job is left alone with it."""
    tasks = Path(f"/proc/{pipeline.job.pid}/task").glob("*/children")
    [java] = [child for task in tasks for child in task.read_text().split()]
    os.kill(int(java), signal.SIGKILL)


def kill_the_broker(pipeline: Pipeline) -> None:
    """The time begins when it answers again."""
    pipeline.broker.kill()
    time.sleep(5)
    pipeline.broker.restart()


def main() -> None:
    """Print the seconds until the first commit after each mishap, of several rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    rounds = parser.parse_args().rounds
    mishaps: tuple[Callable[[Pipeline], None], ...] = (kill_the_job, kill_the_broker, kill_java)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(Path(folder))
        try:
            pipeline.until_next()
            for mishap in mishaps:
                seconds = []
                for _ in range(rounds):
                    pipeline.until_next()
                    began = time.monotonic()
                    mishap(pipeline)
                    if mishap is kill_the_broker:
                        began = time.monotonic()
                    pipeline.until_next()
                    seconds.append(time.monotonic() - began)
                told = " ".join(f"{each:.1f}" for each in seconds)
                print(f"{mishap.__name__}: median {statistics.median(seconds):.1f} s ({told})")
        finally:
            pipeline.close()


if __name__ == "__main__":
    main()
