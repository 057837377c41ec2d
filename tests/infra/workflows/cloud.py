"""AWS accounts on this machine, as Terraform leaves them before the first deployment."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3

REGION = "eu-central-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}


@dataclass(frozen=True)
class Cloud:
    """Where the stand-in for AWS listens, and the folders that stand for images."""

    endpoint: str
    images: Path

    def client(self, name: str) -> Any:
        """A client of the account."""
        return _client(name, self.endpoint)

    def reset(self) -> None:
        """Forget everything."""
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
        urllib.request.urlopen(request).close()


def image_folder(images: Path, name: str) -> Path:
    """The folder that stands for the image `name`."""
    return images / name.replace("/", "_").replace(":", "_")


# A client of EC2 takes a second to make; it is the same for every test.
@cache
def _client(name: str, endpoint: str) -> Any:
    return boto3.client(
        name,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@dataclass(frozen=True)
class Account:
    """One environment as Terraform leaves it, before the first deployment."""

    cloud: Cloud
    name: str
    bucket: str
    repository: str
    jobs: tuple[str, ...]

    def client(self, name: str) -> Any:
        """A client of the account."""
        return self.cloud.client(name)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the GitHub environment, and the repository's."""
        return {
            "PYTHON_DIGEST": f"sha256:{'0' * 64}",
            "AWS_REGION": REGION,
            "AWS_DEPLOY_ROLE_ARN": f"arn:aws:iam::123456789012:role/{self.name}-deploy",
            "LAKEHOUSE_ENVIRONMENT_FILE": f"s3://{self.bucket}/environment/{self.name}.env",
        }


def create_account(cloud: Cloud, stage: str, environment: Mapping[str, str]) -> Account:
    """What infra/terraform makes of an environment, as far as deployments touch it.

    `environment` is what the tasks find besides the settings that every environment has.
    """
    name = f"retail-lakehouse-{stage}"
    bucket = f"{name}-artifacts-123456789012"
    cloud.client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    repository = cloud.client("ecr").create_repository(
        repositoryName=name, imageTagMutability="IMMUTABLE"
    )["repository"]["repositoryUri"]
    subnet, group = _network(cloud.client("ec2"))
    jobs = (f"{name}-landing-customer-cdc", f"{name}-landing-order-cdc")
    settings = {
        "LAKEHOUSE_ENVIRONMENT": stage,
        "LAKEHOUSE_ECS_CLUSTER": name,
        "LAKEHOUSE_TASK_SUBNETS": subnet,
        "LAKEHOUSE_TASK_SECURITY_GROUPS": group,
        "LAKEHOUSE_IMAGE_REPOSITORY": repository,
        "LAKEHOUSE_GLUE_JOBS": ",".join(jobs),
        "LAKEHOUSE_ARTIFACTS_BUCKET": bucket,
        "LAKEHOUSE_SOURCE": "sqlserver",
        **environment,
    }
    cloud.client("s3").put_object(
        Bucket=bucket,
        Key=f"environment/{name}.env",
        Body="".join(f"{key}={value}\n" for key, value in settings.items()).encode(),
    )
    _tasks(cloud, name, repository, settings)
    for job in jobs:
        _job(cloud.client("glue"), job, bucket)
    return Account(cloud, name, bucket, repository, jobs)


def _network(ec2: Any) -> tuple[str, str]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    # Interfaces get a private name, as in every network that resolves names (moto needs one).
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)
    return subnet, group["GroupId"]


def _tasks(cloud: Cloud, name: str, repository: str, settings: Mapping[str, str]) -> None:
    cloud.client("ecs").create_cluster(clusterName=name)
    cloud.client("logs").create_log_group(logGroupName=f"/{name}/tasks")
    for kind in ("operations", "dbt"):
        cloud.client("ecs").register_task_definition(
            family=f"{name}-{kind}",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="1024",
            memory="4096",
            taskRoleArn=f"arn:aws:iam::123456789012:role/{name}-{kind}",
            executionRoleArn=f"arn:aws:iam::123456789012:role/{name}-execution",
            tags=[{"key": "Environment", "value": name.rpartition("-")[2]}],
            containerDefinitions=[
                {
                    "name": "lakehouse",
                    "image": f"{repository}:initial",
                    "essential": True,
                    "cpu": 1024,
                    "memory": 4096,
                    "environment": [{"name": k, "value": v} for k, v in settings.items()],
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": f"/{name}/tasks",
                            "awslogs-region": REGION,
                            "awslogs-stream-prefix": kind,
                        },
                    },
                }
            ],
        )


def _job(glue: Any, name: str, bucket: str) -> None:
    glue.create_job(
        Name=name,
        Role="arn:aws:iam::123456789012:role/landing",
        GlueVersion="6.0",
        WorkerType="G.1X",
        NumberOfWorkers=2,
        Command={
            "Name": "gluestreaming",
            "ScriptLocation": f"s3://{bucket}/glue/initial/landing.py",
            "PythonVersion": "3",
        },
        Connections={"Connections": ["network"]},
        SecurityConfiguration="encrypted",
        ExecutionProperty={"MaxConcurrentRuns": 1},
        DefaultArguments={
            "--extra-py-files": f"s3://{bucket}/glue/initial/retail_lakehouse-0.1.0-py3-none-any.whl",
            "--extra-files": f"s3://{bucket}/glue/initial/_retail__sources.yml",
            "--additional-python-modules": f"s3://{bucket}/glue/initial/dependencies.gluewheels.zip",
            "--release": "initial",
            "--tables": "customers",
        },
    )


def put_image(account: Account, release: str) -> None:
    """An image in the registry, as `docker push` leaves it."""
    put_image_tag(account.cloud, account.name, release)


def put_image_tag(cloud: Cloud, repository: str, release: str, digest: str = "") -> None:
    """The tag `release` in `repository`; an immutable tag is refused the second time."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "release": release,
    }
    cloud.client("ecr").put_image(
        repositoryName=repository,
        imageManifest=json.dumps(manifest),
        imageTag=release,
        **({"imageDigest": digest} if digest else {}),
    )
