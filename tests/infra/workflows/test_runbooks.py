"""The lines of docs/runbooks that are typed for an environment, run as they stand, in their order.

Real: shell, delivery, playbooks, dbt, landing (Spark on S3), broker, the shop. Stood in for: AWS
by moto (server.py), Redshift, MSK Connect; the change events of SQL Server are the playground's.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread

import psycopg2
import pytest
from confluent_kafka.admin import AdminClient

from ingestion.declarations import load
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
from tests.kit.command_lines import Line
from tests.kit.redshift import redshift_settings
from tests.kit.runbooks import Shell, checkout, section, sections

BUCKET = "lake"
# `dev` stands for each environment.
NAMES = {
    "--target prod": "--target dev",
    "--target qa": "--target dev",
    "inventories/prod": "inventories/dev",
    "retail-lakehouse-prod": "retail-lakehouse-dev",
    "retail-lakehouse-qa": "retail-lakehouse-dev",
    "<bucket of the copy>": "copy",
    "<region of the copy>": REGION,
    "<model>": "agg_daily_sales",
    "<environment>": "dev",
    "<account>": "123456789012",
    "<region>": REGION,
    "<group>": "order-cdc",
    "<command>": "topics check",
    "<from_offset>": "0",
    "<landing bucket>": BUCKET,
    "<partition>": "0",
    "<number>": "4242",
    "--run 12 ": "--run 4242 ",
    "<table>": "customers",
    "'<input>'": "'{}'",
    "lakehouse land --once": f"LAKEHOUSE_LANDING=s3a://{BUCKET}/landing lakehouse land --once",
    "msk-config-providers-…-with": "msk-config-providers-0.4.0-with",
}


# How landing ends that waits for a person.
STOPPED = 4
# What SQL Server has to tell by now, a heartbeat at the end.
EVENTS = "python -m playground shop sqlserver-events --dsn $SHOP_DSN --state ~/events.json"


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
        versions = {"Bucket": BUCKET, "VersioningConfiguration": {"Status": "Enabled"}}
        self.lake.put_bucket_versioning(**versions)
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
        for kind in ("operations", "dbt"):  # in the warehouse its role's user; AWS gives it a login
            user = f"IAMR:{self.account.name}-{kind}"
            stand_in.passwords[user] = "secret"
            self.give(kind, LAKEHOUSE_REDSHIFT_USER=user, LAKEHOUSE_REDSHIFT_PASSWORD="secret")
        self._what_runbooks_name(cloud)
        self.images = [
            image_folder(cloud.images, f"{self.account.repository}:{release}")
            for release in ("initial", "v1.0.0", "v1.4.0")
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
        (folder / "local").mkdir()
        self.landing = folder / "spectrum/landing"
        self.names = {
            **NAMES,
            "/path/to/rescued": str(self.landing / "stores"),
            "dbt build --target local": self._build_local(),
        }
        self.shell = Shell(self.root, environment, self.names)
        self.walked: set[tuple[str, str]] = set()
        self.ran: set[str] = set()

    def _what_runbooks_name(self, cloud: Cloud) -> None:
        """Of what Terraform makes, what lines ask AWS about."""
        name = self.account.name
        cloud.client("cloudwatch").put_metric_alarm(
            AlarmName=f"{name}-dbt-failed",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
        )
        self.lake.put_object(Bucket=BUCKET, Key="env/landing/_staging/part.parquet", Body=b"")
        role = "arn:aws:iam::123456789012:role/any"
        ends = json.dumps({"StartAt": "end", "States": {"end": {"Type": "Succeed"}}})
        cloud.client("stepfunctions").create_state_machine(
            name=f"{name}-run", definition=ends, roleArn=role
        )
        cloud.client("scheduler").create_schedule(
            Name=f"{name}-dbt-build",
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": f"arn:aws:states:{REGION}:123456789012:{name}-run", "RoleArn": role},
        )
        cloud.client("redshift").create_cluster(
            ClusterIdentifier=name,
            NodeType="ra3.large",
            MasterUsername="admin",
            ManageMasterPassword=True,
        )

    def _build_local(self) -> str:
        """Target local from the records of target dev, which DuckDB reads without its S3 here."""
        tests = "--exclude-resource-type test unit_test"
        return f"LAKEHOUSE_LANDING={self.landing} dbt build --quiet --target local {tests}"

    def build_local(self) -> None:
        """Bring it up to date."""
        self.shell.run(self._build_local())

    def run_left_behind(self) -> None:
        """The lock of a run whose process is gone."""
        self.stand_in.admin("delete from main_operations.runs where run_number = 4242")
        self.stand_in.admin(
            "insert into main_operations.runs (run_number, invocation_id, started_at, status)"
            " values (4242, 'gone', getdate(), 'running')"
        )

    def give(self, kind: str, **variables: str) -> None:
        """Register a family's tasks anew, with these variables."""
        ecs = self.account.client("ecs")
        known = ecs.describe_task_definition(taskDefinition=f"{self.account.name}-{kind}")
        definition = known["taskDefinition"]
        definition["containerDefinitions"][0]["environment"] += [
            {"name": name, "value": value} for name, value in variables.items()
        ]
        asked = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
        ecs.register_task_definition(
            **{name: definition[name] for name in asked.members if name in definition}
        )

    def walk(
        self,
        page: str,
        title: str,
        before: Callable[[Line], object] | None = None,
        *,
        again: bool = True,
    ) -> None:
        """Run a section; `before` is called with each line that is about to be run.

        Without `again` only the lines that no section before it has.
        """
        for line in section(__file__, page, title):
            if line.text in self.ran and not again:
                continue
            if before:
                before(line)
            if "--run " in line.text:
                self.run_left_behind()
            if "start-job-run" in line.text:  # it has failed
                job = f"--job-name retail-lakehouse-dev-landing-{self.names['<group>']}"
                runs = f"aws glue get-job-runs {job} --query JobRuns[].Id --output text"
                self.shell.run(f"aws glue batch-stop-job-run {job} --job-run-ids $({runs})")
            if "warehouse status" in line.text:  # Redshift refreshes by itself
                self.shell.run("lakehouse warehouse refresh")
            with self.at_work() if line.text.endswith("delivery verify") else nullcontext():
                self.shell.walk(line)
            self.ran.add(line.text)
        self.walked.add((page, title))

    def release(self, release: str) -> None:
        """What the workflows do, by the commands for the night on which they do not run."""
        delivery = "python -m lakehouse.delivery"
        built = self.folder / "glue"
        if not built.exists():
            self.shell.run(f"lakehouse/delivery/build_glue.sh {built}")
        self.shell.run(f"{delivery} publish-glue {release} {built}")
        self.shell.names = {**self.names, "v1.4.0": release}
        self.walk("rollback.md", "If the workflow itself cannot run")
        self.shell.names = self.names

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """What is in the warehouse, asked behind its back."""
        with closing(psycopg2.connect(self.stand_in.dsn)) as session, session.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def land(self) -> None:
        """What the Glue jobs do, then Spectrum's view of the bucket."""
        self.shell.run(NAMES["lakehouse land --once"])
        shutil.rmtree(self.folder / "spectrum/landing", ignore_errors=True)
        for page in self.lake.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix="landing/"
        ):
            for entry in page.get("Contents", ()):
                file = self.folder / "spectrum" / entry["Key"]
                file.parent.mkdir(parents=True, exist_ok=True)
                self.lake.download_file(BUCKET, entry["Key"], str(file))

    def arrive(self) -> None:
        """The source tells what it has to tell, and that is landed."""
        self.shell.run(EVENTS)
        self.land()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The connector's heart beats, and what it says is landed."""
        done = Event()

        def repeat(name: str, text: str) -> None:
            said = {"SAID": str(self.folder / name)}
            while not done.wait(1):
                Shell(self.root, self.shell.environment | said).run(text)

        texts = {"connector": EVENTS, "landing": NAMES["lakehouse land --once"]}
        workers = [Thread(target=repeat, args=pair) for pair in texts.items()]
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            done.set()
            for worker in workers:
                worker.join()


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
@pytest.mark.timeout(7200)
def test_from_the_code_to_a_mart(site: Site) -> None:
    """deployment.md from step 4 on, rollback and forward again, then what operations meet.

    Releases come by the commands that rollback.md has for the night without workflows.
    """
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

    def peeked(line: Line) -> None:
        if "peek" in line.text:
            site.arrive()

    site.walk("deployment.md", "6. The source", peeked)
    site.walk("deployment.md", "7. Data in a mart")
    site.walk("deployment.md", "8. What only AWS can show")
    site.walk("deployment.md", "If partitioned tables refuse VARBYTE")
    site.walk("deployment.md", "Changing over from Debezium's own mask")

    site.release("v1.4.0")
    site.walk("rollback.md", "Rollback: an environment back to an earlier release")
    site.walk("rollback.md", "What is undone, and what is not")
    site.release("v1.0.0")
    assert "dev image: v1.0.0" in shell.run("python -m lakehouse.delivery show")

    for page in ("redshift_streaming_view.md", "operations.md"):
        for title in [title for of, title in sections(__file__) if of == page]:
            site.walk(page, title, again=False)
    drills = (warehouse_is_gone, files_are_gone, topic_is_gone, landing_is_gone)
    titles = [title for of, title in sections(__file__) if of == DRILLS]
    for drill, title in zip(drills, titles, strict=True):
        drill(site, title)
    assert site.walked == set(sections(__file__))


