"""The lines of docs/runbooks that are typed for an environment, run as they stand, in their order.

Real: shell, delivery, playbooks, dbt, landing (Spark on S3), broker, the shop. Stood in for: AWS
by moto (server.py), Redshift, MSK Connect; the change events of SQL Server are the playground's.
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from playground.services.capture import SALT
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from playground.shop import schema
from playground.shop.opening import Scale
from playground.shop.simulator import Shop
from redshift_standin.server import StandIn
from tests.infra.workflows.cloud import (
    CREDENTIALS,
    REGION,
    Account,
    Cloud,
    create_account,
    image_folder,
    put_image,
)
from tests.infra.workflows.msk_connect_stand_in import Connectors, msk_connect
from tests.infra.workflows.runner import base_environment
from tests.kit import msk_connect as connector
from tests.kit.redshift import redshift_settings
from tests.kit.runbooks import Shell, checkout, section

BUCKET = "lake"
# `dev` stands for each environment.
NAMES = {
    "retail-lakehouse-prod": "retail-lakehouse-dev",
    "<account>": "123456789012",
    "msk-config-providers-…-with": "msk-config-providers-0.4.0-with",
}


class Site:
    """The environment dev as Terraform leaves it, its source, and a checkout with a shell in it."""

    def __init__(
        self, folder: Path, cloud: Cloud, stand_in: StandIn, broker: KafkaBroker, connect: str
    ) -> None:
        self.folder, self.stand_in = folder, stand_in
        self.connectors: Connectors = {}
        self.root = checkout(folder / "checkout")
        self.lake = cloud.client("s3")
        self.lake.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        login = {"username": stand_in.user, "password": stand_in.password}
        for name, secret in (
            ("warehouse", json.dumps(login)),
            ("retail-lakehouse-dev/shop-database", ""),
            ("retail-lakehouse-dev/pii-salt", ""),
        ):
            value = {"SecretString": secret} if secret else {}
            cloud.client("secretsmanager").create_secret(Name=name, **value)
        given = redshift_settings(stand_in, broker.bootstrap_servers)
        administrator = {
            name: given.pop(f"LAKEHOUSE_REDSHIFT_{name}") for name in ("USER", "PASSWORD")
        }
        self.settings = {
            **connector.ENVIRONMENT,
            **given,
            **broker.environment(),
            "AWS_ENDPOINT_URL_KAFKACONNECT": connect,
            "LAKEHOUSE_CONNECT_NAME": "retail-lakehouse-dev-sqlserver",
            "LAKEHOUSE_LANDING": f"s3://{BUCKET}/landing",
            "LAKEHOUSE_REDSHIFT_ADMIN_SECRET": "warehouse",
            "LAKEHOUSE_REDSHIFT_IAM_ROLE": "arn:aws:iam::123456789012:role/redshift",
            "LAKEHOUSE_REDSHIFT_LOADER": "IAMR:retail-lakehouse-dev-operations",
            "LAKEHOUSE_REDSHIFT_TRANSFORMER": "IAMR:retail-lakehouse-dev-dbt",
            "LAKEHOUSE_SOURCE": "sqlserver",
        }
        self.account: Account = create_account(cloud, "dev", self.settings)
        self._log_in_as_roles()
        self.images = [
            image_folder(cloud.images, f"{self.account.repository}:{release}")
            for release in ("initial", "v1.0.0")
        ]
        for image in self.images:
            shutil.rmtree(image, ignore_errors=True)
            image.symlink_to(self.root)
            put_image(self.account, image.name.rpartition("_")[2])
        home = folder / "home"
        (home / "Downloads").mkdir(parents=True)
        environment = {
            **base_environment(Path(sys.executable).parent),
            **CREDENTIALS,
            **self.settings,
            **self.account.variables,
            **{f"LAKEHOUSE_REDSHIFT_{name}": value for name, value in administrator.items()},
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_PAGER": "",
            "HOME": str(home),
            "LAKEHOUSE_CHECKPOINTS": f"s3a://{BUCKET}/checkpoints",
            "LAKEHOUSE_DUCKDB": str(folder / "local/warehouse.duckdb"),
            "LAKEHOUSE_ENVIRONMENT": "dev",
            "NO_COLOR": "1",
            "PYTHONPATH": str(self.root),
            "SAID": str(folder / "said"),
        }
        self.shell = Shell(self.root, environment, NAMES)

    def _log_in_as_roles(self) -> None:
        """A task of each family is its role's user in the warehouse; AWS gives it a login."""
        ecs = self.account.client("ecs")
        for kind in ("operations", "dbt"):
            user = f"IAMR:{self.account.name}-{kind}"
            self.stand_in.passwords[user] = "secret"
            known = ecs.describe_task_definition(taskDefinition=f"{self.account.name}-{kind}")
            definition = known["taskDefinition"]
            for name, value in (("USER", user), ("PASSWORD", "secret")):
                variable = {"name": f"LAKEHOUSE_REDSHIFT_{name}", "value": value}
                definition["containerDefinitions"][0]["environment"].append(variable)
            asked = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
            ecs.register_task_definition(
                **{name: definition[name] for name in asked.members if name in definition}
            )

    def walk(self, page: str, title: str) -> None:
        """Run a section."""
        for line in section(__file__, page, title):
            self.shell.walk(line)

    def release(self, release: str) -> None:
        """What the workflows do, by the commands for the night on which they do not run."""
        delivery = "python -m lakehouse.delivery"
        built = self.folder / "glue"
        if not built.exists():
            self.shell.run(f"lakehouse/delivery/build_glue.sh {built}")
        self.shell.run(f"{delivery} publish-glue {release} {built}")
        playbook = (
            "ansible-playbook -i infra/ansible/inventories/dev/hosts.yml infra/ansible/playbooks"
        )
        for line in section(__file__, "rollback.md", "If the workflow itself cannot run"):
            if "build-models" in line.text:
                self.shell.run(f"{delivery} run --candidate -- {playbook}/site.yml")
            self.shell.walk(replace(line, text=line.text.replace("v1.4.0", release)))

    def land(self) -> None:
        """What the Glue jobs do, then Spectrum's view of the bucket."""
        self.shell.run(f"LAKEHOUSE_LANDING=s3a://{BUCKET}/landing lakehouse land --once")
        shutil.rmtree(self.folder / "spectrum/landing", ignore_errors=True)
        for page in self.lake.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix="landing/"
        ):
            for entry in page.get("Contents", ()):
                file = self.folder / "spectrum" / entry["Key"]
                file.parent.mkdir(parents=True, exist_ok=True)
                self.lake.download_file(BUCKET, entry["Key"], str(file))

    def events(self) -> None:
        """What SQL Server has to tell by now, a heartbeat at the end."""
        self.shell.run(
            "python -m playground shop sqlserver-events --dsn $SHOP_DSN --state ~/events.json"
        )


