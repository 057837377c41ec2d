"""Reads canonical.yaml, and asks an engine for all of it in one query."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "canonical.yaml"


def golden_values(file: Path = FILE) -> dict[str, str]:
    """What an engine has to answer, by case: a canonical text, or the hash of one.

    Raises:
        AssertionError: a hash of the file is not the md5 of its text.
    """
    document = yaml.safe_load(file.read_text("utf-8"))
    values = {case["name"]: case["text"] for case in [*document["texts"], *document["folds"]]}
    for case in [*document["rows"], *document["keys"]]:
        assert hashlib.md5(case["text"].encode()).hexdigest() == case["hash"], case["name"]
        values[case["name"]] = case["hash"]
    return values


def question(file: Path = FILE) -> str:
    """A query for dbt to compile: name of the case, and what the macros make of its values."""
    document = yaml.safe_load(file.read_text("utf-8"))
    return "\nunion all\n".join(
        [
            *(
                _select(case, _call("canonical_text", case["value"], case["type"]))
                for case in document["texts"]
            ),
            *(_row(case) for case in document["rows"]),
            *(_key(case) for case in document["keys"]),
            *(
                _select(case, f"{{{{ case_folded(\"cast('{case['value']}' as varchar(80))\") }}}}")
                for case in document["folds"]
            ),
        ]
    )


def _row(case: dict[str, Any]) -> str:
    values = ", ".join(f"{column['value']} as {column['name']}" for column in case["columns"])
    return f"{_select(case, _call('row_hash', case['columns']))} from (select {values}) as given"


def _key(case: dict[str, Any]) -> str:
    parts = [
        {"expression": part["value"], "data_type": part["data_type"]} for part in case["parts"]
    ]
    return _select(case, _call("key_hash", parts))


def _select(case: dict[str, Any], expression: str) -> str:
    return f"select cast('{case['name']}' as varchar(100)) as name, {expression} as answer"


def _call(macro: str, *arguments: object) -> str:
    """A call of a macro; JSON is Jinja, too."""
    written = ", ".join(json.dumps(each, ensure_ascii=False) for each in arguments)
    return "{{ " + f"cdc_history.{macro}({written})" + " }}"
