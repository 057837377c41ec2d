# ruff: noqa: E501 - statements and patterns of SQL stand in one line each
"""The stand-in is strict: each rule refuses its example, and what the AWS pages show is accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redshift_connector
from redshift_connector.core import Connection
from redshift_connector.error import DatabaseError, ProgrammingError

from ingestion.reserved_names import RESERVED, SYSTEM_COLUMNS
from playground.services.postgres import PostgresServer
from redshift_standin.rules import FUNCTIONS, SYNTAX, read_table
from redshift_standin.server import StandIn
from tests.kit.redshift_examples import (
    ACCEPTED,
    ANSWERS,
    EXTERNAL_SCHEMAS,
    REFUSED,
    REFUSED_BY_BOTH,
    TABLES,
    Answer,
)

SYSTEM_VIEWS = read_table("system_views")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `s3://lake/`."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def opened(redshift_postgres: PostgresServer, bucket: Path) -> Iterator[StandIn]:
    """A stand-in for all tests here."""
    with StandIn(redshift_postgres, {"lake": bucket}) as standing:
        yield standing


@pytest.fixture(scope="module")
def connection(opened: StandIn) -> Iterator[Connection]:
    """The real driver on it, with two tables, t and s."""
    made = redshift_connector.connect(
        host="127.0.0.1",
        port=opened.port,
        user=opened.user,
        password=opened.password,
        database=opened.database,
        ssl=False,
    )
    made.autocommit = True
    for statement in (*TABLES, *EXTERNAL_SCHEMAS):
        _run(made, statement)
    yield made
    made.close()


@pytest.fixture(scope="module")
def plain(opened: StandIn, connection: Connection) -> Iterator[Connection]:
    """A session of an ordinary user's, who may do what everybody may."""
    _run(connection, "create user plain password disable")
    opened.passwords["plain"] = "secret"
    made = redshift_connector.connect(
        host="127.0.0.1",
        port=opened.port,
        user="plain",
        password="secret",
        database=opened.database,
        ssl=False,
    )
    made.autocommit = True
    yield made
    made.close()


