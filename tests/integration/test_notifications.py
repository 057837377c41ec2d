"""What the real connector notifies of its snapshots, and what the model reads from it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from ingestion.declarations import Declarations
from playground.services import Services
from playground.services.postgres import autocommit_cursor
from playground.shop import schema
from tests.integration.records import read_all
from tests.kit.landing import Delivery, LandingZone
from tests.kit.warehouse import Warehouse, copy_project

INSERT = """
insert into product_categories
select key, 'name ' || key, null, '2026-03-01' from generate_series(1, 5) as key
"""
SCANS = """
select snapshot_id, kafka_topic, scan_status, row_count, completion_count, chunk_count,
    start_received_at <= completion_received_at and started_at <= scanned_at
        and scanned_at <= completed_at as is_ordered
from staging.stg_debezium__table_scans
order by started_at, kafka_topic
"""


def test_a_snapshot_tells_how_many_rows_it_read_of_each_table(
    services: Services, database: str, own_declarations: Declarations, tmp_path: Path
) -> None:
    schema.create(database)
    with autocommit_cursor(database) as shop:
        shop.execute(INSERT)
        capture = services.capture(database, own_declarations)
        capture.start()
        capture.wait_until_delivered()
        capture.delete_with_position()
        shop.execute("delete from product_categories where category_id > 3")
        capture.start()
        capture.wait_until_delivered()
    topic = own_declarations.connectors["postgresql"].notification_topic
    notifications = [
        Delivery(record.key(), record.value(), 0, record.timestamp()[1])
        for record in read_all(services.kafka, topic)
    ]
    capture.delete()

    landing = LandingZone(tmp_path / "landing", own_declarations, "postgresql")
    # again: as a worker that was killed delivers it
    landing.land_notifications([*notifications, notifications[0], notifications[-1]])
    project = copy_project(tmp_path, {own_declarations.connectors["postgresql"].topic_prefix: 1})
    warehouse = Warehouse(
        project, tmp_path / "landing", tmp_path / "warehouse.duckdb", "postgresql"
    )
    warehouse.build("--select", "stg_debezium__table_scans")
    with duckdb.connect(str(warehouse.file), read_only=True) as connection:
        scans = connection.execute(SCANS).fetchall()

    topics = sorted(table.topics["postgresql"] for table in own_declarations.tables)
    first, second = scans[: len(topics)], scans[len(topics) :]
    for snapshot, rows in ((first, 5), (second, 3)):
        [_] = {scan[0] for scan in snapshot}
        assert [scan[1] for scan in snapshot] == topics
        assert {scan[2:] for scan in snapshot} == {
            ("SUCCEEDED", 0, 1, 0, True),
            ("SUCCEEDED", rows, 1, 0, True),
        }
    assert first[0][0] != second[0][0]
