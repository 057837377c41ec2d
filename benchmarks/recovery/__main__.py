"""How long until landing lands again: `python -m benchmarks.recovery [rounds]`."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.endless import EndlessLanding


def kill_the_job(pipeline: EndlessLanding) -> None:
    """`kill -9`, and a supervisor that starts it again at once."""
    pipeline.job.kill()
    pipeline.job.wait()
    pipeline.start()


def kill_java(pipeline: EndlessLanding) -> None:
    """The job is left alone with it."""
    os.kill(pipeline.java(), signal.SIGKILL)


def kill_the_broker(pipeline: EndlessLanding) -> None:
    """The time begins when it answers again."""
    pipeline.broker.kill()
    time.sleep(5)
    pipeline.broker.restart()


def main() -> None:
    """Print the seconds until the first commit after each mishap, of several rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    rounds = parser.parse_args().rounds
    mishaps: tuple[Callable[[EndlessLanding], None], ...] = (
        kill_the_job,
        kill_the_broker,
        kill_java,
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = EndlessLanding(Path(folder))
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
