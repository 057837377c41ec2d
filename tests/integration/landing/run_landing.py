"""A landing job as a process of its own, for tests that kill, pause or signal it.

In a storm it stops at one point (`window`) when it is told by a line on stdin, says so on stdout,
and goes on at the next line; another line makes its clock jump. Three more points are not of a
crash, since nothing durable has happened there: before files are staged, before one becomes
visible, before the ledger moves.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ingestion.errors import LakehouseError
from ingestion.landing import commit, spark
from ingestion.landing import job as landing_job
from ingestion.landing.crash_points import reach
from ingestion.landing.job import Job, Landing
from ingestion.landing.ledger import Ledger
from ingestion.landing.plan import Subscription
from ingestion.landing.storage import Storage, open_storage
from ingestion.settings import Settings
from lakehouse.local_spark import local_session


def listen(storage: Storage) -> None:
    """Obey the storm's controller; `storage` is of the kind that is landed to."""
    windows: set[str] = set()
    going_on = threading.Event()
    clock, jumped = time.time, [0.0]
    time.time = lambda: clock() + jumped[0]

    def pass_or_wait(point: str) -> None:
        if point in windows:
            windows.discard(point)
            going_on.clear()
            print(f"reached {point}", flush=True)
            going_on.wait()
        reach(point)  # type: ignore[arg-type]

    def obey() -> None:
        for line in sys.stdin:
            order, _, what = line.strip().partition(" ")
            if order == "window":
                windows.add(what)
            elif order == "go":
                going_on.set()
            else:
                jumped[0] += float(what)

    def after(point: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def waited(*given: Any) -> Any:
            pass_or_wait(point)
            return step(*given)

        return waited

    for module in (commit, landing_job):
        vars(module)["reach"] = pass_or_wait
    for owner, method, point in (
        (spark, "stage", "staging"),
        (type(storage), "publish", "publishing"),
        (Ledger, "append", "appending"),
    ):
        setattr(owner, method, after(point, getattr(owner, method)))
    threading.Thread(target=obey, daemon=True).start()


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
    if given["in_a_storm"]:
        listen(open_storage(settings.landing))
    job = Job(settings, lambda: subscriptions, **given["options"])
    try:
        Landing(
            job,
            lambda: local_session(settings),
            lambda line: print(line, flush=True),
            stopping,
        ).run()
    except LakehouseError as error:
        print(f"error: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
