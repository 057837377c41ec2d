"""Compaction without a grace period, a day later, as a process of its own that may be killed."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

from ingestion.landing import compaction
from ingestion.landing.ledger import Ledger
from ingestion.landing.storage import open_storage

if __name__ == "__main__":
    storage = open_storage(sys.argv[1])
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    compaction.compact(storage, Ledger(storage).progress, "orders", tomorrow)
    compaction.remove_covered(storage, "orders", 0, time.time() + 1)
