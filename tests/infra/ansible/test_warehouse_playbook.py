"""The warehouse playbook: against the Redshift stand-in, and what it keeps to itself.

Where the command line is a stand-in as well, it notes its arguments and login.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from playground.services.postgres import autocommit_cursor
from redshift_standin.server import StandIn
from tests.infra.ansible.conftest import RunPlaybook
from tests.kit.redshift import redshift_settings

PASSWORD = "correct horse battery staple"
CLIENT = {
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "region_name": "eu-central-1",
}
NAMES = ("METHOD", "USER", "PASSWORD")
LAKEHOUSE = f"""#!{sys.executable}
import json, os, pathlib, sys
notes = pathlib.Path(os.environ["NOTES"])
login = {{name: os.environ.get("LAKEHOUSE_REDSHIFT_" + name) for name in {NAMES}}}
notes.write_text(json.dumps({{"arguments": sys.argv[1:], "login": login}}))
sys.stdout.write(os.environ["SAYS"])
sys.exit(int(os.environ.get("CODE", "0")))
"""
PLAN = "-- role loader\ncreate role loader;"


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """A Secrets Manager with the administrator's secret, as the variables that lead to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    secrets = boto3.client("secretsmanager", **CLIENT, endpoint_url=variables["AWS_ENDPOINT_URL"])
    secret = json.dumps({"username": "admin", "password": PASSWORD})
    name = f"warehouse-{uuid.uuid4()}"
    arn = secrets.create_secret(Name=name, SecretString=secret)["ARN"]
    yield {**variables, "LAKEHOUSE_REDSHIFT_ADMIN_SECRET": arn}
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    server.stop()


@pytest.fixture
def notes(run_playbook: RunPlaybook, tmp_path: Path) -> Path:
    """Where the stand-in for the command line that playbooks find leaves its notes."""
    (tmp_path / "bin/lakehouse").write_text(LAKEHOUSE)
    return tmp_path / "notes.json"


def test_deploys_the_warehouse_once(
    run_playbook: RunPlaybook, aws: dict[str, str], stand_in: StandIn
) -> None:
    """In check mode nothing is made; then the plan is carried out; then nothing is left to do."""
    secret = boto3.client("secretsmanager", **CLIENT, endpoint_url=aws["AWS_ENDPOINT_URL"])
    login = {"username": stand_in.user, "password": stand_in.password}
    arn = secret.create_secret(Name=f"stand-in-{uuid.uuid4()}", SecretString=json.dumps(login))[
        "ARN"
    ]
    environment = {
        **{
            name: value
            for name, value in redshift_settings(stand_in, "b-1.retail.example:9098").items()
            if name.rpartition("_")[2] not in NAMES
        },
        **aws,
        "LAKEHOUSE_REDSHIFT_ADMIN_SECRET": arn,
        "LAKEHOUSE_LANDING": "s3://lake/landing",
        "LAKEHOUSE_SOURCE": "sqlserver",
    }

    checked = run_playbook("warehouse", "--check", stage="prod", environment=environment)
    assert checked.returncode == 0, checked.output
    assert checked.stats["changed"] == 1
    assert "create materialized view streaming.customers_1" in checked.output
    assert made(stand_in) == 0, "check mode has made something"

    first = run_playbook("warehouse", stage="prod", environment=environment)
    assert first.returncode == 0, first.output
    assert first.stats["changed"] == 1
    assert "create materialized view streaming.customers_1" in first.output
    assert made(stand_in) > 0

    second = run_playbook("warehouse", stage="prod", environment=environment)
    assert second.returncode == 0, second.output
    assert second.stats["changed"] == 0, second.output
    assert "nothing to do" in second.output


def made(stand_in: StandIn) -> int:
    """How many streaming views the warehouse has."""
    with autocommit_cursor(stand_in.dsn) as database:
        database.execute("select count(*) from standin.streaming_views")
        [(count,)] = database.fetchall()
    return int(count)


def test_carries_the_operation_out_as_administrator_and_shows_no_password(
    run_playbook: RunPlaybook, aws: dict[str, str], notes: Path
) -> None:
    play = run_playbook(
        "warehouse",
        "-vvv",
        stage="qa",
        environment={**aws, "NOTES": str(notes), "SAYS": PLAN},
    )

    assert play.returncode == 0, play.output
    assert play.stats["changed"] == 1
    assert "create role loader;" in play.output
    assert PASSWORD not in play.output
    noted = json.loads(notes.read_text())
    assert noted["login"] == {"METHOD": "database", "USER": "admin", "PASSWORD": PASSWORD}
    assert noted["arguments"] == ["warehouse", "deploy", "--target", "qa"]


def test_changes_nothing_where_nothing_is_to_do(
    run_playbook: RunPlaybook, aws: dict[str, str], notes: Path
) -> None:
    again = run_playbook(
        "access",
        "--check",
        stage="qa",
        environment={**aws, "NOTES": str(notes), "SAYS": ""},
    )

    assert again.returncode == 0, again.output
    assert again.stats["changed"] == 0
    noted = json.loads(notes.read_text())
    assert noted["arguments"] == ["warehouse", "access", "--target", "qa", "--dry-run"]


def test_says_what_the_command_says_when_it_fails(
    run_playbook: RunPlaybook, aws: dict[str, str], notes: Path
) -> None:
    play = run_playbook(
        "warehouse",
        stage="dev",
        environment={**aws, "NOTES": str(notes), "SAYS": "no such cluster", "CODE": "2"},
    )

    assert play.returncode != 0
    assert "no such cluster" in play.output
    assert PASSWORD not in play.output


def test_names_the_secret_that_cannot_be_read(
    run_playbook: RunPlaybook, aws: dict[str, str]
) -> None:
    play = run_playbook(
        "warehouse",
        stage="dev",
        environment={**aws, "LAKEHOUSE_REDSHIFT_ADMIN_SECRET": "other-secret"},
    )
    assert play.returncode != 0
    assert "cannot read the secret other-secret (ResourceNotFoundException)" in play.output
