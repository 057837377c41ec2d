"""`make test-aws`: does a real Redshift do what the stand-in does, and what our statements rely on?

Reads the warehouse, and writes only to a schema that it drops again.
"""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ingestion.declarations import load
from ingestion.errors import TerminalError
from lakehouse.warehouse.access import personal_columns
from lakehouse.warehouse.connection import Warehouse
from lakehouse.warehouse.streams import grant_rows, stream_problems, stream_states
from tests.kit.redshift_examples import (
    ACCEPTED,
    ANSWERS,
    REFUSED,
    REFUSED_BY_BOTH,
    TABLES,
    Answer,
)

pytestmark = pytest.mark.aws

_OF_MORE_THAN_TABLES = (
    *("k.", "lake.", "public.", "us_sales", "kafka", "external", "materialized", "_mv", "masking"),
    *("role", "user ", "owner to", "append"),
)


def _of_tables(*statements: str) -> bool:
    """Whether they need nothing but the scratch schema, and leave nothing elsewhere."""
    return not any(word in statement for word in _OF_MORE_THAN_TABLES for statement in statements)


@pytest.fixture(scope="module")
def tables(warehouse: Warehouse, scratch: str) -> Warehouse:
    """The tables of the examples, in the scratch schema."""
    for statement in TABLES:
        warehouse.run(statement)
    return warehouse


def test_identifiers_are_case_sensitive(warehouse: Warehouse) -> None:
    """Topics of SQL Server have capitals, and automatic refreshes know no session's setting."""
    [(value,)] = warehouse.rows("show enable_case_sensitive_identifier")
    assert value in ("on", "true")


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.question)
def test_answer_is_the_one_that_the_page_gives(answer: Answer, tables: Warehouse) -> None:
    assert [list(row) for row in tables.rows(answer.sql)] == answer.rows


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in REFUSED.values()
        if case["page"] != "unverified"
        and not case.keys() & {"valid", "as"}
        and _of_tables(case["statement"], *case.get("before", ()))
    ],
    ids=lambda case: case["statement"],
)
def test_what_a_page_forbids_is_refused(case: dict[str, Any], tables: Warehouse) -> None:
    """All but what the stand-in alone refuses."""
    for each in case.get("before", ()):
        tables.run(each)
    try:
        with pytest.raises(TerminalError):
            tables.run(case["statement"])
    finally:
        tables.run("rollback")


@pytest.mark.parametrize("page", [page for page, sql in REFUSED_BY_BOTH.items() if _of_tables(sql)])
def test_what_postgresql_refuses_too_is_refused(page: str, tables: Warehouse) -> None:
    with pytest.raises(TerminalError):
        tables.run(REFUSED_BY_BOTH[page])


@pytest.mark.parametrize("page", [page for page, sql in ACCEPTED.items() if _of_tables(sql)])
def test_statement_of_the_page_is_accepted(page: str, tables: Warehouse) -> None:
    """In their order: some are about what those before them have made."""
    if page == "r_LOCK":
        tables.run("begin")
    try:
        tables.run(ACCEPTED[page])
    finally:
        if page == "r_LOCK":
            tables.run("commit")


def test_rows_leave_a_table_by_append(tables: Warehouse) -> None:
    """An archive is made from the view itself; here from a table with such columns."""
    source = "(kafka_offset bigint, kafka_value varbyte(16777216))"
    tables.run(f"create table streamed {source} diststyle even sortkey (kafka_offset)")
    tables.run("insert into streamed values (1, 'a'::varbyte)")
    tables.run(
        "create table archived diststyle even sortkey (kafka_offset) as"
        " select * from streamed where 1 = 0"
    )
    tables.run("alter table archived append from streamed")
    assert tables.rows("select count(*) from archived") == [(1,)]
    assert tables.rows("select count(*) from streamed") == [(0,)]


def test_late_binding_views_survive_their_table(tables: Warehouse, scratch: str) -> None:
    tables.run("create table below (a integer)")
    tables.run(f"create view above as select a from {scratch}.below with no schema binding")
    tables.run("drop table below")
    tables.run("create table below (a integer)")
    assert tables.rows("select count(*) from above") == [(0,)]
    assert tables.rows(
        f"select column_name from svv_columns where table_schema = '{scratch}'"
        " and table_name = 'above'"
    ) == [("a",)]


