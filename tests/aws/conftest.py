"""A real warehouse, where the environment names one; elsewhere each test is skipped, with why."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from lakehouse.warehouse.connection import Warehouse, WarehouseSettings


def reason_to_skip() -> str | None:
    """Why no warehouse can be asked, in words that say what to set."""
    if "LAKEHOUSE_REDSHIFT_HOST" not in os.environ:
        return (
            "LAKEHOUSE_REDSHIFT_HOST is not set: there is no Redshift to ask"
            " (docs/redshift.md lists the variables)"
        )
    if os.environ.get("LAKEHOUSE_REDSHIFT_METHOD", "iam_role") == "database":
        return None
    import boto3

    if boto3.Session().get_credentials() is None:
        return (
            "there are no AWS credentials: log in, or set LAKEHOUSE_REDSHIFT_METHOD=database"
            " with a user and a password"
        )
    return None


@pytest.fixture(scope="session")
def target() -> str:
    """The dbt target whose warehouse is asked: dev, qa or prod."""
    return os.environ.get("LAKEHOUSE_SMOKE_TARGET", "dev")


@pytest.fixture(scope="session")
def warehouse(target: str) -> Iterator[Warehouse]:
    """A session on the warehouse."""
    reason = reason_to_skip()
    if reason is not None:
        pytest.skip(reason)
    opened = Warehouse(WarehouseSettings.from_environment(target))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def scratch(warehouse: Warehouse) -> Iterator[str]:
    """A schema of the session's own, first in the search path, dropped at the end."""
    schema = f"lakehouse_smoke_{secrets.token_hex(4)}"
    warehouse.run(f"create schema {schema}")
    try:
        warehouse.run(f"set search_path to {schema}")
        yield schema
    finally:
        warehouse.run(f"drop schema {schema} cascade")
