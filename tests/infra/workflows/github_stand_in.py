"""The part of GitHub's API that deployments use: a repository's settings."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "the-jobs-own-token"


@dataclass
class GitHub:
    """Settings of shop/lakehouse by path; the API is at `url`."""

    url: str = ""
    settings: dict[str, object] = field(default_factory=dict)


@contextmanager
def github_api() -> Iterator[GitHub]:
    """Serve the API on loopback."""
    github = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(401, b"")
                return
            asked = self.path.removeprefix("/repos/shop/lakehouse/")
            known = asked in github.settings
            self._send(200 if known else 404, json.dumps(github.settings.get(asked, {})).encode())

        def _send(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    github.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield github
    finally:
        server.shutdown()
        server.server_close()
