"""docs/runbooks/operations.md where one machine has all that a section speaks of, line by line.

A real source with the real connector, landing and dbt on DuckDB; what the page does on Redshift
runs on the stand-in. What a section is about is done to the source, log or topics before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread

import pytest

from ingestion.declarations import load
from playground.services import SHOP_DATABASE, Services
from playground.services.capture import SALT, Capture
from playground.shop import schema
from playground.shop.opening import Scale
from playground.shop.simulator import Shop
from redshift_standin.server import StandIn
from tests.kit.redshift import redshift_settings
from tests.kit.runbooks import Shell, checkout, section

NAMES = {
    # of the connector that the playground makes
    "lakehouse reconcile rows": "lakehouse reconcile rows --slot retail_shop",
}


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
        root = checkout(folder / "checkout")
        self.servers = services.bootstrap_servers
        environment = {
            **{key: text for key, text in os.environ.items() if not key.startswith("LAKEHOUSE_")},
            **redshift_settings(stand_in, self.servers),
            **services.environment(),
            "LAKEHOUSE_PII_SALT": SALT,
            "NO_COLOR": "1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(root),
            "SAID": str(folder / "said"),
        }
        self.shell = Shell(root, environment, dict(NAMES))

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
        for line in section(__file__, "operations.md", title):
            waits = line.text.startswith("lakehouse reconcile rows")
            with self.at_work() if waits else nullcontext():
                self.shell.walk(line)


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
    machine.follow()
    machine.walk("Operations")
    machine.walk("A number is wrong")
