"""Amazon MSK Connect's API, as far as `lakehouse connector deploy` and the runbooks ask it.

It keeps connectors and runs none: settings are proved on a real worker (tests/integration).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

ARN = "arn:aws:kafkaconnect:eu-central-1:123456789012:connector"
Connectors = dict[str, dict[str, Any]]


@contextmanager
def msk_connect() -> Iterator[tuple[str, Connectors]]:
    """Where it listens, and its connectors by ARN (MSK Connect API Reference, "Connectors")."""
    connectors: Connectors = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = connectors.get(self._arn())
            self._send(found or {"connectors": list(connectors.values())})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            arn = f"{ARN}/{asked['connectorName']}/1"
            state = {"connectorArn": arn, "connectorState": "RUNNING", "currentVersion": "K1"}
            connectors[arn] = asked | state
            self._send(state)

        def do_DELETE(self) -> None:
            self._send({"connectorArn": connectors.pop(self._arn())["connectorArn"]})

        def _arn(self) -> str:
            return unquote(urlsplit(self.path).path.removeprefix("/v1/connectors").lstrip("/"))

        def _send(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", connectors
    finally:
        server.shutdown()
        server.server_close()
