"""Each variable that is read is a field of a class, and docs/settings.md is printed from them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingestion.errors import TerminalError
from ingestion.settings import Settings
from lakehouse.dbt import in_project
from lakehouse.settings import CommandSettings, LakeSettings, known_variables, page
from lakehouse.source.msk_connect import Place
from lakehouse.warehouse.connection import WarehouseSettings

ROOT = Path(__file__).parents[2]
READERS = (
    *("ingestion/**/*.py", "lakehouse/**/*.py", "playground/**/*.py", "macros/**/*.sql"),
    *("models/**/*.yml", "profiles.yml", "Dockerfile", ".github/workflows/*.yml"),
    *("infra/terraform/**/*.tf", "infra/ansible/**/*.yml"),
)
# As it is read; not as part of a longer name or of a pattern such as LAKEHOUSE_REDSHIFT_*.
NAME = re.compile(r"\bLAKEHOUSE_[A-Z_]*[A-Z]\b(?![_*])")
DEFAULT = re.compile(r"env_var\(\W(LAKEHOUSE_[A-Z_]+)\W, ['\"]([^'\"]*)['\"]\)")


def texts(*patterns: str) -> list[str]:
    return [path.read_text("utf-8") for pattern in patterns for path in ROOT.glob(pattern)]


def test_the_page_is_printed_from_the_classes() -> None:
    written = (ROOT / "docs/settings.md").read_text("utf-8")
    assert written == page(), "run `python -m lakehouse.settings > docs/settings.md`"


def test_every_variable_that_is_named_is_a_field_of_a_class() -> None:
    named = {name for text in texts(*READERS) for name in NAME.findall(text)}
    # the first is the tests' own, the second stands for any name in a sentence
    # the tests', an example's, and GitHub's
    others = {"LAKEHOUSE_REQUIRE_TOOLS", "LAKEHOUSE_NAME", "LAKEHOUSE_ENVIRONMENTS"}
    assert named - known_variables() == others
    assert {"LAKEHOUSE_LANDING", "LAKEHOUSE_CONNECT_NAME", "AWS_REGION"} <= known_variables()


def test_doctor_knows_what_the_environment_file_sets() -> None:
    [root] = texts("infra/terraform/main.tf")
    [outputs] = texts("infra/terraform/modules/connect/outputs.tf")
    block = outputs[outputs.index('output "connector"') :].split("\n  }\n")[0]
    connector = {
        f"LAKEHOUSE_CONNECT_{name.upper()}" for name in re.findall(r"^    (\w+) +=", block, re.M)
    }
    assert connector == Place.variables().keys()
    set_there = {*re.findall(r"^      (LAKEHOUSE_\w+) +=", root, re.M), *connector}
    assert len(set_there) > 30
    assert set_there - known_variables() == set()


def test_what_is_not_set_lies_in_the_project_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"LAKEHOUSE_LANDING": "mine"}
    assert CommandSettings.read({}).duckdb == Path("data/warehouse.duckdb")
    monkeypatch.chdir(tmp_path)
    elsewhere = CommandSettings.read(given)
    assert elsewhere.duckdb == ROOT / "data/warehouse.duckdb"
    assert (elsewhere.landing, elsewhere.checkpoints) == ("mine", f"{ROOT}/data/checkpoints")
    assert in_project() == ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]


def test_dbt_and_the_command_have_the_same_defaults() -> None:
    programs = (CommandSettings, WarehouseSettings, LakeSettings)
    ours = {name: told for settings in programs for name, told in settings.variables().items()}
    said = {
        pair for text in texts("macros/**/*.sql", "profiles.yml") for pair in DEFAULT.findall(text)
    }
    differing = {name for name, default in said if ours[name][0] != default}
    # A host has to be named, and the warehouse's file is beside the profile.
    assert differing == {"LAKEHOUSE_REDSHIFT_HOST", "LAKEHOUSE_DUCKDB"}


def test_a_statement_s_time_limit_is_the_one_that_dbt_has() -> None:
    host = {"LAKEHOUSE_REDSHIFT_HOST": "c.example"}
    assert WarehouseSettings.from_environment("prod", host).timeout == 7200
    limited = WarehouseSettings.from_environment(
        "prod", {**host, "LAKEHOUSE_REDSHIFT_TIMEOUT": "60"}
    )
    assert limited.timeout == 60


def test_only_what_is_given_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_LANDING", "elsewhere")
    assert Settings.from_environment({}).landing == "data/landing"
    assert Settings.from_environment().landing == "elsewhere"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LAKEHOUSE_KAFKA_AUTH", "magic", "'magic'; allowed values: none, iam"),
        ("LAKEHOUSE_REDSHIFT_PORT", "many", "LAKEHOUSE_REDSHIFT_PORT is 'many': "),
    ],
)
def test_a_value_that_is_not_allowed_is_said_with_its_variable(
    name: str, value: str, says: str
) -> None:
    with pytest.raises(TerminalError, match=says):
        Settings.from_environment({name: value})
        WarehouseSettings.from_environment("prod", {"LAKEHOUSE_REDSHIFT_HOST": "x", name: value})
