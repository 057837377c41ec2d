"""The seam to the source's database, on a real PostgreSQL."""

from __future__ import annotations

import pytest

from ingestion.errors import TerminalError, TransientError
from lakehouse.source.database import open_database
from tests.integration.shop.conftest import run, settings_of

COUNT = "select count(*) from product_categories"
INSERT = "insert into product_categories values (1, 'shoes', null, '2026-03-01')"


def test_a_moment_stays_as_it_was_while_the_shop_goes_on(empty_shop: str) -> None:
    with open_database(settings_of(empty_shop)) as database:
        with database.at_one_moment():
            before = database.rows(COUNT)
            run(empty_shop, INSERT)
            assert database.rows(COUNT) == before == [(0,)]
        assert database.rows(f"{COUNT} where name = %s", ["shoes"]) == [(1,)]
        assert database.rows("select '100%'") == [("100%",)]


def test_it_writes_nothing(empty_shop: str) -> None:
    with open_database(settings_of(empty_shop)) as database:
        with pytest.raises(TerminalError, match="read-only transaction"):
            database.rows(INSERT)
        with pytest.raises(TerminalError, match="read-only"), database.at_one_moment():
            database.rows(INSERT)
        assert database.rows(COUNT) == [(0,)]


def test_a_server_that_has_gone_may_come_back(empty_shop: str) -> None:
    with open_database(settings_of(empty_shop)) as database:
        [(process,)] = database.rows("select pg_backend_pid()")
        run(empty_shop, f"select pg_terminate_backend({process})")
        with pytest.raises(TransientError, match="LAKEHOUSE_SOURCE_DSN"):
            database.rows("select 1")
