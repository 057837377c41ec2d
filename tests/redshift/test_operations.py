"""The operations on Redshift: their SQL (golden), repeated, refused, and who may then do what."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from ingestion.declarations import load
from ingestion.errors import TerminalError
from ingestion.landing.records import arrow_schema
from lakehouse.health.redshift import check_redshift
from lakehouse.health.warehouse import read_redshift
from lakehouse.warehouse.connection import WarehouseSettings
from lakehouse.warehouse.landing_tables import COLUMNS
from lakehouse.warehouse.measurements import measurements
from lakehouse.warehouse.streams import (
    grant_rows,
    refresh_streams,
    refreshes,
    stream_states,
)
from redshift_standin.server import StandIn
from redshift_standin.wire import Fault
from tests.kit.dbt import environment
from tests.kit.redshift import Prod, new_prod, read_by, seen_unmasked

GOLDEN = Path(__file__).parent / "golden"
BROKERS = "b-1.retail.example:9098,b-2.retail.example:9098"
RUNS = (
    "create table operations.runs (run_number bigint, invocation_id varchar(64),"
    " started_at timestamp, finished_at timestamp, status varchar(20))"
)
ROLE = "arn:aws:iam::123456789012:role/redshift-streaming"


@pytest.fixture
def prod(stand_in: StandIn, tmp_path: Path) -> Prod:
    """Target prod on an empty Redshift; nothing refreshes, so no broker has to be there."""
    return new_prod(
        stand_in,
        BROKERS,
        tmp_path,
        "sqlserver",
        LAKEHOUSE_REDSHIFT_IAM_ROLE=ROLE,
        LAKEHOUSE_REDSHIFT_TRANSFORMER="IAMR:retail-prod-dbt",
        LAKEHOUSE_REDSHIFT_LOADER="IAMR:retail-prod-operations",
    )


def _statements(said: str) -> list[str]:
    """The statements that an operation prints, each with its reason."""
    return re.findall(r"^-- .*?;$", said, re.MULTILINE | re.DOTALL)


def _assert_golden(statements: list[str], operation: str, alike: int | None = None) -> None:
    """Those about the table stores or about none are the kept ones; another table's are as those.

    `alike` is how many of its statements every table has. UPDATE_GOLDEN=1 writes the file anew.
    """
    file = GOLDEN / f"{operation}.sql"
    topics = {table.name: table.topics["sqlserver"] for table in load().tables}
    own = {
        table: [each for each in statements if re.search(rf"\b{table}(_1(_archive)?)?\b", each)]
        for table in topics
    }
    others = {each for table in topics.keys() - {"stores"} for each in own[table]}
    kept = "\n\n".join(each for each in statements if each not in others) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(kept, "utf-8")
    assert kept == file.read_text("utf-8")
    for table, topic in topics.items():
        assert own[table][:alike] == [
            each.replace(topics["stores"], topic).replace("stores", table)
            for each in own["stores"][:alike]
        ]


def test_plan_of_an_empty_warehouse_is_the_golden_one(prod: Prod) -> None:
    """Printed, not sent; as JSON it is the same."""
    said = prod.lakehouse("deploy", "--dry-run", code=3)
    _assert_golden(_statements(said), "deploy")
    assert prod.rows("select count(*) from standin.external_schemas") == [(0,)]

    document = json.loads(prod.lakehouse("deploy", "--dry-run", "--json", code=3))
    assert [f"-- {each['why']}\n{each['sql']};" for each in document["statements"]] == _statements(
        said
    )


def test_the_columns_of_external_tables_are_those_that_are_landed() -> None:
    assert [*COLUMNS, "kafka_headers"] == arrow_schema().names


def test_a_view_of_an_earlier_release_stays_until_it_is_dropped(prod: Prod) -> None:
    """A view cannot lose a column; its archive loses it when the view is made anew."""
    prod.lakehouse("deploy")
    for earlier in (
        "alter table streaming.stores_1_archive add column payload super",
        "drop view streaming.stores",
        "create view streaming.stores as select kafka_offset, payload"
        " from streaming.stores_1_archive with no schema binding",
    ):
        prod.stand_in.admin(earlier)
    for drops, sent in (
        ((), ("drop view streaming.stores;", "create or replace view streaming.stores as")),
        (
            ("drop materialized view streaming.stores_1",),
            (
                "create materialized view streaming.stores_1",
                "alter table streaming.stores_1_archive drop column payload;",
                "create or replace view streaming.stores as",
            ),
        ),
    ):
        for drop in drops:
            prod.stand_in.admin(drop)
        made = [each.splitlines()[1] for each in _statements(prod.lakehouse("deploy"))]
        assert tuple(first for first in made if not first.startswith("grant")) == sent
        assert prod.lakehouse("deploy") == "nothing to do\n"


def test_deployment_can_be_repeated_and_gives_each_role_its_own(prod: Prod) -> None:
    """A second run finds nothing to do; a new mart gets its masks; analyst reads marts only."""
    plan = _statements(prod.lakehouse("deploy", "--dry-run", code=3))
    assert _statements(prod.lakehouse("deploy")) == plan
    assert prod.lakehouse("deploy") == "nothing to do\n"
    prod.rows("update standin.external_tables set properties = lower(properties) returning 1")
    assert prod.lakehouse("deploy", "--dry-run") == "nothing to do\n", "no page says FAIL or fail"
    for change in (
        "columns = replace(columns, '16777216', '64000')",
        "properties = left(properties, 20)",
    ):
        prod.rows(
            f"update standin.external_tables set {change} where table_name = 'stores' returning 1"
        )
        remade = _statements(prod.lakehouse("deploy"))
        assert [each.splitlines()[1] for each in remade] == [
            "drop table landing.stores;",
            "create external table landing.stores (",
        ]

    prod.stand_in.admin(_dim_customer())
    prod.stand_in.admin(
        "create table staging.stores__log (email varchar(1280), _cdc_incarnation integer,"
        " kafka_partition bigint, kafka_offset bigint)"
    )
    prod.stand_in.admin(
        "create table operations.ledger (table_name varchar(128), incarnation integer,"
        " kafka_partition bigint, until_offset bigint)"
    )
    for partition, last, until in ((0, 41, 50), (1, 41, 40)):
        prod.stand_in.admin(f"insert into staging.stores__log values ('', 1, {partition}, {last})")
        prod.stand_in.admin(
            f"insert into operations.ledger values ('stores', 1, {partition}, {until})"
        )
    prod.stand_in.admin("create role auditor")
    statements = _statements(prod.lakehouse("access"))
    _assert_golden(statements, "access")
    archived = _statements(prod.lakehouse("archive", "--dry-run", code=3))
    _assert_golden(archived, "archive", alike=3)
    attached = re.findall(
        r"attach masking policy (\w+) on (\S+) \((\w+)\) to role analyst;", "\n".join(statements)
    )
    assert ("mask_varchar_1280", "marts.dim_customer", "email") in attached
    assert ("mask_date", "marts.dim_customer", "birth_date") in attached
    assert {relation for _policy, relation, _column in attached} == {"marts.dim_customer"}
    assert prod.lakehouse("access") == "nothing to do\n"
    assert prod.rows("select count(*) from pg_roles where rolname = 'auditor'") == [(1,)]

    with prod.warehouse() as warehouse:
        rows = grant_rows(warehouse)
        states = stream_states(warehouse, load())
        prod.stand_in.books.broker_timeout = 1.0  # nobody is there
        with pytest.raises(TerminalError, match="refused"):
            refresh_streams(warehouse, ["stores"])
    shown = prod.lakehouse("grants")
    assert re.search(r"analyst +sees masked +marts.dim_customer email", shown)
    assert re.search(r"analyst +reads +marts.dim_customer\b", shown)
    assert re.search(r"transformer +has member +IAMR:retail-prod-dbt", shown)
    assert re.search(r"loader +has member +IAMR:retail-prod-operations", shown)
    assert [row for row in rows if row[0] == "analyst" and row[1] == "usage"] == [
        ("analyst", "usage", "schema marts")
    ]
    assert len(states) == len(load().tables)
    assert all(state.auto_refresh for state in states)
    assert {state.view: state.logged for state in states if state.logged is not None} == {
        "stores_1": 2
    }


def test_what_an_administrator_has_built_dbts_user_builds_next(prod: Prod) -> None:
    """By hand, or before dbt had a user of its own: it could neither read nor replace it."""
    prod.lakehouse("deploy")
    view = "staging.stg_retail__stores"
    prod.stand_in.admin("create table staging.stores__log (a integer)")
    prod.stand_in.admin(
        f"create view {view} as select a from staging.stores__log with no schema binding"
    )
    # what is others' stays theirs, and a materialized view has no OWNER TO
    prod.stand_in.admin("create user tool password disable")
    prod.stand_in.admin("grant create, usage on schema staging to tool")
    with prod.logged_in_as("tool").warehouse() as session:
        session.run("create table staging.tool_orders (a integer)")
    prod.stand_in.admin(
        "create materialized view staging.tool_stream as"
        ' select kafka_offset from kafka."retail.dbo.stores"'
    )
    builder = prod.logged_in_as("IAMR:retail-prod-dbt")
    with builder.warehouse() as session, pytest.raises(TerminalError, match="permission denied"):
        session.rows(f"select a from {view}")
    given = _statements(prod.lakehouse("access"))
    assert [each.splitlines()[1] for each in given] == [
        f'alter table staging."{name}" owner to "IAMR:retail-prod-dbt";'
        for name in ("stg_retail__stores", "stores__log")
    ]
    with builder.warehouse() as session:
        assert session.rows(f"select a from {view}") == []
        session.run(f"drop view {view}")
        session.run("alter table staging.stores__log add column b integer")
    assert prod.lakehouse("access") == "nothing to do\n"


def _streamed(prod: Prod, *views: str) -> None:
    """One more record in each view."""
    for view in views:
        prod.rows(
            f"insert into streaming.{view} (kafka_partition, kafka_offset, refresh_time)"
            " values (0, 1, now() - interval '1 hour') returning 1"
        )


def _counts(prod: Prod, view: str) -> tuple[int, int]:
    """Rows of a view, rows of its archive."""
    [counts] = prod.rows(
        f"select (select count(*) from streaming.{view}),"
        f" (select count(*) from streaming.{view}_archive)"
    )
    return (int(counts[0]), int(counts[1]))


def _auto_refreshes(prod: Prod) -> set[bool]:
    with prod.warehouse() as warehouse:
        return {view.auto_refresh for view in refreshes(warehouse, load())}


def test_what_cannot_be_appended_is_copied_and_refreshes_go_on(prod: Prod) -> None:
    """Redshift chooses encodings by itself, of view and archive apart; APPEND wants equal ones."""
    prod.lakehouse("deploy")
    prod.stand_in.admin("drop table streaming.customers_1_archive")
    prod.stand_in.admin(
        "create table streaming.customers_1_archive (kafka_partition bigint encode az64,"
        " kafka_offset bigint, kafka_timestamp_type char(1), kafka_timestamp timestamp,"
        " kafka_key varbyte, kafka_value varbyte, refresh_time timestamp)"
        " diststyle even sortkey (kafka_offset)"
    )
    _streamed(prod, "customers_1", "stores_1")
    assert "must have the same distribution style" in prod.lakehouse("archive")
    assert _counts(prod, "customers_1") == _counts(prod, "stores_1") == (0, 1)

    _streamed(prod, "customers_1", "stores_1")
    prod.stand_in.faults[:] = [Fault("^delete from streaming.customers_1$", "no space")]
    with pytest.raises(TerminalError, match=r"not archived:\ncustomers_1: .*no space"):
        prod.lakehouse("archive")
    assert _counts(prod, "customers_1") == (1, 1), "both or neither"
    assert _counts(prod, "stores_1") == (0, 2), "the others are archived"
    assert _auto_refreshes(prod) == {True}


@pytest.mark.parametrize("command", ["archive", "deploy", "measure"])
def test_refreshes_that_a_killed_archive_left_off_go_on(prod: Prod, command: str) -> None:
    prod.lakehouse("deploy")
    prod.stand_in.admin("alter materialized view streaming.customers_1 auto refresh no")
    assert "customers_1: automatic refreshes are off" in prod.lakehouse("status", code=3)
    assert "automatic refreshes of customers_1 were found off" in prod.lakehouse(command)
    assert _auto_refreshes(prod) == {True}


def test_status_asks_for_attention_until_every_table_is_streamed(prod: Prod) -> None:
    assert "stores: no streaming view is in sight" in prod.lakehouse("status", code=3)
    prod.lakehouse("deploy")
    assert "stores_1: not refreshed ever" in prod.lakehouse("status", code=3)
    refreshed = (
        "insert into standin.refreshes (schema_name, table_name, status, refreshed_at)"
        " select schema_name, table_name, '{}', now() - interval '{} min'"
        " from standin.streaming_views {} returning 1"
    )
    prod.rows(refreshed.format("Refresh successfully updated MV incrementally", 90, ""))
    assert "stores_1: not refreshed for 90 minutes" in prod.lakehouse("status", code=3)
    prod.lakehouse("status", "--stale-minutes", "120")
    prod.rows(refreshed.format("Refresh failed. Out of memory", 1, "where table_name ~ '^stores'"))
    [failed, old] = json.loads(prod.lakehouse("status", "--json", "--stale-minutes", "89", code=3))[
        "problems"
    ][-2:]
    assert failed == "stores_1: the last refresh failed: Refresh failed. Out of memory"
    assert old.startswith("stores_1: not refreshed for 90 minutes")


def test_measures_what_the_alarms_look_at(prod: Prod) -> None:
    admin = prod.stand_in.admin
    with prod.warehouse() as warehouse:
        assert measurements(warehouse, load()) == {
            "StreamingViewErrors": 0,
            "StoppedStreamingViews": len(load().tables),
        }

        admin("create schema operations")
        admin("create schema staging")
        admin(
            "create table operations.runs (run_number bigint, status varchar(20),"
            " started_at timestamp, finished_at timestamp)"
        )
        admin("create table staging.quarantine (_cdc_run bigint)")
        admin(
            "create table staging.drift"
            " (table_name varchar(20), is_current boolean, accepted_at timestamp)"
        )
        calm = {"StreamingViewErrors": 0, "QuarantinedRecords": 0, "DriftedTables": 0}
        found = measurements(warehouse, load())
        assert found == calm | {"StoppedStreamingViews": len(load().tables)}

        for number, status, hours in ((1, "succeeded", 30), (2, "succeeded", 3), (3, "failed", 1)):
            admin(
                f"insert into operations.runs values ({number}, '{status}',"
                f" dateadd(hour, -{hours}, getdate()), dateadd(hour, -{hours}, getdate()))"
            )
        admin("insert into staging.quarantine values (1), (2), (2), (3)")
        admin(
            "insert into staging.drift values ('orders', true, null), ('orders', true, null),"
            " ('stores', false, null), ('products', true, getdate())"
        )
        for minutes in (30, 90):
            admin(
                "insert into sys_stream_scan_errors (mv_name, record_time)"
                f" values ('customers_1', dateadd(minute, -{minutes}, getdate()))"
            )
        found = measurements(warehouse, load())
    assert 3 * 3600 <= found.pop("SecondsSinceLastBuild") < 3 * 3600 + 600
    del found["StoppedStreamingViews"]
    assert found == {"StreamingViewErrors": 1, "QuarantinedRecords": 3, "DriftedTables": 1}


def test_measures_how_far_the_streaming_views_are_behind(prod: Prod) -> None:
    """The worst of all views counts: one that stands still, or one that cannot keep up."""
    prod.lakehouse("deploy")
    prod.stand_in.admin("alter materialized view streaming.customers_1 auto refresh no")
    with prod.warehouse() as warehouse:
        found = measurements(warehouse, load())
        assert found["StoppedStreamingViews"] == 1
        assert found["StreamingViewLagSeconds"] == 7 * 86_400, "none was ever refreshed"
        assert found["SecondsSinceArchive"] == 0, "there is nothing to archive"

        prod.rows(
            "insert into standin.refreshes (schema_name, table_name, status, refreshed_at)"
            " select schema_name, table_name, 'Refresh successfully updated', now()"
            " from standin.streaming_views returning 1"
        )
        scanned = (
            "insert into sys_stream_scan_states (mv_name, partition_id, record_time,"
            " stream_record_time_max) values ('stores_1', '{}', dateadd(minute, -{}, getdate()),"
            " dateadd(minute, -{}, getdate()))"
        )
        for partition, minutes, newest in ((0, 20, 50), (0, 10, 15), (1, 30, 42), (2, 70, 700)):
            prod.stand_in.admin(scanned.format(partition, minutes, newest))
        _streamed(prod, "stores_1")
        found = measurements(warehouse, load())
        assert found["StreamingViewLagSeconds"] == 720, "the newest batch of each partition"
        assert 3600 <= found["SecondsSinceArchive"] < 3600 + 600
        assert {each.view: each.lag_seconds for each in stream_states(warehouse, load())} == {
            f"{table.name}_1": 720 if table.name == "stores" else None for table in load().tables
        }


def test_who_waits_for_whom_and_what_ends_it(prod: Prod) -> None:
    """One session holds a table, a run's waits for it: each is shown, and ended by its number."""
    prod.lakehouse("deploy")
    admin = prod.stand_in.admin
    admin("create table marts.sales (a integer)")
    admin(RUNS)
    admin("insert into operations.runs values (7, 'abc', getdate(), null, 'running')")
    assert "session" in prod.lakehouse("sessions")
    with prod.warehouse() as holder, prod.warehouse() as waiter:
        [[held], [waits]] = [each.rows("select pg_backend_pid()")[0] for each in (holder, waiter)]
        holder.run("begin")
        holder.run("lock marts.sales")
        said = """/* {"app": "dbt", "invocation_id": "abc"} */ insert into marts.sales values (1)"""

        def wait() -> None:
            with pytest.raises(TerminalError):
                waiter.run(said)

        waiting = threading.Thread(target=wait)
        waiting.start()
        admin(
            "insert into sys_query_history (session_id, user_id, status, start_time, query_text)"
            f" select {waits}, usesysid, 'running', getdate(), '{said}'"
            " from pg_user where usename = 'engineer'"
        )
        deadline = time.monotonic() + 60
        while "waits for marts.sales" not in (shown := prod.lakehouse("sessions", code=None)):
            assert time.monotonic() < deadline, shown
        assert f"is given back by `lakehouse warehouse end {held}`" in shown
        with prod.warehouse() as mine:
            checked = {each.name: each for each in check_redshift(mine, load())}
        assert checked["locks"].found == f"session {waits} waits for marts.sales"
        assert f", session {waits} is at work" in checked["run lock"].found
        found = json.loads(prod.lakehouse("sessions", "--json", code=3))["sessions"]
        first, second = sorted(found, key=lambda each: each["session"] != held)
        assert (first["holds"], first["run"]) == (["marts.sales"], None)
        assert second["statement"] == said
        assert {key: second[key] for key in ("user", "run", "waits_for", "blocked_by")} == {
            "user": "engineer",
            "run": 7,
            "waits_for": ["marts.sales"],
            "blocked_by": [held],
        }

        assert f"ended session {waits}\n" in prod.lakehouse("end", "--run", "7")
        waiting.join(60)
        assert not waiting.is_alive()
        assert prod.rows("select status from operations.runs") == [("abandoned",)]
        with pytest.raises(TerminalError, match="run 7 is not running; running: none"):
            prod.lakehouse("end", "--run", "7")
        prod.lakehouse("end", str(held))
        with pytest.raises(TerminalError):
            holder.rows("select 1")
    prod.lakehouse("end", code=2)


