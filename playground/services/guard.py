"""Keeps one server process, and stops it when told to or when whoever started it is gone.

Run as a script: `python guard.py <stop signal> <grace seconds> <command> [<argument> ...]`.

Standard input is a pipe whose other end only the starting process holds. A byte KILL kills the
server at once; the end of the pipe stops it. The operating system closes the pipe however that
process ends, `kill -9` included, so nothing outlives it, and a stop takes the same way as an
accident. The guard ends with the server, with its exit status.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import BinaryIO

KILL = b"k"


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the pipe does; returns its exit status."""
    stop_signal, grace, *command = arguments
    # A group of its own, so that a kill reaches what the server started as well.
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)

    def stop(_number: int = 0, _frame: FrameType | None = None) -> None:
        if server.poll() is None:
            server.send_signal(int(stop_signal))

    signal.signal(signal.SIGTERM, stop)
    orders = os.fdopen(0, "rb", buffering=0)
    threading.Thread(target=follow, args=(orders, server, stop, float(grace)), daemon=True).start()
    status = server.wait()
    # What it started and left behind ends with it.
    kill_group(server)
    return status if status >= 0 else 128 - status


def follow(
    orders: BinaryIO, server: subprocess.Popen[bytes], stop: Callable[[], None], grace: float
) -> None:
    """Obey the orders that come down the pipe; after `grace` seconds a stop becomes a kill."""
    while order := orders.read(1):
        if order == KILL:
            kill_group(server)
    stop()
    try:
        server.wait(grace)
    except subprocess.TimeoutExpired:
        kill_group(server)


def kill_group(server: subprocess.Popen[bytes]) -> None:
    """`kill -9` for the server and the processes of its group."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
