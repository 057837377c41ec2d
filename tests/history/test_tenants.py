"""Tenants never mix: with equal keys and equal positions, each history is as if it were alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from random import Random

import duckdb
import pytest

from ingestion.declarations import load
from ingestion.settings import ConnectorName
from lakehouse.commands import rebuild
from lakehouse.health.acceptances import Findings
from lakehouse.health.warehouse import read_local
from lakehouse.reconcile.absences import Log
from lakehouse.reconcile.current import all_current, compiled
from lakehouse.reconcile.scope import Scope
from lakehouse.source.envelopes import Event, Row, key_bytes, value_bytes
from lakehouse.source.positions import SqlServerPlace
from tests.kit import reference
from tests.kit.batches import Batch, HistoryLine, expected_line, history_lines
from tests.kit.dbt import environment
from tests.kit.declared import CONNECTORS
from tests.kit.landing import Delivery, LandingZone
from tests.kit.logs import TABLES, random_logs
from tests.kit.planted import Planted, with_error
from tests.kit.tenants import declare_tenants, in_warehouse, of_tenant
from tests.kit.warehouse import SOURCES, Warehouse, copy_project
from tests.kit.worked import EPOCHS

TENANTS = ("de", "fr")


def batches(
    folder: Path, connector: ConnectorName, of: int = 40, tables: Sequence[str] = TABLES
) -> Mapping[str, Batch]:
    """`of` logs of each tenant, with the same keys, positions, partitions and offsets."""
    project = copy_project(folder / "project", EPOCHS)
    declared = declare_tenants(project)
    warehouse = Warehouse(project, folder / "landing", folder / "w.duckdb", connector).parsed()
    return {
        tenant: Batch(
            declared.tenants[tenant],
            random_logs(connector, number, of, tables),
            warehouse,
            incarnations_before=100 * number,
        )
        for number, tenant in enumerate(TENANTS, start=1)
    }


STORE: Row = {
    "store_id": 1, "name": "Shop", "city": "Berlin", "country_code": "DE",
    "time_zone": "Europe/Berlin", "currency_code": "EUR", "opened_on": date(2020, 1, 1),
    "closed_on": None, "updated_at": datetime(2026, 1, 1),
}  # fmt: skip


MUTANTS = [
    Planted(
        "what comes is the first one's",
        "macros/log/position_expression.sql",
        "then '{{ of_tenant['tenant'] }}'",
        "then '{{ origins['topics'][0]['tenant'] }}'",
    ),
]


def goes_wrong(tenants: Mapping[str, Batch], warehouse: Warehouse) -> bool:
    """Whether two builds fail, or leave a history that is not what each tenant's alone would be."""
    for half in (0, 1):
        for batch in tenants.values():
            for run in batch.runs[half::2]:
                batch.land(run)
        try:
            warehouse.build(*tenants["de"].selection)
        except AssertionError:  # a node failed
            return True
    customers = in_warehouse(tenants["de"].declarations.table("customers"))
    whole = set().union(*(expected(name, batch)["customers"] for name, batch in tenants.items()))
    found = history_lines(warehouse, customers)
    return len(found) != len(set(found)) or set(found) != whole


@pytest.mark.parametrize(
    "mutant",
    [
        None,
        *(
            pytest.param(m, id=m.name, marks=[pytest.mark.long] * (m != MUTANTS[0]))
            for m in MUTANTS
        ),
    ],
)
def test_a_rule_without_the_tenant_is_seen(tmp_path: Path, mutant: Planted | None) -> None:
    tenants = batches(tmp_path, "sqlserver", 12, ("customers",))
    warehouse = tenants["de"].warehouse
    if mutant:
        assert warehouse.manifest is not None
        wrong = with_error(warehouse.manifest, mutant)
        warehouse = replace(warehouse, manifest=wrong)
    assert goes_wrong(tenants, warehouse) == (mutant is not None)


def expected(tenant: str, batch: Batch) -> dict[str, set[HistoryLine]]:
    """What the reference model makes of the tenant's records alone, by table."""
    lines: dict[str, set[HistoryLine]] = {}
    for number, log in enumerate(batch.logs):
        own = lines.setdefault(log.table.name, set())
        for rows in reference.history(batch.changes(number)).values():
            own |= {expected_line(of_tenant(row, tenant), in_warehouse(log.table)) for row in rows}
    return lines


