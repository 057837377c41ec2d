"""docs/settings.md names every variable that the code reads, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingestion.settings import Settings
from lakehouse.health.checks import documented_variables

ROOT = Path(__file__).parents[2]
CODE = (
    "ingestion/**/*.py",
    "lakehouse/**/*.py",
    "playground/**/*.py",
    "macros/**/*.sql",
    "models/**/*.yml",
)
# As it is read; not as part of a longer name or of a pattern such as LAKEHOUSE_REDSHIFT_*.
NAME = re.compile(r"\bLAKEHOUSE_[A-Z_]*[A-Z]\b(?![_*])")


def variables_in_code():
    files = [
        path
        for pattern in CODE
        for path in ROOT.glob(pattern)
        if "delivery" not in path.parts  # its README has those
    ]
    files.append(ROOT / "profiles.yml")
    return {name for path in files for name in NAME.findall(path.read_text(encoding="utf-8"))}


def test_every_variable_is_documented():
    assert variables_in_code() - documented_variables() == set()


def test_every_documented_variable_is_read():
    read = variables_in_code() | {"AWS_REGION"}
    assert documented_variables() - read == set()


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("LAKEHOUSE_SOURCE", "source"),
        ("LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS", "kafka_bootstrap_servers"),
        ("LAKEHOUSE_KAFKA_AUTH", "kafka_auth"),
        ("LAKEHOUSE_LANDING", "landing"),
        ("LAKEHOUSE_CHECKPOINTS", "checkpoints"),
        ("LAKEHOUSE_DUCKDB", "duckdb"),
        ("LAKEHOUSE_KAFKA_CONNECT_URL", "kafka_connect_url"),
    ],
)
def test_the_documented_default_is_the_real_one(variable, field):
    rows = (ROOT / "docs/settings.md").read_text().splitlines()
    [default] = [row.split(" | ")[1] for row in rows if row.startswith(f"| `{variable}` ")]
    assert default.split(" (")[0] == str(getattr(Settings.from_environment({}), field))
