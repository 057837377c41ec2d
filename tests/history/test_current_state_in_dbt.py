"""Current state (SCD 1) is what the reference model says: late changes undo nothing, deletes stay.

Random logs of promotions (a case-insensitive text key), stores and products go through the
dimensions in several runs, one of which is killed, one partial and one a rebuild of a dimension.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from ingestion.settings import ConnectorName
from tests.history.current_state import prove_current_state
from tests.kit.warehouse import Warehouse


# What marts read of staging is the same for both connectors: the star is shown with the other.
@pytest.mark.parametrize(
    "connector", ["postgresql", pytest.param("sqlserver", marks=pytest.mark.long)]
)
def test_current_state(
    connector: ConnectorName, parsed_whole: dict[ConnectorName, Warehouse], tmp_path: Path
) -> None:
    prove_current_state(parsed_whole[connector], tmp_path, Random(5), of=90)
