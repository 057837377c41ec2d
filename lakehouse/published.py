"""The file that readers open while `lakehouse run` owns the warehouse's, and who owns that.

`<name>.published/<name>.duckdb` lies beside `<name>.duckdb`. It appears whole with a finished run
and is replaced by renaming; whoever has it open keeps what was opened. A clean end of
`lakehouse run` removes it, a kill leaves it: then the warehouse may hold half a run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.errors import RefusedError


def folder_of(warehouse: Path) -> Path:
    """Where what is published of `warehouse` lies."""
    return warehouse.with_suffix(".published")


def published(warehouse: Path) -> Path:
    """The published file; of the same name, because views name the database that they are in."""
    return folder_of(warehouse) / warehouse.name


def readable(warehouse: Path) -> Path:
    """The file that readers of `warehouse` open."""
    own = published(warehouse)
    return own if own.exists() else warehouse


def withdraw(warehouse: Path) -> None:
    """From now on readers open the warehouse file itself.

    The lock stays: whoever is just taking it would own a file that nobody finds.
    """
    published(warehouse).unlink(missing_ok=True)
    shutil.rmtree(folder_of(warehouse) / "next", ignore_errors=True)


def owner_of(warehouse: Path) -> int | None:
    """The process of `lakehouse run` that owns `warehouse`, None where none is alive."""
    try:
        with _lock(warehouse).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(_lock(warehouse).read_text("ascii") or 0)
    return None


@contextmanager
def owned(warehouse: Path) -> Iterator[None]:
    """Own `warehouse` for as long as the body runs.

    Raises:
        RefusedError: another process owns it.
    """
    folder_of(warehouse).mkdir(parents=True, exist_ok=True)
    with _lock(warehouse).open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(told_owner(warehouse, owner_of(warehouse))) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def told_owner(warehouse: Path, owner: int | None) -> str:
    """That `warehouse` has an owner, and what ends that."""
    return (
        f"`lakehouse run` (process {owner}) owns {warehouse} and builds whatever is landed. To "
        f"read, use `lakehouse query` or open {published(warehouse)}; to write, end it first: "
        f"`kill {owner}`, and it ends after the run that it is in"
    )


def _lock(warehouse: Path) -> Path:
    return folder_of(warehouse) / "owner"
