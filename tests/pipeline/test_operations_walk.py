"""docs/runbooks/operations.md where one machine has all that a section speaks of, line by line.

A real source with the real connector, landing and dbt on DuckDB; what the page does on Redshift
runs on the stand-in. What a section is about is done to the source, log or topics before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from confluent_kafka import Producer

from ingestion.declarations import Declarations, load
from playground.services import SHOP_DATABASE, Services
from playground.services.capture import SALT, Capture
from playground.services.postgres import autocommit_cursor
from playground.shop import schema
from playground.shop.opening import Scale
from playground.shop.simulator import Shop
from redshift_standin.server import StandIn
from tests.kit.redshift import redshift_settings
from tests.kit.runbooks import Shell, checkout, section, sections
from tests.kit.tenants import declare_tenants

PAGE = "operations.md"
TENANTS = "Add a tenant"
DELETE = "delete from {} where order_id in (select order_id from orders where customer_id = 7)"
NAMES = {
    "<table>": "customers",
    # of the connector that the playground makes
    "lakehouse reconcile rows": "lakehouse reconcile rows --slot retail_shop",
    "--key …": "--key customer_id=1",
    "--reason …": "--reason why",
}


def new_shell(folder: Path, services: Services, stand_in: StandIn) -> Shell:
    """A checkout, and a shell in it with the settings of these servers."""
    root = checkout(folder / "checkout")
    environment = {
        **{key: text for key, text in os.environ.items() if not key.startswith("LAKEHOUSE_")},
        **redshift_settings(stand_in, services.bootstrap_servers),
        **services.environment(),
        "LAKEHOUSE_PII_SALT": SALT,
        "NO_COLOR": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(root),
        "SAID": str(folder / "said"),
    }
    return Shell(root, environment, NAMES)


class Machine:
    """The shop, its connector, and a checkout with a shell in it."""

    def __init__(self, folder: Path, services: Services, stand_in: StandIn) -> None:
        self.folder, self.stand_in = folder, stand_in
        self.dsn = services.postgres.create_database(SHOP_DATABASE)
        schema.create(self.dsn)
        with Shop(self.dsn, 3, Scale(customers=60, orders=80, products=40, categories=6)) as shop:
            shop.seed()
            self.capture: Capture = services.capture(self.dsn, load())
            self.capture.start()
            shop.round(changes=200)
        self.servers = services.bootstrap_servers
        self.shell = new_shell(folder, services, stand_in)
        self.walked: set[tuple[str, str]] = set()

    def source(self, *statements: str) -> None:
        """Do something in the source."""
        with autocommit_cursor(self.dsn) as database:
            for statement in statements:
                database.execute(statement)

    @contextmanager
    def unseen(self, *tables: str) -> Iterator[None]:
        """What happens meanwhile to the tables, the connector is not shown."""
        publication = self.capture.settings["publication.name"]
        named = ", ".join(f"public.{table}" for table in tables)
        self.source(f"alter publication {publication} drop table {named}")
        yield
        self.source(f"alter publication {publication} add table {named}")

    def follow(self) -> None:
        """Land and build what there is."""
        self.capture.wait_until_delivered()
        self.shell.run("lakehouse land --once && dbt build --exclude-resource-type test unit_test")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The pipeline runs beside."""
        done = Event()

        def work() -> None:
            beside = Shell(
                self.shell.folder,
                self.shell.environment | {"SAID": str(self.folder / "beside")},
            )
            while not done.wait(1):
                # for a moment the command may hold the file that dbt has to write
                beside.run(
                    "lakehouse land --once; dbt build --quiet --select path:models/staging"
                    " --exclude-resource-type test unit_test || true"
                )

        worker = Thread(target=work)
        worker.start()
        try:
            yield
        finally:
            done.set()
            worker.join()

    def walk(self, title: str) -> None:
        """Run a section."""
        for line in section(__file__, PAGE, title):
            waits = line.text.startswith("lakehouse reconcile rows")
            with self.at_work() if waits else nullcontext():
                self.shell.walk(line)
        self.walked.add((PAGE, title))