@pytest.fixture
def site(
    cloud: Cloud,
    clean_broker: KafkaBroker,
    redshift_postgres: PostgresServer,
    tmp_path: Path,
) -> Iterator[Site]:
    """An environment whose shop has traded for a while; nothing of it is captured yet."""
    dsn = redshift_postgres.create_database("shop")
    schema.create(dsn)
    with Shop(
        dsn, seed=11, scale=Scale(customers=60, orders=80, products=40, categories=6)
    ) as shop:
        shop.seed()
        shop.round(changes=200)
    spectrum = tmp_path / "spectrum"
    with (
        StandIn(redshift_postgres, {BUCKET: spectrum}) as stand_in,
        msk_connect() as (connect, connectors),
    ):
        made = Site(tmp_path, cloud, stand_in, clean_broker, connect)
        made.connectors = connectors
        made.shell.environment |= {"SHOP_DSN": dsn, "LAKEHOUSE_PII_SALT": SALT}
        yield made
        for image in made.images:
            image.unlink()
    redshift_postgres.drop_database("shop")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_from_the_code_to_a_mart(site: Site) -> None:
    """deployment.md from step 4 on, by the commands that rollback.md has for the workflows'."""
    shell = site.shell
    providers = f"{NAMES['msk-config-providers-…-with']}-dependencies.zip"
    with zipfile.ZipFile(site.folder / "home/Downloads" / providers, "w") as archive:
        archive.writestr("msk-config-providers/lib/msk-config-providers.jar", b"jar")
    site.walk("deployment.md", "4. Debezium's plugin")
    site.connectors.clear()  # made by what the step says of later versions

    shell.run("git -c user.name=x -c user.email=x commit --quiet -m v1.0.0")
    shell.run("git init --quiet --bare ~/origin && git remote add origin ~/origin")
    site.walk("deployment.md", "5. Code")
    site.release("v1.0.0")

    (site.root / "login.json").write_text('{"hostname": "shop"}')
    (site.root / "salt.json").write_text(json.dumps({"salt": SALT}))
    title = "6. The source"
    *before, peek, status = section(__file__, "deployment.md", title)
    for line in before:
        shell.walk(line)
    site.events()
    site.land()
    for line in (peek, status):
        shell.walk(line)
