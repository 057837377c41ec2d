"""The customer dimension and the orders that point at it are what the reference model says.

Random logs of customers, their addresses and orders, as disjoint sets of keys, go through the whole
chain in several runs, some of them partial or killed. After every full build the versions of
dim_customer (members and inferred ones) and the version of every order equal the reference model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from ingestion.settings import ConnectorName
from tests.history.stars import Stars, in_folder, random_bundles, run
from tests.kit.declared import CONNECTORS
from tests.kit.warehouse import Warehouse
from tests.kit.worked import WorkedHistory


def with_halves_apart(bundle: Sequence[WorkedHistory]) -> list[WorkedHistory]:
    """The bundle with one address, whose deferred update (a delete and an insert at one place)
    carries two commit times: two versions of the customer begin at one position.
    """
    customer, address, order = bundle
    read = {"run": "1", "op": "r", "position": "10", "committed": "09:00", "before": ""}
    half = {"run": "1", "key": "1/1", "position": "20.1.2"}
    addresses = (
        {**read, "key": "1/1", "row": "base"},
        {**half, "op": "d", "committed": "10:00", "row": "", "before": "base"},
        {**half, "op": "c", "committed": "10:01", "row": "city=Paris", "before": ""},
    )
    return [
        replace(customer, log=({**read, "key": "1", "row": "base"},)),
        replace(address, log=addresses),
        order,
    ]


# What marts read of histories is the same for both connectors: test_current_state has the other.
@pytest.mark.parametrize(
    "connector", ["sqlserver", pytest.param("postgresql", marks=pytest.mark.long)]
)
def test_versions_and_orders(
    connector: ConnectorName, parsed_whole: dict[ConnectorName, Warehouse], tmp_path: Path
) -> None:
    bundles = random_bundles(connector, number=1, of=60)
    if connector == "sqlserver":
        bundles[0] = with_halves_apart(bundles[0])
    run(Stars(bundles, in_folder(parsed_whole[connector], tmp_path)), Random(3))


@pytest.mark.long
@pytest.mark.parametrize("number", range(2, 6))
@pytest.mark.parametrize("connector", CONNECTORS)
def test_versions_and_orders_of_many(
    connector: ConnectorName,
    number: int,
    parsed_whole: dict[ConnectorName, Warehouse],
    tmp_path: Path,
) -> None:
    warehouse = in_folder(parsed_whole[connector], tmp_path)
    run(Stars(random_bundles(connector, number, of=300), warehouse), Random(number))
