"""Each request to the store in turn is carried out, and its answer is lost: nothing comes of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from ingestion.errors import OutageError, TerminalError
from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import Ledger
from ingestion.landing.storage import Storage, open_storage
from tests.kit.ledger import entry
from tests.kit.relay import Relay


@pytest.fixture
def relay(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    with Relay(int(s3_endpoint.rpartition(":")[2])) as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{relay.port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield relay


def a_zone() -> Storage:
    import boto3

    bucket = f"lake-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return open_storage(f"s3a://{bucket}/landing")


def land_a_batch(storage: Storage) -> None:
    """Every kind of request that landing makes."""
    file = DataFile(Partition("orders", 1, 0), date(2026, 3, 1), 0, 5)
    assert storage.put_if_absent("_landing.json", b"{}")
    assert not storage.put_if_absent("_landing.json", b"{}"), "the same content is another's"
    storage.put("_staging/s/1/part", b"whole")
    assert storage.list_files("_staging") == ["_staging/s/1/part"]
    assert storage.tail("_staging/s/1/part", 3) == b"ole"
    storage.publish("_staging/s/1/part", file.path)
    Ledger(storage).append([entry(0, 5)])
    storage.delete_folder("_staging/s")
    (position,) = Ledger(storage).progress.positions.values()
    assert position.until_offset == 5
    with storage.fetch(file.path) as found:
        assert found.read() == b"whole"


def test_a_lost_reply_changes_nothing(relay: Relay) -> None:
    whole = a_zone()
    relay.lose_reply(0)
    land_a_batch(whole)
    requests = relay.requests
    assert requests > 10
    for number in range(1, requests + 1):
        zone = a_zone()
        relay.lose_reply(number)
        land_a_batch(zone)
        assert relay.requests > requests, "the client has repeated it"
        relay.lose_reply(0)


def test_a_store_that_is_away_is_a_sentence(relay: Relay) -> None:
    zone = a_zone()
    relay.cut()
    with pytest.raises(OutageError, match=f"the store of {zone.uri} does not answer"):
        zone.list_files("orders")
    relay.mend()
    assert zone.list_files("orders") == []


def test_a_store_that_refuses_is_a_sentence(relay: Relay) -> None:
    missing = open_storage("s3a://no-such-bucket/landing")
    with pytest.raises(TerminalError, match="the store refuses s3a://no-such-bucket/landing"):
        missing.list_files("orders")


def test_a_conflict_is_repeated_until_it_is_decided(relay: Relay) -> None:
    zone: Any = a_zone()
    real, conflicts = zone._s3, [1, 2]

    def put_object(**options: Any) -> Any:
        if conflicts and "IfNoneMatch" in options:
            conflicts.pop()
            answer = {"Error": {"Code": "ConditionalRequestConflict"}}
            raise real.exceptions.ClientError(answer, "PutObject")
        return real.put_object(**options)

    zone._s3 = SimpleNamespace(
        put_object=put_object, head_object=real.head_object, exceptions=real.exceptions
    )
    assert zone.put_if_absent("_ledger/1", b"{}")
    assert conflicts == []
    conflicts += [1]
    assert not zone.put_if_absent("_ledger/1", b"{}")


def test_an_object_above_5_gb_is_copied_in_parts(relay: Relay) -> None:
    zone: Any = a_zone()
    zone.put("_staging/s/1/part", b"large")
    real = zone._s3

    def copy_object(**_: Any) -> None:
        answer = {"Error": {"Code": "InvalidRequest", "Message": "copy source is larger than"}}
        raise real.exceptions.ClientError(answer, "CopyObject")

    zone._s3 = SimpleNamespace(
        copy_object=copy_object,
        copy=real.copy,
        delete_object=real.delete_object,
        exceptions=real.exceptions,
    )
    zone.publish("_staging/s/1/part", "orders/x.parquet")
    zone._s3 = real
    assert zone.read("orders/x.parquet") == b"large"
    assert zone.list_files("_staging") == []
