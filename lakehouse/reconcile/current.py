"""The current row of each key as the log has it, by the rules of docs/semantics.md.

The marts' own macro computes it, so it is asked for with dbt: what it compiles to is a query that
the warehouse is sent here. Every table has one, also those without history or mart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ingestion.declarations import TENANT, Column
from lakehouse.case_folding import folds
from lakehouse.dbt import Dbt
from lakehouse.dbt_files import staging_view
from lakehouse.reconcile.absences import Log
from lakehouse.reconcile.scope import Scope

_NEXT = "\n-- next table\n"


@dataclass(frozen=True)
class Current:
    """What the log has of a key last; two that are equal say the same."""

    alive: bool
    """Whether that is a row, not its delete."""
    fingerprint: str
    """Of the compared columns (`Scope.fingerprint`)."""
    position: str
    """The highest `_cdc_position` of the key's changes."""


@dataclass(frozen=True)
class CurrentRow:
    """What the log has of a key last, with its values."""

    last: Current
    row: dict[str, Any]
    """Landed columns and values, as the warehouse's driver gives them."""
    not_carried: frozenset[str]
    """The columns whose values no change has told."""


def compiled(target: str, scopes: Sequence[Scope]) -> dict[str, str]:
    """For each table the CTEs that end with `compared`, its current rows.

    Nothing is asked of the warehouse, nor is anything written that `dbt retry` reads.
    """
    text = _NEXT.join(map(_template, scopes))
    offline = ("--no-introspect", "--no-populate-cache", "--no-write-json", "--log-level", "none")
    result = Dbt(target, {}).run("compile", *offline, "--inline", text, variables={})
    queries = str(result.results[0].node.compiled_code).split(_NEXT)
    return {scope.table.name: query for scope, query in zip(scopes, queries, strict=True)}


def _template(scope: Scope) -> str:
    """Jinja: the current rows of a table, with what is compared of them."""
    table = scope.table
    parts = [
        f"{{'expression': {_compared(column)}, 'data_type': '{column.type}'}}"
        for column in map(table.column, table.primary_key)
    ]
    if scope.tenant:
        parts.insert(0, f"{{'expression': '{TENANT}', 'data_type': 'varchar(63)'}}")
    columns = [{"name": column.name, "data_type": str(column.type)} for column in scope.columns]
    key = f"cdc_history.key_hash([{', '.join(parts)}])"
    names = ", ".join(column.name for column in table.landed_columns)
    return f"""
        with
        {{{{ last_changes('current_rows', '{table.name}', {key}) }}}},
        ends as (
            select {{{{ {key} }}}} as _cdc_key, max(changes._cdc_position) as _cdc_last
            from {{{{ ref('{staging_view(table)}') }}}} as changes
            group by {{{{ {key} }}}}
        ),
        keyed as (
            select
                current_rows.*,
                {{{{ {key} }}}} as _cdc_key,
                {{{{ cdc_history.row_hash({columns}) }}}} as _cdc_fingerprint
            from current_rows
        ),
        compared as (
            select {names}, _cdc_op, _cdc_not_carried, keyed._cdc_key, _cdc_fingerprint, _cdc_last
            from keyed
            inner join ends on keyed._cdc_key = ends._cdc_key
            where {scope.mine}
        )"""


def _compared(column: Column) -> str:
    """Jinja: SQL of a key's column in the spelling in which it is compared."""
    return f"case_folded('{column.name}')" if folds(column) else f"'{column.name}'"


def all_current(log: Log, ctes: str) -> dict[str, tuple[tuple[Any, ...], Current]]:
    """The key's values and what the log has of it, by the key's hash."""
    keys = log.table.primary_key
    found = log.query(
        f"{ctes} select {', '.join(keys)}, _cdc_key, _cdc_op, _cdc_fingerprint, _cdc_last"
        " from compared"
    )
    return {
        key_hash: (tuple(key), Current(op != "d", fingerprint, last))
        for *key, key_hash, op, fingerprint, last in found
    }


def current_of(log: Log, ctes: str, key_hashes: Sequence[str]) -> dict[str, CurrentRow]:
    """What the log has of these keys, by the key's hash."""
    names = [column.name for column in log.table.landed_columns]
    listed = ", ".join(f"'{key_hash}'" for key_hash in key_hashes)
    found = log.query(
        f"{ctes} select {', '.join(names)}, _cdc_not_carried, _cdc_key, _cdc_op,"
        f" _cdc_fingerprint, _cdc_last from compared where _cdc_key in ({listed})"
    )
    return {
        key_hash: CurrentRow(
            Current(op != "d", fingerprint, last),
            dict(zip(names, values, strict=True)),
            frozenset((not_carried or "").split(",")),
        )
        for *values, not_carried, key_hash, op, fingerprint, last in found
    }
