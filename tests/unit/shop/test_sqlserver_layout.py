"""Records are laid out as the SQL Server connector lays them out."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from ingestion.declarations import load
from lakehouse.source.envelopes import InTransaction, Origin, encode
from lakehouse.source.positions import SqlServerPlace, lsn_text
from playground.shop.sqlserver.layout import (
    TableLayout,
    hashed,
    heartbeat,
    layouts,
    log_sequence_number,
    schema_change,
    transaction_begin,
    transaction_end,
)

SALT = "salt-of-the-tests-0123456789"
AT_MS = 1_795_341_600_123
CUSTOMER = {
    "customer_id": 7,
    "email": "zoë@example.com",
    "first_name": "Zoë",
    "last_name": None,
    "phone": "+49 221 123",
    "password_hash": "secret",
    "birth_date": "1990-02-28",
    "tier": "gold",
    "marketing_consent": True,
    "preferred_store_id": 3,
    "erased_at": None,
    "created_at": "2026-03-01T08:00:00",
    "updated_at": "2026-03-01T08:00:00.1234",
}


@pytest.fixture(scope="module")
def customers() -> TableLayout:
    return layouts(load(), SALT)["customers"]


def event(layout: TableLayout, *arguments: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(layout.event(*arguments))
    return parsed


def test_a_row_has_the_source_s_names_and_forms_and_nothing_excluded(
    customers: TableLayout,
) -> None:
    found = event(customers, "r", (None, CUSTOMER), Origin(SqlServerPlace(1), AT_MS), None, AT_MS)

    assert found["after"] == {
        "CustomerId": 7,
        "Email": "zoë@example.com",
        "FirstName": "Zoë",
        "LastName": None,
        "Phone": sha256(f"{SALT}+49 221 123".encode()).hexdigest(),
        "BirthDate": "1990-02-28Z",
        "Tier": "gold",
        "MarketingConsent": True,
        "PreferredStoreId": 3,
        "ErasedAt": None,
        "CreatedAt": "2026-03-01T08:00:00Z",
        "UpdatedAt": "2026-03-01T08:00:00.1234Z",
    }


def test_declared_source_names_win_over_pascal_case_and_decimals_are_text() -> None:
    layout = layouts(load(), SALT)["products"]
    product: dict[str, Any] = dict.fromkeys(column.name for column in layout.table.columns)
    product |= {"product_id": 1, "sku": "A", "unit_price": "12.50", "weight_kg": "0.125"}
    after = event(layout, "c", (None, product), Origin(SqlServerPlace(1), AT_MS), None, AT_MS)[
        "after"
    ]

    assert (after["SKU"], after["WeightKG"], after["UnitPrice"]) == ("A", "0.125", "12.50")
    assert after["UnitCost"] is None


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param(
            Origin(SqlServerPlace(log_sequence_number(0x0C7803)), AT_MS, "first"),
            {"snapshot": "first", "change_lsn": None, "event_serial_no": None},
            id="snapshot read",
        ),
        pytest.param(
            Origin(
                SqlServerPlace(log_sequence_number(0x0C7803), log_sequence_number(0x0C7802), 2),
                AT_MS,
            ),
            {"snapshot": None, "change_lsn": "00000027:00000c78:0002", "event_serial_no": 2},
            id="update",
        ),
    ],
)
def test_the_source_block_is_the_connector_s(
    customers: TableLayout, origin: Origin, expected: dict[str, Any]
) -> None:
    source = customers.source(origin)

    # The fields and their order as the connector's own classes print them.
    assert list(source) == [
        *("version", "connector", "name", "ts_ms", "snapshot", "db", "sequence", "ts_us"),
        *("ts_ns", "schema", "table", "change_lsn", "commit_lsn", "event_serial_no"),
    ]
    assert source | expected == source
    assert (
        source
        | {
            "version": "3.6.1.Final",
            "connector": "sqlserver",
            "name": "retail",
            "ts_ms": AT_MS,
            "ts_us": AT_MS * 1000,
            "ts_ns": AT_MS * 1_000_000,
            "db": "retail",
            "schema": "dbo",
            "table": "Customers",
            "sequence": None,
            "commit_lsn": "00000027:00000c78:0003",
        }
        == source
    )


def test_an_envelope_has_its_transaction_block(customers: TableLayout) -> None:
    origin = Origin(SqlServerPlace(3, 2, 1), AT_MS)
    found = event(customers, "d", (CUSTOMER, None), origin, InTransaction("id", 4, 2), AT_MS + 9)

    assert list(found) == [
        "before",
        "after",
        "source",
        "transaction",
        "op",
        "ts_ms",
        "ts_us",
        "ts_ns",
    ]
    assert (found["op"], found["after"], found["ts_ms"]) == ("d", None, AT_MS + 9)
    assert found["transaction"] == {"id": "id", "total_order": 4, "data_collection_order": 2}


def test_keys_hold_the_primary_key_in_its_order() -> None:
    layout = layouts(load(), SALT)["order_items"]

    assert encode(layout.key({"line_no": 2, "order_id": 1})) == b'{"OrderId":1,"LineNo":2}'


def test_log_positions_sort_as_text() -> None:
    positions = [0, 1, 15, 16, 255, 256, 2**20, 2**39, 2**40, 2**41 + 5]
    texts = [lsn_text(log_sequence_number(position)) for position in positions]

    assert texts == sorted(texts)
    assert {len(text) for text in texts} == {22}


def test_hashes_are_cut_to_the_column() -> None:
    assert hashed("x", "s", 64) == sha256(b"sx").hexdigest()
    assert hashed("x", "s", 10) == sha256(b"sx").hexdigest()[:10]


def test_transactions_are_announced_and_counted() -> None:
    begin = transaction_begin("retail.transaction", "00:01", AT_MS)
    end = transaction_end("retail.transaction", "00:01", AT_MS, {"retail.dbo.Orders": 2})

    assert json.loads(begin.value or b"") == {
        "status": "BEGIN",
        "id": "00:01",
        "event_count": None,
        "data_collections": None,
        "ts_ms": AT_MS,
    }
    assert json.loads(end.value or b"") == {
        "status": "END",
        "id": "00:01",
        "event_count": 2,
        "data_collections": [{"data_collection": "retail.dbo.Orders", "event_count": 2}],
        "ts_ms": AT_MS,
    }
    assert end.key == b'{"id":"00:01"}'


def test_a_heartbeat_names_the_server() -> None:
    record = heartbeat("__debezium-heartbeat.retail", "retail", AT_MS)

    assert (record.key, record.value) == (b'{"serverName":"retail"}', b'{"ts_ms":%d}' % AT_MS)


def test_a_schema_change_describes_the_captured_columns(customers: TableLayout) -> None:
    record = schema_change("retail", customers, Origin(SqlServerPlace(3), AT_MS, "true"), AT_MS)
    value = json.loads(record.value or b"")
    (change,) = value["tableChanges"]

    assert (record.topic, record.key) == ("retail", b'{"databaseName":"retail"}')
    assert change["id"] == '"retail"."dbo"."Customers"'
    assert change["table"]["primaryKeyColumnNames"] == ["CustomerId"]
    names = [column["name"] for column in change["table"]["columns"]]
    assert "Phone" in names
    assert "PasswordHash" not in names