def _run(connection: Connection, sql: str) -> list[list[object]]:
    cursor = connection.cursor()
    try:
        cursor.execute(sql)
        return [list(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        cursor.close()


def _refusal(connection: Connection, sql: str) -> str:
    with pytest.raises(DatabaseError) as error:
        _run(connection, sql)
    return str(error.value.args[0]["M"])


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_page_forbids_is_refused_for_its_own_reason(
    name: str, connection: Connection, plain: Connection
) -> None:
    case = REFUSED[name]
    asking = plain if case.get("as") == "plain" else connection
    for each in case.get("before", ()):
        _run(connection, each)
    try:
        assert case["says"] in _refusal(asking, case["statement"])
    finally:
        if "begin" in case.get("before", ()):
            _run(connection, "rollback")


def test_every_row_of_the_tables_names_its_page() -> None:
    rows = [
        *((page, name) for page, nodes in SYNTAX["nodes"].items() for name in nodes),
        *((row[0], name) for name, row in SYNTAX["refused"].items()),
        *((row[1], name) for name, row in SYNTAX["rules"].items()),
        *((row[0], name) for name, row in SYNTAX["windows"].items()),
        *((row[1], name) for name, row in SYNTAX["functions"].items()),
        *((row[0], name) for name, row in read_table("statements")["refusals"].items()),
        *((case["page"], name) for name, case in REFUSED.items()),
    ]
    pages = re.compile(r"unverified|[rct]_\w|cm_|materialized-view-|limitations-|pattern-|[A-Z]")
    assert [row for row in rows if not pages.match(row[0])] == []


def test_every_rule_refuses_something_here() -> None:
    """A combination that no statement shows would be one that nobody has seen refused."""
    said = {case["says"] for case in REFUSED.values()}
    for _nodes, _page, message in SYNTAX["rules"].values():
        assert any(each in message for each in said), message


@pytest.mark.parametrize("page", ACCEPTED)
def test_statement_of_the_page_is_accepted(page: str, connection: Connection) -> None:
    statement = ACCEPTED[page]
    if page == "r_GRANT":
        _run(connection, "create role reader")
        statement = statement.replace("role r", "role reader")
    if page == "r_LOCK":
        _run(connection, "begin")
    try:
        _run(connection, statement)
    finally:
        if page == "r_LOCK":
            _run(connection, "commit")


@pytest.mark.parametrize("page", REFUSED_BY_BOTH)
def test_what_postgresql_refuses_too_is_refused(page: str, connection: Connection) -> None:
    assert _refusal(connection, REFUSED_BY_BOTH[page])


@pytest.mark.parametrize(
    ("table", "kind", "properties", "answer"),
    [
        ("widest", "varbyte(16777216)", "", 70_000),
        ("default_width", "varbyte", "", None),
        ("handling_off", "varbyte", "'surplus_bytes_handling' = 'FAIL'", None),
        (
            "failing",
            "varbyte",
            "'data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL'",
            "exceeds 64000 bytes",
        ),
    ],
    ids=["widest", "default", "off", "failing"],
)
def test_spectrum_reads_null_for_what_is_longer_than_its_column(  # noqa: PLR0917
    connection: Connection,
    bucket: Path,
    table: str,
    kind: str,
    properties: str,
    answer: int | str | None,
) -> None:
    """r_CREATE_EXTERNAL_TABLE, "surplus_bytes_handling"; r_VARBYTE_type."""
    (bucket / table).mkdir()
    pq.write_table(pa.table({"value": [b"x" * 70_000]}), bucket / table / "one.parquet")
    clause = f" table properties ({properties})" if properties else ""
    _run(
        connection,
        f"create external table lake.{table} (value {kind}) stored as parquet"
        f" location 's3://lake/{table}/'{clause}",
    )
    question = f"select octet_length(value) from lake.{table}"
    if isinstance(answer, str):
        assert answer in _refusal(connection, question)
    else:
        assert _run(connection, question) == [[answer]]


@pytest.mark.parametrize(
    "statement",
    [
        "create sequence q",
        "create trigger g before insert on t execute function f()",
        "create schema dev.x",
        "create rule r as on insert to t do nothing",
        "create extension hstore",
        "listen x",
        "do $$ begin end $$",
    ],
)
def test_what_postgresql_has_and_redshift_not_is_a_syntax_error(
    statement: str, connection: Connection
) -> None:
    """c_unsupported-postgresql-features, and statements that Redshift's reference does not list."""
    assert "syntax error" in _refusal(connection, statement)


@pytest.mark.parametrize(
    "update",
    [
        "update changed set b = brings.b from brings where changed.a = brings.a",
        "update changed as x set b = y.b from brings as y where x.a = y.a",
        "update changed set b = brings.b from brings inner join answered on answered.a = 1 where changed.a = brings.a",
    ],
)
def test_update_refuses_two_rows_for_one(update: str, connection: Connection) -> None:
    """r_error_on_nondeterministic_update: in its words; one row for each is taken."""
    _run(connection, "drop table if exists changed")
    _run(connection, "drop table if exists brings")
    for statement in (
        "create table changed (a integer, b integer)",
        "create table brings (a integer, b integer)",
        "insert into changed values (1, 10), (2, 20), (3, 30)",
        "insert into brings values (2, 40), (3, 50)",
        "set error_on_nondeterministic_update to true",
    ):
        _run(connection, statement)
    _run(connection, update)
    assert _run(connection, "select a, b from changed order by a") == [[1, 10], [2, 40], [3, 50]]
    _run(connection, "insert into brings values (2, 60)")
    assert "Found multiple matches to update the same tuple" in _refusal(connection, update)


def test_merge_refuses_two_rows_for_one(connection: Connection) -> None:
    """r_MERGE: the target's row would be updated twice."""
    _run(connection, "create table kept (a integer, b integer)")
    _run(connection, "create table brought (a integer, b integer)")
    for statement in ("kept values (1, 10)", "brought values (1, 12)", "brought values (1, 13)"):
        _run(connection, f"insert into {statement}")
    assert "Found multiple matches" in _refusal(
        connection,
        "merge into kept using brought on kept.a = brought.a when matched then update set"
        " b = brought.b when not matched then insert (a, b) values (brought.a, brought.b)",
    )


def test_ordinary_user_sees_his_own_rights_only(connection: Connection, plain: Connection) -> None:
    """r_SVV_ATTACHED_MASKING_POLICY, r_SVV_USER_GRANTS, r_SVV_RELATION_PRIVILEGES and their like."""
    for statement in (
        "create table seen (c varchar(20))",
        "create role seeing",
        "create role unseen",
        "grant role seeing to plain",
        "grant role unseen to engineer",
        "grant select on seen to role seeing, role unseen, engineer",
        "create masking policy of_seen with (value varchar(20)) using (cast(null as varchar(20)))",
        "attach masking policy of_seen on seen (c) to role seeing",
    ):
        _run(connection, statement)
    for question, all_of_them, his_own in (
        ("policy_name from svv_masking_policy where policy_name = 'of_seen'", [["of_seen"]], []),
        ("grantee from svv_attached_masking_policy where table_name = 'seen'", [["seeing"]], []),
        (
            "role_name from svv_user_grants where role_name in ('seeing', 'unseen')",
            [["seeing"], ["unseen"]],
            [["seeing"]],
        ),
        (
            "identity_name from svv_relation_privileges where relation_name = 'seen'"
            " and privilege_type = 'SELECT' and identity_name in ('seeing', 'unseen')",
            [["seeing"], ["unseen"]],
            [["seeing"]],
        ),
    ):
        assert _run(connection, f"select {question} order by 1") == all_of_them
        assert _run(plain, f"select {question} order by 1") == his_own


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.question)
def test_answer_is_the_one_that_the_page_gives(answer: Answer, connection: Connection) -> None:
    """`make test-aws` asks a real Redshift the same."""
    assert _run(connection, answer.sql) == answer.rows


def test_late_binding_view_finds_its_tables_when_it_is_read(connection: Connection) -> None:
    """r_CREATE_VIEW: it can be made before its table, outlives it, and has its columns in svv_columns."""
    _run(
        connection, "create view above as select x.a from public.below as x with no schema binding"
    )
    assert "does not exist" in _refusal(connection, "select a from public.above")
    _run(connection, "create table below (a integer)")
    _run(connection, "insert into below values (7)")
    assert _run(connection, "select v.a from public.above as v") == [[7]]
    assert _run(connection, "select count(*) from above where above.a = 7") == [[1]]
    _run(
        connection,
        "create or replace view above as select a from public.below with no schema binding",
    )
    _run(connection, "drop table below")
    assert "does not exist" in _refusal(connection, "select a from public.above ")
    columns = "select column_name from {} where table_name = 'above'"
    assert _run(connection, columns.format("svv_columns")) == [["a"]]
    assert _run(connection, columns.format("information_schema.columns")) == []


def test_values_are_bound_as_dbt_binds_those_of_seeds(connection: Connection) -> None:
    """The driver sends text and null without a type: the column's is taken."""
    _run(connection, "create table seeded (a integer, b varchar(20), c timestamp)")
    values = (1, "$1,$2", "2026-03-01 10:00:00", None, None, None)
    with connection.cursor() as cursor:
        cursor.execute("insert into seeded (a, b, c) values (%s,%s,%s),(%s,%s,%s)", values)
        assert _run(connection, "select a, b, c from seeded order by a") == [
            [1, "$1,$2", datetime(2026, 3, 1, 10)],
            [None, None, None],
        ]
        with pytest.raises(DatabaseError, match="cannot change a view"):
            cursor.execute("insert into on_answered values (%s)", ("1",))


def test_keys_are_not_enforced(connection: Connection) -> None:
    """c_unsupported-postgresql-features: unique, primary and foreign keys are informational only."""
    _run(connection, "create table parent (a integer not null, unique (a), primary key (a))")
    _run(
        connection,
        "create table child (a integer references parent (a), b integer,"
        " foreign key (b) references parent (a))",
    )
    _run(connection, "insert into parent values (1), (1)")
    _run(connection, "insert into child values (2, 3)")
    with pytest.raises(ProgrammingError, match="null value"):
        _run(connection, "insert into parent values (null)")


def test_table_below_a_bound_view_stays(connection: Connection) -> None:
    _run(connection, "create table bound (a integer)")
    _run(connection, "create view on_it as select a from bound")
    assert "depend on it" in _refusal(connection, "drop table bound")


def test_super_is_lax_and_tells_absent_from_null(connection: Connection) -> None:
    [row] = _run(
        connection,
        "select json_typeof(x.p.a), json_typeof(x.p.b), json_typeof(x.p.c), cast(x.p.d as varchar(10))"
        ' from (select json_parse(\'{"a": null, "b": "1", "d": [1]}\') as p) as x',
    )
    assert row == ["null", "string", None, None]


def test_attributes_fold_unless_the_session_says_otherwise(
    connection: Connection,
) -> None:
    query = 'select json_typeof(x.p."Name") from (select json_parse(\'{"Name": 1}\') as p) as x'
    assert _run(connection, query.replace("json_typeof", " json_typeof")) == [["number"]]
    _run(connection, "set enable_case_sensitive_identifier to false")
    try:
        assert _run(connection, query) == [[None]]
        _run(connection, "set enable_case_sensitive_super_attribute to true")
        assert _run(connection, query.replace("as x", "as  x")) == [["number"]]
    finally:
        _run(connection, "set enable_case_sensitive_identifier to true")
        _run(connection, "reset enable_case_sensitive_super_attribute")


@pytest.mark.parametrize(
    ("document", "parses"),
    [
        ('{"a": 1}', True),
        ('{"a": 1,}', False),
        ('{"a": NaN}', False),
        ('{"a": 1, "a": 2}', False),
        ('{"a": "\\ud83d"}', False),
        ('{"a": 1}x', False),
        ('{"a": "' + "x" * 65535 + '"}', True),
        ('{"a": "' + "x" * 65536 + '"}', False),
        ("[" * 1001 + "]" * 1001, False),
    ],
    ids=lambda value: str(value)[:20],
)
def test_json_that_a_super_can_hold(document: str, parses: bool, connection: Connection) -> None:
    literal = document.replace("\\", "\\\\")
    assert _run(connection, f"select can_json_parse('{literal}')") == [[parses]]


def test_text_is_cut_by_bytes_at_a_whole_character(
    connection: Connection,
) -> None:
    assert _run(connection, "select cast('äöü' as varchar(5)), cast('abc' as varchar(2))") == [
        ["äö", "ab"]
    ]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_one_of_postgresql(name: str, connection: Connection) -> None:
    """So that a function of the tables is never one that nobody made."""
    found, _, function = FUNCTIONS[name].rpartition(".")
    schema = found or "pg_catalog"
    assert _run(
        connection,
        "select count(*) > 0 from pg_proc as p inner join pg_namespace as n"
        f" on p.pronamespace = n.oid where n.nspname = '{schema}'"
        f" and p.proname = '{function}'",
    ) == [[True]]


def test_postgresql_says_which_words_and_system_columns_it_has(
    redshift_postgres: PostgresServer,
) -> None:
    """The names that no column has on the stand-in, and in the shop's database here."""
    dsn = redshift_postgres.create_database("keywords")
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("select word from pg_get_keywords() where catcode in ('R', 'T')")
        assert {word for (word,) in cursor.fetchall()} == RESERVED["PostgreSQL"]
        cursor.execute(
            "select attname from pg_attribute where attnum < 0 and attrelid = 'pg_class'::regclass"
        )
        assert {*(name for (name,) in cursor.fetchall()), "rowid"} == SYSTEM_COLUMNS
    connection.close()


@pytest.mark.parametrize("view", SYSTEM_VIEWS)
def test_system_view_has_the_columns_of_its_page(view: str, opened: StandIn) -> None:
    """With their types; names that are char(n) come padded with blanks."""
    found = opened.books.rows(
        "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 order by attnum",
        f"{SYSTEM_VIEWS[view].get('schema', 'redshift')}.{view}",
    )
    written = {"char": "character", "timestamp": "timestamp without time zone"}
    assert found == [
        (name, re.sub(r"^\w+$|^char\b", lambda kind: written.get(kind[0], kind[0]), kind))
        for name, kind in SYSTEM_VIEWS[view]["columns"].items()
    ]
