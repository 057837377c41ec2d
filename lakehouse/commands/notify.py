"""`lakehouse notify`: tell a chat when something begins to need a person, and when it is over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from ingestion.declarations import load
from ingestion.errors import UsageError
from lakehouse.console import TITLE, OnTarget, say
from lakehouse.settings import CommandSettings


def notify(
    form: Annotated[
        Literal["slack", "teams", "json"],
        typer.Option("--format", help="What the webhook takes."),
    ] = "json",
    state: Annotated[
        Path, typer.Option(help="The file that keeps what was told; one for each webhook.")
    ] = Path("data/notified.json"),
    target: OnTarget = None,
) -> None:
    """Send what the report would show as wrong to LAKEHOUSE_WEBHOOK_URL, once a change of state.

    Run it by a timer: while nothing changes, nothing is sent. What is sent holds no personal data.
    """
    from lakehouse.report.alerts import Alert, alerts
    from lakehouse.report.figures import read_figures
    from lakehouse.report.webhook import change, message, send
    from lakehouse.report.whole_file import write_whole

    settings, declared = CommandSettings.of_target(target), load()
    if not settings.webhook_url:
        raise UsageError("LAKEHOUSE_WEBHOOK_URL is not set: the address to which is sent")
    found = alerts(read_figures(settings, declared, datetime.now(UTC)))
    told = json.loads(state.read_text("utf-8")) if state.exists() else []
    changed = change([Alert(**each) for each in told], found)
    if not changed:
        say(f"nothing has changed: {len(found)} to look at")
        return
    send(
        settings.webhook_url, message(changed, f"{TITLE}, {settings.environment or 'local'}", form)
    )
    # after it was sent: a message that failed is sent by the next call
    write_whole(state, json.dumps([vars(each) for each in found], indent=1))
    say(f"sent: {len(changed.new)} new, {len(changed.over)} over")
