"""The cloud on loopback: an SDK's second attempt is no second request."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.test import Client

from tests.infra.terraform.aws import Once


class Making:
    """Makes a thing a request; the first `failures` requests fail."""

    def __init__(self, failures: int = 0) -> None:
        self.asked = 0
        self._failures = failures

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.asked += 1
        failed = self.asked <= self._failures
        start_response("500 Internal Server Error" if failed else "200 OK", [("x-number", "1")])
        return [f"thing {self.asked}".encode()]


def test_a_second_attempt_gets_the_answer_of_the_first() -> None:
    making = Making()
    client = Client(Once(making))
    attempts = [
        client.post("/things", headers={"amz-sdk-invocation-id": invocation})
        for invocation in ("a", "a", "b")
    ]
    assert [attempt.text for attempt in attempts] == ["thing 1", "thing 1", "thing 2"]
    assert attempts[1].headers["x-number"] == "1"


def test_a_failed_attempt_is_carried_out_again() -> None:
    client = Client(Once(Making(failures=1)))
    attempts = [client.post("/", headers={"amz-sdk-invocation-id": "a"}) for _ in range(2)]
    assert [attempt.status_code for attempt in attempts] == [500, 200]


def test_what_has_no_invocation_and_what_only_reads_is_asked_each_time() -> None:
    making = Making()
    client = Client(Once(making))
    for _ in range(2):
        client.post("/")
        client.get("/", headers={"amz-sdk-invocation-id": "a"})
    assert making.asked == 4
