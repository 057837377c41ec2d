"""Commits to a ledger that rolls itself up often, as a process of its own that may be killed."""

from __future__ import annotations

import sys

from ingestion.landing import ledger as ledger_module
from ingestion.landing.layout import Partition
from ingestion.landing.ledger import Ledger
from ingestion.landing.storage import open_storage
from tests.kit.ledger import entry

if __name__ == "__main__":
    ledger_module.ROLL_UP_EVERY = 3
    ledger_module.KEEP_ROLLED_UP_SECONDS = 0.0
    ledger = Ledger(open_storage(sys.argv[1]))
    for _ in range(7):
        known = ledger.progress.positions.get(Partition("orders", 1, 0))
        until = known.until_offset if known else 0
        ledger.append([entry(until, until + 1)])
