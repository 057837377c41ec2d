"""A mart says of each personal column that it is one: else it would not be masked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ingestion.declarations import load

MARTS = Path(__file__).parents[3] / "models/marts"
_RENAMED = re.compile(r"\b\w+\.(\w+) as (\w+)")
_PERSONAL = {
    column.name
    for table in load().tables
    for column in table.columns
    if column.pii in ("clear", "hash")
}

DESCRIBED = [
    model
    for file in MARTS.glob("*/*.yml")
    for model in yaml.safe_load(file.read_text("utf-8"))["models"]
]


@pytest.mark.parametrize("model", sorted(MARTS.glob("*/*.sql")), ids=lambda path: path.stem)
def test_personal_columns_say_so(model: Path) -> None:
    """Those that have the name of a declared one, and those that it was renamed to."""
    [described] = [each for each in DESCRIBED if each["name"] == model.stem]
    marked = {
        column["name"]
        for column in described["columns"]
        if column.get("config", {}).get("meta", {}).get("pii")
    }
    renamed = {
        name
        for source, name in _RENAMED.findall(model.read_text("utf-8"))
        if source in _PERSONAL and name not in _PERSONAL
    }
    own = {column["name"] for column in described["columns"]} & _PERSONAL
    assert own | renamed <= marked


def test_a_renamed_column_is_found() -> None:
    """The dimension of customers has two; without them the test above would prove nothing."""
    text = (MARTS / "customers/dim_customer.sql").read_text("utf-8")
    assert ("line_1", "address_line_1") in _RENAMED.findall(text)
