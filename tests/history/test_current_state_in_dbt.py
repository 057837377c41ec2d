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
from tests.kit.declared import CONNECTORS
from tests.kit.warehouse import (
    WHOLE_PROJECT,
    Warehouse,
    copy_project,
    parsed_project,
)
from tests.kit.worked import EPOCHS


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[ConnectorName, Warehouse]:
    """The whole project, parsed once for each connector."""
    project = copy_project(tmp_path_factory.mktemp("project"), EPOCHS, WHOLE_PROJECT)
    folder = tmp_path_factory.mktemp("parsed")
    return {connector: parsed_project(project, folder, connector) for connector in CONNECTORS}


@pytest.mark.parametrize("connector", CONNECTORS)
def test_current_state(
    connector: ConnectorName, parsed: dict[ConnectorName, Warehouse], tmp_path: Path
) -> None:
    prove_current_state(parsed[connector], tmp_path, Random(5), of=90)
