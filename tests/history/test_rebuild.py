"""`lakehouse rebuild` and `lakehouse diff`: histories again from landing, beside the live ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

from ingestion.errors import LakehouseError, RefusedError, TerminalError
from ingestion.settings import ConnectorName
from lakehouse.cli import app
from tests.kit import reference
from tests.kit.batches import (
    Batch,
    HistoryLine,
    expected_line,
    history_lines,
    new_batch,
    written_lines,
    wrong_logs,
)
from tests.kit.declared import CONNECTORS, DECLARATIONS
from tests.kit.warehouse import SOURCES, Warehouse
from tests.kit.worked import worked_histories

CUSTOMERS = DECLARATIONS.table("customers")
Run = Callable[..., str]
T = TypeVar("T")


@pytest.fixture(scope="module")
def built(
    parsed: dict[ConnectorName, Warehouse], tmp_path_factory: pytest.TempPathFactory
) -> dict[ConnectorName, Batch]:
    """The worked histories of customers of each connector, landed and built."""
    found: dict[ConnectorName, Batch] = {}
    for connector, warehouse in parsed.items():
        folder = tmp_path_factory.mktemp(connector)
        logs = [log for log in worked_histories(connector) if log.table.name == "customers"]
        batch = new_batch(warehouse, folder, DECLARATIONS, logs)
        for run in batch.runs:
            batch.land(run)
        batch.warehouse.build(*batch.selection)
        found[connector] = batch
    return found


@pytest.fixture(params=CONNECTORS)
def each(
    request: pytest.FixtureRequest, built: dict[ConnectorName, Batch], tmp_path: Path
) -> Batch:
    return copied(built[request.param], tmp_path)


@pytest.fixture
def batch(built: dict[ConnectorName, Batch], tmp_path: Path) -> Batch:
    return copied(built["postgresql"], tmp_path)


def copied(batch: Batch, folder: Path) -> Batch:
    """The built histories with a landing zone and a warehouse file of the test's own."""
    shutil.copytree(batch.warehouse.landing, folder / "landing")
    shutil.copy(batch.warehouse.file, folder / "warehouse.duckdb")
    own = replace(batch.warehouse, landing=folder / "landing", file=folder / "warehouse.duckdb")
    return batch.over(own)


@pytest.fixture
def lakehouse(monkeypatch: pytest.MonkeyPatch) -> Callable[[Batch], Run]:
    """The command line over a batch; the file is free after each command."""

    def over(batch: Batch) -> Run:
        warehouse = batch.warehouse
        monkeypatch.chdir(warehouse.project)
        monkeypatch.setenv("LAKEHOUSE_LANDING", str(warehouse.landing))
        monkeypatch.setenv("LAKEHOUSE_DUCKDB", str(warehouse.file))
        monkeypatch.setenv("LAKEHOUSE_SOURCE", warehouse.connector)

        def run(*arguments: str) -> str:
            result = CliRunner().invoke(app, arguments)
            opened = subprocess.run(
                [sys.executable, "-c", f"import duckdb; duckdb.connect({str(warehouse.file)!r})"],
                check=False,
            )
            assert opened.returncode == 0
            if isinstance(result.exception, LakehouseError):
                raise result.exception
            assert result.exit_code == 0, result.output
            return result.output

        return run

    return over


def damage(batch: Batch, *statements: str) -> None:
    with duckdb.connect(str(batch.warehouse.file)) as connection:
        for statement in statements:
            assert connection.execute(statement).fetchall() != [(0,)], statement


def keys_with_versions(batch: Batch, at_least: int) -> list[int]:
    rows = batch.warehouse.rows(
        "select customer_id from history.customers_history"
        f" group by customer_id having count(*) >= {at_least} order by customer_id"
    )
    return [key for (key,) in rows]


def lines_of(batch: Batch, key: int) -> list[HistoryLine]:
    return sorted(
        (line for line in history_lines(batch.warehouse, CUSTOMERS) if line[0] == key), key=str
    )


