"""What can happen to a stream or a run, each on few nodes: gaps, recreated topics, two builds."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from typing import Any

import psycopg2
import pytest
import yaml

from ingestion.errors import RefusedError, TerminalError
from ingestion.landing import ledger
from redshift_standin.wire import Fault
from tests.kit.dbt import ROOT, WITHOUT_TESTS, Dbt
from tests.kit.redshift import Prod, differences
from tests.kit.warehouse import SOURCES, copy_project
from tests.redshift.conftest import World
from tests.redshift.lake import LANDED_AT, Message


@pytest.mark.timeout(600)
def test_a_partition_waits_at_a_gap_until_the_ledger_covers_it(world: World) -> None:
    """A view that begins behind the log's end hides nothing: the log stops at the ledger."""
    selection = ("--select", "stores__log")
    prod, lake = world.prod, world.lake
    log = "select kafka_offset from staging.stores__log where kafka_partition = 0 order by 1"

    def store(number: int) -> Message:
        return Message("stores", b"{}", f'{{"n":{number}}}'.encode(), partition=0)

    lake.produce(store(number) for number in range(4))
    lake.land("stores")
    prod.lakehouse("deploy")
    prod.dbt.build(*selection)
    assert prod.rows(log) == [(0,), (1,), (2,), (3,)]

    lake.produce(store(number) for number in range(4, 10))
    assert "refreshed stores_1" in prod.lakehouse("refresh", "stores")
    prod.stand_in.admin("delete from streaming.stores_1 where kafka_offset < 6")
    prod.dbt.build(*selection)
    assert prod.rows(log)[-1] == (3,), "offsets 4 and 5 are in no place that the run can see"
    [stores] = [
        line.split()
        for line in prod.lakehouse("status", code=3).splitlines()
        if line.split()[:1] == ["stores_1"]
    ]
    assert stores[-2:] == ["4", "4"], "four are in the log, four wait behind the gap"

    lake.land("stores")
    prod.stand_in.admin("delete from streaming.stores_1 where kafka_offset = 8")
    prod.dbt.build(*selection)
    assert prod.rows(log) == [(number,) for number in range(10)]


