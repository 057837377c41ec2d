"""Reads malformed.yaml; its head says what its words mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from ingestion.settings import ConnectorName

FILE = Path(__file__).parent / "malformed.yaml"


@dataclass(frozen=True)
class Case:
    """A record of a topic and what has to become of it.

    `row` and `before` hold the canonical text of some columns of an accepted record; `before` is
    None where nothing is said about the before image, "unknown" where it has to be left out.
    """

    name: str
    connector: ConnectorName
    table: str
    key: bytes | None
    value: bytes | None = field(repr=False)
    verdict: Literal["accepted", "tombstone", "rejected"]
    reason: str | None = None
    row: Mapping[str, str | None] = field(default_factory=dict)
    before: Mapping[str, str | None] | Literal["unknown"] | None = None
    lacks: str | None = None
    before_lacks: str | None = None
    position: str | None = None
    floating: bool | None = None
    note: str = ""


def load(file: Path = FILE) -> list[Case]:
    """All cases of the corpus, in the order of the file."""
    document = yaml.safe_load(file.read_text("utf-8"))
    bases = document["bases"]
    cases = [_case(entry, bases[entry["base"]]) for entry in document["records"]]
    for form in document["forms"]:
        cases += _form_cases(form, bases[form["base"]])
    return cases


def _case(entry: dict[str, Any], base: dict[str, Any]) -> Case:
    told = {"row", "before", "lacks", "before_lacks", "position", "floating", "note", "reason"}
    key = entry.get("key", "{}")
    return Case(
        name=entry["name"],
        connector=base["connector"],
        table=base["table"],
        key=None if key is None else key.encode(),
        value=_value(entry, base["value"]),
        verdict=entry["verdict"],
        **{name: entry[name] for name in told & entry.keys()},
    )


def _value(entry: dict[str, Any], base: str) -> bytes | None:
    text: str | None = entry.get("value", base)
    if text is None:
        return None
    for old, new in entry.get("replace", ()):
        text = _replaced(text, old, new, entry["name"])
    for word, (piece, times) in entry.get("fill", {}).items():
        text = _replaced(text, word, piece * times, entry["name"], count=-1)
    value = text.encode()
    for word, digits in entry.get("bytes", {}).items():
        value = value.replace(word.encode(), bytes.fromhex(digits))
    return value


def _replaced(text: str, old: str, new: str, name: str, count: int = 1) -> str:
    if old not in text:
        raise ValueError(f"case {name!r}: {old!r} is not in its base")
    return text.replace(old, new, count)


def _form_cases(form: dict[str, Any], base: dict[str, Any]) -> Iterator[Case]:
    column = form["column"]
    for json, text in form["accepted"].items():
        yield _form_case(form, base, json, verdict="accepted", row={column: text})
    for json, note in form["rejected"].items():
        reason = f"invalid_value:{column}"
        yield _form_case(form, base, json, verdict="rejected", reason=reason, note=note)


def _form_case(form: dict[str, Any], base: dict[str, Any], json: str, **outcome: Any) -> Case:
    column = form["column"]
    name = f"{form['base']}, {column} is {json!a}"
    entry = {"name": name, "replace": [[form["text"], f'"{_source_name(form)}":{json}']]}
    return Case(
        name=name,
        connector=base["connector"],
        table=base["table"],
        key=b"{}",
        value=_value(entry, base["value"]),
        **outcome,
    )


def _source_name(form: dict[str, Any]) -> str:
    return str(form["text"]).split('"')[1]
