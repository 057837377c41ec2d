"""The part of GitHub's API that deployments use: artifacts of earlier runs, and settings."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "the-jobs-own-token"


@dataclass
class GitHub:
    """Artifacts by name, settings of shop/lakehouse by path; the API is at `url`."""

    url: str = ""
    artifacts: dict[str, bytes] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)

    def upload(self, name: str, file: str, content: bytes) -> None:
        """What actions/upload-artifact does with one file."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(file, content)
        self.artifacts[name] = buffer.getvalue()


@contextmanager
def github_api() -> Iterator[GitHub]:
    """Serve the API on loopback. A download leads to another host, which must not get the token."""
    github = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            authorized = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            if path.startswith("/storage/"):
                self._answer(
                    403 if "Authorization" in self.headers else 200, path.rpartition("/")[2]
                )
            elif not authorized:
                self._send(401, b"")
            elif path == "/repos/shop/lakehouse/actions/artifacts":
                self._send(200, self._listing(query))
            elif path.startswith("/repos/"):
                asked = self.path.removeprefix("/repos/shop/lakehouse/")
                known = asked in github.settings
                self._send(
                    200 if known else 404, json.dumps(github.settings.get(asked, {})).encode()
                )
            else:
                self.send_response(302)
                self.send_header("Location", f"{github.url}/storage/{path.split('/')[-2]}")
                self.end_headers()

        def _listing(self, query: str) -> bytes:
            wanted = dict(pair.split("=") for pair in query.split("&"))["name"]
            found = [
                {
                    "archive_download_url": f"{github.url}/artifacts/{name}/zip",
                    "created_at": "2026-01-01T00:00:00Z",
                    "expired": False,
                    "workflow_run": {
                        "head_repository_id": 1,
                        "repository_id": 1,
                        "head_branch": "v1",
                    },
                }
                for name in github.artifacts
                if name == wanted
            ]
            return json.dumps({"artifacts": found}).encode()

        def _answer(self, code: int, name: str) -> None:
            self._send(code, github.artifacts[name] if code == 200 else b"")

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
