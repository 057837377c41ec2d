"""What two warehouse files hold, side by side."""

from __future__ import annotations

from pathlib import Path

import duckdb

_EXCLUDED = ("_cdc_run", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp")


def relations(warehouse: Path, schemas: tuple[str, ...]) -> list[str]:
    """Tables of `schemas` as schema.name."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
            " where list_contains(?, table_schema) and table_type = 'BASE TABLE' order by 1",
            [list(schemas)],
        ).fetchall()
    return [row[0] for row in rows]


def differing_rows(
    left: Path, right: Path, relation: str, without: tuple[str, ...] = ()
) -> list[tuple[object, ...]]:
    """Up to five rows that only one of two warehouses has, columns about arrival aside."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{left}' as left_side (read_only)")
        connection.execute(f"attach '{right}' as right_side (read_only)")
        names = [
            row[0]
            for row in connection.execute(f"describe left_side.{relation}").fetchall()
            if row[0] not in (*_EXCLUDED, *without)
        ]
        columns = ", ".join(names)
        return connection.execute(
            f"""
            (
                select 'left' as side, {columns} from left_side.{relation}
                except all select 'left', {columns} from right_side.{relation}
            )
            union all
            (
                select 'right', {columns} from right_side.{relation}
                except all select 'right', {columns} from left_side.{relation}
            )
            limit 5
            """
        ).fetchall()
