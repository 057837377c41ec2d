"""What commands have in common: texts as they are, clean streams, sentences for what is absent."""

from __future__ import annotations

import ast
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from typer import Typer

from ingestion.errors import LakehouseError, RefusedError, TerminalError, TransientError
from lakehouse import console
from lakehouse.commands import warehouse
from lakehouse.health import checks
from tests.kit.command_line import CommandLine

ROOT = console.ROOT
PROGRAM = str(Path(sys.executable).with_name("lakehouse"))
# To the terminal library a tag, a closing tag without an opening one, a colour, an emoji.
TEXT = "CustomerAddresses ^[a-z][a-z0-9_] [topic-0] [/x] [red]red[/] :key: 'a'"


def shell(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LAKEHOUSE_")}
    plain = {k: v for k, v in kept.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    return {**plain, "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", **variables}


def imports(folder: str) -> Iterator[tuple[str, str]]:
    """Each module that a file of the folder imports, with the file."""
    for path in (ROOT / folder).glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name, path.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module, path.name


@pytest.mark.parametrize("print_line", [console.say, console.note])
def test_a_text_is_printed_as_it_is(
    print_line: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    print_line((TEXT, "bold"), TEXT * 30)
    said = capsys.readouterr()
    assert said.out + said.err == TEXT * 31 + "\n"
    assert bool(said.out) == (print_line is console.say)


@pytest.mark.parametrize("stderr", ["a closed pipe", "a full disk"])
def test_work_goes_on_where_nobody_can_read_what_it_says(stderr: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    if stderr == "a full disk":
        os.dup2(os.open("/dev/full", os.O_WRONLY), writer)
    script = "from lakehouse.console import note; note('a'); note('b'); print('done', flush=True)"
    ran = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=writer, check=False
    )
    os.close(writer)
    assert ran.stdout == b"done\n"


def test_cells_of_a_table_are_printed_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    console.show_table((TEXT, "number"), [(TEXT * 10, "1")], names=1)
    said = capsys.readouterr().out.splitlines()
    assert [line.strip().startswith(TEXT) for line in said if "Cust" in line] == [True, True]
    assert any(TEXT * 10 in line for line in said)


@pytest.mark.parametrize("name", [TEXT, "x[/]", "foo[bold]bar"])
def test_a_command_names_what_it_was_given(name: str, lakehouse: CommandLine) -> None:
    code, out, err = lakehouse("rebuild", name)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: table {name!r} is not declared")


@pytest.mark.parametrize(
    ("error", "code"), [(TransientError, 1), (TerminalError, 1), (RefusedError, 4)]
)
def test_an_error_is_a_sentence_and_a_code(
    error: type[LakehouseError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    app = Typer()

    @app.command()
    def fail() -> None:
        raise error(TEXT)

    with pytest.raises(SystemExit) as ended:
        console.run(lambda: app([]))  # type: ignore[arg-type]
    assert ended.value.code == code
    assert capsys.readouterr() == ("", f"error: {TEXT}\n")


def test_an_error_that_nobody_foresaw_keeps_its_traceback(
    lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "check_all", lambda *_: iter([1 // 0]))
    for error in (
        ZeroDivisionError(),
        ImportError(name="lakehouse.x"),
        FileNotFoundError(2, "", "x"),
    ):
        assert console.explained(error) is None
    with pytest.raises(ZeroDivisionError):
        lakehouse("doctor")


def test_only_the_edge_speaks_to_the_terminal_library() -> None:
    rooms = {
        file
        for folder in ("lakehouse", "playground")
        for module, file in imports(folder)
        if module in ("rich.console", "rich.table", "rich.markup", "rich")
    }
    assert rooms == {"console.py"}


def test_each_package_that_may_be_absent_is_known() -> None:
    always = {"typer", "rich", "pydantic", "pydantic_settings", "yaml"}
    here = {"ingestion", "lakehouse", "awsglue"}
    found = {
        module.split(".")[0]
        for folder in ("ingestion", "lakehouse")
        for module, _ in imports(folder)
    }
    assert found - sys.stdlib_module_names - always - here == console.OPTIONAL_PACKAGES


@pytest.mark.parametrize("package", sorted(console.OPTIONAL_PACKAGES))
def test_a_package_that_is_not_here_is_a_sentence(package: str) -> None:
    for error in (ModuleNotFoundError(name=package), metadata.PackageNotFoundError(package)):
        told = console.explained(error)
        assert told is not None
        assert f"the Python package {package}, which is not here" in told
        assert "make setup" in told


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("compare", "duckdb"),
        ("connector deploy", "boto3"),
        ("warehouse status", "redshift_connector"),
    ],
)
def test_a_command_says_which_package_it_needs(
    command: str, package: str, lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    code, out, err = lakehouse(*command.split())
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"error: this needs the Python package {package}, which is not here")


def test_status_and_doctor_go_on_without_what_the_image_lacks(
    lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    monkeypatch.delenv("LAKEHOUSE_REQUIRE_TOOLS", raising=False)
    monkeypatch.setattr(checks, "ROOT", ROOT / "data/.none")
    monkeypatch.setattr(console, "ROOT", ROOT / "data/.none")
    code, out, _ = lakehouse("status")
    assert (code, "the Python package duckdb" in out, "orders" in out) == (1, True, True)
    code, out, _ = lakehouse("doctor", "--json")
    found = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == console.Exit.ATTENTION
    assert found["settings"]["state"] == "ok"
    assert "duckdb" in found["warehouse"]["found"]


def test_a_program_that_is_not_here_is_a_sentence(
    lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("LAKEHOUSE_DUCKDB", str(tmp_path / "none.duckdb"))
    code, _, err = lakehouse("docs", "--output", str(tmp_path / "site"))
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("error: this needs the program dbt, which is not here")


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, False), ({"NO_COLOR": "1"}, False), ({"TERM": "xterm-256color", "tty": "y"}, True),
     ({"TERM": "xterm-256color", "tty": "y", "NO_COLOR": "1"}, False)],
    ids=["pipe", "pipe without colours", "terminal", "terminal without colours"],
)  # fmt: skip
def test_colours_are_for_terminals(variables: dict[str, str], coloured: bool) -> None:
    main, terminal = pty.openpty()
    out = terminal if variables.pop("tty", "") else subprocess.PIPE
    done = subprocess.run(
        [PROGRAM, "rebuild", TEXT], env=shell(**variables), stderr=out, check=False, cwd=ROOT
    )
    os.close(terminal)
    said = done.stderr if done.stderr is not None else os.read(main, 100_000)
    os.close(main)
    assert (b"\x1b" in said, b"[topic-0]" in said) == (coloured, True)


@pytest.mark.parametrize("command", ["doctor", "declarations check", "connector render"])
def test_output_that_cannot_be_written_is_a_sentence(command: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, *command.split()],
            env=shell(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            cwd=ROOT,
        )
    told = b"error: the output could not be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (console.Exit.ERROR, told)


@pytest.mark.parametrize("command", ["rebuild", "reconcile rows"])
def test_a_table_that_is_not_declared_is_a_wrong_command_line(
    command: str, lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_SOURCE_DSN", "postgresql://127.0.0.1:1/none")
    code, out, err = lakehouse(*command.split(), "ordres")
    assert (code, out) == (console.Exit.USAGE, "")
    assert err.startswith("error: table 'ordres' is not declared; declared tables: customers,")


@pytest.mark.parametrize(("environment", "target"), [("", "prod"), ("dev", "dev")])
def test_warehouse_commands_mean_the_warehouse_of_their_environment(
    environment: str, target: str, lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(asked: str) -> None:
        raise TerminalError(asked)

    monkeypatch.setenv("LAKEHOUSE_ENVIRONMENT", environment)
    monkeypatch.setattr(warehouse, "_open", refuse)
    assert lakehouse("warehouse", "grants") == (1, "", f"error: {target}\n")


def test_the_audit_is_target_locals(
    lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_ENVIRONMENT", "prod")
    code, _, err = lakehouse("reconcile")
    assert code == console.Exit.ERROR
    assert "`lakehouse reconcile rows` compares target prod with the source" in err


def test_compare_asks_for_redshift_before_the_file(
    lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAKEHOUSE_DUCKDB", str(tmp_path / "none.duckdb"))
    monkeypatch.delenv("LAKEHOUSE_REDSHIFT_HOST", raising=False)
    code, _, err = lakehouse("compare", "--target", "nosuch")
    assert (code, "'nosuch' is not one of" in err) == (console.Exit.USAGE, True)
    assert "LAKEHOUSE_REDSHIFT_HOST is not set" in lakehouse("compare")[2]


def test_output_that_knows_ascii_only_is_no_error() -> None:
    done = subprocess.run(
        [PROGRAM, "doctor"],
        env=shell(PYTHONIOENCODING="ascii", COLUMNS="20"),
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (console.Exit.ATTENTION, b"")
    assert b"\\u2192 start it" in done.stdout


def test_json_is_whole_where_the_output_knows_ascii_only() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from lakehouse.console import *; show_json({'Zürich': '→'})"],
        env=shell(PYTHONIOENCODING="ascii"),
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    assert json.loads(done.stdout) == {"Zürich": "→"}


@pytest.mark.parametrize(("release", "told"), [("", ""), ("v1.4.0", ", release v1.4.0")])
def test_the_version_and_the_release(
    release: str, told: str, lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_RELEASE", release)
    assert lakehouse("--version") == (0, f"lakehouse 0.1.0{told}\n", "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [("lakehouse top", {"topics"}), ("lakehouse warehouse st", {"status"}),
     ("lakehouse status --j", {"--json"}), ("lakehouse land", {"land", "landing"})],
)  # fmt: skip
def test_bash_completes_commands_and_options(
    words: str, offered: set[str], lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_LAKEHOUSE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    code, out, _ = lakehouse()
    assert (code, set(out.split())) == (0, offered)


def test_help_has_a_short_name_and_offers_completion(lakehouse: CommandLine) -> None:
    told = lakehouse("-h")
    assert told == lakehouse("--help")
    assert "--install-completion" in told[1]


def test_bash_is_told_how_to_complete(
    lakehouse: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_LAKEHOUSE_COMPLETE", "source_bash")
    code, out, _ = lakehouse()
    assert (code, "complete_bash" in out) == (0, True)
