"""`lakehouse` as a shell would run it: what the fixture `command_line` gives."""

from collections.abc import Callable

CommandLine = Callable[..., tuple[int, str, str]]
"""Takes the arguments; returns exit code, stdout, stderr."""
