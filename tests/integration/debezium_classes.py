"""Debezium's and our own classes out of the jars, driven by small Java programs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from playground.services.java import java_command

PROGRAMS = Path(__file__).parent / "java"


def run_java(program: str, asked: object) -> Any:
    """What `java/<program>.java` prints for `asked`, both JSON, run with the connectors' jars."""
    command = java_command("connect", str(PROGRAMS / f"{program}.java"), heap_megabytes=256)
    done = subprocess.run(
        # Names are text in any alphabet, whatever the machine's language is.
        [command[0], "-Dfile.encoding=UTF-8", *command[1:]],
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