def test_doctor_names_what_stands_in_the_way_of_a_build(prod: Prod) -> None:
    prod.lakehouse("deploy")

    def checked() -> dict[str, tuple[str, str]]:
        with prod.warehouse() as warehouse:
            results = check_redshift(warehouse, load())
            return {each.name: (each.state, each.found) for each in results}

    found = checked()
    assert found["login"] == ("ok", "engineer")
    assert found["identifiers"] == ("ok", "case-sensitive")
    assert found["isolation"] == ("ok", "Snapshot Isolation")
    assert found["streams"][0] == "attention"
    assert "customers_1: not refreshed ever" in found["streams"][1]
    assert found["partitions"] == ("attention", "no ledger was read yet")
    assert (found["run lock"], found["locks"]) == (("ok", "free"), ("ok", "nobody waits"))

    admin = prod.stand_in.admin
    admin(
        "create table operations.ledger (table_name varchar(128), incarnation integer,"
        " kafka_partition integer, landing_date date)"
    )
    admin("insert into operations.ledger values ('stores', 1, 0, '2026-01-02'), ('x', 1, 0, null)")
    admin(RUNS)
    admin("insert into operations.runs values (7, 'abc', '2026-01-02 03:04:05', null, 'running')")
    prod.rows(
        "insert into standin.refreshes (schema_name, table_name, status)"
        " select schema_name, table_name, 'Refresh successfully updated MV incrementally'"
        " from standin.streaming_views returning 1"
    )
    found = checked()
    assert found["streams"][0] == "ok"
    folder = "stores/incarnation=1/landing_date=2026-01-02/topic_partition=0"
    assert found["partitions"] == (
        "attention",
        f"1 landed folders are not registered, the first is {folder}",
    )
    assert found["run lock"][0] == "attention"
    assert found["run lock"][1].startswith("run 7 since 2026-01-02 03:04:05")
    admin(
        "alter table landing.stores add partition (incarnation = 1, landing_date = '2026-01-02',"
        f" topic_partition = 0) location 's3://lake/landing/{folder}/'"
    )
    prod.stand_in.parameters["enable_case_sensitive_identifier"] = "off"
    found = checked()
    assert found["partitions"] == ("ok", "1 registered")
    assert found["identifiers"][0] == "broken"