@pytest.mark.timeout(600)
def test_a_warehouse_that_was_away_begins_again_with_the_ledgers_roll_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits of the ledger are removed some time after a roll-up holds them too."""
    monkeypatch.setattr(ledger, "ROLL_UP_EVERY", 3)
    monkeypatch.setattr(ledger, "KEEP_ROLLED_UP_SECONDS", 0.0)
    selection = ("--select", "stores__log")
    prod, lake = world.prod, world.lake
    copied = "select from_offset, until_offset, row_count from operations.ledger order by 1, 2"
    landed = "select landing_date, count(*) from operations.ledger group by 1"

    def land(times: int) -> None:
        for _ in range(times):
            lake.produce([Message("stores", b"{}", b"{}", partition=0)])
            lake.land("stores")

    prod.lakehouse("deploy")
    land(2)
    prod.dbt.build(*selection)
    assert prod.rows(copied) == [(0, 1, 1), (1, 2, 1)]
    assert landed_ranges(world, "stores") == [(0, 2)], "a range a commit would be joined with rows"
    land(2)
    assert len(list((lake.root / "_ledger").glob("*.jsonl"))) == 2, "the third and the fourth"
    prod.dbt.build(*selection)
    assert prod.rows(copied) == [(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 4, 1)], "not too long away"
    land(6)
    prod.dbt.build(*selection)
    assert prod.rows(copied) == [(0, 9, 9), (9, 10, 1)]
    assert prod.rows(landed) == [(LANDED_AT.date(), 2)]
    land(1)
    prod.dbt.build(*selection)
    assert prod.rows(copied) == [(0, 9, 9), (9, 10, 1), (10, 11, 1)]
    log = "select kafka_offset from staging.stores__log order by 1"
    assert prod.rows(log) == [(number,) for number in range(11)]

    land(3)
    *_, hidden, _ = sorted((lake.root / "_ledger").glob("*.jsonl"))
    shown = hidden.rename(lake.root / hidden.name)
    prod.dbt.build(*selection)
    assert prod.rows(log)[-1] == (11,), "no listing shows a folder at one instant"
    shown.rename(hidden)
    prod.dbt.build(*selection)
    assert prod.rows(log) == [(number,) for number in range(14)]


def landed_ranges(world: World, table: str) -> list[tuple[int, int]]:
    """The ranges of offsets that the newest build read from the landing zone."""
    create = f"create temporary table {table}__ranges"
    chosen = [sql for sql in world.prod.stand_in.statements.sent if create in sql][-1]
    with world.prod.warehouse() as warehouse:
        warehouse.run(chosen)
        return [
            (first, end)
            for first, end in warehouse.rows(
                f"select from_offset, until_offset from {table}__ranges"
                " where read_from = 'landing' order by from_offset"
            )
        ]


@pytest.mark.timeout(600)
def test_an_archive_keeps_what_landing_does_not_hold_yet(world: World) -> None:
    """The log has five records, landing three: a full refresh finds the others in the archive."""
    selection = ("--select", "stores__log")
    prod, lake = world.prod, world.lake
    lake.produce(Message("stores", b"{}", b"{}", partition=0) for _ in range(3))
    lake.land("stores")
    lake.produce(Message("stores", b"{}", b"{}", partition=0) for _ in range(2))
    prod.lakehouse("deploy")
    prod.refresh("stores")
    prod.dbt.build("--empty", *selection)
    assert not prod.rows("select kafka_offset from staging.stores__log"), "nor from the stream"
    prod.dbt.build(*selection)
    prod.lakehouse("archive")
    assert prod.rows("select count(*) from streaming.stores_1") == [(0,)]
    assert prod.rows("select kafka_offset from streaming.stores_1_archive order by 1") == [
        (3,),
        (4,),
    ]

    lake.recreate("stores")  # Kafka holds nothing any more
    prod.dbt.build("--full-refresh", *selection)
    assert prod.rows("select kafka_offset from staging.stores__log order by 1") == [
        (number,) for number in range(5)
    ]


# The table as an earlier release of Terraform made it, or a crawler does.
GLUE = (
    "landing.stores",
    "s3://lake/landing/stores/",
    "kafka_topic string, kafka_partition int, kafka_offset bigint, kafka_timestamp timestamp,"
    " kafka_timestamp_type string, kafka_key binary, kafka_value binary",
    "incarnation int, landing_date date, topic_partition int",
)


@pytest.mark.timeout(600)
def test_whoever_comes_first_there_is_one_catalogue(world: World) -> None:
    """`deploy` owns definitions, builds own partitions; tables that were there are made anew."""
    prod, nodes = world.prod, ("--select", "+dim_store")
    stores = [message for message in world.changes.snapshot() if message.table == "stores"]
    world.lake.produce(stores)
    world.lake.land("stores")
    prod.lakehouse("deploy")
    prod.dbt.build("--empty", *nodes)
    assert prod.rows("select count(store_id) from marts.dim_store") == [(0,)]
    assert "nothing to do" in prod.lakehouse("deploy")
    catalogue = _catalogue(prod)
    assert len(catalogue["partitions"]) > 0

    prod.stand_in.admin("drop table landing.stores")
    prod.stand_in.books.glue_table(*GLUE)
    prod.lakehouse("deploy")
    prod.dbt.build(*nodes)
    assert prod.rows("select count(store_id) > 0 from marts.dim_store") == [(True,)]
    assert _catalogue(prod) == catalogue
    assert "nothing to do" in prod.lakehouse("deploy")


def _catalogue(prod: Prod) -> dict[str, list[tuple[Any, ...]]]:
    """External schemas, tables and partitions as they are defined, and the schemas' owners."""
    return {
        **{
            kind: prod.rows(f"select * from standin.external_{kind} order by 1, 2, 3")
            for kind in ("schemas", "tables", "partitions")
        },
        "owners": prod.rows(
            "select nspname, nspowner::regrole::text from pg_namespace"
            " where nspname in ('landing', 'kafka') order by 1"
        ),
    }


