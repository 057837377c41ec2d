"""A webhook hears of each change of state once, whatever fails in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lakehouse.health.acceptances import Finding
from lakehouse.health.verdicts import Verdict
from lakehouse.health.warehouse import Behind, Run
from lakehouse.report import figures as source
from lakehouse.report.alerts import Alert, alerts
from lakehouse.report.figures import Figures, NodeFigure, TableFigure
from lakehouse.report.webhook import Format, change, message
from tests.kit.command_line import CommandLine

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDERS = TableFigure("orders", 3600, 7200, NOW, NOW, NOW, 5, 5, 0, 0, 5, 0)
FINE = Figures(NOW, "local", Run(7, "succeeded", NOW, NOW), (), (ORDERS,), (), ())
FAILED = NodeFigure("test", "one_row_a_key_fct_orders", "fail", 7, NOW, 0.1, 3)


class Chat:
    """A webhook that keeps what it is sent, and answers with `status`."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.status = 200
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if chat.status == 200:
                    chat.heard.append(json.loads(body))
                self.send_response(chat.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret"


@pytest.fixture
def chat() -> Iterator[Chat]:
    opened = Chat()
    Thread(target=opened.server.serve_forever, daemon=True).start()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


def test_each_change_is_sent_once(
    chat: Chat, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = tmp_path / "new" / "state.json"
    monkeypatch.setenv("LAKEHOUSE_WEBHOOK_URL", chat.url)

    def notify(found: Figures) -> tuple[int, list[str], list[str]]:
        monkeypatch.setattr(source, "read_figures", lambda *_: found)
        before = len(chat.heard)
        code, out, err = command_line("notify", "--state", str(state))
        assert chat.url not in out + err
        assert len(chat.heard) - before <= 1
        said = chat.heard[-1] if len(chat.heard) > before else {"new": [], "over": []}
        return code, [a["name"] for a in said["new"]], [a["name"] for a in said["over"]]

    late = replace(FINE, tables=(replace(ORDERS, newest_at=NOW - timedelta(hours=1.5)),))
    too_late = replace(FINE, tables=(replace(ORDERS, newest_at=NOW - timedelta(hours=2.5)),))
    assert notify(FINE) == (0, [], [])
    assert notify(late) == (0, ["late orders"], [])
    assert notify(late) == (0, [], [])
    chat.status = 503
    assert notify(too_late) == (1, [], [])
    chat.status = 200
    assert notify(too_late) == (0, ["late orders"], [])
    both = replace(too_late, nodes=(FAILED,))
    assert notify(both) == (0, ["node one_row_a_key_fct_orders"], [])
    assert [a["name"] for a in chat.heard[-1]["still"]] == ["late orders"]
    assert notify(FINE) == (0, [], ["late orders", "node one_row_a_key_fct_orders"])
    assert notify(FINE) == (0, [], [])


def test_without_an_address_nothing_is_asked(command_line: CommandLine) -> None:
    code, _, told = command_line("notify")
    assert code == 2 and "LAKEHOUSE_WEBHOOK_URL" in told


@pytest.mark.parametrize("form", ["slack", "teams", "json"])
def test_a_message_says_what_and_what_to_type(form: Format) -> None:
    new = Alert("red", "a", "orders <late> & red", "dbt build")
    body = message(change([Alert("yellow", "b", "stock", "dbt test")], [new]), "Shop", form)
    text = json.dumps(body)
    escaped = "orders &lt;late&gt; &amp; red" if form == "slack" else "orders <late> & red"
    assert escaped in text and "dbt build" in text and "stock" in text
    assert (
        set(body)
        == {
            "slack": {"text"},
            "teams": {"type", "attachments"},
            "json": {"title", "new", "over", "still"},
        }[form]
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (FINE, []),
        (replace(FINE, last_run=None), [("yellow", "dbt build")]),
        (replace(FINE, last_run=Run(7, "abandoned", NOW, NOW)), [("red", "dbt build")]),
        (
            replace(FINE, nodes=(FAILED, replace(FAILED, name="a", status="warn"))),
            [
                ("red", "dbt test --select one_row_a_key_fct_orders"),
                ("yellow", "dbt test --select a"),
            ],
        ),
        (
            replace(FINE, nodes=(replace(FAILED, kind="model", name="m", status="error"),)),
            [("red", "dbt build --select m")],
        ),
        (replace(FINE, nodes=(replace(FAILED, status="pass"),)), []),
        (replace(FINE, behind=(Behind("marts.a", 6),)), [("yellow", "dbt build")]),
        (
            replace(FINE, open=(Finding("drift", "orders", "unknown:x", "x"),) * 2),
            [("yellow", "lakehouse accept list")],
        ),
        (
            replace(FINE, open=(Finding("break", "orders", "1", "u"),)),
            [("red", "lakehouse accept list")],
        ),
        (
            replace(
                FINE, verdicts=(Verdict("reconcile", 0, NOW), Verdict("reconcile rows", 2, NOW))
            ),
            [("red", "lakehouse reconcile rows")],
        ),
        (replace(FINE, tables=(replace(ORDERS, error_after=None, warn_after=None),)), []),
        (
            replace(FINE, tables=(replace(ORDERS, newest_at=NOW - timedelta(seconds=3600)),)),
            [],
        ),
    ],
    ids=[
        *("fine", "no run", "run", "tests", "model", "passes again", "behind", "drift", "break"),
        "compared",
        *("nothing declared", "just in time"),
    ],
)
def test_what_is_wrong_has_its_level_and_its_command(
    found: Figures, told: list[tuple[str, str]]
) -> None:
    assert [(alert.level, alert.command) for alert in alerts(found)] == told
