"""What landing relies on, on disk and on S3 alike."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ingestion.errors import OutageError, TerminalError
from ingestion.landing.storage import Storage, open_storage


def test_files_are_listed_by_folder_in_order_and_after_a_name(any_storage: Storage) -> None:
    for path in ("a/2.json", "a/1.json", "a/b/3.json", "ab/4.json"):
        any_storage.put(path, b"{}")
    assert any_storage.list_files("a") == ["a/1.json", "a/2.json", "a/b/3.json"]
    assert any_storage.list_files("a", after="a/1.json") == ["a/2.json", "a/b/3.json"]
    assert any_storage.list_files("nothing") == []


def test_put_replaces_and_the_end_can_be_read_alone(any_storage: Storage) -> None:
    any_storage.put("a/1", b"old")
    any_storage.put("a/1", b"0123456789")
    assert any_storage.read("a/1") == b"0123456789"
    assert any_storage.tail("a/1", 3) == b"789"
    assert any_storage.tail("a/1", 99) == b"0123456789"
    assert any_storage.size("a/1") == 10


def test_what_is_not_there_is_said(any_storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        any_storage.read("a/1")
    any_storage.delete("a/1")
    any_storage.delete_folder("a")


def test_one_of_many_puts_if_absent_wins(any_storage: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: any_storage.put_if_absent("a/1", b"%d" % n), range(8)))
    assert won.count(True) == 1
    assert any_storage.read("a/1") == b"%d" % won.index(True)
    assert any_storage.list_files("a") == ["a/1"]


def test_publishing_moves_the_whole_file(any_storage: Storage) -> None:
    any_storage.put("_staging/x/part", b"whole")
    any_storage.publish("_staging/x/part", "t/0-5.parquet")
    assert any_storage.read("t/0-5.parquet") == b"whole"
    assert any_storage.list_files("_staging") == []


def test_nothing_can_be_published_once_the_staging_folder_is_removed(any_storage: Storage) -> None:
    any_storage.put("_staging/x/part", b"whole")
    any_storage.delete_folder("_staging/x")
    with pytest.raises(FileNotFoundError):
        any_storage.publish("_staging/x/part", "t/0-5.parquet")
    assert any_storage.list_files("t") == []


def test_a_local_file_appears_whole(any_storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100_000)
    with source.open("rb") as file:
        any_storage.put_file(file, "t/0-5.parquet")
    with any_storage.fetch("t/0-5.parquet") as found:
        assert found.read() == source.read_bytes()
    assert any_storage.list_files("t") == ["t/0-5.parquet"]


def test_other_places_than_folders_and_s3_are_refused() -> None:
    with pytest.raises(TerminalError, match="hdfs://x/y: a landing zone is a folder or an s3a://"):
        open_storage("hdfs://x/y")


@pytest.mark.parametrize(
    ("location", "for_java"),
    [
        ("s3a://lake/env//landing", "s3a://lake/env/landing"),
        ("s3://lake//landing/", "s3://lake/landing"),
        ("s3a://lake/env/./landing", "s3a://lake/env/landing"),
        ("s3a://lake/env/../landing", "s3a://lake/landing"),
        ("s3a://lake/../landing", "s3a://lake/landing"),
        ("s3a://lake/landing/..", "s3a://lake/"),
    ],
)
def test_a_prefix_that_spark_takes_for_another_is_refused(location: str, for_java: str) -> None:
    with pytest.raises(TerminalError) as refused:
        open_storage(location)
    assert f"{location}: Spark takes it for {for_java}, " in str(refused.value)


def test_a_folder_is_where_the_kernel_finds_it(tmp_path: Path) -> None:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real/deep")
    storage = open_storage(str(tmp_path / "link/../landing"))
    assert storage.uri == str((tmp_path / "real/landing").resolve())
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(TerminalError, match="loop/landing cannot be made"):
        open_storage(str(tmp_path / "loop/landing"))


@pytest.mark.parametrize("refused", ["a", "a/b"])
def test_a_folder_that_cannot_be_listed_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """An error of the system's, as root too, whom permissions do not stop."""
    storage = open_storage(str(tmp_path))
    storage.put("a/b/1.json", b"{}")
    scandir = os.scandir

    def fail(folder: Any) -> Any:
        if os.fspath(folder) == f"{storage.uri}/{refused}":
            raise PermissionError(13, "Permission denied", os.fspath(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(TerminalError, match=f"/{refused}: Permission denied. Give the user"):
        storage.list_files("a")


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, OutageError, "the disk is full"),
        (errno.EROFS, OutageError, "cannot be reached or written: Read-only file system"),
        (errno.EIO, OutageError, "cannot be reached or written: Input/output error"),
        (errno.EACCES, TerminalError, "Permission denied. Give the user that runs this the right"),
    ],
)
def test_what_the_disk_complains_of_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[Exception],
    words: str,
) -> None:
    storage = open_storage(str(tmp_path))

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind, match=words):
        storage.put("a/1", b"{}")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_is_away_is_not_made_anew(tmp_path: Path) -> None:
    """What is written into an empty mount point is hidden when the disk is back."""
    storage = open_storage(str(tmp_path / "landing"))
    (tmp_path / "landing").rename(tmp_path / "unplugged")
    for call in (
        lambda: storage.put("a/1", b"{}"),
        lambda: storage.put_if_absent("a/1", b"{}"),
        lambda: storage.list_files("a"),
        lambda: storage.publish("_staging/1", "a/1"),
    ):
        with pytest.raises(OutageError):
            call()
    assert not (tmp_path / "landing").exists()


def test_what_a_kill_left_half_written_goes_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / ".temporary"
    (folder / "removing/deep").mkdir(parents=True)
    for name in ("old", "removing/deep/file", "new"):
        (folder / name).write_bytes(b"half")
    hours_ago = time.time() - 7200
    for name in ("old", "removing"):
        os.utime(folder / name, (hours_ago, hours_ago))
    assert open_storage(str(tmp_path)).list_files("") == []
    assert [path.name for path in folder.iterdir()] == ["new"], "somebody may still write it"


def test_who_only_reads_removes_nothing(tmp_path: Path) -> None:
    """Of a disk that may only be read it could not."""
    left = tmp_path / ".temporary/old"
    left.parent.mkdir()
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    assert open_storage(str(tmp_path), make=False).list_files("") == []
    assert left.exists()
