"""The corpus of malformed records gets on Redshift the verdicts that every engine gives."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.corpus.cases import Case, load
from tests.redshift.conftest import World
from tests.redshift.lake import Message

# SUPER holds no string over 65,535 bytes: CAN_JSON_PARSE refuses the record as a whole, so that the
# column cannot be named (docs/redshift.md, "What is different from target local").
_SUPER_STRING = 65_535


def _text(value: Any) -> str | None:
    """A value as canonical text (docs/semantics.md)."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value).replace("~", "~0").replace("|", "~1")


def _is_beyond_super(case: Case) -> bool:
    return (
        case.value is not None
        and len(case.value) > _SUPER_STRING
        and (case.verdict == "accepted" or str(case.reason).startswith("value_too_long"))
        and _longest_string(json.loads(case.value)) > _SUPER_STRING
    )


def _longest_string(document: Any) -> int:
    """Bytes of the longest string in a document, names included."""
    if isinstance(document, dict):
        return max(map(_longest_string, [*document, *document.values()]), default=0)
    if isinstance(document, list):
        return max(map(_longest_string, document), default=0)
    return len(document.encode()) if isinstance(document, str) else 0


def _expected(case: Case) -> tuple[str, str | None]:
    return ("rejected", "not_json") if _is_beyond_super(case) else (case.verdict, case.reason)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("connector", ["postgresql", "sqlserver"], indirect=True)
def test_every_record_of_the_corpus_gets_its_verdict(world: World) -> None:
    cases = [case for case in load() if case.connector == world.connector]
    tables = sorted({case.table for case in cases})
    by_table = {table: [case for case in cases if case.table == table] for table in tables}
    for table, own in by_table.items():
        world.lake.produce(Message(table, case.key, case.value) for case in own)
    world.prod.lakehouse("deploy")
    world.prod.refresh(*tables)
    world.prod.dbt.build("--select", *(f"{table}__log" for table in tables))

    wrong = []
    for table, own in by_table.items():
        told = sorted({name for case in own for name in case.row})
        lists = ["_cdc_not_carried", "_cdc_before_not_carried"]
        columns = ["kafka_offset", "_cdc_status", "_cdc_reject_reason", *lists, *told]
        rows = world.prod.rows(
            f"select {', '.join(columns)} from staging.{table}__log order by kafka_offset"
        )
        assert [row[0] for row in rows] == list(range(len(own))), "each record is logged once"
        for case, row in zip(own, rows, strict=True):
            verdict = (row[1], row[2])
            values = dict(zip(told, row[5:], strict=True))
            for expected, found in ((case.lacks, row[3]), (case.before_lacks, row[4])):
                if expected not in (None, found):
                    wrong.append(f"{case.name}: not carried are {found}, not {expected}")
            if verdict != _expected(case):
                wrong.append(f"{case.name}: {verdict}, expected {_expected(case)}")
            for name, value in case.row.items():
                if not _is_beyond_super(case) and _text(values[name]) != value:
                    wrong.append(f"{case.name}: {name} is {_text(values[name])!r}, not {value!r}")
    assert not wrong, "\n".join(wrong)
