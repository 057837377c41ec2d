"""The command line of a Java server: runtime, jars, flags for a small and quick start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playground.services.errors import ServiceError

ROOT = Path(__file__).resolve().parents[2]
JARS = ROOT / ".jars"
LOGGING = Path(__file__).with_name("log4j2.properties")


def java_executable() -> Path:
    """`$JAVA_HOME/bin/java`, else the `java` of the search path.

    Raises:
        ServiceError: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if found is None:
        place = f"in JAVA_HOME ({home})" if home else "on PATH"
        raise ServiceError(f"no java {place}; install Java 17 or newer, or run `make setup`")
    return Path(found)


def java_command(jars: str, main_class: str, *arguments: str, heap_megabytes: int) -> list[str]:
    """How to run `main_class` from the folder `.jars/<jars>`.

    One compiler tier and the serial collector halve start-up time and memory; the servers wait
    for disk and network more than for the processor.
    """
    folder = JARS / jars
    if not folder.is_dir():
        raise ServiceError(f"{folder} is missing; run `make jars`")
    return [
        str(java_executable()),
        f"-Xmx{heap_megabytes}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Duser.timezone=UTC",
        f"-Dlog4j2.configurationFile={LOGGING}",
        "-cp",
        f"{folder}/*",
        main_class,
        *arguments,
    ]
