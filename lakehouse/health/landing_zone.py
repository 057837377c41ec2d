"""The landing zone as it is opened by who only reads, or changes what is there: it is not made."""

from __future__ import annotations

from ingestion.errors import TerminalError
from ingestion.landing import layout
from ingestion.landing.storage import Storage, open_storage
from ingestion.settings import Settings


def find_zone(settings: Settings) -> Storage | None:
    """The landing zone; None where there is none, or none yet."""
    storage = open_storage(settings.landing, make=False)
    try:
        storage.read(layout.IDENTITY)
    except FileNotFoundError:
        return None
    return storage


def open_zone(settings: Settings) -> Storage:
    """The landing zone.

    Raises:
        TerminalError: there is none.
    """
    storage = find_zone(settings)
    if storage is None:
        raise TerminalError(no_zone(settings))
    return storage


def no_zone(settings: Settings) -> str:
    """That there is none, for a person."""
    return (
        f"there is no landing zone in {settings.landing}: it has no {layout.IDENTITY}. Either "
        "LAKEHOUSE_LANDING is wrong, or `lakehouse land` has never run, or the file was removed: "
        "then restore it from its backup or its earlier object version"
    )