@pytest.mark.parametrize(
    "connector", ["sqlserver", pytest.param("postgresql", marks=pytest.mark.long)]
)
def test_each_tenant_is_as_if_it_were_alone(
    tmp_path: Path, connector: ConnectorName, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, tenants = Random(1), batches(tmp_path, connector)
    warehouse, tables = tenants["de"].warehouse, tenants["de"].tables
    steps = [(run, random.random(), tenant) for tenant in TENANTS for run in tenants[tenant].runs]
    for number, (run, _, tenant) in enumerate(sorted(steps), start=1):
        tenants[tenant].land(run)
        if number in {len(steps) // 2, len(steps)}:
            warehouse.build(*tenants["de"].selection)
    for table in tables:
        lines = history_lines(warehouse, in_warehouse(table))
        assert len(lines) == len(set(lines))
        for tenant, batch in tenants.items():
            own = {line for line in lines if line[0] == tenant}
            assert own == expected(tenant, batch)[table.name], (table.name, tenant)
        read = warehouse.rows(
            f"select tenant, _cdc_incarnation >= 200 from staging.{table.name}__log group by all"
        )
        assert set(read) == {("de", False), ("fr", True)}
    both = """
        select count(*) from staging.stg_retail__customers as a
        inner join staging.stg_retail__customers as b
            on a.tenant < b.tenant and a.customer_id = b.customer_id
            and a._cdc_position = b._cdc_position and a.kafka_offset = b.kafka_offset
        """
    assert warehouse.rows(both)[0][0] > 0, "nothing could have been mixed"
    proofs = {
        "log": ("each_record_once", "holds_what_was_landed"),
        "history": ("unbroken_history",),
    }
    selected = [
        f"test_name:{proof},{table.name}_{'_' * (kind == 'log')}{kind}"
        for table in tables
        for kind, names in proofs.items()
        for proof in names
    ]
    warehouse.dbt.run("test", "--vars", "audit: full", "--select", *selected)

    monkeypatch.chdir(warehouse.project)
    monkeypatch.setattr(rebuild, "load", lambda: load(warehouse.project / SOURCES))
    middle = "select quantile_disc(customer_id, 0.5) from history.customers_history"
    for damaged in ("staging.customers__log", "history.customers_history"):
        with duckdb.connect(warehouse.file) as file:
            file.execute(f"delete from {damaged} where customer_id <= ({middle})")
    table = in_warehouse(tenants["de"].declarations.table("customers"))
    left = {line for line in history_lines(warehouse, table) if line[0] == "fr"}
    assert 0 < len(left) < len(expected("fr", tenants["fr"])["customers"])
    with environment(warehouse.dbt.settings):
        rebuild.rebuild(["customers"], swap=True, tenant="de")
    whole = expected("de", tenants["de"])["customers"]
    assert set(history_lines(warehouse, table)) == whole | left


def test_tenants_of_different_shape_are_told_apart(tmp_path: Path) -> None:
    """Both lack a column in their newest records, one of them as well what the other still has."""
    project = copy_project(tmp_path / "project", EPOCHS)
    declared = declare_tenants(project, tables=("stores",))
    warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "sqlserver")
    for number, (tenant, part) in enumerate(declared.tenants.items(), start=1):
        stores = part.table("stores")
        lacks = ("city",) if tenant == "de" else ("city", "closed_on")
        seen = replace(stores, columns=tuple(c for c in stores.columns if c.name not in lacks))
        zone = LandingZone(warehouse.landing, part, "sqlserver", 100 * number)
        for step, shape in enumerate((stores, seen), start=1):
            event = Event("u", SqlServerPlace(step, 1, 1), 10**12 + step, STORE, STORE)
            value = value_bytes(event, shape, "sqlserver", "retail")
            # the newest record of one is not the newest of the table
            key, at = key_bytes(STORE, stores, "sqlserver"), 10**12 + step - 1000 * number
            zone.land(stores, [Delivery(key, value, 0, at)])
    warehouse.build("--select", "+drift", "quarantine")
    told = "select tenant, finding, record_count from staging.drift where is_current order by 1"
    assert warehouse.rows(told) == [
        ("de", "de/missing:City", 1),
        ("fr", "fr/missing:City,ClosedOn", 1),
    ]
    found = read_local(warehouse.file, declared).drift
    assert [(drift.tenant, drift.columns) for drift in found] == [
        ("de", "City"),
        ("fr", "City,ClosedOn"),
    ]
    with duckdb.connect(warehouse.file) as file:
        findings = Findings(lambda sql: file.execute(sql).fetchall(), "", declared)
        [of_de, of_fr] = findings.open()
        findings.accept([of_fr], "known", "me")
        assert findings.open() == [of_de]
    assert [drift.tenant for drift in read_local(warehouse.file, declared).drift] == ["de"]


@pytest.mark.long
@pytest.mark.parametrize("connector", CONNECTORS)
def test_the_log_says_of_each_tenant_which_of_its_rows_are_there(
    tmp_path: Path, connector: ConnectorName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `reconcile rows` asks it, by keys that it has from the source, where no tenant is."""
    tenants = batches(tmp_path, connector)
    warehouse = tenants["de"].warehouse
    for batch in tenants.values():
        for run in batch.runs:
            batch.land(run)
    warehouse.build(*tenants["de"].selection)
    monkeypatch.chdir(warehouse.project)
    for tenant, batch in tenants.items():
        table = batch.declarations.table("customers")
        scope = Scope(table, "", tenant)
        with environment(warehouse.dbt.settings):
            ctes = compiled("", [scope])["customers"]
        log = Log(warehouse.rows, "staging", batch.declarations, connector, table)
        found = all_current(log, ctes)
        logs = [number for number, log in enumerate(batch.logs) if log.table.name == "customers"]
        last = {
            key[0]: rows[-1]
            for number in logs
            for key, rows in reference.history(batch.changes(number)).items()
        }
        assert {key: current.alive for (key,), current in found.values()} == {
            key: not row.is_deleted for key, row in last.items()
        }
        assert set(found) == {scope.key_hash({"customer_id": str(key)}) for key in last}
