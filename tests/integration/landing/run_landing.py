"""A landing job as a process of its own, for tests that kill, pause or signal it."""

from __future__ import annotations

import json
import signal
import sys
import threading

from ingestion.errors import LakehouseError
from ingestion.landing.job import Job, Landing
from ingestion.landing.plan import Subscription
from ingestion.landing.spark import local_session
from ingestion.settings import Settings


def main() -> int:
    given = json.loads(sys.argv[1])
    settings = Settings.from_environment(
        {
            "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": given["servers"],
            "LAKEHOUSE_LANDING": given["landing"],
            "LAKEHOUSE_CHECKPOINTS": given["checkpoints"],
        }
    )
    subscriptions = [Subscription(*pair) for pair in given["subscriptions"]]
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    job = Job(settings, lambda: subscriptions, **given["options"])
    try:
        Landing(
            job, lambda: local_session(settings), lambda line: print(line, flush=True), stopping
        ).run()
    except LakehouseError as error:
        print(f"error: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