DRILLS = "restore_drill.md"


def warehouse_is_gone(site: Site, title: str) -> None:
    """Drill A: the database `drill` of the page is a warehouse of its own, which tasks are given.

    Afterwards each table in it is as target local's, which is as the lost one was.
    """
    shell = site.shell
    site.arrive()
    shell.run("dbt build --quiet --target dev --exclude-resource-type test unit_test")
    site.build_local()
    server = PostgresServer(site.folder / "drill", site.folder / "drill.log")
    server.start()
    server.wait_until_ready()
    emptied = StandIn(server, {BUCKET: site.folder / "spectrum"})
    emptied.database = "drill"
    with emptied:
        emptied.passwords.update(site.stand_in.passwords)
        port = {"LAKEHOUSE_REDSHIFT_PORT": str(emptied.port)}

        def made(line: Line) -> None:
            if "=drill" in line.text:
                for kind in ("operations", "dbt"):
                    site.give(kind, **port)

        site.walk(DRILLS, title, made)
        before = shell.environment
        shell.environment = before | port
        shell.run("lakehouse compare --target dev")
        shell.environment = before
    server.process.stop()
    for kind in ("operations", "dbt"):
        site.give(kind, LAKEHOUSE_REDSHIFT_PORT=str(site.stand_in.port))