@pytest.mark.timeout(600)
def test_a_landed_value_is_no_tombstone_however_long_it_is(world: World) -> None:
    """Spectrum reads null for what is longer than its column; Glue's binary has 64,000 bytes."""
    prod, lake = world.prod, world.lake
    first = next(message for message in world.changes.snapshot() if message.table == "stores")
    assert first.value is not None
    event = json.loads(first.value)
    event["after"] |= {"Remark1": "x" * 35_000, "Remark2": "x" * 35_000}
    long = replace(first, value=json.dumps(event).encode(), partition=0)
    event["after"]["Name"] = "x" * 66_000
    too_long = replace(long, value=json.dumps(event).encode())
    lake.produce([long, too_long, replace(long, value=None)])
    lake.land("stores")
    prod.stand_in.admin(
        "create external schema landing from data catalog database 'retail' iam_role default"
    )
    prod.stand_in.books.glue_table(*GLUE)

    assert not prod.dbt.invoke("build", "--select", "stores__log").success
    assert "lakehouse warehouse deploy --target prod" in "\n".join(prod.dbt.said)
    prod.stand_in.admin(
        "insert into operations.runs (run_number, invocation_id, started_at, status)"
        " values (9, 'another', getdate(), 'running')"
    )
    with pytest.raises(RefusedError, match=r"run 9 \(invocation another\) has been building"):
        prod.lakehouse("deploy")
    prod.stand_in.admin("update operations.runs set status = 'failed' where run_number = 9")
    prod.stand_in.faults[:] = [Fault("create external table landing.stores ", "no room")]
    with pytest.raises(TerminalError, match="no room"):
        prod.lakehouse("deploy")
    assert "drop table landing.stores" in prod.stand_in.statements.sent
    assert prod.rows("select status from operations.runs where run_number > 10") == [("failed",)]
    assert "create external table landing.stores " in prod.lakehouse("deploy")
    assert "nothing to do" in prod.lakehouse("deploy")
    prod.dbt.build("--select", "+dim_store")
    statuses = "select kafka_offset, _cdc_status from staging.stores__log order by 1"
    assert prod.rows(statuses) == [(0, "accepted"), (1, "rejected"), (2, "tombstone")]
    assert prod.rows("select is_deleted from marts.dim_store where member_kind = 'member'") == [
        (False,)
    ]

    page = (ROOT / "docs/runbooks/operations.md").read_text("utf-8")
    [query] = re.findall(r"```sql\n(select logged.*?)```", page, re.DOTALL)
    query = query.replace("orders", "stores")
    with prod.warehouse() as warehouse:
        assert warehouse.rows(query) == []
        prod.stand_in.admin("update staging.stores__log set _cdc_status = 'tombstone'")
        assert [row[-2:] for row in warehouse.rows(query)] == [
            (0, len(long.value or b"")),
            (1, len(too_long.value or b"")),
        ]


@pytest.mark.timeout(600)
def test_a_record_that_the_view_skipped_is_read_from_landing(world: World) -> None:
    """SYS_STREAM_SCAN_ERRORS lists it; its offset is a gap, which the ledger covers later."""
    prod, lake = world.prod, world.lake
    prod.stand_in.books.max_record_bytes = 100
    lake.produce(
        Message("stores", b"{}", b'{"n":"' + b"x" * size + b'"}', partition=0)
        for size in (1, 200, 1)
    )
    prod.lakehouse("deploy")
    prod.refresh("stores")
    assert prod.rows("select trim(position) from redshift.sys_stream_scan_errors") == [("1",)]
    prod.dbt.build("--select", "stores__log")
    assert prod.rows("select kafka_offset from staging.stores__log") == [(0,)]
    lake.land("stores")
    prod.dbt.build("--select", "stores__log")
    assert prod.rows("select kafka_offset from staging.stores__log order by 1") == [
        (0,), (1,), (2,)
    ]  # fmt: skip


