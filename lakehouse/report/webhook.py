"""A message to a chat's webhook, once a change of state: what is new, and what is over."""

from __future__ import annotations

import dataclasses
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from ingestion.errors import TerminalError, TransientError
from lakehouse.report.alerts import Alert

Format = Literal["slack", "teams", "json"]
_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True)
class Change:
    """What has changed since the last message; `still` is what was told of before."""

    new: tuple[Alert, ...]
    over: tuple[Alert, ...]
    still: tuple[Alert, ...]

    def __bool__(self) -> bool:
        return bool(self.new or self.over)


def change(told: Sequence[Alert], now: Sequence[Alert]) -> Change:
    """The change from what was `told`; an alert that became worse or milder is new."""
    before = {(alert.name, alert.level) for alert in told}
    names = {alert.name for alert in now}
    return Change(
        new=tuple(alert for alert in now if (alert.name, alert.level) not in before),
        over=tuple(alert for alert in told if alert.name not in names),
        still=tuple(alert for alert in now if (alert.name, alert.level) in before),
    )


def message(changed: Change, title: str, form: Format) -> dict[str, Any]:
    """The body that the webhook takes."""
    if form == "json":
        parts = {"new": changed.new, "over": changed.over, "still": changed.still}
        listed = {part: [dataclasses.asdict(each) for each in of] for part, of in parts.items()}
        return {"title": title, **listed}
    lines = [
        f"{title}: {len(changed.new)} new, {len(changed.over)} over, {len(changed.still)} still"
    ]
    lines += [f"{each.level.upper()} {each.what} → `{each.command}`" for each in changed.new]
    lines += [f"OVER {each.what}" for each in changed.over]
    if form == "slack":
        text = "\n".join(lines)
        for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(sign, entity)
        return {"text": text}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [{"type": "TextBlock", "wrap": True, "text": line} for line in lines],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def send(url: str, body: Mapping[str, Any]) -> None:
    """Post the body.

    Raises:
        TransientError: the other side does not answer, or not now.
        TerminalError: it refuses the message, or `url` is none.
    """
    if not url.startswith(("https://", "http://")):
        raise TerminalError("LAKEHOUSE_WEBHOOK_URL is no address: it begins with https://")
    request = urllib.request.Request(  # noqa: S310 - looked at above
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        # the address is a secret, so it is in no message
        told = f"the webhook answered {error.code} {error.reason}"
        later = error.code >= HTTPStatus.INTERNAL_SERVER_ERROR
        if later or error.code == HTTPStatus.TOO_MANY_REQUESTS:
            raise TransientError(f"{told}: try again later") from error
        raise TerminalError(f"{told}: is LAKEHOUSE_WEBHOOK_URL right, and --format?") from error
    except OSError as error:
        raise TransientError(f"the webhook does not answer: {error}") from error
