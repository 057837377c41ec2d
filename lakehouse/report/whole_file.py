"""A file that somebody may be reading: it appears whole, or the one before stays."""

from __future__ import annotations

from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write `text` as `file`, in a folder that is made where there is none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_name(f".{file.name}")
    written.write_text(text, encoding="utf-8")
    written.replace(file)
