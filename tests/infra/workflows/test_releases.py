"""Publishing and activating releases: immutable, complete or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lakehouse.delivery import environment, glue, images
from lakehouse.delivery.environment import DeliveryError, Environment, checked_release
from lakehouse.delivery.tasks import Clock
from tests.infra.workflows.cloud import CREDENTIALS, Account, put_image

ROOT = Path(__file__).resolve().parents[3]
WHEEL = "retail_lakehouse-0.1.0-py3-none-any.whl"
DEPENDENCIES = "dependencies.gluewheels.zip"
JAR = "aws-msk-iam-auth-2.3.6-all.jar"


def place_of(account: Account) -> Environment:
    return environment.load(account.client("s3"), account.variables)


def artifacts(folder: Path, script: str) -> Path:
    (folder / "jars").mkdir(parents=True, exist_ok=True)
    (folder / "landing.py").write_text(script)
    (folder / "_retail__sources.yml").write_text("version: 2")
    (folder / WHEEL).write_bytes(b"wheel")
    (folder / DEPENDENCIES).write_bytes(b"wheels")
    (folder / "jars" / JAR).write_bytes(b"jar")
    return folder


def publish(account: Account, release: str, folder: Path) -> list[str]:
    return glue.publish(account.client("s3"), place_of(account), release, folder)


def activate(account: Account, release: str) -> list[str]:
    aws = glue.Aws(account.client("glue"), account.client("s3"), account.client("ssm"))
    return glue.activate(aws, place_of(account), release, Clock(sleep=lambda _: None))


def jobs(account: Account) -> list[dict[str, Any]]:
    return [account.client("glue").get_job(JobName=name)["Job"] for name in account.jobs]


def test_publishing_a_release_again_changes_nothing(dev: Account, tmp_path: Path) -> None:
    folder = artifacts(tmp_path / "v1", "print(1)")
    keys = publish(dev, "v1", folder)
    assert keys == [
        "glue/v1/_retail__sources.yml",
        f"glue/v1/{DEPENDENCIES}",
        "glue/v1/landing.py",
        f"glue/v1/{WHEEL}",
        f"glue/jars/{JAR}",
    ]
    assert publish(dev, "v1", folder) == keys


def test_a_published_release_never_changes(dev: Account, tmp_path: Path) -> None:
    publish(dev, "v1", artifacts(tmp_path / "v1", "print(1)"))
    with pytest.raises(DeliveryError, match=r"glue/v1/landing\.py exists with other content"):
        publish(dev, "v1", artifacts(tmp_path / "other", "print(2)"))
    content = dev.client("s3").get_object(Bucket=dev.bucket, Key="glue/v1/landing.py")
    assert content["Body"].read() == b"print(1)"


def test_activating_changes_the_release_of_every_job_and_nothing_else(
    dev: Account, tmp_path: Path
) -> None:
    before = jobs(dev)
    publish(dev, "v1", artifacts(tmp_path, "print(1)"))

    assert activate(dev, "v1") == list(dev.jobs)

    for old, new in zip(before, jobs(dev), strict=True):
        assert new["Command"]["ScriptLocation"] == f"s3://{dev.bucket}/glue/v1/landing.py"
        assert new["DefaultArguments"] == old["DefaultArguments"] | {
            "--extra-py-files": f"s3://{dev.bucket}/glue/v1/{WHEEL}",
            "--extra-files": f"s3://{dev.bucket}/glue/v1/_retail__sources.yml",
            "--additional-python-modules": f"s3://{dev.bucket}/glue/v1/{DEPENDENCIES}",
            "--release": "v1",
        }
        for kept in ("Role", "GlueVersion", "WorkerType", "NumberOfWorkers", "Connections"):
            assert new[kept] == old[kept]
        assert new["SecurityConfiguration"] == old["SecurityConfiguration"]
        assert new["ExecutionProperty"] == old["ExecutionProperty"]
    assert images.current(dev.client("ssm"), place_of(dev), "glue") == "v1"


def test_a_streaming_job_restarts_with_one_run(dev: Account, tmp_path: Path) -> None:
    publish(dev, "v1", artifacts(tmp_path, "print(1)"))
    activate(dev, "v1")
    activate(dev, "v1")
    for name in dev.jobs:
        runs = dev.client("glue").get_job_runs(JobName=name)["JobRuns"]
        assert sorted(run["JobRunState"] for run in runs) == ["STARTING", "STOPPED"]


def test_make_test_aws_asks_whether_each_job_runs_the_release(dev: Account, tmp_path: Path) -> None:
    def ask() -> str:
        asked = ["-m", "aws", "-k", "each_job", "-p", "no:cacheprovider", "tests/aws"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *asked],
            cwd=ROOT,
            env={
                **os.environ,
                **CREDENTIALS,
                **dev.variables,
                "AWS_ENDPOINT_URL": dev.cloud.endpoint,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    assert "nothing was deployed yet: workflow deploy-glue" in ask()
    publish(dev, "v1", artifacts(tmp_path, "print(1)"))
    activate(dev, "v1")
    assert "1 passed" in ask()
    for name in dev.jobs[:1]:
        [run] = dev.client("glue").get_job_runs(JobName=name)["JobRuns"]
        dev.client("glue").batch_stop_job_run(JobName=name, JobRunIds=[run["Id"]])
    assert "landing-customer-cdc" in ask()


def test_a_release_without_a_needed_file_changes_no_job(dev: Account, tmp_path: Path) -> None:
    before = jobs(dev)
    folder = artifacts(tmp_path, "print(1)")
    (folder / "landing.py").unlink()
    publish(dev, "v1", folder)

    with pytest.raises(DeliveryError, match=r"release v1 has no landing\.py"):
        activate(dev, "v1")

    assert jobs(dev) == before
    assert images.current(dev.client("ssm"), place_of(dev), "glue") is None


def test_the_plugin_of_the_connector_is_built_and_published_once(
    dev: Account, tmp_path: Path
) -> None:
    providers = tmp_path / "msk-config-providers.zip"
    with zipfile.ZipFile(providers, "w") as archive:
        archive.writestr("msk-config-providers/lib/msk-config-providers.jar", b"jar")
    built = build_plugin(providers, tmp_path)
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    ours = "retail-lakehouse-transforms"
    for jar in ("debezium-connector-sqlserver-", "mssql-jdbc-", "aws-msk-iam-auth-", ours):
        assert [name for name in names if jar in name and name.endswith(".jar")], jar
    assert build_plugin(providers, tmp_path / "again").read_bytes() == built.read_bytes()
    assert "config-providers/msk-config-providers/lib/msk-config-providers.jar" in names

    key = f"connect/{built.name}"
    s3, bucket = dev.client("s3"), place_of(dev).artifacts
    glue.put_once(s3, bucket, key, built)
    glue.put_once(s3, bucket, key, built)
    built.write_bytes(b"other")
    with pytest.raises(DeliveryError, match="exists with other content"):
        glue.put_once(s3, bucket, key, built)
    module = ROOT / "infra/terraform/modules/connect/variables.tf"
    debezium, transforms = built.stem.removeprefix("debezium-connector-sqlserver-").split(
        "-transforms-"
    )
    for version in (f'"{debezium}"', transforms):
        assert f"default     = {version}\n" in module.read_text(), "Terraform looks for another"


def build_plugin(providers: Path, output: Path) -> Path:
    script = ROOT / "lakehouse/delivery/build_connect_plugin.sh"
    done = subprocess.run(
        [script, providers, output],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip())


def test_a_candidate_is_not_what_the_schedule_runs(dev: Account) -> None:
    put_image(dev, "v1")
    ecs, ecr = dev.client("ecs"), dev.client("ecr")

    images.stage(ecs, ecr, place_of(dev), "v1")

    def image(family: str) -> str:
        definition = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
        return str(definition["containerDefinitions"][0]["image"])

    assert image(f"{dev.name}-dbt-candidate") == f"{dev.repository}:v1"
    assert image(f"{dev.name}-dbt") == f"{dev.repository}:initial"

    images.activate(ecs, ecr, dev.client("ssm"), place_of(dev), "v1")

    assert image(f"{dev.name}-dbt") == f"{dev.repository}:v1"
    assert image(f"{dev.name}-operations") == f"{dev.repository}:v1"


def test_a_new_revision_differs_in_its_image_only(dev: Account) -> None:
    put_image(dev, "v1")
    ecs = dev.client("ecs")
    family = f"{dev.name}-dbt"
    described = ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
    old = described["taskDefinition"]
    assert described["tags"]

    images.activate(ecs, dev.client("ecr"), dev.client("ssm"), place_of(dev), "v1")

    active = ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
    new = active["taskDefinition"]
    assert active["tags"] == described["tags"], "costs are told by them"
    differing = {key for key in old | new if old.get(key) != new.get(key)}
    assert differing - {"registeredAt"} == {"taskDefinitionArn", "revision", "containerDefinitions"}
    (before,), (after,) = old["containerDefinitions"], new["containerDefinitions"]
    assert before | {"image": f"{dev.repository}:v1"} == after


def test_activating_twice_makes_one_revision(dev: Account) -> None:
    put_image(dev, "v1")
    clients = dev.client("ecs"), dev.client("ecr"), dev.client("ssm")
    assert images.activate(*clients, place_of(dev), "v1") == images.activate(
        *clients, place_of(dev), "v1"
    )


def test_refuses_a_release_that_has_no_image(dev: Account) -> None:
    with pytest.raises(DeliveryError, match="has no image v9"):
        images.activate(
            dev.client("ecs"), dev.client("ecr"), dev.client("ssm"), place_of(dev), "v9"
        )


def test_a_release_is_one_image_in_all_environments(dev: Account) -> None:
    put_image(dev, "v1")
    ecr, place = dev.client("ecr"), place_of(dev)
    there = images.digest(ecr, place, "v1")
    assert there
    assert images.same_image(ecr, place, "v1", there)
    assert not images.same_image(ecr, place, "v2", there)
    with pytest.raises(DeliveryError, match=r"v1 is sha256:\w+ here and sha256:other now"):
        images.same_image(ecr, place, "v1", "sha256:other")


@pytest.mark.parametrize(
    "name", ["", "-v1", "v1/..", "v1 --force", "v" * 129], ids=lambda name: repr(name[:10])
)
def test_refuses_what_cannot_name_a_release(name: str) -> None:
    with pytest.raises(DeliveryError, match="cannot name a release"):
        checked_release(name)
