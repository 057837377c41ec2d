"""What Spark says it has staged is what is landed, whatever happens to the folder meanwhile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from ingestion.errors import TerminalError
from ingestion.landing import job, layout, spark
from tests.integration.landing.conftest import TABLE, Feed, Zone

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROOT = Path(__file__).parents[3]

# What happens once a batch is staged in a folder: is told the folder and the records that Spark
# has counted, and tells how many it is said to have counted.
Mishap = Callable[[Path, int], int]


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Path]]:
    """Let mishaps befall the first batches that are staged; returns the folders in their order."""
    stage = spark.stage

    def befall(*mishaps: Mishap) -> list[Path]:
        left: Iterator[Mishap] = iter(mishaps)
        folders: list[Path] = []

        def staged(batch: DataFrame, folder: str) -> int:
            written = stage(batch, folder)
            folders.append(Path(folder))
            mishap = next(left, None)
            return mishap(Path(folder), written) if mishap else written

        monkeypatch.setattr(spark, "stage", staged)
        return folders

    return befall


def remove_all(folder: Path, written: int) -> int:
    shutil.rmtree(folder.parents[2])
    return written


def remove_one_file(folder: Path, written: int) -> int:
    next(iter(sorted(folder.glob("*.parquet")))).unlink()
    return written


def put_elsewhere(folder: Path, written: int) -> int:
    folder.rename(folder.parents[3] / f"elsewhere-{folder.name}")
    return written


def count_a_task_twice(folder: Path, written: int) -> int:
    return written + 7


def leave_twins(folder: Path, written: int) -> int:
    for file in sorted(folder.glob("*.parquet")):
        shutil.copy(file, file.with_name(f"twin-{file.name}"))
    return written


@pytest.mark.parametrize("mishap", [remove_all, remove_one_file])
def test_what_is_not_found_again_is_staged_again(
    zone: Zone, feed: Feed, staged: Callable[..., list[Path]], mishap: Mishap
) -> None:
    feed.create(3).produce(30)
    folders = staged(mishap)
    assert zone.land(feed.topic) == 30
    assert zone.landed() == feed.truth()
    assert sum(entry.rows for entry in zone.ledger()) == 30
    assert len(set(folders)) == 2
    assert zone.storage.list_files(layout.STAGING) == []


@pytest.mark.parametrize("mishap", [put_elsewhere, count_a_task_twice])
def test_what_is_not_found_twice_stops_and_is_landed_later(
    zone: Zone, feed: Feed, staged: Callable[..., list[Path]], mishap: Mishap
) -> None:
    feed.create(2).produce(20)
    before = feed.truth()
    ends = [1 + max(record[2] for record in before if record[1] == n) for n in (0, 1)]
    folders = staged(mishap, mishap)
    with pytest.raises(TerminalError) as stopped:
        zone.land(feed.topic)
    for part in (
        *(f"{feed.topic} partition {n} offsets 0 to {ends[n]}" for n in (0, 1)),
        str(folders[1]),
        "LAKEHOUSE_LANDING",
        "lifecycle rules",
    ):
        assert part in str(stopped.value)
    assert (zone.files(), [e.until_offset for e in zone.ledger()]) == ([], [0, 0])
    assert zone.land(feed.topic) == 20, "Spark's miscounting is no stop for ever"
    assert zone.landed() == feed.truth()


def test_the_twins_of_a_repeated_task_count_once(
    zone: Zone, feed: Feed, staged: Callable[..., list[Path]]
) -> None:
    feed.create(2).produce(20)
    folders = staged(leave_twins)
    assert zone.land(feed.topic) == 20
    assert zone.landed() == feed.truth()
    assert len(folders) == 1


def test_what_is_left_of_staging_can_be_sent_again(
    zone: Zone, feed: Feed, staged: Callable[..., list[Path]], tmp_path: Path
) -> None:
    """The runbook's script, as it stands there: each record is landed once more, as it was."""
    feed.create(2).produce(9)
    feed.send((b"deleted", None))

    def keep(folder: Path, written: int) -> int:
        shutil.copytree(folder.parents[2], tmp_path / "kept/_staging")
        return written

    staged(keep)
    zone.land(feed.topic)
    runbook = (ROOT / "docs/runbooks/operations.md").read_text()
    (script,) = re.findall(r"^    python - \S+ <<'END'\n(.*?)^    END$", runbook, re.M | re.S)
    subprocess.run(
        [sys.executable, "-", tmp_path / "kept/_staging"],
        input=textwrap.dedent(script),
        env=os.environ | {"LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": zone.broker.bootstrap_servers},
        text=True,
        check=True,
    )
    assert zone.land(feed.topic) == 10
    assert zone.landed() == feed.truth()
    times = Counter((row["kafka_key"], row["kafka_value"]) for row in zone.rows())
    assert (len(times), set(times.values())) == (10, {2})


def test_staging_removed_after_it_was_counted(
    zone: Zone, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.create(2).produce(20)
    removed: list[str] = []

    def reach(point: str) -> None:
        if point == "batch_staged" and not removed:
            removed.append(point)
            shutil.rmtree(Path(zone.landing) / layout.STAGING)

    monkeypatch.setattr(job, "reach", reach)
    assert zone.land(feed.topic) == 20
    assert removed
    assert zone.landed() == feed.truth()


def test_a_listing_that_fails_is_no_empty_folder(
    zone: Zone, feed: Feed, staged: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.create(1).produce(10)
    scandir = os.scandir
    failed: list[Any] = []

    def fail_once(folder: Any = ".") -> Any:
        if not failed and folders and os.fspath(folder) == str(folders[0]):
            failed.append(folder)
            raise OSError(5, "Input/output error", os.fspath(folder))
        return scandir(folder)

    folders = staged()
    monkeypatch.setattr(os, "scandir", fail_once)
    assert zone.land(feed.topic) == 10
    assert failed
    assert zone.landed() == feed.truth()
    assert any("cannot be reached or written: Input/output error" in line for line in zone.said)


def test_a_folder_behind_a_link_and_two_dots(zone: Zone, feed: Feed, tmp_path: Path) -> None:
    """Java would drop `link/..` by its text; the kernel, and so dbt's DuckDB, follows the link."""
    feed.create(1).produce(5)
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real/deep")
    zone.landing = str(tmp_path / "link/../landing")
    assert zone.land(feed.topic) == 5
    assert zone.landed() == feed.truth()
    found = duckdb.sql(f"select count(*) from '{zone.landing}/{TABLE}/**/*.parquet'").fetchone()
    assert found == (5,)
    assert not (tmp_path / "landing").exists()


def test_a_doubled_slash_in_a_bucket_is_refused(s3_zone: Zone, feed: Feed) -> None:
    """Java would drop it, boto3 keeps it: two prefixes."""
    feed.create(2).produce(20)
    s3_zone.landing = s3_zone.landing.removesuffix("/landing") + "/env//landing"
    output, _ = s3_zone.process(feed.topic).communicate(timeout=400)
    bucket = s3_zone.checkpoints.removesuffix("/checkpoints")
    assert f"{s3_zone.landing}: Spark takes it for {bucket}/env/landing" in output