@pytest.mark.timeout(600)
def test_a_recreated_topic_gets_a_view_of_its_own(world: World) -> None:
    """Offsets start again; the old view's rows stay readable under the old incarnation."""
    selection = ("--select", "stores__log")
    prod, lake = world.prod, world.lake
    lake.produce([Message("stores", b"{}", b'{"old":1}'), Message("stores", b"{}", b'{"old":2}')])
    lake.land("stores")
    prod.lakehouse("deploy")
    prod.refresh("stores")
    prod.dbt.build(*selection)

    lake.recreate("stores")
    lake.produce([Message("stores", b"{}", b'{"new":1}')])
    lake.land("stores")
    plan = prod.lakehouse("deploy")
    assert "drop materialized view streaming.stores_1" in plan
    prod.refresh("stores")
    prod.dbt.build(*selection)
    assert prod.rows(
        "select _cdc_incarnation, kafka_offset, convert_from(kafka_value, 'UTF8')"
        " from staging.stores__log where kafka_partition = 0 order by 1, 2"
    ) == [(1, 0, '{"old":1}'), (1, 1, '{"old":2}'), (2, 0, '{"new":1}')]
    assert prod.rows("select count(*) from streaming.stores_1_archive") == [(2,)]


@pytest.mark.timeout(600)
def test_new_columns_and_tables_are_picked_up(world: World, tmp_path: Path) -> None:
    """A new column needs nothing: the view holds the whole record, and rows from before keep null
    until the table is rebuilt. A new table gets its own objects; the others stay as they are."""
    before = copy_project(tmp_path / "before", {"retail": 1})
    _without(before, table="promotions", column=("stores", "city"))
    prod, lake = world.prod, world.lake

    lake.produce([*world.changes.snapshot()])
    lake.land("stores")
    older = replace(prod, dbt=replace(prod.dbt, project=before).parsed())
    older.lakehouse("deploy")
    older.dbt.build("--select", "stores__log")
    assert prod.rows("select to_regclass('streaming.promotions')") == [(None,)]

    lake.produce(world.changes.stream(12))
    lake.land("stores")
    plan = prod.lakehouse("deploy")
    made = re.findall(r"^create (?:.* )?(?:table|view) (\S+)", plan, re.MULTILINE)
    assert made == [
        "landing.promotions",
        "streaming.promotions_1",
        "streaming.promotions_1_archive",
        "streaming.promotions",
    ]
    assert not re.search(r"^(alter table|alter materialized|drop|truncate)", plan, re.MULTILINE)
    assert "nothing to do" in prod.lakehouse("deploy")

    prod.refresh("promotions")
    prod.dbt.build("--select", "stores__log", "promotions__log")
    assert prod.rows(
        "select _cdc_run, max(_cdc_unknown_columns), count(city) > 0 from staging.stores__log"
        " where _cdc_status = 'accepted' group by _cdc_run order by _cdc_run"
    ) == [(1, "City", False), (2, None, True)]
    assert prod.rows("select count(*) > 10 from staging.promotions__log") == [(True,)]
    assert prod.rows("select count(*) from staging.promotions__log") == prod.rows(
        "select count(*) from streaming.promotions_1"
    )


def _without(project: Path, table: str, column: tuple[str, str]) -> None:
    """Take a table and a column of another one out of a project's declarations."""
    staging = (project / SOURCES).parent
    for folder in ("quality", "operations"):
        shutil.rmtree(staging / folder)
    for file in [*staging.glob(f"*/*{table}*.sql"), *staging.glob("*/_retail__*.yml")]:
        file.unlink()
    declared = yaml.safe_load((project / SOURCES).read_text("utf-8"))
    tables = [each for each in declared["sources"][0]["tables"] if each["name"] != table]
    declared["sources"][0]["tables"] = tables
    for each in tables:
        if each["name"] == column[0]:
            each["columns"] = [own for own in each["columns"] if own["name"] != column[1]]
    (project / SOURCES).write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")


