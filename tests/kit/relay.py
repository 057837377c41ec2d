"""A relay between a client and its server, which loses replies and goes away when it is told."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_LOOPBACK = "127.0.0.1"


class Relay:
    """Passes bytes on between `port`, where it listens, and the server's port."""

    def __init__(self, server_port: int) -> None:
        self._server = (_LOOPBACK, server_port)
        self._listener = socket.create_server((_LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._changing = threading.Lock()
        self._away = False
        self._closed = False
        self.requests = 0
        self._lost_reply = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        self._listener.close()
        self.cut()

    def lose_reply(self, number: int) -> None:
        """Let the server do what the request of this number asks, and keep its answer.

        Requests are counted from 1 again; 0 loses none.
        """
        self.requests, self._lost_reply = 0, number

    def cut(self) -> None:
        """Be away: what is open is closed, and whoever comes is turned away."""
        self._away = True
        with self._changing:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Be there again."""
        self._away = False

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
                if self._away:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
            except OSError:
                continue
            with self._changing:
                self._connections |= {client, server}
            asked = threading.Event()
            for source, target, is_reply in ((client, server, False), (server, client, True)):
                arguments = (source, target, is_reply, asked)
                threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(
        self, source: socket.socket, target: socket.socket, is_reply: bool, asked: threading.Event
    ) -> None:
        """`asked` is set while a request of this connection has no answer."""
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                if not is_reply and not asked.is_set():
                    asked.set()
                    with self._changing:
                        self.requests += 1
                        if self.requests == self._lost_reply:
                            self._connections.discard(source)  # its answer is the one to lose
                elif is_reply and not content.startswith(b"HTTP/1.1 100 "):
                    asked.clear()
                    if target not in self._connections:
                        break
                target.sendall(content)
        with self._changing:
            self._connections -= {source, target}
        for connection in (source, target):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