def test_who_may_see_little_is_told_so(prod: Prod) -> None:
    """Another user's tables: each question is answered or refused by itself."""
    prod.lakehouse("deploy")
    prod.stand_in.admin("create user ann password disable")
    prod.stand_in.admin("grant role transformer to ann")
    prod.stand_in.admin(RUNS)
    ann = prod.logged_in_as("ann")
    assert "stores: no streaming view is in sight" in ann.lakehouse("status", code=3)
    assert "a superuser sees all members, rights and masks" in ann.lakehouse("grants")
    with ann.warehouse() as warehouse:
        found = {each.name: each for each in check_redshift(warehouse, load())}
    with environment(ann.dbt.settings):
        found_by_ann = read_redshift("prod", load())
    assert "may not read operations.runs" in str(found_by_ann.problem) and found_by_ann.refuses
    assert found["login"].found.startswith("ann, who sees own sessions")
    assert found["locks"].state == "broken"
    assert "permission denied for table runs" in found["run lock"].found
    with pytest.raises(TerminalError, match="permission denied for table runs"):
        ann.lakehouse("end", "--run", "1")


def test_a_refresh_waits_for_the_automatic_one(prod: Prod) -> None:
    """Redshift refuses a second refresh of a view; what else it refuses is an error at once."""
    prod.lakehouse("deploy")
    prod.stand_in.books.broker_timeout = 1.0  # nobody is there
    busy = "could not complete because of conflict with concurrent transaction"
    slept: list[float] = []
    for seconds, faults, waited in ((300, 2, [5, 5]), (7, 3, [5, 2])):
        prod.stand_in.faults[:] = [Fault("^refresh", busy) for _ in range(faults)]
        slept.clear()
        with prod.warehouse() as warehouse, pytest.raises(TerminalError) as refused:
            refresh_streams(warehouse, ["stores"], seconds, slept.append)
        assert slept == waited
        assert (busy in str(refused.value)) == (seconds == 7)