def middle(values: Iterable[T]) -> T:
    """The one in the middle of the distinct values in order."""
    ordered = sorted(set(values))  # type: ignore[type-var]
    return ordered[len(ordered) // 2]


def side_schemas(batch: Batch) -> list[str]:
    rows = batch.warehouse.rows(
        "select schema_name from information_schema.schemata where schema_name like 'rebuild%'"
    )
    return [name for (name,) in rows]


def test_a_sound_history_differs_in_nothing_and_swapped_in_is_news_to_its_readers(
    each: Batch, lakehouse: Callable[[Batch], Run]
) -> None:
    run = lakehouse(each)
    before = written_lines(each.warehouse, CUSTOMERS)
    assert "0 versions opened, 0 closed, 0 moved" in run("rebuild", "customers")
    assert written_lines(each.warehouse, CUSTOMERS) == before
    assert "0 versions opened, 0 closed, 0 moved" in run("diff", "customers")

    run("rebuild", "customers", "--swap")
    assert not side_schemas(each)
    assert not wrong_logs(each.expected(), each.histories())
    assert not wrong_logs(each.expected_verdicts(), each.verdicts())
    [(last,)] = each.warehouse.rows("select max(run_number) from operations.runs")
    for relation in ("staging.customers__log", "history.customers_history"):
        assert each.warehouse.rows(f"select distinct _cdc_run from {relation}") == [(last,)]
    each.warehouse.build(*each.selection)
    assert not wrong_logs(each.expected(), each.histories())


def test_damage_is_shown_and_put_right(batch: Batch, lakehouse: Callable[[Batch], Run]) -> None:
    run = lakehouse(batch)
    one, other = keys_with_versions(batch, at_least=2)[:2]
    sound = {key: lines_of(batch, key) for key in (one, other)}
    damage(
        batch,
        *(
            f"delete from history.customers_history where customer_id = {key}"
            " and dbt_valid_to is null"
            for key in (one, other)
        ),
        *(
            "update history.customers_history set dbt_valid_to = dbt_valid_to + interval 1 day"
            f" where customer_id = {key}"
            for key in (one, other)
        ),
        "insert into history.customers_history select * replace (md5('x') as dbt_scd_id)"
        f" from history.customers_history where customer_id = {one} limit 1",
    )
    moved = len(sound[one]) - 1
    shown = run("rebuild", "customers", "--key", f"customer_id={one}")
    assert f"1 versions opened, 1 closed, {moved} moved" in shown
    assert str(other) not in shown

    run("rebuild", "customers", "--key", f"customer_id={one}", "--swap")
    assert lines_of(batch, one) == sound[one]
    assert lines_of(batch, other) != sound[other]
    batch.warehouse.build(*batch.selection)
    assert lines_of(batch, other) != sound[other]

    shown = run("rebuild", "customers")
    assert f"1 versions opened, 0 closed, {len(sound[other]) - 1} moved" in shown
    run("rebuild", "customers", "--swap")
    assert not wrong_logs(batch.expected(), batch.histories())


def test_what_was_known_at_a_moment(each: Batch, lakehouse: Callable[[Batch], Run]) -> None:
    run = lakehouse(each)
    changes = {number: each.changes(number) for number in range(len(each.logs))}
    flat = [change for found in changes.values() for change in found]
    moments: dict[str, Callable[[reference.Change], bool]]
    if each.warehouse.connector == "sqlserver":
        commit = middle(change.position[5:27] for change in flat)
        moments = {commit: lambda change: change.position[5:27] <= commit}
    else:
        end = middle(change.position[5:21] for change in flat)
        halves = f"{end[:8].lstrip('0') or '0'}/{end[8:].upper()}"
        moments = dict.fromkeys(
            [str(int(end, 16)), halves], lambda change: change.position[5:21] < end
        )
    time = middle(change.committed_at for change in flat)
    moments[f"{time.isoformat()}Z"] = lambda change: change.committed_at <= time
    live = written_lines(each.warehouse, CUSTOMERS)
    for moment, is_in in moments.items():
        run("rebuild", "customers", "--as-of", moment, "--side", "then")
        expected = {
            expected_line(row, CUSTOMERS)
            for found in changes.values()
            for rows in reference.history([one for one in found if is_in(one)]).values()
            for row in rows
        }
        assert 0 < len(expected) < len(live["history.customers_history"]), moment
        assert set(history_lines(each.warehouse, CUSTOMERS, "then_history")) == expected, moment
    assert written_lines(each.warehouse, CUSTOMERS) == live


def test_a_changed_type_is_taken_over(
    batch: Batch, lakehouse: Callable[[Batch], Run], tmp_path: Path
) -> None:
    project = shutil.copytree(batch.warehouse.project, tmp_path / "project")
    batch.warehouse = replace(batch.warehouse, project=project, manifest=None)
    file = project / SOURCES
    document = yaml.safe_load(file.read_text("utf-8"))
    columns = document["sources"][0]["tables"][0]["columns"]
    [key] = [column for column in columns if column["name"] == "customer_id"]
    key["data_type"] = "integer"
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    refused = batch.warehouse.invoke("build", *batch.selection)
    assert "lakehouse rebuild customers" in str(refused.exception)

    lakehouse(batch)("rebuild", "customers", "--swap")
    batch.warehouse.build(*batch.selection)
    for relation in ("staging.customers__log", "history.customers_history"):
        assert batch.warehouse.rows(f"select distinct typeof(customer_id) from {relation}") == [
            ("INTEGER",)
        ]


def test_what_landing_no_longer_holds_is_not_swapped_away(
    batch: Batch, lakehouse: Callable[[Batch], Run]
) -> None:
    run = lakehouse(batch)
    before = written_lines(batch.warehouse, CUSTOMERS)
    sorted((batch.warehouse.landing / "customers").rglob("*-*.parquet"))[-1].unlink()
    with pytest.raises(RefusedError, match=r"customers: \d+ accepted records .* --accept-loss"):
        run("rebuild", "customers", "--swap")
    assert written_lines(batch.warehouse, CUSTOMERS) == before
    run("rebuild", "customers", "--swap", "--accept-loss")
    assert len(written_lines(batch.warehouse, CUSTOMERS)["staging.customers__log"]) < len(
        before["staging.customers__log"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--key", "customer_id"], "expected column=value"),
        (["--key", "email=a"], "expected a value for customer_id"),
        (["--as-of", "yesterday"], "neither a commit of postgresql"),
        (["--as-of", "2026-03-01", "--swap"], "drop --swap"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    batch: Batch, lakehouse: Callable[[Batch], Run], arguments: list[str], message: str
) -> None:
    with pytest.raises(TerminalError, match=message):
        lakehouse(batch)("rebuild", "customers", *arguments)


def test_the_command_as_a_person_types_it(batch: Batch) -> None:
    environment = {
        **os.environ,
        "LAKEHOUSE_LANDING": str(batch.warehouse.landing),
        "LAKEHOUSE_DUCKDB": str(batch.warehouse.file),
        "LAKEHOUSE_SOURCE": batch.warehouse.connector,
    }
    [first, *_] = keys_with_versions(batch, at_least=1)
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("lakehouse"), "rebuild", "customers"),
            *("--key", f"customer_id={first}", "--swap"),
        ],
        cwd=batch.warehouse.project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "customers: live -> rebuild: 0 versions opened, 0 closed, 0 moved" in done.stdout
    assert "the rebuilt log and history are live" in done.stdout
    assert not wrong_logs(batch.expected(), batch.histories())
