"""Whether landing's memory levels off: `python -m benchmarks.memory [--minutes 120] [--rate 1000]`.

Prints the resident memory of the job's two processes as time goes by, and at the end by how much it
grew a minute in the second half.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.endless import EndlessLanding

_EVERY_SECONDS = 30.0
_PRINTED_EACH = 10
_RECORD_BYTES = 600
_INTERVAL_SECONDS = 1.0


def resident(process: int) -> float:
    """Megabytes of a process that are in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1000


def main() -> None:
    """Land as long as told, and look."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--rate", type=float, default=1000, help="records a second")
    given = parser.parse_args()
    minutes, python, java = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        landing = EndlessLanding(Path(folder), given.rate, _RECORD_BYTES, _INTERVAL_SECONDS)
        try:
            landing.until_next()
            began = time.monotonic()
            while not minutes or minutes[-1] < given.minutes:
                time.sleep(_EVERY_SECONDS)
                minutes.append((time.monotonic() - began) / 60)
                python.append(resident(landing.job.pid))
                java.append(resident(landing.java()))
                if len(minutes) % _PRINTED_EACH == 0:
                    print(
                        f"minute {minutes[-1]:.0f}: Python {python[-1]:.0f} MB, "
                        f"Java {java[-1]:.0f} MB",
                        flush=True,
                    )
        finally:
            landing.close()
    half = len(minutes) // 2
    for name, megabytes in (("Python", python), ("Java", java)):
        slope = statistics.linear_regression(minutes[half:], megabytes[half:]).slope
        print(f"{name}: {slope:+.2f} MB a minute in the second half")


if __name__ == "__main__":
    main()
