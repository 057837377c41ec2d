"""The catalog of a real PostgreSQL against the declarations, and each way in which it differs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ingestion.declarations import SOURCES_FILE, load
from ingestion.errors import TerminalError
from lakehouse.health.checks import check_source
from lakehouse.source.catalog import Catalog, live_catalog, load_catalog
from lakehouse.source.database import connect_postgresql
from lakehouse.source.misfits import misfits
from lakehouse.source.onboarding import propose
from tests.integration.shop.conftest import run, settings_of
from tests.kit.command_line import CommandLine


def catalog_of(dsn: str) -> Catalog:
    return live_catalog(settings_of(dsn))


def found(dsn: str) -> list[str]:
    return [str(misfit) for misfit in misfits(load(), catalog_of(dsn))]


def test_the_shop_is_as_declared(empty_shop: str) -> None:
    run(empty_shop, "create schema other", "create table other.notes (price numeric, note text)")
    catalog = catalog_of(empty_shop)

    assert list(misfits(load(), catalog)) == []
    [addresses] = [table for table in catalog.tables if table.name == "customer_addresses"]
    assert addresses.primary_key == ("customer_id", "address_no")
    assert [column.name for column in addresses.columns] == [
        column.name for column in load().table("customer_addresses").columns
    ]
    assert {"character varying(200)", "timestamp(6) without time zone"} <= {
        column.type for column in addresses.columns
    }
    [notes] = [table for table in catalog.tables if table.schema == "other"]
    assert (notes.primary_key, notes.replica_identity) == ((), "default")
    assert [column.type for column in notes.columns] == ["numeric", "text"]
    result = check_source(settings_of(empty_shop), load())
    assert (result.state, result.found) == (
        "ok",
        f"{len(load().tables)} tables in {catalog.database}, as declared",
    )


def test_a_table_of_any_types_is_onboarded_and_fits(empty_shop: str, tmp_path: Path) -> None:
    """The types as PostgreSQL spells them; what fits is what `doctor` says of the same catalog."""
    run(
        empty_shop,
        "create type mood as enum ('good', 'bad')",
        """
        create table "Order Lines" (
            "Order No." bigint not null, "lineNo" smallint not null, "user" varchar(20),
            price numeric(12, 3) not null, total numeric(15, 3) generated always as (price) stored,
            weight real, ratio double precision, tags text[], place point, at timestamptz(3),
            day date, opened time(2), span interval, raw bytea, flag bit, flags bit varying(9),
            document jsonb, host inet, code uuid, fixed char(3), mood mood, area polygon,
            period tstzrange, phone varchar(30), paid money,
            primary key ("Order No.", "lineNo")
        )
        """,
        'alter table "Order Lines" replica identity full',
    )
    catalog = catalog_of(empty_shop)
    sources = Path(shutil.copy(SOURCES_FILE, tmp_path))
    proposal = propose(catalog, "Order Lines", sources)
    sources.write_text(proposal.text, "utf-8")

    assert list(misfits(load(sources), catalog)) == []
    table = load(sources).table("order_lines")
    names = {column.name for column in table.columns}
    assert {"order_no", "line_no", "shop_user", "flag", "mood", "period"} <= names
    assert not {"total", "area"} & names
    nullable = {column.name for column in table.columns if column.nullable}
    assert names - nullable == {"order_no", "line_no", "price"}


def test_only_a_collation_that_is_not_deterministic_is_told(empty_shop: str) -> None:
    run(
        empty_shop,
        # as ICU's are, which not every build has
        'create collation any_case from "C"',
        "update pg_collation set collisdeterministic = false where collname = 'any_case'",
        'create table codes (code text collate any_case, other text collate "C")',
    )
    [codes] = [table for table in catalog_of(empty_shop).tables if table.name == "codes"]
    assert [(column.collation, column.folds) for column in codes.columns] == [
        ("any_case", True),
        ("", False),
    ]


def test_a_domain_is_what_it_stands_for(empty_shop: str) -> None:
    """A domain of citext folds as citext does; one of a domain is that one's type."""
    run(
        empty_shop,
        # as the extension's, which not every build has
        "create type citext",
        "create function ci_in(cstring) returns citext language internal as 'textin'",
        "create function ci_out(citext) returns cstring language internal as 'textout'",
        "create type citext (input = ci_in, output = ci_out, like = text)",
        "create domain email as citext check (value is not null)",
        "create domain work_email as email",
        "create domain price as numeric(12, 2)",
        "create table people (email work_email, paid price, tags price[])",
    )
    [people] = [table for table in catalog_of(empty_shop).tables if table.name == "people"]
    assert [(column.type, column.folds) for column in people.columns] == [
        ("citext", True),
        ("numeric(12,2)", False),
        ("price[]", False),
    ]