@pytest.fixture
def machine(services: Services, stand_in: StandIn, tmp_path: Path) -> Iterator[Machine]:
    services.kafka.delete_all_topics()
    made = Machine(tmp_path, services, stand_in)
    yield made
    made.capture.delete_with_position()
    services.postgres.drop_database(SHOP_DATABASE)
    services.kafka.delete_all_topics()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_page(machine: Machine) -> None:
    """In its order."""
    shell, ends = machine.shell, machine.shell.ends
    machine.follow()
    machine.walk("Operations")
    machine.walk("A number is wrong")

    # a change whose row before it is only a read proves nothing lost
    rename = "update customers set first_name = '{}' where customer_id = 42"
    machine.source(rename.format("Known"))
    with machine.unseen("customers"):
        machine.source(rename.format("Unseen"))
    machine.source(rename.format("Seen"))
    machine.follow()
    shell.run("dbt test --select before_images_chain_customers")
    ends["lakehouse accept list"] = 3
    machine.walk("A break was reported")
    del ends["lakehouse accept list"]

    producer = Producer({"bootstrap.servers": machine.servers})
    producer.produce(load().table("customers").topics["postgresql"], b"{}", b"{", partition=0)
    producer.flush()
    machine.follow()
    [at] = shell.run(
        "python -c \"import duckdb; print(*duckdb.connect('data/warehouse.duckdb').execute('select"
        " _cdc_incarnation, kafka_partition, kafka_offset from staging.quarantine').fetchone())\""
    ).splitlines()
    incarnation, partition, offset = at.split()
    shell.names = {
        **NAMES,
        "<incarnation>": incarnation,
        "<partition>": partition,
        "<offset>": offset,
    }
    machine.walk("Records in quarantine")

    machine.source(
        'alter table customers add column "Phone2" varchar(20)',
        "update customers set \"Phone2\" = '5' where customer_id = 1",
    )
    machine.follow()
    machine.walk("The source's columns have changed")
    machine.walk("A column is called like ours")

    ends["lakehouse reconcile"] = 3
    machine.walk("Changing the source")

    machine.capture.delete_with_position()
    machine.source(*(DELETE.format(table) for table in ("order_items", "payments", "orders")))
    machine.source("delete from customers where customer_id = 7")
    machine.capture.start()
    machine.follow()
    machine.walk("Rows that ended without an event")

    machine.follow()
    with machine.unseen("order_items"):
        machine.source(
            "delete from order_items where order_id = (select min(order_id) from orders)"
        )
    ends["lakehouse reconcile rows"] = 3
    machine.walk("Against the source itself")
    machine.walk("dbt's own flags")
    assert machine.walked | {(PAGE, TENANTS)} == set(sections(__file__))


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_further_tenant(services: Services, stand_in: StandIn, tmp_path: Path) -> None:
    """A project with one tenant gets another, whose database is there already."""
    shell = new_shell(tmp_path, services, stand_in)
    table, slot = "product_categories", "fr_tenant_fr"
    shell.names = {**NAMES, "<tenant>": "fr", "<table>": table, "retail_shop": slot}
    tenants: dict[str, dict[str, Any]] = {}
    build = (
        "dbt build --exclude-resource-type test unit_test --select path:models/staging snapshots"
    )
    services.kafka.delete_all_topics()
    with ExitStack() as made:
        made.callback(services.kafka.delete_all_topics)

        def declare(tenant: str) -> Declarations:
            tenants[tenant] = {
                "sqlserver": {"database": f"Shop{tenant}"},
                "postgresql": {"topic_prefix": tenant, "epochs": {tenant: 1}},
            }
            start = {"sqlserver": "{prefix}.{database}", "postgresql": "{prefix}"}
            return declare_tenants(shell.folder, tenants, start)

        def database(tenant: str) -> str:
            dsn = services.postgres.create_database(f"tenant_{tenant}")
            made.callback(services.postgres.drop_database, f"tenant_{tenant}")
            schema.create(dsn)
            with autocommit_cursor(dsn) as shop:
                shop.execute(f"insert into {table} values (1, '{tenant}', null, '2026-03-01')")
            return dsn

        def capture(tenant: str, declared: Declarations) -> None:
            connector = services.capture(dsns[tenant], declared.tenants[tenant])
            connector.start()
            made.callback(connector.delete_with_position)

        dsns = {tenant: database(tenant) for tenant in ("de", "fr")}
        declared = declare("de")
        shell.run("lakehouse topics apply")
        capture("de", declared)
        shell.run(f"lakehouse land --once && {build}")

        declared = declare("fr")
        shell.environment["LAKEHOUSE_SOURCE_DSN"] = dsns["fr"]
        for line in section(__file__, PAGE, TENANTS):
            shell.walk(line)
            if "connector render --tenant" in line.text:
                capture("fr", declared)
                shell.run(f"lakehouse land --once && {build}")