def _dim_customer(postal_code: str = "varchar(80)") -> str:
    return (
        "create table marts.dim_customer (customer_id bigint, email varchar(1280),"
        " first_name varchar(400), last_name varchar(400), phone varchar(256), birth_date date,"
        f" address_line_1 varchar(800), address_line_2 varchar(800), postal_code {postal_code})"
    )


VIEW = (
    "create view marts.dim_customer_current as select email from marts.dim_customer"
    " with no schema binding"
)


@pytest.fixture
def analyst(prod: Prod) -> str:
    """A person, by the grant that docs/redshift.md shows."""
    prod.lakehouse("deploy")
    prod.stand_in.admin("create user ann password disable")
    prod.stand_in.admin("grant role analyst to ann")
    return "ann"


@pytest.mark.timeout(600)
def test_analyst_reads_marts_and_nothing_else(prod: Prod, analyst: str) -> None:
    for name in ("marts.dim_store", "staging.records", "marts.dim_store__dbt_backup"):
        prod.stand_in.admin(f"create table {name} (email varchar(9))")
    prod.lakehouse("access", code=0)
    assert set(read_by(prod.stand_in, analyst)) == {"marts.dim_store"}
    with prod.logged_in_as(analyst).warehouse() as warehouse:
        warehouse.rows("select email from marts.dim_store")
        with pytest.raises(TerminalError, match="permission denied for schema staging"):
            warehouse.rows("select email from staging.records")


