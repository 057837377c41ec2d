"""How long a build looks for new files where many are landed.

    python -m benchmarks.files [--files 1000000]

As many empty files as told, of one table over twelve partitions and a year. Timed is the statement
by which a log lists them and chooses what it reads, on this machine's disk; S3 is asked once for
each 1,000 files.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb
from dbt.cli.main import dbtRunner

from ingestion.landing.layout import DataFile, Partition
from lakehouse.dbt import let_go

_TABLE = "orders"
_PARTITIONS = 12
_DAYS = 365


def land(landing: Path, files: int) -> None:
    """Files of one record each, without their content."""
    each = files // (_DAYS * _PARTITIONS)
    for number in range(_DAYS):
        day = date(2026, 1, 1) + timedelta(days=number)
        for partition in range(_PARTITIONS):
            topic_partition = Partition(_TABLE, 1, partition)
            (landing / DataFile(topic_partition, day, 0, 0).folder).mkdir(parents=True)
            for offset in range(number * each, (number + 1) * each):
                file = DataFile(topic_partition, day, offset, offset + 1)
                os.close(os.open(f"{landing}/{file.path}", os.O_CREAT))


def choice(landing: Path) -> str:
    """The statement that chooses, as the log's first run has it."""
    os.environ["LAKEHOUSE_LANDING"] = str(landing)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            done = dbtRunner().invoke(
                ["compile", "--inline", f"{{{{ choose_landing_files('{_TABLE}') }}}}"]
            )
    finally:
        let_go()
    return str(done.result.results[0].node.compiled_code)  # type: ignore[union-attr]


def main() -> None:
    """Print the seconds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1_000_000)
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory() as folder:
        landing = Path(folder) / "landing"
        os.environ["LAKEHOUSE_DUCKDB"] = f"{folder}/warehouse.duckdb"
        land(landing, files)
        statement = choice(landing)
        with duckdb.connect() as connection:
            connection.execute("create schema operations")
            connection.execute(
                f"create table operations.ledger_ends as select '{_TABLE}' as table_name,"
                f" 1 as incarnation, partition as kafka_partition, {files} as until_offset"
                f" from range({_PARTITIONS}) as partitions(partition)"
            )
            began, used = time.monotonic(), time.process_time()
            connection.execute(statement.replace('"warehouse".', ""))
            seconds, used = time.monotonic() - began, time.process_time() - used
            [(chosen,)] = connection.execute(
                f"select len(getvariable('landing_{_TABLE}'))"
            ).fetchall()
    print(f"{chosen:,} files chosen in {seconds:.1f} s, {used:.1f} CPU s")


if __name__ == "__main__":
    main()
