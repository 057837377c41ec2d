"""A second connector, `lakehouse connector render --snapshot-of`, reads the rows of one table."""

from __future__ import annotations

import json
import time

from ingestion.declarations import Declarations
from playground.services import Services
from playground.services.postgres import autocommit_cursor
from playground.shop import schema
from tests.integration.records import read_all

INSERT = """
insert into product_categories
select key, 'name ' || key, null, '2026-03-01' from generate_series(1, 5) as key
"""


def test_it_reads_what_the_streaming_connector_has_not_read(
    services: Services, database: str, own_declarations: Declarations
) -> None:
    schema.create(database)
    with autocommit_cursor(database) as shop:
        shop.execute(INSERT)
        streaming = services.capture(database, own_declarations)
        # As for a table that is captured from now on: its rows are not read.
        streaming.settings["snapshot.mode"] = "no_data"
        streaming.start()
        shop.execute("update product_categories set name = 'changed' where category_id = 1")
        streaming.wait_until_delivered()

        snapshot = services.capture(database, own_declarations, ["product_categories"])
        snapshot.create()
        deadline = time.monotonic() + 60
        while len(found := _events(services, own_declarations)) < 6:
            assert time.monotonic() < deadline, (found, snapshot.status())
            time.sleep(0.2)
        snapshot.delete()

        shop.execute("update product_categories set name = 'again' where category_id = 2")
        streaming.wait_until_delivered()
        first, *reads, last = _events(services, own_declarations)
        assert (first, last) == (("u", 1, "changed"), ("u", 2, "again"))
        names = ["changed", "name 2", "name 3", "name 4", "name 5"]
        assert sorted(reads) == [("r", key, name) for key, name in enumerate(names, start=1)]
        streaming.delete()


def _events(services: Services, declarations: Declarations) -> list[tuple[str, int, str]]:
    topic = declarations.table("product_categories").topics["postgresql"]
    events = [json.loads(record.value() or "null") for record in read_all(services.kafka, topic)]
    return [
        (event["op"], event["after"]["category_id"], event["after"]["name"]) for event in events
    ]