def test_a_table_without_its_masks_is_not_read(prod: Prod, analyst: str) -> None:
    """One mask that cannot be attached: the table and the view on it wait, the others do not."""
    for sql in (_dim_customer("varchar(20)"), VIEW, "create table marts.dim_store (a integer)"):
        prod.stand_in.admin(sql)
    with pytest.raises(
        TerminalError, match=r"do not read marts.dim_customer, .*\n.*\n.*postal_code"
    ):
        prod.lakehouse("access")
    assert set(read_by(prod.stand_in, analyst)) == {"marts.dim_store"}

    # as an earlier release left it
    prod.stand_in.admin("grant select on all tables in schema marts to role analyst")
    with pytest.raises(TerminalError, match=r"do not read marts\.dim_customer,"):
        prod.lakehouse("access")
    assert set(read_by(prod.stand_in, analyst)) == {"marts.dim_store"}

    for sql in ("drop table marts.dim_customer cascade", _dim_customer()):
        prod.stand_in.admin(sql)
    prod.lakehouse("access")
    everything = {"marts.dim_store", "marts.dim_customer", "marts.dim_customer_current"}
    assert set(read_by(prod.stand_in, analyst)) == everything
    assert seen_unmasked(prod.stand_in, analyst) == []
    assert prod.lakehouse("access") == "nothing to do\n"


