"""The wire: PostgreSQL's protocol version 3 between a client and PostgreSQL, statements rewritten.

Only what carries a statement (Parse, Query) and what tells who is speaking (startup, server
version, transaction state) is looked at; every other message passes as it is. Source of the
formats: PostgreSQL documentation, "Message Formats".
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg2

# What Redshift says in other words than PostgreSQL (r_MERGE, "Usage notes"; c_serial_isolation).
_WORDS = [
    (
        rb"MMERGE command cannot affect row a second time",
        rb"MFound multiple matches to update the same tuple.",
    ),
    (
        rb"Mcould not serialize access due to concurrent [^\0]*",
        rb"Mcould not complete because of conflict with concurrent transaction",
    ),
    (
        rb"Mcould not serialize access due to read/write dependencies[^\0]*(\0D[^\0]*)?",
        rb"M1023\0DSerializable isolation violation on table",
    ),
]
# types in PostgreSQL's catalog (pg_type.dat)
_TEXT, _UNKNOWN = 25, 705
# a SUPER keeps no blanks between what it holds
_BLANKS = re.compile(rb'("(?:[^"\\]|\\.)*")|\s+')
# what Redshift calls SUPER (redshift_connector, RedshiftOID)
_SUPER = 4000
SSL_REQUEST = 80877103
CANCEL_REQUEST = 80877102
# What `select version()` says of Redshift: PostgreSQL 8.0.2, Redshift 1.0.x.
SERVER_VERSION = "8.0.2"


@dataclass
class Fault:
    """An error that a statement meets, once: the next one in which `pattern` is found.

    BEGIN and COMMIT are statements too. Those that pass before it are counted down in `passing`.
    """

    pattern: str
    message: str = ""
    """What the server says; the connection is lost where it says nothing."""
    sqlstate: str = "XX000"
    """redshift_connector makes an InterfaceError of 28000, of most others a ProgrammingError."""
    is_done: bool = False
    """Whether the statement has been run before, as a COMMIT whose answer is lost."""
    passing: int = 0


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
    fault: Fault | None = None
    """What the statement that runs is answered with."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction block is open (PostgreSQL's status in ReadyForQuery)."""
        return self.transaction != "I"

    @property
    def acting(self) -> str:
        """Whose rights count: the user who logged in, or whom a superuser made of him since."""
        return self.settings.get("session_authorization", self.user)

    def is_on(self, name: str) -> bool:
        """Whether a boolean setting is on; every one is off until it is set."""
        return self.settings.get(name, "off").lower() in ("on", "true", "1")


Translate = Callable[[str, Session], str]


class Proxy(socketserver.ThreadingTCPServer):
    """Listens on a free loopback port until `stop`.

    `dsn` is the PostgreSQL behind it, for a superuser; `passwords` holds the users that may log in,
    `parameters` what every session starts with (a parameter group).
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self,
        dsn: str,
        translate: Translate,
        passwords: dict[str, str],
        parameters: dict[str, str],
        super_type: int,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.dsn = dsn
        self.translate = translate
        self.passwords = passwords
        self.parameters = parameters
        self.super_type = super_type
        self.faults: list[Fault] = []
        self._looking_for_faults = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def meets(self, sql: str, _session: Session) -> Fault | None:
        """The fault that the statement `sql` meets; asked each time that a prepared one is run."""
        with self._looking_for_faults:
            for fault in self.faults:
                if re.search(fault.pattern, sql):
                    fault.passing -= 1
                    if fault.passing < 0:
                        self.faults.remove(fault)
                        return fault
        return None

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
            login = psycopg2.connect(self.server.dsn)
        except (ConnectionError, struct.error, psycopg2.Error):
            return
        login.autocommit = True
        with login.cursor() as cursor:
            cursor.execute(f'set session authorization "{session.user}"')
        # libpq has logged in; from here on the proxy speaks with PostgreSQL by itself
        with contextlib.closing(login), socket.socket(fileno=os.dup(login.fileno())) as backend:
            backend.setblocking(True)
            client.sendall(_greeting(login))
            replies = threading.Thread(
                target=_pump_replies, args=(backend, client, session), daemon=True
            )
            replies.start()
            try:
                self._pump_statements(client, backend, session)
            except OSError:
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
        prepared: dict[bytes, str] = {}
        while True:
            kind, body = _read_message(client)
            sql = ""
            if kind == b"P":
                name, text, rest = body.split(b"\0", 2)
                prepared[name] = text.decode()
                translated = self.server.translate(text.decode(), session)
                if "$1" not in translated:
                    rest = _known_types(rest)
                body = name + b"\0" + translated.encode() + b"\0" + rest
            elif kind == b"B":
                portal, name, rest = body.split(b"\0", 2)
                sql = prepared.get(name, "")
            elif kind == b"Q":
                sql = body.rstrip(b"\0").decode()
                body = self.server.translate(sql, session).encode() + b"\0"
            session.fault = (self.server.meets(sql, session) if sql else None) or session.fault
            if sql and session.fault is not None and not session.fault.is_done:
                if not session.fault.message:
                    raise ConnectionError("lost")
                # PostgreSQL knows no such statement and fails the transaction, as the fault says
                body = b"\0".join([portal, b"fault", rest]) if kind == b"B" else b"fault\0"
            backend.sendall(_message(kind, body))
            if kind == b"X":
                return


def _greeting(login: psycopg2.extensions.connection) -> bytes:
    """What a server says after the password: settings, the session's number, that it is ready."""
    told = {"server_version": SERVER_VERSION}
    for name in ("client_encoding", "DateStyle", "integer_datetimes", "TimeZone"):
        told[name] = login.get_parameter_status(name) or ""
    settings = [f"{name}\0{value}\0".encode() for name, value in told.items()]
    return b"".join(
        [
            _message(b"R", struct.pack("!i", 0)),
            *(_message(b"S", each) for each in settings),
            _message(b"K", struct.pack("!ii", login.get_backend_pid(), 0)),
            _message(b"Z", b"I"),
        ]
    )


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


def _pump_replies(backend: socket.socket, client: socket.socket, session: Session) -> None:
    try:
        while True:
            _pass_on(client, *_read_message(backend), session)
    except OSError:
        _close(client)


def _pass_on(client: socket.socket, kind: bytes, body: bytes, session: Session) -> None:
    """Send one reply to the client, as Redshift would word it; notices are left out."""
    if kind in (b"C", b"E") and session.fault is not None:
        fault, session.fault = session.fault, None
        if not fault.message:
            raise ConnectionError("lost")
        client.sendall(error_response(fault.sqlstate, fault.message))
        return
    if kind == b"T":
        body = _named_types(body, session)
    elif kind == b"D" and any(session.supers):
        body = _with_json(body, session.supers)
    elif kind == b"Z":
        session.transaction = body.decode()
    elif kind == b"N":
        return
    elif kind == b"E":
        for told, meant in _WORDS:
            body = re.sub(told, meant, body)
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
