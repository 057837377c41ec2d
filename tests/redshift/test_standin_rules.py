# ruff: noqa: E501 - statements and patterns of SQL stand in one line each
"""The stand-in is strict: each rule refuses its example, and what the AWS pages show is accepted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redshift_connector
from redshift_connector.core import Connection
from redshift_connector.error import ProgrammingError

from playground.services.postgres import PostgresServer
from tests.redshift.standin.rules import FUNCTIONS, RULES, Refused, Rule
from tests.redshift.standin.server import StandIn
from tests.redshift.standin.translation import parse_one, rewrite, translate_query
from tests.redshift.standin.wire import Session


@pytest.fixture
def session() -> Session:
    """A session with every setting off."""
    return Session("engineer", "dev")


@pytest.fixture(scope="module")
def connection(
    redshift_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    """The real driver on a stand-in with two tables, t and s."""
    folder = tmp_path_factory.mktemp("lake")
    with StandIn(redshift_postgres, {"lake": folder}) as opened:
        made = redshift_connector.connect(
            host="127.0.0.1",
            port=opened.port,
            user=opened.user,
            password=opened.password,
            database=opened.database,
            ssl=False,
        )
        made.autocommit = True
        for statement in (
            "create table t (a integer, b integer, c varchar(20), p super) diststyle even sortkey (a)",
            "create table s (a integer, b integer)",
            'insert into t values (1, 10, \'x\', json_parse(\'{"Name": "TV", "n": 1}\'))',
            "insert into s values (1, 11)",
            "insert into s values (2, 12)",
            "create external schema k from kafka iam_role default authentication iam uri 'b-1:9098'",
            "create external schema lake from data catalog database 'retail' iam_role default",
        ):
            _run(made, statement)
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
    with pytest.raises(ProgrammingError) as error:
        _run(connection, sql)
    return str(error.value.args[0]["M"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_refuses_its_example_in_redshifts_words(rule: Rule, session: Session) -> None:
    with pytest.raises(Refused) as refusal:
        rewrite(parse_one(rule.example), session)
    assert str(refusal.value) == rule.message


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_names_its_page(rule: Rule) -> None:
    assert rule.source == "unverified" or rule.source[:2] in ("r_", "c_")


# page: statement that it shows, on the tables of this module
ACCEPTED = {
    "r_QUALIFY_clause": "select t.a, t.b from t qualify row_number() over (partition by a order by b) = 1",
    "r_MERGE matched update": "merge into t using s on t.a = s.a when matched then update set b = s.b"
    " when not matched then insert (a, b) values (s.a, s.b)",
    "r_MERGE subquery": "merge into t using (select a, b from s) as x on t.a = x.a"
    " when matched then delete when not matched then insert (a, b) values (x.a, x.b)",
    "r_DELETE using": "delete from t using s where t.a = s.a and s.b > 100",
    "r_UPDATE from": "update t set b = s.b from s where t.a = s.a",
    "r_INSERT_30 select": "insert into s (select a, b from t)",
    "r_WF_SUM frame": "select sum(b) over (partition by a order by b rows unbounded preceding) from t",
    "r_WF_LAG": "select lag(b, 1) over (order by a) from t",
    "r_LISTAGG": "select listagg(c, ', ') within group (order by a) from t",
    "r_DATEADD_function": "select dateadd(month, 18, cast('2008-02-28' as timestamp))",
    "r_DATEDIFF_function": "select datediff(week, cast('2009-01-01' as date), cast('2009-01-08' as date))",
    "r_GETDATE": "select getdate()",
    "CONVERT_TIMEZONE": "select convert_timezone('EST', 'PST', cast('2008-08-21 07:23:54' as timestamp))",
    "REGEXP_SUBSTR": "select regexp_substr(c, '(x)', 1, 1, 'e') from t",
    "r_SHA2": "select sha2('Amazon Redshift', 256)",
    "query-super navigation": "select t.p.n from t",
    "query-super unpivot": "select t.a, attr, json_serialize(val) from t, unpivot t.p as val at attr",
    "JSON_TYPEOF": "select json_typeof(t.p) from t",
    "CAN_JSON_PARSE": "select can_json_parse('{\"a\": 1}')",
    "r_CREATE_VIEW late binding": "create view v as select a from t with no schema binding",
    "r_CREATE_TABLE_AS": "create table u diststyle key distkey (a) compound sortkey (a, b) as select a, b from t",
    "r_ALTER_TABLE": "alter table u add column d varchar(30)",
    "r_COMMENT": "comment on table u is 'a table'",
    "r_LOCK": "lock t",
    "r_SET": "set query_group to 'dbt'",
    "r_CREATE_EXTERNAL_TABLE": "create external table lake.sales (id integer, price decimal(8,2))"
    " partitioned by (saledate date) stored as parquet location 's3://lake/sales/'",
    "r_ALTER_TABLE_external-table": "alter table lake.sales add if not exists"
    " partition (saledate = '2008-01-01') location 's3://lake/sales/saledate=2008-01-01/'",
    "r_CREATE_MASKING_POLICY": "create masking policy m with (value varchar(256)) using ('***'::text)",
    "r_ATTACH_MASKING_POLICY": "attach masking policy m on t (c) to role r priority 10",
    "r_CREATE_ROLE": "create role r",
    "r_GRANT": "grant select on all tables in schema public to role r",
    "r_CREATE_SCHEMA": "create schema if not exists us_sales",
}


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


# what a page says cannot be done: statement, part of the message
REFUSED = {
    "append in a transaction (r_ALTER_TABLE_APPEND)": (
        ["begin"], "alter table t append from s", "cannot run inside a transaction block"),
    "append of other columns (r_ALTER_TABLE_APPEND)": (
        [], "alter table t append from s", "same distribution style and sort keys"),
    "external table in a transaction (r_CREATE_EXTERNAL_TABLE)": (
        ["begin"], "create external table lake.x (a integer) stored as parquet location 's3://lake/x/'",
        "cannot run inside a transaction block"),
    "view over a stream with a join (streaming ingestion)": (
        [], 'create materialized view m1 auto refresh yes as select a.kafka_offset from k."x" as a'
        ' join k."y" as b on a.kafka_offset = b.kafka_offset', "Joins are not supported"),
    "view over a stream with a subquery (streaming ingestion)": (
        [], 'create materialized view m2 auto refresh yes as select q.kafka_offset from'
        ' (select kafka_offset from k."x") as q', "could not be created"),
    "sort key after AUTO REFRESH (r_CREATE_MATERIALIZED_VIEW)": (
        [], 'create materialized view m3 auto refresh yes sortkey (kafka_offset) as'
        ' select kafka_offset from k."x"', "syntax error"),
    "IAM without a role (materialized-view-streaming-ingestion-getting-started-MSK)": (
        [], "create external schema k2 from kafka authentication iam uri 'b-1:9098'", "IAM_ROLE"),
    "index (c_unsupported-postgresql-features)": ([], "create index i on t (a)", "syntax error"),
    "sequence (c_unsupported-postgresql-features)": ([], "create sequence q", "syntax error"),
    "trigger (c_unsupported-postgresql-features)": (
        [], "create trigger g before insert on t execute function f()", "syntax error"),
    "json column (c_unsupported-postgresql-datatypes)": (
        [], "create table j (a jsonb)", "Unsupported PostgreSQL data type"),
    "varchar over 65,535 bytes (r_Character_types)": (
        [], "select cast(c as varchar(70000)) from t", "cannot exceed 65535"),
    "schema with its database (r_CREATE_SCHEMA)": ([], "create schema dev.x", "syntax error"),
    "two rows for one (r_MERGE)": (
        ["delete from t", "insert into t values (1, 10, 'x', null)", "insert into s values (1, 12)",
         "insert into s values (1, 13)"], "merge into t using s on t.a = s.a when matched then"
        " update set b = s.b when not matched then insert (a, b) values (s.a, s.b)", "Found multiple matches"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_page_forbids_is_refused(case: str, connection: Connection) -> None:
    before, statement, message = REFUSED[case]
    for each in before:
        _run(connection, each)
    try:
        assert message in _refusal(connection, statement)
    finally:
        if before == ["begin"]:
            _run(connection, "rollback")


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


def test_every_function_is_called_by_its_name(session: Session) -> None:
    for name in FUNCTIONS:
        arguments = "day, 1, a" if name in ("dateadd", "datediff") else "a"
        table = "" if name == "generate_series" else " from t"
        translated = translate_query(f"select {name}({arguments}){table}", session)
        assert FUNCTIONS[name] in translated.lower()