# What each person's or task's user does with its rights: "Who is who" in docs/redshift.md.
BUILDS = [
    "begin",
    "create schema if not exists staging",
    *(
        sql
        for schema in ("staging", "history", "marts", "operations")
        for sql in (f"create table {schema}.own (a integer)", f"select a from {schema}.own")
    ),
    "rollback",
]
READS = ["select kafka_offset from streaming.stores", "select kafka_offset from landing.stores"]
PARTITION = (
    "alter table landing.stores add if not exists partition (incarnation = 1, landing_date ="
    " '2026-01-02', topic_partition = 0) location 's3://lake/landing/stores/one/'"
)
MARTS = [
    f"select * from marts.{mart}" for mart in ("dim_store", "dim_customer_current", "dim_customer")
]
NEEDS = {
    "eve": [*BUILDS, *READS],  # of dbt's role, and no owner of the landing zone
    "IAMR:retail-prod-dbt": [PARTITION, *READS, *MARTS],
    "IAMR:retail-prod-operations": READS,
    "ann": MARTS,
}


def test_each_right_is_needed(prod: Prod) -> None:
    """Taken back alone, somebody is refused what is the user's work, or sees in clear."""
    for sql in (
        *(f"create user {user} password disable" for user in ("eve", "ann")),
        *(f"create schema {schema}" for schema in ("staging", "history", "marts", "operations")),
        *(_dim_customer(), VIEW, "create table marts.dim_store (a integer)"),
    ):
        prod.stand_in.admin(sql)
    sent = [each.partition("\n")[2].rstrip(";") for each in _statements(prod.lakehouse("deploy"))]
    for sql in ("grant role transformer to eve", "grant role analyst to ann"):
        prod.stand_in.admin(sql)
    assert not _refused(prod)
    rights = {
        given: re.sub(r"^grant (.*) to ", r"revoke \1 from ", given)
        for given in sent
        if given.startswith("grant ")
    } | {
        given: re.sub(r" owner to .*", " owner to engineer", given)
        for given in sent
        if " owner to " in given
    }
    assert len(rights) > 15
    unneeded = []
    for given, undo in rights.items():
        prod.stand_in.admin(undo)
        unneeded += [] if _refused(prod) else [given]
        prod.stand_in.admin(given)
    assert unneeded == []
    assert prod.lakehouse("access") == "nothing to do\n"
    attached = re.findall(r"attach .* on (\S+) \((\w+)\)", "\n".join(sent))
    prod.rows("delete from standin.attached_policies returning 1")
    clear = {each.partition(": ")[2] for each in seen_unmasked(prod.stand_in, "ann")}
    assert {".".join(column) for column in attached} == clear


