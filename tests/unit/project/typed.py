"""Whether a line of a page can be typed: each program, command, option and name in it exists."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import click
import typer.main
import yaml
from botocore import xform_name
from dbt.cli.main import cli as dbt

from lakehouse.cli import app
from lakehouse.delivery import __main__ as delivery
from lakehouse.settings import known_variables
from tests.kit.command_lines import ASSIGNMENT, PROGRAMS, Line, commands
from tests.unit.project.files import ROOT, project_files

TERRAFORM = ROOT / "infra/terraform"
# Options of Terraform's, by subcommand, that our pages use.
_TERRAFORM = {
    "init": {"-reconfigure", "-backend-config", "-plugin-dir", "-input"},
    "plan": {"-var-file", "-var", "-out", "-input", "-no-color"},
    "apply": {"-var-file", "-var", "-state"},
    "output": {"-raw", "-json", "-state"},
    "show": {"-json"},
    "destroy": {"-var-file", "-var"},
    "validate": set(),
    "test": set(),
    "fmt": {"-recursive", "-check"},
    "workspace": set(),
    "force-unlock": set(),
    "state": set(),
}
# What the AWS CLI adds to the services' own operations.
_AWS_CLI = {
    ("s3", "mv"): {"recursive"},
    ("s3", "cp"): {"only-show-errors"},
    ("s3", "sync"): {"source-region"},
}
# Settings of other programs that lines set.
_OTHER_SETTINGS = {
    *("GITHUB_REPOSITORY", "GITHUB_TOKEN", "LAKEHOUSE_SMOKE_TARGET"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"),
}
_SHELL = {"cat", "do", "done", "for"}
# What Typer gives every program.
_EAGER = {"--help", "-h", "--version", "--install-completion", "--show-completion"}


class WrongError(Exception):
    """What a line names and nobody has."""


def wrong(line: Line, folder: Path = ROOT) -> Iterator[str]:
    """What is wrong with a line; nothing where it can be typed, in the root or in `folder`."""
    for words in commands(_filled(line.text)):
        try:
            _check(words, folder)
        except WrongError as error:
            yield f"{line.text}: {error}"


def _filled(text: str) -> str:
    """With something of its kind in the place of each `<placeholder>`."""
    known = {
        "environment": "dev",
        "account": "123456789012",
        "incarnation": "1",
        "partition": "0",
        "offset": "0",
        "number": "1",
        "command": "status",
        "mart": "dim_customer",
        "model": "dim_customer",
    }
    text = re.sub(r"<(?:\w*_)?(\w+)>", lambda found: known.get(found[1], "orders"), text)
    return re.sub(r"<[^<>\n]+>", "orders", text)


def _check(words: Sequence[str], folder: Path) -> None:
    words = list(words)
    while words and ASSIGNMENT.match(words[0]):
        _check_setting(words.pop(0))
    if not words:
        return
    program, *rest = words
    if program in _CHECKS:
        _CHECKS[program](rest, folder)
    elif program not in PROGRAMS | _SHELL:
        _must_exist([program], folder)


def _check_export(words: Sequence[str], _folder: Path) -> None:
    for assignment in words:
        _check_setting(assignment)


def _check_sh(words: Sequence[str], folder: Path) -> None:
    for inner in commands(words[words.index("-c") + 1]):
        _check(inner, folder)


def _check_python(words: Sequence[str], folder: Path) -> None:
    if words[:2] == ["-m", "lakehouse.delivery"]:
        _check_delivery(words[2:], folder)
    elif words[0] == "-c":
        compile(words[1], "page", "exec")


def _check_playbook(words: Sequence[str], folder: Path) -> None:
    _must_exist([word for word in words if word.endswith(".yml")], folder)


def _must_exist(places: Sequence[str], folder: Path) -> None:
    for place in places:
        if not (ROOT / place).exists() and not (folder / place).exists():
            raise WrongError(f"there is no {place}")


def _check_setting(assignment: str) -> None:
    name = assignment.partition("=")[0]
    if name not in known_variables() and name not in _OTHER_SETTINGS:
        raise WrongError(f"no setting is called {name}")


def _check_click(command: Any, words: Sequence[str], name: str = "") -> None:
    """Parse as the program would, calling nothing; a name alone need not have its arguments."""
    words = [word for word in words if word not in _EAGER]
    if not words:
        return
    if "…" in words and not isinstance(command, click.Group):
        words = [word for word in words if word != "…" or words[words.index(word) - 1][0] == "-"]
    try:
        context = command.make_context(name, list(words))
        if hasattr(command, "resolve_command") and (rest := _rest(context)):
            inner_name, inner, rest = command.resolve_command(context, rest)
            _check_click(inner, rest, inner_name)
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer has a click of its own
            raise
        raise WrongError(error.format_message()) from None
    if isinstance(command, click.Command):
        _check_dbt(context.params)


def _rest(context: Any) -> list[str]:
    return [*context._protected_args, *context.args]


def _check_dbt(options: dict[str, Any]) -> None:
    profile = yaml.safe_load((ROOT / "profiles.yml").read_text("utf-8"))["retail_lakehouse"]
    if (target := options.get("target")) and target not in profile["outputs"]:
        raise WrongError(f"there is no target {target}")
    for selected in options.get("select") or ():
        node = str(selected).strip("+")
        if ":" not in node and not node.startswith("gift_cards") and node not in _nodes():
            raise WrongError(f"dbt has no {node}")  # gift_cards: the table that one adds
    if (macro := options.get("macro")) and macro not in _macros():
        raise WrongError(f"dbt has no operation {macro}")


@cache
def _nodes() -> frozenset[str]:
    kinds = {"models", "snapshots", "seeds"}
    files = [path for path in project_files() if path.parts[0] in kinds]
    return frozenset(path.stem for path in files)


@cache
def _macros() -> frozenset[str]:
    texts = [(ROOT / path).read_text("utf-8") for path in project_files() if path.suffix == ".sql"]
    return frozenset(re.findall(r"\{%-? macro (\w+)", "\n".join(texts)))


def _check_delivery(words: Sequence[str], folder: Path) -> None:
    words = [word for word in words if word != "…"]
    if not words:
        return
    before, task = words, []
    if "--" in words:
        at = words.index("--")
        before, task = words[:at], list(words[at + 1 :])
    parser = delivery._parser()
    parser.error = _refuse  # type: ignore[method-assign, assignment]
    for action in parser._subparsers._group_actions:  # type: ignore[union-attr]
        for inner in action.choices.values():  # type: ignore[union-attr]
            inner.error = _refuse
    with suppress(SystemExit):
        parser.parse_args([*before, *(["--", *task] if task else [])])
    if task:
        _check(task, folder)


def _refuse(message: str) -> None:
    raise WrongError(message)


def _check_aws(words: Sequence[str], _folder: Path) -> None:
    service, command, *rest = words
    service = "s3" if service == "s3api" else service
    given = {word[2:].partition("=")[0] for word in rest if word.startswith("--")}
    given -= {"query", "output", "profile", "region"}
    if (service, command) in _AWS_CLI:
        known = _AWS_CLI[service, command]
    else:
        session = botocore.session.get_session()
        if service not in session.get_available_services():
            raise WrongError(f"aws has no {service}")
        model = session.get_service_model(service)
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        if command not in operations:
            raise WrongError(f"aws {service} has no {command}")
        shape = model.operation_model(operations[command]).input_shape
        known = {xform_name(name, "-") for name in (shape.members if shape else ())}
        required = {xform_name(name, "-") for name in (shape.required_members if shape else ())}
        if rest and (missing := required - given):
            raise WrongError(f"aws {service} {command} needs --{' --'.join(sorted(missing))}")
    if unknown := given - known:
        raise WrongError(f"aws {service} {command} has no --{' --'.join(sorted(unknown))}")


@cache
def terraform_names(kind: str) -> frozenset[str]:
    """Names of the `variable` or `output` blocks of the three roots."""
    texts = [
        file.read_text("utf-8")
        for folder in (TERRAFORM, TERRAFORM / "bootstrap", TERRAFORM / "replica")
        for file in folder.glob("*.tf")
    ]
    return frozenset(re.findall(rf'^{kind} "(\w+)"', "\n".join(texts), re.M))


def _check_terraform(words: Sequence[str], _folder: Path) -> None:
    subcommand, *rest = words
    if subcommand not in _TERRAFORM:
        raise WrongError(f"terraform has no {subcommand} that pages use")
    arguments, outputs = iter(rest), terraform_names("output")
    for word in arguments:
        option, _, value = word.partition("=")
        if option.startswith("-") and option not in _TERRAFORM[subcommand]:
            raise WrongError(f"terraform {subcommand} has no {option}")
        if option == "-var":
            name = (value or next(arguments)).partition("=")[0]
            if name not in terraform_names("variable"):
                raise WrongError(f"there is no variable {name}")
        elif option == "-var-file":
            _must_exist([value], TERRAFORM)
        elif subcommand == "output" and option[0] != "-" and option not in outputs:
            raise WrongError(f"there is no output {option}")


@cache
def _targets() -> frozenset[str]:
    files = ("Makefile", "playground/playground.mk", "tests/tests.mk", "infra/infra.mk")
    made = "".join((ROOT / file).read_text("utf-8") for file in files)
    return frozenset(re.findall(r"^([a-z-]+):", made, re.M))


def _check_make(words: Sequence[str], _folder: Path) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("-f")
    parser.add_argument("targets", nargs="*")
    for target in parser.parse_args(list(words)).targets:
        if "=" not in target and target not in _targets():
            raise WrongError(f"make has no {target}")


_LAKEHOUSE: Any = typer.main.get_command(app)
_CHECKS: dict[str, Callable[[Sequence[str], Path], None]] = {
    "ansible-playbook": _check_playbook,
    "aws": _check_aws,
    "dbt": lambda words, _: _check_click(dbt, words),
    "export": _check_export,
    "lakehouse": lambda words, _: _check_click(_LAKEHOUSE, words),
    "make": _check_make,
    "python": _check_python,
    "sh": _check_sh,
    "terraform": _check_terraform,
}
