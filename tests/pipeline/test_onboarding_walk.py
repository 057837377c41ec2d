"""docs/runbooks/onboarding.md, walked from a fresh copy of the project: what it says, in its order.

Every command of the page is run where it stands, and what stands behind its arrow is looked for in
what it prints. What needs AWS or a SQL Server is marked in the page.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import psycopg2
import pytest

from ingestion.declarations import SOURCES_FILE
from tests.kit.command_lines import lines
from tests.kit.dbt import ROOT

PAGE = (ROOT / "docs/runbooks/onboarding.md").read_text("utf-8")
# What nothing here can run; the page has the reasons.
ELSEWHERE = {line.text for line in lines(PAGE) if line.reason}
TABLE = "gift_cards"


def steps() -> dict[str, list[tuple[str, str]]]:
    """What is typed in each step (`0` is the head), and what one should see, or nothing."""
    parts = re.split(r"^(?:(\d)\. |## (Taking a table out|Another))", PAGE, flags=re.M)
    texts = {"0": parts[0]}
    for number, heading, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        texts[number or heading] = text
    texts.pop("Another")
    return {name: list(_typed(text)) for name, text in texts.items()}


def _typed(text: str) -> Iterator[tuple[str, str]]:
    prose = re.sub(r"^ +```yaml\n.*?```", "", text, flags=re.M | re.S)
    for typed, arrow in re.findall(r"`([^`]+)`(?:\s→[^`.]*`([^`]+)`)?", prose):
        command = " ".join(typed.split())
        if re.match(r"(lakehouse|dbt|make|source) ", command):
            yield command, " ".join(arrow.split())


class Walk:
    """A copy of the project, and a shell in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        (folder / ".jars").symlink_to(ROOT / ".jars")
        self.must("git init --quiet && git add --all && dbt --quiet deps")

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run it as a person would who has set everything up and sourced what `make up` wrote."""
        command = re.sub(r"^make ", f"make -o setup BIN={ROOT / '.venv/bin'} ", command)
        sourced = "! [ -f data/services/environment ] || source data/services/environment; "
        path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
        kept = {key: text for key, text in os.environ.items() if not key.startswith("LAKEHOUSE_")}
        return subprocess.run(
            ["bash", "-c", sourced + command],
            cwd=self.folder,
            env={**kept, "PATH": path, "PYTHONPATH": str(self.folder), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, command: str) -> str:
        """What it printed; AssertionError where it failed."""
        done = self.shell(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def step(self, name: str) -> dict[str, str]:
        """Run what is typed in a step; each command with what it printed."""
        printed = {}
        for command, arrow in steps()[name]:
            if command not in ELSEWHERE:
                said = " ".join(self.must(command).split())
                wanted = ".*".join(re.escape(part) for part in arrow.split("…"))
                assert re.search(wanted, said), f"{command} → {arrow}, and it said:\n{said}"
                printed[command] = said
        return printed

    def trade(self, statement: str) -> None:
        """Do something in the shop's database."""
        dsn = self.must('printf %s "$LAKEHOUSE_SOURCE_DSN"')
        with (
            closing(psycopg2.connect(dsn)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    walk = Walk(tmp_path / "project")
    try:
        yield walk
    finally:
        walk.shell("make down")


def test_each_command_of_the_page_is_found() -> None:
    found = steps()
    assert [command for command, _ in found["0"]] == [
        "make services",
        "source data/services/environment",
        "lakehouse land --once",
        "dbt build",
    ]
    assert ("lakehouse declarations check", "11 tables with 95 columns: valid") in found["1"]
    named = {command for typed in found.values() for command, _ in typed}
    elsewhere = {"lakehouse init <folder> --name clinic", "make setup"}
    assert {line.text for line in lines(PAGE)} - named == elsewhere
    assert elsewhere <= ELSEWHERE


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_page_is_right_from_an_empty_folder(walk: Walk) -> None:
    walk.step("0")

    sources = walk.folder / SOURCES_FILE.relative_to(ROOT)
    [declaration] = re.findall(r"^ +```yaml\n(.*?)^ +```", PAGE, re.M | re.S)
    before = sources.read_text("utf-8")
    sources.write_text(before + _indented(declaration), "utf-8")
    walk.step("1")
    asked = walk.shell("lakehouse doctor")
    assert "public.gift_cards is not in the database shop" in asked.stdout + asked.stderr, (
        asked.stdout
    )
    written = walk.step("3")["lakehouse declarations generate"]
    assert "written: snapshots/gift_cards_history.yml" in written
    walk.step("4")
    walk.step("5")
    # what the page says of step 2 is so from here on
    walk.step("2")
    walk.trade("insert into gift_cards values (1, 25.00, '2027-12-31'), (2, 10.00, null)")
    walk.trade("update gift_cards set balance = 5.00 where gift_card_id = 1")
    walk.must("lakehouse land --once")
    assert re.search(rf"{TABLE} .* 0 ", walk.step("6")["lakehouse landing status"])
    walk.step("7")
    held = walk.must(
        "python -c \"import duckdb; print(duckdb.connect('data/warehouse.duckdb').execute("
        "'select gift_card_id, balance from history.gift_cards_history"
        " where dbt_valid_to is null order by 1').fetchall())\""
    )
    assert held.strip() == "[(1, Decimal('5.00')), (2, Decimal('10.00'))]"

    walk.must("make down && git add --all")
    # what counts tables counts the new one
    unit = "test_declarations.py test_connectors.py project kafka commands source"
    tests = " ".join(f"tests/unit/{name}" for name in unit.split())
    walk.must(f"pytest -q -p no:cacheprovider -m 'not long' {tests}")

    removed = walk.step("Taking a table out")
    assert any("--- " in said for said in removed.values())
    walk.must(f"lakehouse onboard {TABLE} --remove --write")
    assert sources.read_text("utf-8") == before
    assert walk.must("git status --short snapshots models").count(TABLE) >= 3


def _indented(declaration: str) -> str:
    """As the file has its tables."""
    return "".join(
        "      " + line if line.strip() else line for line in dedent(declaration).splitlines(True)
    )
