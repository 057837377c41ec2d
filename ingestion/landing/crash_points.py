"""Named points after each durable step, at which tests kill the process.

`LAKEHOUSE_CRASH_POINT=<name>` or `<name>:<n>` (the n-th time) makes the process kill itself with
SIGKILL there: no handler runs, nothing is flushed. Unset, which is always but in tests, passing
a point costs a look at the environment.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from typing import Literal, get_args

CrashPoint = Literal[
    "partition_opened",  # a topic has its incarnation in the ledger, no file yet
    "batch_planned",  # Spark's checkpoint holds the batch's offsets, nothing is written
    "batch_staged",  # all files of the batch are whole, none is visible
    "file_visible",  # a file of the batch is visible, the ledger does not know it
    "ledger_row",  # the ledger holds the batch, Spark's checkpoint does not
    "ledger_rolled_up",  # the ledger up to the batch is there as ranges too
    "ledger_retiring",  # one of the commits that a roll-up replaced is removed
    "checkpoint_written",  # Spark's checkpoint holds the batch too
    "adopted",  # files beyond the ledger were entered into it
    "compaction_staged",  # the large file is whole, not visible
    "compaction_visible",  # the large file is visible beside the small ones
    "compaction_removing",  # one of the small files is removed
]
CRASH_POINTS: tuple[CrashPoint, ...] = get_args(CrashPoint)

_reached: Counter[str] = Counter()
_counting = threading.Lock()


def reach(point: CrashPoint) -> None:
    """Die here if a test asks for it."""
    # Each file passes here: all settings (`Settings.crash_point` is its row) would cost 0.2 ms.
    name, _, times = os.environ.get("LAKEHOUSE_CRASH_POINT", "").partition(":")
    if not name:
        return
    with _counting:
        _reached[point] += 1
        if name == point and _reached[point] == int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)
