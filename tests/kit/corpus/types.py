"""Reads types.yaml: a table `samples` with a column for each type, and a record for each value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ingestion.declarations import CONNECTORS, Declarations, load
from ingestion.settings import ConnectorName
from lakehouse.dbt_files import render
from tests.kit.warehouse import SOURCES

FILE = Path(__file__).parent / "types.yaml"
TABLE = "samples"


@dataclass(frozen=True)
class Sample:
    """A value in a column of `samples`, and what becomes of it: a canonical text, or a reason."""

    connector: ConnectorName
    type: str
    column: str
    json: str
    text: str | None
    reason: str | None
    is_cut: bool = False
    """Whether it is reported as a text that the connector may have cut."""

    @property
    def value(self) -> bytes:
        """An insert of a row that has nothing but the key and this."""
        source = (
            '"change_lsn":"00000027:00000c78:0002","commit_lsn":"00000027:00000c78:0003",'
            '"event_serial_no":1'
            if self.connector == "sqlserver"
            else '"lsn":28662600,"sequence":"[\\"28662000\\",\\"28662600\\"]"'
        )
        nulls = "".join(
            f',"{name}":null' for name in _columns(self.connector) if name != self.column
        )
        return (
            f'{{"before":null,"after":{{"id":7,"{self.column}":{self.json}{nulls}}},'
            f'"source":{{"name":"retail","ts_ms":1704164645123,{source}}},"op":"c"}}'
        ).encode()

    def __str__(self) -> str:
        return ascii(f"{self.connector} {self.column} {self.json}")


def samples(connector: ConnectorName) -> list[Sample]:
    """Every value of the connector's types, in the order of the file; null with each."""
    found = []
    for column, entry in _columns(connector).items():
        accepted = {"null": None, **entry["values"]}
        refused = dict.fromkeys(entry.get("refused", ()))
        reason = f"{entry.get('reason', 'invalid_value')}:{column}"
        for json, text in {**accepted, **refused}.items():
            is_refused = json in refused
            told = text, reason if is_refused else None, json in entry.get("cut", ())
            found.append(Sample(connector, entry["type"], column, json, *told))
    return found


def declare(project: Path, connector: ConnectorName) -> Declarations:
    """Put `samples` into the declarations of `project`, and write the files that follow."""
    file = project / SOURCES
    document = yaml.safe_load(file.read_text("utf-8"))
    source = document["sources"][0]
    meta = {
        "topics": {name: f"retail.retail.{name}.{TABLE}" for name in CONNECTORS},
        "primary_key": ["id"],
        "history": "current",
        "partitions": 1,
        "topic_retention_days": 7,
        "landing_retention_days": 7,
    }
    columns = [_column("id", {"data_type": "bigint", "nullable": False})]
    columns += [_column(name, entry["declare"]) for name, entry in _columns(connector).items()]
    table = {"name": TABLE, "description": "A table.", "config": {"meta": meta}, "columns": columns}
    source["tables"] = [each for each in source["tables"] if each["name"] != TABLE] + [table]
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    declarations = load(file)
    for path, content in render(declarations).items():
        (project / path).write_text(content, "utf-8")
    return declarations


def reported_cut(replaced: str | None, sample: Sample) -> bool:
    """Whether `_cdc_replaced_columns` of the sample's row names its column, which can be cut."""
    can_be = "cut" in _columns(sample.connector)[sample.column]
    return can_be and f",{sample.column}," in (replaced or "")


@cache
def entries(connector: ConnectorName) -> list[dict[str, Any]]:
    """The connector's part of the file."""
    found: list[dict[str, Any]] = yaml.safe_load(FILE.read_text("utf-8"))[connector]
    return found


def _columns(connector: ConnectorName) -> dict[str, dict[str, Any]]:
    """The entries of a connector by the name that their column has in both databases."""
    return {
        f"t{n:02}_{entry['type'].replace(' ', '_')}": entry
        for n, entry in enumerate(entries(connector))
    }


def _column(name: str, declared: dict[str, Any]) -> dict[str, Any]:
    meta = {
        "nullable": True,
        "source_columns": dict.fromkeys(CONNECTORS, name),
        **{key: value for key, value in declared.items() if key != "data_type"},
    }
    return {
        "name": name,
        "data_type": declared["data_type"],
        "description": "A column.",
        "config": {"meta": meta},
    }
