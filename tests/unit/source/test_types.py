"""docs/types.md, what the source is asked by, and the corpus name the same types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.declarations import CONNECTORS, parse_type
from ingestion.settings import ConnectorName
from lakehouse.source.types import HOMES, bare_type, is_float
from tests.kit.corpus.types import entries

_PAGE = (Path(__file__).parents[3] / "docs/types.md").read_text("utf-8")
_TITLES = {"sqlserver": "SQL Server", "postgresql": "PostgreSQL"}


def documented(connector: ConnectorName) -> Iterator[tuple[str, str]]:
    """Each type of the page's table, and the cell that says as what it is declared."""
    section = _PAGE.split(f"## {_TITLES[connector]}\n", 1)[1].split("\n## ", 1)[0]
    for line in re.findall(r"^\| `.*\|$", section, flags=re.M):
        types, _, declared, _ = (cell.strip() for cell in line.strip("|").split(" | ", 3))
        for name in re.findall("`([^`]+)`", re.sub(r"\(.*?\)", "", types)):
            yield name, declared


@pytest.mark.parametrize("connector", CONNECTORS)
def test_the_page_names_every_type_once_and_where_it_goes(connector: ConnectorName) -> None:
    page = list(documented(connector))
    names = [name for name, _ in page if name != "bit varying"]
    assert len(names) == len(set(names))
    assert {name for name, _ in page} == set(HOMES[connector])
    for name, declared in page:
        told = re.findall(r"`([a-z]+)", declared)
        homes = HOMES[connector][name]
        assert bool(told) == bool(homes), name
        assert ("from_float" in declared) == is_float(name, connector), name
        assert {kind for kind in told if kind not in ("from", "large")} <= set(homes), name


@pytest.mark.parametrize("connector", CONNECTORS)
def test_the_corpus_has_every_type_with_a_home(connector: ConnectorName) -> None:
    tried: dict[str, set[str]] = {}
    for entry in entries(connector):
        kind = parse_type(entry["declare"]["data_type"])
        assert kind is not None
        tried.setdefault(entry["type"], set()).add(kind.name)
    assert set(tried) == {name for name, homes in HOMES[connector].items() if homes}
    for name, kinds in tried.items():
        assert kinds <= set(HOMES[connector][name])


@pytest.mark.parametrize(
    ("spelled", "bare"),
    [
        ("nvarchar(max)", "nvarchar"),
        ("timestamp(3) without time zone", "timestamp without time zone"),
        ("numeric(10,2)", "numeric"),
        ("character varying(20)[]", "array"),
    ],
)
def test_a_type_has_a_name_without_its_sizes(spelled: str, bare: str) -> None:
    assert bare_type(spelled) == bare
