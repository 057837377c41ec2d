"""The wire: PostgreSQL's protocol version 3 between a client and PostgreSQL, statements rewritten.

Only what carries a statement (Parse, Query) and what tells who is speaking (startup, server
version, transaction state) is looked at; every other message passes as it is. Source of the
formats: PostgreSQL documentation, "Message Formats".
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
import secrets
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

# PostgreSQL's words for what Redshift says in others (r_MERGE, "Usage notes").
_WORDS = {
    b"MERGE command cannot affect row a second time": (
        b"Found multiple matches to update the same tuple."
    ),
}
# types in PostgreSQL's catalog (pg_type.dat)
_TEXT, _UNKNOWN = 25, 705
# a SUPER keeps no blanks between what it holds
_BLANKS = re.compile(rb'("(?:[^"\\]|\\.)*")|\s+')
# what Redshift calls SUPER (redshift_connector, RedshiftOID)
_SUPER = 4000
PROTOCOL_3 = 196608
SSL_REQUEST = 80877103
CANCEL_REQUEST = 80877102
# What `select version()` says of Redshift: PostgreSQL 8.0.2, Redshift 1.0.x.
SERVER_VERSION = "8.0.2"


@dataclass
class Session:
    """What the proxy knows of one client's session."""

    user: str
    database: str
    transaction: str = "I"
    super_type: int = 0
    """PostgreSQL's number of the type redshift.super."""
    supers: list[bool] = field(default_factory=list)
    """Which columns of the rows that come are SUPER."""
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction block is open (PostgreSQL's status in ReadyForQuery)."""
        return self.transaction != "I"

    def is_on(self, name: str) -> bool:
        """Whether a boolean setting is on; every one is off until it is set."""
        return self.settings.get(name, "off").lower() in ("on", "true", "1")


Translate = Callable[[str, Session], str]


@dataclass(frozen=True)
class Backend:
    """The PostgreSQL behind the proxy; `user` is a superuser."""

    host: str
    port: int
    user: str
    password: str


class Proxy(socketserver.ThreadingTCPServer):
    """Listens on a free loopback port.

    `passwords` holds the users that may log in, `parameters` what every session starts with (a
    parameter group).
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self,
        backend: Backend,
        translate: Translate,
        passwords: dict[str, str],
        parameters: dict[str, str],
        super_type: int,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend
        self.translate = translate
        self.passwords = passwords
        self.parameters = parameters
        self.super_type = super_type
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Accept clients until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port; sessions end with their sockets."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        client = self.request
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            session = self._log_in(client)
            if session is None:
                return
            backend, greeting = _connect(self.server.backend, session)
        except (ConnectionError, struct.error):
            return
        with backend:
            replies = threading.Thread(
                target=_pump_replies, args=(backend, client, session, greeting), daemon=True
            )
            replies.start()
            try:
                self._pump_statements(client, backend, session)
            except ConnectionError:
                pass
            finally:
                _close(backend)
                replies.join()

    def _log_in(self, client: socket.socket) -> Session | None:
        while True:
            body = _read_exactly(client, struct.unpack("!i", _read_exactly(client, 4))[0] - 4)
            code = struct.unpack("!i", body[:4])[0]
            if code == SSL_REQUEST:
                client.sendall(b"N")
            elif code == CANCEL_REQUEST:
                return None
            else:
                break
        texts = body[4:].rstrip(b"\0").split(b"\0")
        given = {texts[i].decode(): texts[i + 1].decode() for i in range(0, len(texts) - 1, 2)}
        client.sendall(_message(b"R", struct.pack("!i", 3)))
        _kind, password = _read_message(client)
        user = given.get("user", "")
        if self.server.passwords.get(user) != password.rstrip(b"\0").decode():
            client.sendall(
                error_response("28000", f'password authentication failed for user "{user}"')
            )
            return None
        return Session(
            user,
            given.get("database", "dev"),
            super_type=self.server.super_type,
            settings=dict(self.server.parameters),
        )

    def _pump_statements(
        self, client: socket.socket, backend: socket.socket, session: Session
    ) -> None:
        while True:
            kind, body = _read_message(client)
            if kind == b"P":
                name, sql, rest = body.split(b"\0", 2)
                translated = self.server.translate(sql.decode(), session)
                if "$1" not in translated:
                    rest = _known_types(rest)
                body = name + b"\0" + translated.encode() + b"\0" + rest
            elif kind == b"Q":
                translated = self.server.translate(body.rstrip(b"\0").decode(), session)
                body = translated.encode() + b"\0"
            backend.sendall(_message(kind, body))
            if kind == b"X":
                return


def _known_types(types: bytes) -> bytes:
    """The types of bound values, text where the client tells none.

    PostgreSQL would look for them in the statement, which has none left where it is refused, and
    complain of that.
    """
    oids = struct.unpack_from(f"!{(len(types) - 2) // 4}i", types, 2)
    known = [_TEXT if oid in (0, _UNKNOWN) else oid for oid in oids]
    return types[:2] + struct.pack(f"!{len(known)}i", *known)


def error_response(sqlstate: str, text: str) -> bytes:
    """ErrorResponse with the fields that drivers read."""
    fields = {"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": text}
    body = b"".join(key.encode() + value.encode() + b"\0" for key, value in fields.items())
    return _message(b"E", body + b"\0")


def _connect(backend: Backend, session: Session) -> tuple[socket.socket, list[tuple[bytes, bytes]]]:
    """A session of the client's user on PostgreSQL, and how PostgreSQL greeted it."""
    connection = socket.create_connection((backend.host, backend.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    options = {
        "user": backend.user,
        "database": session.database,
        "client_encoding": "UTF8",
        "application_name": "standin",
    }
    body = struct.pack("!i", PROTOCOL_3)
    body += b"".join(f"{key}\0{value}\0".encode() for key, value in options.items()) + b"\0"
    connection.sendall(struct.pack("!i", len(body) + 4) + body)
    kind, reply = _read_message(connection)
    if kind == b"R" and struct.unpack("!i", reply[:4])[0] == 10:
        kind, reply = _authenticate(connection, backend.password)
    if kind == b"E":
        raise ConnectionError(reply.decode(errors="replace"))
    greeting = _until_ready(connection)
    connection.sendall(_message(b"Q", f'set session authorization "{session.user}"\0'.encode()))
    _until_ready(connection)
    return connection, greeting


def _until_ready(connection: socket.socket) -> list[tuple[bytes, bytes]]:
    """The messages up to ReadyForQuery, which is the last one."""
    messages: list[tuple[bytes, bytes]] = []
    while not messages or messages[-1][0] != b"Z":
        messages.append(_read_message(connection))
        if messages[-1][0] == b"E":
            raise ConnectionError(messages[-1][1].decode(errors="replace"))
    return messages


def _authenticate(connection: socket.socket, password: str) -> tuple[bytes, bytes]:
    """SCRAM-SHA-256 (RFC 7677) as PostgreSQL's documentation describes it; the last reply."""
    nonce = secrets.token_urlsafe(18)
    first = f"n=,r={nonce}"
    initial = f"n,,{first}".encode()
    connection.sendall(
        _message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(initial)) + initial)
    )
    kind, reply = _read_message(connection)
    if kind != b"R":
        return kind, reply
    challenge = reply[4:].decode()
    parts = dict(part.split("=", 1) for part in challenge.split(","))
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"])
    )
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={parts['r']}"
    signed = hmac.digest(
        hashlib.sha256(client_key).digest(), f"{first},{challenge},{final}".encode(), "sha256"
    )
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signed, strict=True)))
    connection.sendall(_message(b"p", f"{final},p={proof.decode()}".encode()))
    kind, reply = _read_message(connection)
    return (
        _read_message(connection) if kind == b"R" and reply[:4] == b"\0\0\0\x0c" else (kind, reply)
    )


