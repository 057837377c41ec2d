"""Copies of the project for tests that do not change it: each is parsed once a connector."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.settings import ConnectorName
from tests.kit.declared import CONNECTORS
from tests.kit.warehouse import WHOLE_PROJECT, Warehouse, copy_project, parsed_project
from tests.kit.worked import EPOCHS


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs and histories, with the epochs of the worked histories."""
    return copy_project(tmp_path_factory.mktemp("project"), EPOCHS)


@pytest.fixture(scope="session")
def parsed(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[ConnectorName, Warehouse]:
    """Warehouses of that project."""
    folder = tmp_path_factory.mktemp("parsed")
    return {connector: parsed_project(project, folder, connector) for connector in CONNECTORS}


@pytest.fixture(scope="session")
def parsed_whole(tmp_path_factory: pytest.TempPathFactory) -> dict[ConnectorName, Warehouse]:
    """Warehouses of the whole project with these epochs."""
    project = copy_project(tmp_path_factory.mktemp("whole_project"), EPOCHS, WHOLE_PROJECT)
    folder = tmp_path_factory.mktemp("parsed_whole")
    return {connector: parsed_project(project, folder, connector) for connector in CONNECTORS}
