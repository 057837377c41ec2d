"""Entries of landing's ledger."""

from __future__ import annotations

from datetime import date

from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import Entry


def entry(from_offset: int, until_offset: int, table: str = "orders", number: int = 0) -> Entry:
    """That a range of a partition has been landed, in one file."""
    file = DataFile(Partition(table, 1, number), date(2026, 3, 1), from_offset, until_offset)
    return Entry(
        table=table,
        topic=f"retail.public.{table}",
        topic_id="A",
        incarnation=1,
        kafka_partition=number,
        from_offset=from_offset,
        until_offset=until_offset,
        rows=until_offset - from_offset,
        kind="landed",
        committed_at="2026-03-01T00:00:00+00:00",
        file=file.path if until_offset > from_offset else None,
    )
