"""The deployment workflows, run line by line: v1, v2, back to v1, and a v3 that fails.

Real: bash and every `run:` line, the delivery commands, Ansible, the broker, dbt (on DuckDB), the
building of the wheel and of the jar. Stood in for: AWS by moto (server.py), Docker's engine,
GitHub's API and actions.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.declarations import load as load_declarations
from ingestion.settings import Settings
from lakehouse.delivery import environment, glue
from lakehouse.kafka.admin import Topics
from lakehouse.kafka.topics import desired_topics
from playground.services.kafka import KafkaBroker
from tests.infra.workflows.cloud import CREDENTIALS, Account, Cloud, create_account
from tests.infra.workflows.github_stand_in import TOKEN
from tests.infra.workflows.project import ROOT, write_release
from tests.infra.workflows.runner import Job, StepFailedError, base_environment, load

# The same commit each time that a release is checked out.
COMMIT = ("-c", "user.name=x", "-c", "user.email=x", "commit", "--allow-empty", "--quiet", "-m")
DATED = {f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")}

ECS, GLUE = "deploy-warehouse", "deploy-glue"


class Delivery:
    """The GitHub environment prod, and the account behind it."""

    def __init__(self, folder: Path, cloud: Cloud, broker: KafkaBroker) -> None:
        self.folder = folder
        self.warehouse = folder / "warehouse.duckdb"
        self.account: Account = create_account(
            cloud, "prod", {**broker.environment(), "LAKEHOUSE_DUCKDB": str(self.warehouse)}
        )
        self._docker = folder / "bin" / "docker"
        self._docker.parent.mkdir()
        self._docker.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            "from tests.infra.workflows.docker_stand_in import main\nmain()\n"
        )
        self._docker.chmod(0o755)

    def run(self, workflow: str, release: str, **inputs: Any) -> str:
        """Run every job of `workflow`; what its steps printed."""
        output = ""
        needs: dict[str, Any] = {}
        for name in load(workflow)["jobs"]:
            workspace = self.folder / "work" / "workspace"
            shutil.rmtree(workspace.parent, ignore_errors=True)
            workspace.mkdir(parents=True)
            contexts = {
                "inputs": {"environment": "prod", "release": release, **inputs},
                "vars": self.account.variables,
                "github": {"token": TOKEN, "run_id": "1", "ref_name": "main"},
                "needs": needs,
            }
            variables = {
                **base_environment(self._docker.parent, Path(sys.executable).parent),
                "GITHUB_ACTOR": "somebody",
                "GITHUB_REPOSITORY": "Shop/Lakehouse",
                "DOCKER_IMAGES": str(self.account.cloud.images),
                # The tests' own packages are those of the list already: pip must not touch them.
                "PIP_DRY_RUN": "1",
            }
            job = Job(workflow, name, contexts, workspace, variables, self._actions(release))
            if job.wanted():
                output += job.run().output
                needs[name] = {"outputs": job.outputs()}
        return output

    def _actions(self, release: str) -> dict[str, Any]:
        def checkout(job: Job, inputs: Any) -> None:
            assert inputs["persist-credentials"] == "False"
            # Without `ref` it is main, which has the newest code. A branch is no release.
            folder, _, tag = inputs.get("ref", "refs/tags/v2").rpartition("/")
            assert folder == "refs/tags"
            shutil.copytree(self.folder / "releases" / tag, job.workspace, dirs_exist_ok=True)
            for words in (["init", "--quiet"], [*COMMIT, tag]):
                subprocess.run(["git", *words], cwd=job.workspace, env=DATED, check=True)

        def log_in(job: Job, inputs: Any) -> None:
            assert inputs["role-to-assume"] == self.account.variables["AWS_DEPLOY_ROLE_ARN"]
            job.environment |= {**CREDENTIALS, "AWS_ENDPOINT_URL": self.account.cloud.endpoint}

        return {
            "actions/checkout": checkout,
            "actions/setup-python": lambda _job, _inputs: None,
            "aws-actions/configure-aws-credentials": log_in,
            "aws-actions/amazon-ecr-login": lambda _job, _inputs: None,
        }

    def publish_and_activate_glue(self, release: str) -> None:
        """What the workflow does, without building wheel and jar once more."""
        place = environment.load(self.account.client("s3"), self.account.variables)
        clients = (self.account.client(name) for name in ("glue", "s3", "ssm"))
        aws = glue.Aws(*clients)
        folder = self.folder / "artifacts"
        folder.mkdir()
        for name in ("ingestion/glue/landing.py", "models/staging/retail/_retail__sources.yml"):
            shutil.copy(self.folder / "releases" / release / name, folder)
        for name in ("retail_lakehouse-0.1.0-py3-none-any.whl", "dependencies.gluewheels.zip"):
            (folder / name).touch()
        glue.publish(aws.s3, place, release, folder)
        glue.activate(aws, place, release)

    def brings_all_that_its_jobs_install(self, release: str) -> None:
        """pip finds everything in the release's archive, for Glue's Python and without an index."""
        archive, wheels = self.folder / "wheels.zip", self.folder / "unpacked"
        key = f"glue/{release}/dependencies.gluewheels.zip"
        self.account.client("s3").download_file(self.account.bucket, key, str(archive))
        with zipfile.ZipFile(archive) as content:
            content.extractall(wheels)
        platforms = ["--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64"]
        words = ["--no-index", "--only-binary=:all:", "--python-version=3.13", *platforms]
        places = [f"--find-links={wheels}/wheels", f"--dest={wheels}/installed"]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", *words, *places]
        subprocess.run([*pip, "-r", wheels / "wheels/requirements.txt"], check=True)
        assert [*(wheels / "installed").glob("confluent_kafka-*")]

    def in_place(self) -> dict[str, str]:
        """Which release each part runs, told by the part itself."""
        ecs, jobs = self.account.client("ecs"), self.account.client("glue")
        found = {}
        for kind in ("dbt", "operations"):
            family = f"{self.account.name}-{kind}"
            definition = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
            found[kind] = definition["containerDefinitions"][0]["image"].rpartition(":")[2]
        for name in self.account.jobs:
            job = jobs.get_job(JobName=name)["Job"]
            script = job["Command"]["ScriptLocation"].split("/", 3)[3]
            body = self.account.client("s3").get_object(Bucket=self.account.bucket, Key=script)
            found[name.removeprefix(f"{self.account.name}-")] = (
                body["Body"].read().decode().split('"')[1]
            )
        return found

    def digests(self, release: str) -> tuple[str, str]:
        """The image in the registry of all environments, and in this one's."""
        images = self.account.cloud.images
        [kept] = images.glob(f"ghcr.io_shop_lakehouse_{release}-*.digest")
        found = self.account.client("ecr").describe_images(
            repositoryName=self.account.name, imageIds=[{"imageTag": release}]
        )
        return kept.read_text(), found["imageDetails"][0]["imageDigest"]

    def query(self, sql: str) -> list[Any]:
        """The rows of the warehouse."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def delivery(cloud: Cloud, clean_broker: KafkaBroker, tmp_path: Path) -> Delivery:
    for release, price in (("v1", "10"), ("v2", "20")):
        write_release(tmp_path / "releases" / release, release, price=price)
    write_release(tmp_path / "releases" / "v3", "v3", price="30", broken=True)
    return Delivery(tmp_path, cloud, clean_broker)


STREAMS = ("landing-customer-cdc", "landing-order-cdc")


def everywhere(release: str) -> dict[str, str]:
    return dict.fromkeys(("dbt", "operations", *STREAMS), release)


def test_v1_then_v2_then_back_to_v1(delivery: Delivery, clean_broker: KafkaBroker) -> None:
    delivery.run(GLUE, "v1")
    first = delivery.run(ECS, "v1")

    assert delivery.in_place() == everywhere("v1")
    delivery.brings_all_that_its_jobs_install("v1")
    assert "nothing was deployed here yet: every model is built" in first
    assert first.index("active: ") < first.index("verified in v1")
    tried, runs = delivery.digests("v1")
    assert tried == runs
    assert delivery.query("select total from totals") == [(10,)]
    assert delivery.query("select release from deployed_by") == [("v1",)]
    declared = {topic.name for topic in desired_topics(load_declarations(), "sqlserver")}
    settings = Settings.from_environment(clean_broker.environment())
    assert declared <= set(Topics(settings).names())

    delivery.publish_and_activate_glue("v2")
    second = delivery.run(ECS, "v2")

    assert delivery.in_place() == everywhere("v2")
    assert delivery.query("select total from totals") == [(20,)]
    assert built(second) == {"prices", "totals"}, "only what v2 changes, and what depends on it"

    with pytest.raises(StepFailedError, match="Topics, schemas, streaming views"):
        delivery.run(ECS, "v3")

    assert delivery.in_place() == everywhere("v2"), "a release that fails is not put in place"

    half = delivery.run("rollback", "v1", part="glue", full_refresh=False)
    assert delivery.in_place() == everywhere("v2") | dict.fromkeys(STREAMS, "v1")
    assert built(half) == set()

    back = delivery.run("rollback", "v1", part="warehouse", full_refresh=False)

    assert delivery.in_place() == everywhere("v1")
    assert delivery.query("select total from totals") == [(10,)]
    assert built(back) == {"prices", "totals"}
    assert "masks of v1" in back
    ssm, place = delivery.account.client("ssm"), f"/{delivery.account.name}/release"
    for part in ("image", "glue"):
        assert ssm.get_parameter(Name=f"{place}/{part}")["Parameter"]["Value"] == "v1"

    again = delivery.run(ECS, "v2")

    assert built(again) == {"prices", "totals"}, "what differs from what is in place here"
    assert delivery.query("select total from totals") == [(20,)]


def built(output: str) -> set[str]:
    """The models that dbt says it has made."""
    lines = [line for line in output.splitlines() if "OK created" in line]
    return {line.split("main.")[1].split()[0] for line in lines}
