"""Errors planted in the marts: the random logs of customers, orders and codes find each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ingestion.settings import ConnectorName
from tests.history.current_state import prove_current_state
from tests.history.stars import Stars, in_folder, random_bundles, run
from tests.kit.batches import AlwaysPlain
from tests.kit.planted import Planted, with_error
from tests.kit.warehouse import Warehouse

pytestmark = pytest.mark.long

Proof = Callable[[Warehouse, Path], None]


def prove_star(warehouse: Warehouse, folder: Path) -> None:
    """Customers and orders are right, after plain runs."""
    run(
        Stars(random_bundles("postgresql", number=1, of=150), in_folder(warehouse, folder)),
        AlwaysPlain(),
    )


def prove_codes(warehouse: Warehouse, folder: Path) -> None:
    """Promotions, stores and products are right, after plain runs."""
    prove_current_state(warehouse, folder, AlwaysPlain(), of=400)


@dataclass(frozen=True)
class Mutant(Planted):
    """`proof` has to fail."""

    proof: Proof = prove_star


DIMENSION = "packages/cdc_history/macros/dimension/dimension_versions.sql"
CUSTOMERS = "models/marts/customers/dim_customer.sql"
KEYS = "macros/marts/member_keys.sql"
LAST = "packages/cdc_history/macros/dimension/last_changes.sql"
MUTANTS = [
    Mutant(
        "a fact at a version's first moment belongs to the one before",
        KEYS,
        "and {{ moment }} >= {{ versions }}.bound_from",
        "and {{ moment }} > {{ versions }}.bound_from",
    ),
    Mutant(
        "microseconds of a fact count",
        KEYS,
        "least(date_trunc('millisecond', {{ fact_time }}), {{ last_moment }})",
        "least({{ fact_time }} - interval 1 microsecond, {{ last_moment }})",
    ),
    Mutant(
        "a fact in the gap after a delete finds nothing",
        KEYS,
        """coalesce(
            lead(versions.{{ valid_from }}) over ({{ by_time }}),
            {{ cdc_history.end_of_time() }}
        ) as bound_until""",
        "versions.valid_to as bound_until",
    ),
    Mutant(
        "what is deleted goes on",
        DIMENSION,
        "not history.is_deleted{{",
        "true{{",
    ),
    Mutant(
        "any address counts",
        CUSTOMERS,
        "history.is_default",
        "true",
    ),
    Mutant(
        "the first version begins when it was committed",
        DIMENSION,
        "case when version_number = 1 then",
        "case when version_number = 0 then",
    ),
    Mutant(
        "a corrected number is in the newest version only",
        CUSTOMERS,
        "newest.phone",
        "customer_rows.phone",
    ),
    Mutant(
        "of several default addresses the last counts",
        CUSTOMERS,
        "'history.address_no'",
        "'-history.address_no'",
    ),
    Mutant(
        "rows of touched customers stay",
        "macros/marts/delete_touched.sql",
        "{% if is_incremental() %}",
        "{% if false %}",
    ),
    Mutant(
        "addresses touch no customer",
        "macros/marts/touched_customers.sql",
        "where addresses._cdc_run > {{ cdc_history.consumed_run() }}",
        "where false",
    ),
    Mutant(
        "facts are not pointed anew",
        "macros/marts/touched_facts.sql",
        "['customer', 'store']",
        "['store']",
    ),
    Mutant(
        "the change that arrived last is the current state",
        LAST,
        "order by _cdc_place desc",
        "order by _cdc_committed_at desc",
        prove_codes,
    ),
    Mutant(
        "at one position the delete is the current state",
        "packages/cdc_history/macros/strategy/operation_rank.sql",
        "when 'd' then 0 when 'c' then 1",
        "when 'd' then 1 when 'c' then 0",
        prove_codes,
    ),
    Mutant(
        "a read that an open transaction overtook is the current state",
        "packages/cdc_history/macros/strategy/settled_changes.sql",
        "where stale_reads._cdc_step is null",
        "where true",
        prove_codes,
    ),
    Mutant(
        "codes are compared as they are spelt",
        "macros/engine/case_folded.sql",
        "then lower({{ trimmed }})",
        "then {{ trimmed }}",
        prove_codes,
    ),
]


@pytest.mark.parametrize("proof", [prove_star, prove_codes])
def test_without_an_error_nothing_is_wrong(
    proof: Proof, parsed_whole: dict[ConnectorName, Warehouse], tmp_path: Path
) -> None:
    proof(parsed_whole["postgresql"], tmp_path)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(
    mutant: Mutant, parsed_whole: dict[ConnectorName, Warehouse], tmp_path: Path
) -> None:
    parsed = parsed_whole["postgresql"]
    assert parsed.manifest is not None
    warehouse = replace(parsed, manifest=with_error(parsed.manifest, mutant))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        mutant.proof(warehouse, tmp_path)