def test_two_sessions_conflict_in_words_that_dbt_knows(tables: Warehouse, scratch: str) -> None:
    """Who writes second is refused (c_serial_isolation); by the words dbt chooses what to retry."""
    contested = f"{scratch}.contested"
    tables.run(f"create table {contested} as select 1 as a")
    first, second = Warehouse(tables.settings), Warehouse(tables.settings)
    try:
        for session in (first, second):
            session.run("begin")
            session.rows(f"select a from {contested}")
        first.run(f"update {contested} set a = 2")
        first.run("commit")
        with pytest.raises(TerminalError, match=r"conflict with concurrent transaction|1023"):
            second.run(f"update {contested} set a = 3")
            second.run("commit")
    finally:
        first.close()
        second.close()
    assert tables.rows(f"select a from {contested}") == [(2,)]


def test_a_temporary_table_does_not_outlive_its_connection(tables: Warehouse) -> None:
    """Why a statement that is sent again alone fails: cdc_history.begin_transaction."""
    first, second = Warehouse(tables.settings), Warehouse(tables.settings)
    try:
        first.run("begin")
        first.run("create temporary table began as select 1 as run_number")
        first.close()
        with pytest.raises(TerminalError, match="began"):
            second.rows("select run_number from began")
    finally:
        second.close()


def test_a_union_keeps_the_digits_of_decimals(tables: Warehouse) -> None:
    """The page leaves 19 of them (r_numeric_computations201), where histories unite versions."""
    value = Decimal("123456789012345678901.25")
    wide = f"cast('{value}' as decimal(38, 2))"
    assert tables.rows(
        f"select coalesce(each.v, 0) from (select {wide} as v union all select {wide}) as each"
    ) == [(value,), (value,)]


def test_streaming_views_are_deployed_and_refreshed(warehouse: Warehouse) -> None:
    """Each declared table has its view, which is refreshed."""
    states = stream_states(warehouse, load())
    assert stream_problems(states, load(), stale_seconds=3600) == []


def test_ones_own_statements_are_told_with_their_comment(warehouse: Warehouse) -> None:
    """SYS_QUERY_HISTORY: what a run is known by, and whose session it is."""
    said = uuid4().hex
    [(session,)] = warehouse.rows(f'/* {{"invocation_id": "{said}"}} */ select pg_backend_pid()')
    asked = "select session_id from sys_query_history where query_text like '%"
    assert warehouse.rows(f"{asked}\"invocation_id\": \"' || '{said}' || '\"%'") == [(session,)]


def test_roles_are_there(warehouse: Warehouse) -> None:
    roles = {role for role, what, _object in grant_rows(warehouse) if what == "exists"}
    assert roles == {"loader", "transformer", "analyst"}


def test_dbts_user_has_its_role_and_the_landing_zone(warehouse: Warehouse) -> None:
    """docs/redshift.md, "Who is who": made by the deployment, by the names in the environment."""
    user = warehouse.settings.transformer
    if not user:
        pytest.skip("LAKEHOUSE_REDSHIFT_TRANSFORMER is not set: no user to look for")
    assert ("transformer", "has member", user) in grant_rows(warehouse)
    assert warehouse.rows(
        "select users.usename from pg_namespace as schemas inner join pg_user as users"
        " on schemas.nspowner = users.usesysid where schemas.nspname = 'landing'"
    ) == [(user,)]


def test_analysts_read_no_table_without_its_masks(warehouse: Warehouse) -> None:
    """The views on them show what the masks of their tables show (t_ddm-considerations)."""
    rows = grant_rows(warehouse)
    marts = f"{warehouse.settings.schema_prefix}marts"
    masked = {on.replace(" ", ".") for role, what, on in rows if what == "sees masked"}
    tables = {
        name
        for (name,) in warehouse.rows(
            "select table_name from information_schema.tables"
            f" where table_schema = '{marts}' and table_type = 'BASE TABLE'"
        )
    }
    personal = [
        f"{marts}.{mart}.{column}"
        for mart, columns in personal_columns().items()
        for column in columns
        if mart in tables and ("analyst", "reads", f"{marts}.{mart}") in rows
    ]
    assert set(personal) <= {name.replace('["', "").replace('"]', "") for name in masked}


@pytest.mark.parametrize(
    "command", [["dbt", "debug"], ["lakehouse", "warehouse", "deploy", "--dry-run"]], ids=" ".join
)
def test_a_program_reaches_the_warehouse(
    command: list[str], warehouse: Warehouse, target: str
) -> None:
    """The profile's connection works; the deployment's plan can be made (none of it is sent)."""
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [program, *command[1:], "--target", target], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 3), done.stdout + done.stderr
