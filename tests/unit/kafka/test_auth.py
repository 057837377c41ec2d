"""IAM on Amazon MSK: the token is made from the credentials at hand, without asking anyone."""

from __future__ import annotations

import base64
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from ingestion.errors import TerminalError
from ingestion.kafka.auth import java_security, librdkafka_security
from ingestion.settings import Settings

IAM = {"LAKEHOUSE_KAFKA_AUTH": "iam", "AWS_REGION": "eu-central-1"}


def test_without_iam_nothing_is_added() -> None:
    assert librdkafka_security(Settings.from_environment({})) == {}
    assert java_security("none") == {}


def test_iam_without_a_region_says_which_variable_is_missing() -> None:
    with pytest.raises(TerminalError, match="AWS_REGION"):
        librdkafka_security(Settings.from_environment({"LAKEHOUSE_KAFKA_AUTH": "iam"}))


def test_the_token_is_signed_for_the_region_and_expires_in_seconds_not_milliseconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    security = librdkafka_security(Settings.from_environment(IAM))
    assert (security["security.protocol"], security["sasl.mechanism"]) == (
        "SASL_SSL",
        "OAUTHBEARER",
    )
    token, expires_at = security["oauth_cb"]("")
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    assert url.netloc == "kafka.eu-central-1.amazonaws.com"
    assert parse_qs(url.query)["Action"] == ["kafka-cluster:Connect"]
    assert time.time() < expires_at < time.time() + 3600


def test_java_clients_use_the_callback_handler_of_amazons_library() -> None:
    assert java_security("iam")["sasl.mechanism"] == "AWS_MSK_IAM"
