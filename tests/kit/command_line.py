"""`lakehouse` as a shell would run it: what the fixture `command_line` gives."""

from collections.abc import Callable, Iterator
from typing import Any

from typer import Typer

from lakehouse.cli import app

CommandLine = Callable[..., tuple[int, str, str]]
"""Takes the arguments; returns exit code, stdout, stderr."""


def commands(group: Typer = app, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each command with its words, and what it calls."""
    for command in group.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        yield f"{prefix}{name}", command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        itself = inner.typer_instance.registered_callback
        if itself is not None and itself.invoke_without_command is True:
            assert itself.callback is not None
            yield str(inner.name), itself.callback
        yield from commands(inner.typer_instance, f"{inner.name} ")
