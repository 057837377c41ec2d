"""What makes `lakehouse run` build: a ledger that has moved, a project that was edited."""

from __future__ import annotations

import os
from pathlib import Path

from ingestion.landing.storage import open_storage
from lakehouse.resident.trigger import Trigger
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import Delivery, LandingZone


def test_the_tables_that_moved_since_the_last_look_are_named(tmp_path: Path) -> None:
    zone = LandingZone(tmp_path / "landing", DECLARATIONS, "postgresql")
    record = Delivery(b"{}", b"{}", 0, 0)
    zone.land(DECLARATIONS.table("stores"), [record])
    trigger = Trigger(open_storage(str(tmp_path / "landing")), tmp_path)
    assert trigger.moved() == set(), "what was there at the start is built by the start"

    zone.land(DECLARATIONS.table("orders"), [record])
    zone.land(DECLARATIONS.table("orders"), [record])
    zone.land(DECLARATIONS.table("stores"), [record])
    assert trigger.moved() == {"orders", "stores"}
    assert trigger.moved() == set()


def test_an_edited_a_new_and_a_removed_file_are_seen_once(tmp_path: Path) -> None:
    LandingZone(tmp_path / "landing", DECLARATIONS, "postgresql")
    model = tmp_path / "models/marts/one.sql"
    model.parent.mkdir(parents=True)
    trigger = Trigger(open_storage(str(tmp_path / "landing")), tmp_path)
    assert not trigger.edited()
    for moment in (1, 2):
        model.write_text(f"select {moment} as one")
        os.utime(model, (moment, moment))
        assert trigger.edited()
        assert not trigger.edited()
    model.unlink()
    assert trigger.edited()
