"""Copies of the project for tests that do not change it: each is parsed once a connector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from ingestion.declarations import Declarations, load
from ingestion.settings import ConnectorName
from tests.kit.declared import CONNECTORS
from tests.kit.warehouse import SOURCES, WHOLE_PROJECT, Warehouse, copy_project, parsed_project
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


# What a source does not write whole, by table: columns of SQL Server, tables of PostgreSQL.
LARGE = {
    "customers": {"email": "max", "first_name": "text"},
    "customer_addresses": {"city": "max", "region": "text"},
    "payments": {"method": "max"},
}
KEY_ONLY = ("customer_addresses", "payments")


@dataclass(frozen=True)
class Described:
    """A project whose declarations tell of images that lack something."""

    declarations: Declarations
    parsed: dict[ConnectorName, Warehouse]


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Described:
    """Logs and histories of tables with large columns, and with the key as replica identity."""
    project = copy_project(tmp_path_factory.mktemp("described_project"), EPOCHS)
    document = yaml.safe_load((project / SOURCES).read_text("utf-8"))
    for table in document["sources"][0]["tables"]:
        if table["name"] in KEY_ONLY:
            table["config"]["meta"]["replica_identity"] = "default"
        for column in table["columns"]:
            large = LARGE.get(table["name"], {}).get(column["name"])
            if large:
                column.setdefault("config", {}).setdefault("meta", {})["large"] = large
    (project / SOURCES).write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    folder = tmp_path_factory.mktemp("parsed_described")
    return Described(
        load(project / SOURCES),
        {connector: parsed_project(project, folder, connector) for connector in CONNECTORS},
    )


@pytest.fixture(scope="session")
def parsed_whole(tmp_path_factory: pytest.TempPathFactory) -> dict[ConnectorName, Warehouse]:
    """Warehouses of the whole project with these epochs."""
    project = copy_project(tmp_path_factory.mktemp("whole_project"), EPOCHS, WHOLE_PROJECT)
    folder = tmp_path_factory.mktemp("parsed_whole")
    return {connector: parsed_project(project, folder, connector) for connector in CONNECTORS}
