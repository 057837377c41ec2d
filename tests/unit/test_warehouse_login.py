"""Who cannot log in to Redshift is told why and what to do, in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.errors import TerminalError
from lakehouse.warehouse.connection import Warehouse, WarehouseSettings

WORKGROUP = "wg1.123456789012.eu-central-1.redshift-serverless.amazonaws.com"
SERVERLESS = {"LAKEHOUSE_REDSHIFT_SERVERLESS": "true", "LAKEHOUSE_REDSHIFT_WORKGROUP": "wg1"}


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is logged in to AWS, whatever the machine has."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (SERVERLESS, "AWS gives no login for method iam_role: Unable to locate credentials"),
        ({**SERVERLESS, "LAKEHOUSE_REDSHIFT_WORKGROUP": ""}, "AWS gives no login"),
        ({}, "is a workgroup's endpoint: set LAKEHOUSE_REDSHIFT_SERVERLESS"),
    ],
)
def test_a_login_that_aws_does_not_give(given: dict[str, str], said: str) -> None:
    named = {"LAKEHOUSE_REDSHIFT_HOST": WORKGROUP, "AWS_REGION": "eu-central-1", **given}
    settings = WarehouseSettings.from_environment("prod", named)
    with pytest.raises(TerminalError, match=said) as told:
        Warehouse(settings)
    assert WORKGROUP in str(told.value)
