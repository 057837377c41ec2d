"""The lines of docs/runbooks, run as they stand: which test walks which section, and its shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer.main

from lakehouse.cli import app
from tests.kit.command_lines import Line, lines
from tests.kit.dbt import ROOT

PAGES = ROOT / "docs/runbooks"
_TERRAFORM = "tests/infra/terraform/test_runbooks.py"
_WORKFLOWS = "tests/infra/workflows/test_terraform_workflows.py"
_ENVIRONMENT = "tests/infra/workflows/test_runbooks.py"
_ONBOARDING = "tests/pipeline/test_onboarding_walk.py"
_OPERATIONS = "tests/pipeline/test_operations_walk.py"
# Page and section: the test that runs each of its lines, but for those that say why none can; of
# the sections that are not named the test behind "".
WALKS = {
    "break_glass.md": {"": _TERRAFORM},
    "deployment.md": {
        "1. State, roles and trust (once, by an administrator)": _TERRAFORM,
        "3. The account": _TERRAFORM,
        "Before the first apply: has the account room?": _TERRAFORM,
        "An apply that broke": _WORKFLOWS,
        "": _ENVIRONMENT,
    },
    "onboarding.md": {"": _ONBOARDING},
    "operations.md": {
        "Operations": _OPERATIONS,
        "A number is wrong": _OPERATIONS,
        "A break was reported": _OPERATIONS,
        "Records in quarantine": _OPERATIONS,
        "The source's columns have changed": _OPERATIONS,
        "A column is called like ours": _OPERATIONS,
        "Changing the source": _OPERATIONS,
        "Add a tenant": _OPERATIONS,
        "Rows that ended without an event": _OPERATIONS,
        "Against the source itself": _OPERATIONS,
        "dbt's own flags": _OPERATIONS,
        "": _ENVIRONMENT,
    },
    "redshift_streaming_view.md": {"": _ENVIRONMENT},
    "restore_drill.md": {"": _ENVIRONMENT},
    "rollback.md": {"": _ENVIRONMENT},
}


def sections(test: str) -> list[tuple[str, str]]:
    """Page and title of each section with a line that `test` has to run, in the pages' order."""
    path = str(Path(test).relative_to(ROOT))
    found = [(page, line.section) for page in WALKS for line in of_page(page) if not line.reason]
    return [
        (page, title)
        for page, title in dict.fromkeys(found)
        if WALKS[page].get(title, WALKS[page][""]) == path
    ]


def section(test: str, page: str, title: str) -> list[Line]:
    """What `test` runs of a section: each line once, but those with a reason why nothing can."""
    assert (page, title) in sections(test), f"{page}, {title}: another test walks it"
    found = [line for line in of_page(page) if line.section == title and not line.reason]
    return list(dict.fromkeys(found))


def of_page(page: str) -> Iterator[Line]:
    """All lines of a page of docs/runbooks, in its order."""
    yield from lines((PAGES / page).read_text("utf-8"))


@dataclass
class Shell:
    """One shell from the first line to the last: folders and variables stay.

    `names` are what a page's reader puts into the place of `<…>` and `…`; `ends` how a line ends,
    by its beginning, where that is not 0.
    """

    folder: Path
    environment: dict[str, str]
    names: Mapping[str, str] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    def run(self, text: str, ends: int = 0) -> str:
        """What a line printed; AssertionError where it ended otherwise."""
        script = f"{text}\ncode=$?; pwd > $SAID; env -0 > $SAID.environment; exit $code"
        said = Path(self.environment["SAID"])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == ends, f"{text}\nended with {done.returncode}\n{done.stdout}"
        self.folder = Path(said.read_text().strip())
        variables = Path(f"{said}.environment").read_text().split("\0")
        self.environment = dict(pair.split("=", 1) for pair in variables if pair)
        return done.stdout

    def walk(self, line: Line) -> str:
        """Run a line of a page, and find there what the page shows; its output.

        Of a command that is only named, without what it has to be given, its help.
        """
        text, shown = line.text, line.shown
        if is_name(text):
            text += " --help"
        for placeholder, value in self.names.items():
            text, shown = text.replace(placeholder, value), shown.replace(placeholder, value)
        ends = next((code for begin, code in self.ends.items() if text.startswith(begin)), 0)
        output = self.run(re.sub(r"(?<==)…|\s…$", "", text), ends)
        said = " ".join(output.split())
        parts = [" ".join(part.split()) for part in shown.split("…")]
        assert re.search(".*".join(map(re.escape, parts)), said), f"{line}\nand it said\n{output}"
        return output


def is_name(text: str) -> bool:
    """Whether it is a command of ours without the arguments that it needs."""
    program, *words = text.split()
    command: Any = typer.main.get_command(app)
    while program == "lakehouse" and words and words[0] in getattr(command, "commands", ()):
        command = command.commands[words.pop(0)]
    return program == "lakehouse" and not words and any(p.required for p in command.params)


def checkout(folder: Path) -> Path:
    """A copy of the project as Git has it, as a repository of its own; with our jars."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".jars").symlink_to(ROOT / ".jars")
    for words in (("init", "--quiet"), ("add", "--all")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    (folder / "dbt_packages").mkdir()
    (folder / "dbt_packages/cdc_history").symlink_to(folder / "packages/cdc_history")
    return folder