def _pump_replies(
    backend: socket.socket,
    client: socket.socket,
    session: Session,
    greeting: list[tuple[bytes, bytes]],
) -> None:
    try:
        client.sendall(_message(b"R", struct.pack("!i", 0)))
        for kind, body in greeting:
            _pass_on(client, kind, body, session)
        while True:
            _pass_on(client, *_read_message(backend), session)
    except OSError:
        _close(client)


def _pass_on(client: socket.socket, kind: bytes, body: bytes, session: Session) -> None:
    """Send one reply to the client, as Redshift would word it; notices are left out."""
    if kind == b"T":
        body = _named_types(body, session)
    elif kind == b"D" and any(session.supers):
        body = _with_json(body, session.supers)
    elif kind == b"S" and body.startswith(b"server_version\0"):
        body = b"server_version\0" + SERVER_VERSION.encode() + b"\0"
    elif kind == b"Z":
        session.transaction = body.decode()
    elif kind == b"N":
        return
    elif kind == b"E":
        for told, meant in _WORDS.items():
            body = body.replace(b"M" + told + b"\0", b"M" + meant + b"\0")
    client.sendall(_message(kind, body))


def _named_types(body: bytes, session: Session) -> bytes:
    """RowDescription, with SUPER called as Redshift does."""
    session.supers, out, at = [], bytearray(body), 2
    while at < len(body):
        at = body.index(b"\0", at) + 1
        session.supers.append(struct.unpack_from("!i", body, at + 6)[0] == session.super_type != 0)
        if session.supers[-1]:
            struct.pack_into("!i", out, at + 6, _SUPER)
        at += 18
    return bytes(out)


def _with_json(body: bytes, supers: list[bool]) -> bytes:
    """DataRow; a SUPER is a row of one JSON for PostgreSQL: `("…")`, quotes doubled."""
    out, at = bytearray(body[:2]), 2
    for is_super in supers:
        size = struct.unpack_from("!i", body, at)[0]
        value = body[at + 4 : at + 4 + max(size, 0)]
        at += 4 + max(size, 0)
        if is_super and size >= 0:
            value = value[1:-1]
            if value.startswith(b'"'):
                value = value[1:-1].replace(b'""', b'"').replace(b"\\\\", b"\\")
            value = _BLANKS.sub(rb"\1", value)
            size = len(value)
        out += struct.pack("!i", size) + value
    return bytes(out)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _read_message(connection: socket.socket) -> tuple[bytes, bytes]:
    kind = _read_exactly(connection, 1)
    length = struct.unpack("!i", _read_exactly(connection, 4))[0]
    return kind, _read_exactly(connection, length - 4)


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            raise ConnectionError("closed")
        parts += part
    return bytes(parts)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