def files_are_gone(site: Site, title: str) -> None:
    """Drill B."""
    shell = site.shell

    def delete(line: Line) -> None:
        if "verify" in line.text:
            folder = {"Bucket": BUCKET, "Prefix": "landing/stores/incarnation=1/"}
            key = site.lake.list_objects_v2(**folder)["Contents"][0]["Key"]
            marker = site.lake.delete_object(Bucket=BUCKET, Key=key)["VersionId"]
            shell.names = {**site.names, "<key>": key, "<marker>": marker}
        if "dbt build" in line.text:
            assert "the files hold what the ledger says" in shell.run("lakehouse landing verify")

    shell.ends["lakehouse landing verify"] = 3
    site.walk(DRILLS, title, delete)
    shell.names = site.names
    del shell.ends["lakehouse landing verify"]


def topic_is_gone(site: Site, title: str) -> None:
    """Drill C: the snapshot that comes is one of all tables."""
    shell, land = site.shell, NAMES["lakehouse land --once"]
    admin = AdminClient({"bootstrap.servers": site.settings["LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS"]})
    promotions = (
        "select promotion_code, promotion_name, discount_percent, is_deleted, starts_at, ends_at"
        " from main_marts.dim_promotion order by 1"
    )
    before = site.rows(promotions)

    def lost(line: Line) -> None:
        if "site.yml" in line.text:
            topic = load().table("promotions").topics["sqlserver"]
            admin.delete_topics([topic])[topic].result(20)
            while topic in admin.list_topics().topics:
                pass
        if "dbt build" in line.text:
            stopped = shell.run(land, ends=STOPPED)
            [accept] = re.findall(r"^ *(lakehouse landing accept-loss .+)$", stopped, re.MULTILINE)
            shell.run(accept)
            shell.run(EVENTS.replace("events.json", "again.json"))
            site.land()

    site.walk(DRILLS, title, lost)
    assert site.rows(promotions) == before != []


def landing_is_gone(site: Site, title: str) -> None:
    """From the copy, which S3 has made; then the zone is another, empty one."""
    shell, zone = site.shell, f"s3://{BUCKET}/landing"
    region = {"LocationConstraint": REGION}
    site.lake.create_bucket(Bucket="copy", CreateBucketConfiguration=region)
    shell.run(f"aws s3 sync --only-show-errors {zone} s3://copy/landing")
    shell.run(f"aws s3 rm --only-show-errors --recursive {zone}")
    site.walk(DRILLS, title)
    assert "the files hold what the ledger says" in shell.run("lakehouse landing verify")