@pytest.mark.timeout(600)
def test_of_two_builds_at_once_one_is_refused_and_names_the_other(
    world: World, tmp_path: Path
) -> None:
    """Two processes start together; one is held inside its run until the other has ended."""
    # without the marts: each process parses the project
    project = copy_project(tmp_path / "project", {"retail": 1})
    nodes = ("--select", "+payments_history")
    selection = (*nodes, "--exclude-resource-type", "test", "unit_test")
    world.lake.produce([*world.changes.snapshot(), *world.changes.stream(2)])
    world.lake.land()
    prod = world.prod
    prod.lakehouse("deploy")
    prod.dbt.build("--select", "stores__log")

    with psycopg2.connect(prod.stand_in.dsn) as holder, holder.cursor() as database:
        database.execute("lock table operations.ledger in access exclusive mode")
        both = [_start(replace(prod.dbt, project=project), "build", *selection) for _ in range(2)]
        refused = _first_to_end(both)
        told = refused.communicate(timeout=60)[0]
    holder.close()
    [other] = [process for process in both if process is not refused]
    finished = other.communicate(timeout=120)[0]
    assert (refused.returncode, other.returncode) == (2, 0), told + finished
    [(number, invocation)] = prod.rows(
        "select run_number, invocation_id from operations.runs where run_number > 1"
    )
    assert f"run {number} (invocation {invocation}) has been building target prod" in told
    world.local.build(*nodes)
    assert not differences(prod, world.local)


PAGES = ("redshift.md", "runbooks/operations.md", "runbooks/redshift_streaming_view.md")
TYPED = re.compile(
    r"`(lakehouse warehouse \w[^`]*)`|^    (?:python .* -- )?(lakehouse warehouse \w[^#\n]*)", re.M
)


@pytest.mark.timeout(600)
def test_what_the_pages_say_to_type_runs_as_it_is_written(world: World) -> None:
    """For the person on duty: no line is refused, and no query names what is not there."""
    prod = world.prod
    world.lake.produce([Message("stores", b"{}", b"{}", partition=0)])
    prod.lakehouse("deploy")
    prod.dbt.build("--select", "products__log")
    typed = set()
    for page in PAGES:
        text = (ROOT / "docs" / page).read_text("utf-8")
        typed |= {" ".join("".join(found).split()) for found in TYPED.findall(text)}
        for query in re.findall(r"`?(select \* from sys_[^`;]+)", text):
            with prod.warehouse() as warehouse:
                warehouse.rows(query)
    assert {line.split()[2] for line in typed} >= {"status", "sessions", "end", "refresh"}
    for line in sorted(typed - {"lakehouse warehouse end"}):
        prod.rows("update operations.runs set run_number = 12, status = 'running' returning 1")
        with prod.warehouse() as other:
            [(session,)] = other.rows("select pg_backend_pid()")
            meant = {
                "1073971370": str(session),
                "<table>": "stores",
                "<environment>": "prod",
                "<number>": "12",
                "n": "12",
            }
            words = [meant.get(word, word) for word in line.split()[2:]]
            assert "Usage:" not in prod.lakehouse(*words, code=None), line


