"""Runs the jobs of a workflow file on this machine: its `run:` lines as they are, in their order.

`uses:` steps do what the test gives for them, by the action's name; one that is not given fails, so
that no action is overlooked. Of expressions it knows contexts (`vars.X`, `steps.a.outputs.b`),
literals, `==`, `!=`, `&&`, `||`, `!`.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

WORKFLOWS = Path(__file__).resolve().parents[3] / ".github" / "workflows"
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
TOKEN = re.compile(r"\s*(==|!=|&&|\|\||!|\(|\)|'(?:[^']|'')*'|[A-Za-z_][\w.-]*)")

Inputs = Mapping[str, Any]
Action = Callable[["Job", Inputs], None]


class StepFailedError(Exception):
    """A step ended with another code than 0; the message has its output."""


@dataclass
class Job:
    """One job of a workflow, and how far it has come."""

    workflow: str
    name: str
    contexts: dict[str, Any]
    workspace: Path
    environment: dict[str, str]
    actions: Mapping[str, Action]
    # Every line that its steps have printed.
    output: str = ""
    summary: str = ""
    steps: dict[str, Any] = field(default_factory=dict)

    def wanted(self) -> bool:
        """Whether the job's `if` holds; GitHub skips it where it does not."""
        return self._holds(load(self.workflow)["jobs"][self.name].get("if", "true"))

    def outputs(self) -> dict[str, str]:
        """What jobs that need this one are given."""
        return self._evaluated(load(self.workflow)["jobs"][self.name].get("outputs", {}))

    def run(self) -> Job:
        """Run the job's steps; StepFailedError at the first that fails."""
        workflow = load(self.workflow)
        # GitHub starts this shell with `-eo pipefail`, and bash without it where none is named.
        assert workflow["defaults"]["run"]["shell"] == "bash"
        job = workflow["jobs"][self.name]
        self.contexts["steps"] = self.steps
        if not self.wanted():
            raise StepFailedError(f"{self.name}: its `if` does not hold")
        self.contexts["env"] = self._evaluated(job.get("env", {}))
        failed: StepFailedError | None = None
        for step in job["steps"]:
            condition = str(step.get("if", "true"))
            # After a failure only those steps run that ask for it.
            if failed and "failure()" not in condition:
                continue
            self.contexts["failure"] = lambda at=failed: at is not None
            if self._holds(condition):
                try:
                    self._step(step)
                except StepFailedError as error:
                    failed = failed or error
        if failed:
            raise failed
        return self

    def _step(self, step: Mapping[str, Any]) -> None:
        if "uses" in step:
            name = step["uses"].partition("@")[0]
            self.actions[name](self, self._evaluated(step.get("with", {})))
            return
        files = {
            name: self.workspace.parent / name.lower()
            for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        for file in files.values():
            file.write_text("")
        assert not EXPRESSION.search(step["run"]), "an expression in `run:` can be a shell command"
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.workspace,
            env={
                **self.environment,
                **{name: str(file) for name, file in files.items()},
                **self.contexts["env"],
                **self._evaluated(step.get("env", {})),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.output += ended.stdout
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        outputs = files["GITHUB_OUTPUT"].read_text().splitlines()
        pairs = (line.partition("=") for line in outputs)
        self.steps[step.get("id", "")] = {"outputs": {key: value for key, _, value in pairs}}
        if ended.returncode != 0:
            raise StepFailedError(f"{step['name']} ended with {ended.returncode}:\n{ended.stdout}")

    def _evaluated(self, values: Mapping[str, Any]) -> dict[str, str]:
        return {key: self._text(str(value)) for key, value in values.items()}

    def _text(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            result = evaluate(match[1], self.contexts)
            if isinstance(result, bool):
                return str(result).lower()
            return "" if result is None else str(result)

        return EXPRESSION.sub(value, text)

    def _holds(self, condition: object) -> bool:
        expression = str(condition).strip().removeprefix("${{").removesuffix("}}")
        return bool(evaluate(expression, self.contexts))


def load(workflow: str) -> dict[str, Any]:
    """The workflow's file as values; the key `on` is called `on`, not True."""
    values: dict[Any, Any] = yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text())
    return {("on" if key is True else key): value for key, value in values.items()}


def evaluate(expression: str, contexts: Mapping[str, Any]) -> Any:
    """The value of an expression in GitHub's language, as far as our workflows use it."""
    words: list[str] = []
    names: dict[str, Any] = {}
    position = 0
    while position < len(expression.rstrip()):
        match = TOKEN.match(expression, position)
        if match is None:
            raise ValueError(f"cannot read {expression[position:]!r}")
        position = match.end()
        token = match[1]
        words.append({"&&": " and ", "||": " or ", "!": " not "}.get(token, token))
        if token[0] == "'":
            words[-1] = f"n{len(names)}"
            names[words[-1]] = token[1:-1].replace("''", "'")
        elif token[0].isalpha():
            words[-1] = f"n{len(names)}"
            names[words[-1]] = _looked_up(token, contexts)
    # The words are names and operators that this function has written itself.
    return eval("".join(words), {"__builtins__": {}}, names)


def _looked_up(path: str, contexts: Mapping[str, Any]) -> Any:
    if path in ("true", "false"):
        return path == "true"
    value: Any = contexts
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def base_environment(*folders: Path) -> dict[str, str]:
    """What a step finds besides its own variables; `folders` come first in PATH."""
    path = ":".join([*map(str, folders), os.environ["PATH"]])
    return {"PATH": path, "HOME": os.environ["HOME"], "LC_ALL": "C.UTF-8", "GITHUB_ACTIONS": "true"}
