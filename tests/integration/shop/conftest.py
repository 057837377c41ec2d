"""Databases for the shop: only PostgreSQL is started, no broker, no Connect."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest

from lakehouse.settings import CommandSettings
from playground.services import Services
from playground.services.postgres import PostgresServer
from playground.shop import schema
from playground.shop.opening import Scale
from playground.shop.simulator import RoundSummary, Shop
from playground.shop.stress import Stress
from tests.integration.shop.warehouse import built_warehouse
from tests.kit.warehouse import Warehouse

SALT = "salt-of-the-tests-0123456789"
SMALL = Scale(customers=120, orders=150, products=60, categories=8)


@pytest.fixture(scope="session")
def postgres(_servers: Services) -> PostgresServer:
    """The session's PostgreSQL, nothing else."""
    server = _servers.postgres
    if not server.process.running:
        server.start()
        server.wait_until_ready()
    return server


@contextmanager
def shop_database(postgres: PostgresServer) -> Iterator[str]:
    """The connection string of a database with the shop's empty tables."""
    name = f"shop_{secrets.token_hex(4)}"
    dsn = postgres.create_database(name)
    schema.create(dsn)
    yield dsn
    postgres.drop_database(name)


@pytest.fixture
def empty_shop(postgres: PostgresServer) -> Iterator[str]:
    """A shop's database without rows, of the test's own."""
    with shop_database(postgres) as dsn:
        yield dsn


@pytest.fixture(scope="package")
def traded(postgres: PostgresServer) -> Iterator[tuple[str, list[RoundSummary]]]:
    """A shop that has opened and traded for a round; for tests that only read."""
    with shop_database(postgres) as dsn, Shop(dsn, seed=5, scale=SMALL, market=Stress()) as shop:
        yield dsn, [shop.seed(), shop.round(6_000)]


@pytest.fixture(scope="package")
def built(
    traded: tuple[str, list[RoundSummary]], tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """The warehouse of the traded shop, captured from its opening on; for tests that copy it."""
    dsn, (opening, _) = traded
    return built_warehouse(dsn, tmp_path_factory.mktemp("warehouse"), SALT, opening.changes)


def settings_of(dsn: str) -> CommandSettings:
    """The settings of a command that reads this database."""
    return CommandSettings.from_environment({"LAKEHOUSE_SOURCE_DSN": dsn})


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    """The rows of `query`."""
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


def run(dsn: str, *statements: str) -> None:
    """Run `statements` in one transaction."""
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()