@pytest.mark.timeout(600)
def test_a_run_that_fell_silent_is_taken_over_and_writes_no_more(
    world: World, tmp_path: Path
) -> None:
    """Its process stands still inside its run; from Redshift's side it is as good as killed.

    The stand-in keeps no SYS_QUERY_HISTORY; it is filled with what was really sent.
    """
    project = copy_project(tmp_path / "project", {"retail": 1})
    prod, selection = world.prod, ("--select", "stores__log", *WITHOUT_TESTS)
    world.lake.produce(world.changes.snapshot())
    world.lake.land()
    prod.lakehouse("deploy")
    prod.dbt.build("--select", "products__log")
    with psycopg2.connect(prod.stand_in.dsn) as holder, holder.cursor() as database:
        database.execute("lock table operations.ledger in access exclusive mode")
        suspended = _start(replace(prod.dbt, project=project), "build", *selection)
        invocation = _running(prod)
        os.kill(suspended.pid, signal.SIGSTOP)
    holder.close()

    said = [sql for sql in prod.stand_in.statements.sent if f'"{invocation}"' in sql[:400]]
    assert said, "its statements say whose they are"
    for sql in said:
        prod.rows(
            "insert into sys_query_history (session_id, status, start_time, end_time, query_text)"
            " values (71, 'success', now(), now() - interval '3 min', $text$"
            f"{sql[:4000]}$text$) returning 1"
        )
    refused = prod.dbt.invoke("build", *selection)
    assert not refused.success
    told = str(refused.exception)
    # From 3 minutes on, as long as dbt itself took to start.
    assert re.search(r"as user engineer, in session 71, silent for [3-9] minutes[.]", told), told
    assert "`lakehouse warehouse end --run 2`" in told

    mark = f'"invocation_id": "{invocation}"'
    asked = [sql for sql in prod.stand_in.statements.sent if mark in sql.partition("*/")[2]]
    assert not asked, "who asks for the run is not taken for it"

    prod.rows("update sys_query_history set status = 'running' returning 1")
    told = str(prod.dbt.invoke("build", *selection).exception)
    assert "in session 71 now" in told

    prod.rows(
        "update sys_query_history set status = 'success', end_time = now() - interval '12 min'"
        " returning 1"
    )
    prod.dbt.build(*selection)
    taken_over = re.compile(r"\(session 71\) ended 1[2-9] minutes ago[.] It is taken over[.]")
    assert any(taken_over.search(each) for each in prod.dbt.said), prod.dbt.said
    os.kill(suspended.pid, signal.SIGCONT)
    told = suspended.communicate(timeout=120)[0]
    assert suspended.returncode != 0, told
    assert f"the run of invocation {invocation} was ended or taken over" in told
    assert prod.rows(
        "select run_number, status, user_name from operations.runs order by run_number"
    ) == [
        (1, "succeeded", "engineer"),
        (2, "abandoned", "engineer"),
        (3, "succeeded", "engineer"),
    ]
    assert prod.rows("select distinct _cdc_run from staging.stores__log") == [(3,)]
    [(taker,)] = prod.rows("select invocation_id from operations.runs where run_number = 3")
    assert any(f'"{taker}"' in sql[:400] for sql in prod.stand_in.statements.sent)


def _running(prod: Prod) -> str:
    """The invocation of the run that waits for the ledger, as soon as there is one."""
    waiting = (
        "select invocation_id from operations.runs where status = 'running' and exists"
        " (select 1 from pg_locks where not granted and relation = 'operations.ledger'::regclass)"
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for (invocation,) in prod.rows(waiting):
            return str(invocation)
        time.sleep(0.1)
    raise AssertionError("no build waits")


def _start(dbt: Dbt, *arguments: str) -> subprocess.Popen[str]:
    """Start a dbt command in a process of its own; it ends with dbt's exit code."""
    folder = Path(tempfile.mkdtemp(dir=dbt.folder))
    options = [
        *("--target", dbt.target, "--log-path", str(folder), "--log-level-file", "none"),
        *("--project-dir", str(dbt.project), "--profiles-dir", str(dbt.project)),
        *("--target-path", str(folder / "target")),
    ]
    return subprocess.Popen(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments, *options],
        env={**os.environ, **dbt.settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _first_to_end(processes: list[Popen[str]]) -> Popen[str]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for process in processes:
            if process.poll() is not None:
                return process
        time.sleep(0.1)
    raise AssertionError("no build has ended")
