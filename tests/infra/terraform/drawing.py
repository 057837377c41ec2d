"""What the page on architecture draws of a deployment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from tests.infra.terraform import harness

DOCS = harness.PROJECT / "docs"
NAME = re.compile(r"`([\w-]+)`")


@dataclass(frozen=True)
class Deployment:
    """Security groups, who of them connects to whom on which ports, modules, roles."""

    groups: frozenset[str]
    connections: frozenset[tuple[str, str, int, int]]
    modules: frozenset[str]
    roles: frozenset[str]


def drawn(page: str, *, lake: bool = True) -> Deployment:
    """As the section "On AWS" tells it, with the lake target or without."""
    section = page.partition("\n## On AWS\n")[2].partition("\n## ")[0]
    inside = re.findall(r'^ {8}(\w+)\["', section, re.M)
    connections = set()
    for clients, ports, server in re.findall(r"^ +([\w &]+) -->\|(.+)\| (\w+)$", section, re.M):
        first, _, last = ports.partition("-")
        for client in clients.split(" & "):
            connections.add((client, server, int(first), int(last or first)))
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    rows = [line.split(" | ") for line in lines if lake or "off by default" not in line]
    modules = {name for row in rows for name in NAME.findall(row[1])}
    makes_nothing = set(re.findall(r"^`(\w+)` makes nothing", section, re.M))
    roles = {name for row in rows for name in NAME.findall(row[2])}
    return Deployment(
        frozenset(inside),
        frozenset(connections),
        frozenset(modules | makes_nothing),
        frozenset(roles),
    )


@cache
def flows() -> frozenset[tuple[str, str, int, int]]:
    """Who connects to whom on which ports, as it is drawn."""
    return drawn((DOCS / "architecture.md").read_text("utf-8")).connections
