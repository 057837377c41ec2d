"""A server as a child process: start, log, wait for, stop, kill; nothing outlives its starter."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from playground.services import guard
from playground.services.errors import ServiceError

LOOPBACK = "127.0.0.1"


class Process:
    """One server, kept by a guard (see `guard.py`), its output appended to the file `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_seconds: float = 20,
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._stop_signal = stop_signal
        self.grace_seconds = grace_seconds
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended since."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start the server; does not wait for it to be ready."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._guard = subprocess.Popen(
                [
                    sys.executable,
                    *("-I", "-S", guard.__file__),
                    *(str(int(self._stop_signal)), str(self.grace_seconds)),
                    *self._command,
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C on the terminal reaches the starter only, which then stops in its order.
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Return as soon as `ready()` holds.

        Raises:
            ServiceError: the server ended or `seconds` passed; shows the end of the log.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.raise_if_ended()
            if time.monotonic() > deadline:
                raise ServiceError(
                    self._with_log(f"{self.name} was not ready after {seconds:.0f} s")
                )
            time.sleep(0.05)

    def raise_if_ended(self) -> None:
        """Raise ServiceError with the end of the log when the server has ended by itself."""
        if not self.running:
            raise ServiceError(self._with_log(f"{self.name} has ended"))

    def ask_to_stop(self) -> None:
        """Begin to stop; `stop` waits for the end."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()

    def stop(self) -> None:
        """Stop the server, by force when it takes longer than its grace; no error if it ended."""
        self.ask_to_stop()
        if self._guard is not None:
            self._guard.wait()

    def kill(self) -> None:
        """`kill -9`, as an accident would have it."""
        if self._guard is None or self._guard.stdin is None:
            return
        if self.running:
            self._guard.stdin.write(guard.KILL)
            self._guard.stdin.flush()
        self._guard.wait()
        self._guard.stdin.close()

    def _with_log(self, sentence: str) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
        tail = "\n".join(f"  | {line}" for line in lines)
        return f"{sentence}. The end of its log, {self.log}:\n{tail}"


def free_port() -> int:
    """A loopback port that nothing listens on.

    It is below the range that systems take outgoing connections from (32768 and up): otherwise a
    client that keeps trying a stopped server's port can connect to itself and occupy the port.
    """
    for port in random.sample(range(20000, 32000), k=1000):
        with socket.socket() as candidate:
            try:
                candidate.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise ServiceError("no free loopback port between 20000 and 32000")


def kept_port(directory: Path) -> int:
    """The port that the server with its data in `directory` had last, or a free one.

    So what was pointed at it still is after the next start, unless somebody has taken the port.
    """
    file = directory.with_name(f"{directory.name}.port")
    if file.exists() and not listens(int(file.read_text("ascii"))):
        return int(file.read_text("ascii"))
    port = free_port()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(port), "ascii")
    return port


def listens(port: int) -> bool:
    """Whether a connection to the loopback port succeeds."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) == 0