def _refused(prod: Prod) -> list[str]:
    """What the users may not do of what they do; nothing of it is kept."""
    refused = []
    for user, statements in NEEDS.items():
        with prod.logged_in_as(user).warehouse() as session:
            try:
                for sql in statements:
                    session.run(sql)
            except TerminalError as error:
                refused.append(str(error))
    return refused


@pytest.mark.timeout(300)
def test_operation_is_refused_where_identifiers_fold(prod: Prod) -> None:
    """Auto refresh would look for a topic in small letters."""
    prod.stand_in.parameters["enable_case_sensitive_identifier"] = "off"
    with pytest.raises(TerminalError, match="set it to true in the workgroup's"):
        prod.lakehouse("deploy")


def test_a_lost_connection_is_said(prod: Prod) -> None:
    """The driver lets a broken pipe through, which a command takes for that of its own output."""
    with prod.warehouse() as warehouse:
        warehouse._connection._usock.shutdown(socket.SHUT_RDWR)
        for send in (warehouse.rows, warehouse.run):
            with pytest.raises(
                TerminalError, match=r"connection to Redshift is lost: .*\nselect 1"
            ):
                send("select 1")


def test_missing_host_is_said_with_what_to_do() -> None:
    with pytest.raises(TerminalError, match="LAKEHOUSE_REDSHIFT_HOST is not set"):
        WarehouseSettings.from_environment("prod", {})


def test_unknown_method_is_said_with_the_allowed_ones() -> None:
    with pytest.raises(TerminalError, match="iam_role, iam, database"):
        WarehouseSettings.from_environment("prod", {"LAKEHOUSE_REDSHIFT_METHOD": "magic"})