def test_the_answer_to_the_printed_query_is_the_same_catalog(
    empty_shop: str, tmp_path: Path, command_line: CommandLine
) -> None:
    run(
        empty_shop,
        'create table "Odd ""]" (id integer primary key, "a ""b"" [c]" numeric(9, 2), note text)',
    )
    _, query, _ = command_line("connector", "catalog", "--print-query", "postgresql")
    with connect_postgresql(empty_shop) as connection, connection.cursor() as cursor:
        cursor.execute("select (" + query.replace(";", "") + ")::text")
        [(answer,)] = cursor.fetchall()
    file = tmp_path / "catalog.json"
    # as psql shows it
    file.write_text(f" json_agg\n{'-' * 40}\n {answer}\n(1 row)\n\n", "utf-8")

    assert load_catalog(file) == catalog_of(empty_shop)


@pytest.mark.parametrize(
    ("changes", "where", "says"),
    [
        pytest.param(
            ["alter table stores replica identity default"],
            "public.stores",
            "has replica identity default, declared is full: declare `replica_identity: default`, "
            "or `alter table public.stores replica identity full`",
            id="default identity",
        ),
        pytest.param(
            [
                "create unique index name_of_store on stores (name)",
                "alter table stores replica identity using index name_of_store",
            ],
            "public.stores",
            "has replica identity index, declared is full: `alter table public.stores",
            id="identity by an index",
        ),
        pytest.param(
            [
                "alter table stores drop column city",
                "alter table stores add column city varchar(100) generated always as (name) stored",
            ],
            "public.stores.city",
            "is computed in the source, and no event carries its value: leave column city out",
            id="generated column",
        ),
        pytest.param(
            ["alter table stores drop column city"],
            "public.stores.city",
            "is not in the source: correct `source_columns`",
            id="dropped column",
        ),
        pytest.param(
            ["alter table customers drop column password_hash"],
            "public.customers.password_hash",
            "is not in the source",
            id="dropped column that never leaves",
        ),
        pytest.param(
            ["alter table stores rename to shops"],
            "public.stores",
            "is not in the database shop_",
            id="missing table",
        ),
        pytest.param(
            [
                "alter table customer_addresses drop constraint customer_addresses_pkey",
                "alter table customer_addresses add primary key (customer_id)",
            ],
            "public.customer_addresses",
            "has the primary key (customer_id), declared is (customer_id, address_no): declare",
            id="narrower key",
        ),
        pytest.param(
            ["alter table stores drop constraint stores_pkey"],
            "public.stores",
            "has no primary key, declared is (store_id): declare",
            id="no key",
        ),
        pytest.param(
            [
                "alter table stores rename to old_stores",
                "create table stores (like old_stores including all) partition by hash (store_id)",
                "create table half partition of stores for values with (modulus 2, remainder 0)",
                "create table rest partition of stores for values with (modulus 2, remainder 1)",
                "alter table stores replica identity full",
                "alter table half replica identity full",
            ],
            "public.stores",
            "has replica identity default and full, declared is full: `alter table",
            id="a partition with another identity",
        ),
    ],
)
def test_each_difference_is_named(
    empty_shop: str, changes: list[str], where: str, says: str
) -> None:
    run(empty_shop, *changes)

    [told] = found(empty_shop)
    assert told.startswith(f"{where} {says}"), told
    result = check_source(settings_of(empty_shop), load())
    assert (result.state, result.advice) == ("attention", told)


def test_a_catalog_is_the_same_from_its_file(
    empty_shop: str,
    tmp_path: Path,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAKEHOUSE_SOURCE_DSN", empty_shop)
    code, out, err = command_line("connector", "catalog")
    assert (code, err) == (0, "")
    file = tmp_path / "catalog.json"
    file.write_text(out, "utf-8")

    assert load_catalog(file) == catalog_of(empty_shop)
    code, out, err = command_line("connector", "cdc-sql", "--catalog", str(file))
    assert (code, out) == (1, "")
    assert "is of postgresql; the script is for SQL Server" in err


@pytest.mark.parametrize("text", [None, "[]", '{"tables": []}'])
def test_a_file_that_is_no_catalog_is_named(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(TerminalError, match=f"connector catalog > {file}"):
        load_catalog(file)
