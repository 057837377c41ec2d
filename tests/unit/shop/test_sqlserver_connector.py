"""What the SQL Server connector writes for each kind of change, and SQL Server's own cases."""

from __future__ import annotations

import json
from typing import Any

from ingestion.declarations import load
from lakehouse.kafka.produce import Record
from playground.shop.sqlserver.connector import Change, Connector, Progress, Quirks, Transaction
from playground.shop.sqlserver.layout import Image

AT = 1_000_000
PROCESSED = 2_000_000
TOPIC = "retail.retail.dbo.ProductCategories"


def category(key: int, name: str) -> Image:
    return {
        "category_id": key,
        "name": name,
        "parent_category_id": None,
        "updated_at": "2026-03-01T08:00:00",
    }


def insert(sequence: int, key: int, name: str = "a") -> Change:
    return Change(sequence, "product_categories", "c", None, category(key, name))


def update(sequence: int, key: int, old: str = "a", new: str = "b") -> Change:
    return Change(sequence, "product_categories", "u", category(key, old), category(key, new))


def delete(sequence: int, key: int, name: str = "a") -> Change:
    return Change(sequence, "product_categories", "d", category(key, name), None)


def rekey(sequence: int, old: int, new: int) -> Change:
    return Change(sequence, "product_categories", "u", category(old, "a"), category(new, "a"))


def transaction(*changes: Change, at: int = AT) -> Transaction:
    return Transaction(at, changes)


def stream(*transactions: Transaction, quirks: Quirks | None = None) -> list[Record]:
    return Connector(load(), "s", quirks).stream(transactions, PROCESSED)


def data(records: list[Record]) -> list[tuple[Any, ...]]:
    """Of each record of the table: op (T: tombstone), key, name before and after, place."""
    found: list[tuple[Any, ...]] = []
    for record in records:
        if record.topic != TOPIC:
            continue
        key = json.loads(record.key)["CategoryId"]
        if record.value is None:
            found.append(("T", key))
            continue
        value = json.loads(record.value)
        names = [row and row["Name"] for row in (value["before"], value["after"])]
        source = value["source"]
        place = (source["commit_lsn"], source["change_lsn"], source["event_serial_no"])
        found.append((value["op"], key, *names, *place))
    return found


def lsn(slot: int) -> str:
    return f"00000027:00000000:{slot:04x}"


def test_each_change_has_its_place_in_the_log() -> None:
    records = stream(transaction(insert(1, 7), update(2, 7), delete(3, 7, "b")))

    # Changes stand at 16 a sequence number + 2, the commit behind the last of them.
    assert data(records) == [
        ("c", 7, None, "a", lsn(0x33), lsn(0x12), 1),
        ("u", 7, "a", "b", lsn(0x33), lsn(0x22), 2),
        ("d", 7, "b", None, lsn(0x33), lsn(0x32), 1),
        ("T", 7),
    ]


def test_a_transaction_that_began_earlier_and_commits_later_has_lower_changes() -> None:
    records = data(stream(transaction(insert(2, 1), at=AT), transaction(insert(1, 2), at=AT + 5)))

    assert [record[4:6] for record in records] == [(lsn(0x23), lsn(0x22)), (lsn(0x25), lsn(0x12))]


def test_a_key_update_is_a_delete_a_tombstone_and_an_insert_that_name_each_other() -> None:
    records = [record for record in stream(transaction(rekey(1, 7, 8))) if record.topic == TOPIC]

    assert data(records) == [
        ("d", 7, "a", None, lsn(0x13), lsn(0x12), 2),
        ("T", 7),
        ("c", 8, None, "a", lsn(0x13), lsn(0x12), 2),
    ]
    assert [record.headers[0] for record in records] == [
        ("__debezium.newkey", b'{"CategoryId":8}'),
        ("__debezium.newkey", b'{"CategoryId":8}'),
        ("__debezium.oldkey", b'{"CategoryId":7}'),
    ]


def test_a_key_update_may_be_two_changes_of_the_log() -> None:
    records = stream(transaction(rekey(1, 7, 8)), quirks=Quirks(split_keys_every=1))

    assert data(records) == [
        ("d", 7, "a", None, lsn(0x13), lsn(0x12), 1),
        ("T", 7),
        ("c", 8, None, "a", lsn(0x13), lsn(0x12), 2),
    ]
    assert not any(name.endswith("key") for record in records for name, _ in record.headers)


def test_a_deferred_update_is_a_delete_and_an_insert_of_one_key_at_one_place() -> None:
    records = stream(transaction(update(1, 7)), quirks=Quirks(deferred_every=1))

    assert data(records) == [
        ("d", 7, "a", None, lsn(0x13), lsn(0x12), 1),
        ("T", 7),
        ("c", 7, None, "b", lsn(0x13), lsn(0x12), 2),
    ]


def test_commit_order_may_disagree_with_commit_times() -> None:
    one, two = transaction(insert(1, 1), at=AT), transaction(insert(2, 2), at=AT + 50)
    records = stream(one, two, quirks=Quirks(swapped_every=1))
    events = [json.loads(record.value or b"") for record in records if record.topic == TOPIC]

    assert [event["after"]["CategoryId"] for event in events] == [2, 1]
    assert events[0]["source"]["commit_lsn"] < events[1]["source"]["commit_lsn"]
    assert events[0]["source"]["ts_ms"] > events[1]["source"]["ts_ms"]


def test_transactions_that_share_a_row_are_never_swapped() -> None:
    one, two = transaction(insert(1, 1), at=AT), transaction(update(2, 1), at=AT + 50)

    records = data(stream(one, two, quirks=Quirks(swapped_every=1)))

    assert [record[0] for record in records] == ["c", "u"]


