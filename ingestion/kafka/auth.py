"""How clients of the broker prove who they are: not at all, or with IAM on Amazon MSK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingestion.errors import TerminalError
from ingestion.settings import KafkaAuth, Settings


def librdkafka_security(settings: Settings) -> dict[str, Any]:
    """What confluent-kafka's clients need for it; poll such a client once before its first use.

    Raises:
        TerminalError: IAM without a region.
    """
    if settings.kafka_auth == "none":
        return {}
    if not settings.aws_region:
        raise TerminalError("LAKEHOUSE_KAFKA_AUTH is iam: set AWS_REGION to the cluster's region")
    return {
        "security.protocol": "SASL_SSL",
        # librdkafka has no AWS_MSK_IAM; a signed token is what MSK accepts in its place.
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": iam_token(settings.aws_region),
    }


def iam_token(region: str) -> Callable[[str], tuple[str, float]]:
    """The callback that gives a signed token and when it expires, in seconds since 1970."""

    def token(_settings: str) -> tuple[str, float]:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

        signed, expires_at_milliseconds = MSKAuthTokenProvider.generate_auth_token(region)
        return signed, expires_at_milliseconds / 1000

    return token


def java_security(auth: KafkaAuth) -> dict[str, str]:
    """What Java clients need for it, with aws-msk-iam-auth on their class path (its README)."""
    if auth == "none":
        return {}
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "AWS_MSK_IAM",
        "sasl.jaas.config": "software.amazon.msk.auth.iam.IAMLoginModule required;",
        "sasl.client.callback.handler.class": (
            "software.amazon.msk.auth.iam.IAMClientCallbackHandler"
        ),
    }
