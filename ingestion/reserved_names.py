"""Names that a declared column or table cannot have, because an engine or our own SQL has them.

The SQL writes declared names as they are, unquoted, beside columns of its own. Where both have one
name an engine takes either, without a word, or stops. Each list is compared by a test with what it
was made from: the engines, and the SQL as it is sent.
"""

from __future__ import annotations

from importlib.resources import files

import yaml


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LISTS = yaml.safe_load(files("ingestion").joinpath("reserved_names.yml").read_text("utf-8"))
RESERVED = {engine: _words(words) for engine, words in _LISTS["engines"].items()}
BESIDE_THE_KEY = _words(_LISTS["beside_the_key"])
MARTS = {table: _words(words) for table, words in _LISTS["marts"].items()}
# What each row of a table has besides its columns: in DuckDB, and in PostgreSQL and Redshift.
SYSTEM_COLUMNS = frozenset(("rowid", "ctid", "cmax", "cmin", "tableoid", "xmax", "xmin"))
# Kafka's and dbt's columns; what else is our own begins with _, as no declared name can.
_PREFIXES = ("kafka_", "dbt_")
# What history shows beside a row's columns, and what its queries and data tests add to all of them.
HISTORY = _words("is_deleted next_valid_from previous_row_hash tracked_hash_before")
# What lies in the landing zone beside the declared tables.
_LANDED = frozenset(
    ("debezium_heartbeat", "debezium_notification", "debezium_transaction", "ledger")
)


def column_taken(table: str, name: str, *, is_key: bool) -> str | None:
    """What has the name `name`, so that no column of `table` can; None when it is free."""
    if engines := _reserved_by(name):
        return engines
    if name in SYSTEM_COLUMNS:
        return "is a system column of every table in the warehouse"
    if name in HISTORY or name.startswith(_PREFIXES):
        return "is one of the project's own in log, staging or history, which would take its place"
    if is_key and name in BESIDE_THE_KEY:
        return "is one that queries of history and their tests have beside the key"
    if name in MARTS.get(table, ()):
        return "is one under which a mart of the table shows something else"
    return None


def table_taken(name: str) -> str | None:
    """What has the name `name`, so that no declared table can; None when it is free."""
    return _reserved_by(name) or (
        "is one of the project's own in the landing zone" if name in _LANDED else None
    )


def _reserved_by(name: str) -> str | None:
    engines = [engine for engine, words in RESERVED.items() if name in words]
    return f"is a reserved word of {', '.join(engines)}" if engines else None