def test_a_clock_may_step_back() -> None:
    one, two = transaction(insert(1, 1)), transaction(update(2, 1), at=AT + 50)
    records = stream(one, two, quirks=Quirks(clock_steps_every=2))
    times = [
        json.loads(record.value or b"")["source"]["ts_ms"]
        for record in records
        if record.topic == TOPIC
    ]

    assert times == [AT, AT + 50 - 2000]


def test_an_incremental_snapshot_reads_at_the_place_of_the_last_event() -> None:
    records = stream(
        transaction(insert(1, 7), update(2, 7), insert(3, 8), delete(4, 9)),
        quirks=Quirks(incremental_every=1),
    )
    reads = [record for record in data(records) if record[0] == "r"]
    envelope = json.loads([r.value for r in records if r.topic == TOPIC][-1] or b"")

    assert reads == [
        ("r", 7, None, "b", lsn(0x43), lsn(0x42), 1),
        ("r", 8, None, "a", lsn(0x43), lsn(0x42), 1),
    ]
    assert (envelope["source"]["snapshot"], envelope["transaction"]) == ("incremental", None)


def test_redelivered_records_are_the_same_records() -> None:
    transactions = [transaction(insert(number, number)) for number in range(1, 4)]
    once = stream(*transactions)
    twice = stream(*transactions, quirks=Quirks(redelivered_every=3))

    assert len(data(twice)) == 2 * len(data(once)) == 6
    assert data(twice)[3:] == data(once)


def test_transaction_metadata_counts_events_not_tombstones() -> None:
    records = stream(transaction(delete(1, 7), insert(2, 7)), transaction(insert(3, 8), at=AT + 9))
    metadata = [json.loads(r.value or b"") for r in records if r.topic == "retail.transaction"]
    blocks = [json.loads(r.value)["transaction"] for r in records if r.topic == TOPIC and r.value]

    assert [(entry["status"], entry["id"], entry["ts_ms"]) for entry in metadata] == [
        ("BEGIN", lsn(0x23), AT),
        # The connector learns of an end from the next transaction.
        ("END", lsn(0x23), AT + 9),
        ("BEGIN", lsn(0x33), AT + 9),
        ("END", lsn(0x33), AT + 9),
    ]
    assert [entry["event_count"] for entry in metadata] == [None, 2, None, 1]
    assert [(block["total_order"], block["data_collection_order"]) for block in blocks] == [
        (1, 1),
        (2, 2),
        (1, 1),
    ]


def test_a_snapshot_announces_every_table_and_marks_its_ends() -> None:
    connector = Connector(load(), "s")
    store: Image = dict.fromkeys(column.name for column in load().table("stores").columns)
    rows: dict[str, list[Image]] = {
        "product_categories": [category(key, "a") for key in (1, 2, 3)],
        "stores": [store],
    }
    records = connector.snapshot(rows, last_sequence=5, read_ms=AT)
    own = {"retail", "retail.notification"}
    reads = [json.loads(record.value or b"") for record in records if record.topic not in own]

    assert sum(record.topic == "retail" for record in records) == len(load().tables)
    assert [read["source"]["snapshot"] for read in reads] == [
        "first",
        "true",
        "last_in_data_collection",
        "last",
    ]
    assert {(read["op"], read["transaction"], read["source"]["change_lsn"]) for read in reads} == {
        ("r", None, None)
    }
    assert {read["source"]["commit_lsn"] for read in reads} == {lsn(0x53)}


def test_a_snapshot_notifies_of_each_table_how_many_rows_it_read() -> None:
    rows: dict[str, list[Image]] = {"product_categories": [category(key, "a") for key in (1, 2)]}
    records = Connector(load(), "s").snapshot(rows, last_sequence=5, read_ms=AT)
    first, last = records[0], records[-1]
    told = [json.loads(r.value or b"") for r in records if r.topic == "retail.notification"]

    assert {first.topic, last.topic} == {"retail.notification"}
    assert [told[0]["type"], told[-1]["type"]] == ["STARTED", "COMPLETED"]
    scans = [told["additional_data"] for told in told[1:-1]]
    assert {scan["scanned_collection"]: scan["total_rows_scanned"] for scan in scans} == {
        table.topics["sqlserver"].removeprefix("retail."): "2"
        if table.name == "product_categories"
        else "0"
        for table in load().tables
    }
    assert len({notification["id"] for notification in told}) == len(told)


def test_a_late_read_has_the_snapshot_s_place_and_later_values() -> None:
    connector = Connector(load(), "s")
    connector.snapshot({"product_categories": [category(1, "a")]}, last_sequence=1, read_ms=AT)
    (late,) = connector.late_reads([("product_categories", category(2, "b"))], read_ms=AT + 1)
    streamed = connector.stream([transaction(update(2, 2))], PROCESSED)

    assert data([late]) == [("r", 2, None, "b", lsn(0x13), None, None)]
    assert data(streamed) == [("u", 2, "a", "b", lsn(0x23), lsn(0x22), 2)]


def test_a_connector_goes_on_where_another_one_stopped() -> None:
    first = Connector(load(), "s")
    first.stream([transaction(insert(9, 1))], PROCESSED)
    second = Connector(load(), "s", progress=Progress(**vars(first.progress)))
    late = second.stream([transaction(insert(3, 2))], PROCESSED)

    assert first.progress.transactions == 1
    assert data(late) == [("c", 2, None, "a", lsn(0x95), lsn(0x32), 1)]


def test_nothing_new_is_a_heartbeat() -> None:
    (record,) = stream()

    assert record.topic == "__debezium-heartbeat.retail"


def test_a_record_names_no_connector_in_headers() -> None:
    """`extended.headers.enabled` is false in infra/connectors."""
    assert {record.headers for record in stream(transaction(insert(1, 1), update(2, 1)))} == {()}
