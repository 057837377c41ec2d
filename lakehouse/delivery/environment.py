"""Where an environment's parts are: read from the environment file that Terraform writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The manifest of what runs in prod: what a deployment compares its models with.
STATE = "state/production.json"
# The manifest of the last deployment of this environment.
DEPLOYED = "state/deployed.json"
# Tags of the image, parts of S3 keys: what Git tags and commit ids are made of.
RELEASE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")


class DeliveryError(Exception):
    """Something that a person has to put right; the message says what and how."""


@dataclass(frozen=True)
class Environment:
    """The names that a deployment needs. `name` is also the prefix of the task families."""

    stage: str
    name: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    image_repository: str
    glue_jobs: tuple[str, ...]
    artifacts: str

    @classmethod
    def parse(cls, text: str, origin: str) -> Environment:
        """Read KEY=VALUE lines; `origin` is where they come from, for messages.

        Raises:
            DeliveryError: a key is missing or empty; names all of them.
        """
        values = _key_values(text)
        needed = (
            "LAKEHOUSE_ENVIRONMENT",
            "LAKEHOUSE_ECS_CLUSTER",
            "LAKEHOUSE_TASK_SUBNETS",
            "LAKEHOUSE_TASK_SECURITY_GROUPS",
            "LAKEHOUSE_IMAGE_REPOSITORY",
            "LAKEHOUSE_GLUE_JOBS",
            "LAKEHOUSE_ARTIFACTS_BUCKET",
        )
        missing = [key for key in needed if not values.get(key)]
        if missing:
            raise DeliveryError(
                f"{origin} has no {', '.join(missing)}: apply infra/terraform for this environment"
            )
        stage, name, subnets, groups, repository, jobs, artifacts = (values[key] for key in needed)
        return cls(
            stage,
            name,
            tuple(subnets.split(",")),
            tuple(groups.split(",")),
            repository,
            tuple(jobs.split(",")),
            artifacts,
        )

    def family(self, kind: str, *, candidate: bool) -> str:
        """The task definition family of `kind` (dbt or operations).

        A candidate's family is apart: what is being tried out there is not yet what the schedule
        starts.
        """
        return f"{self.name}-{kind}" + ("-candidate" if candidate else "")

    def release_parameter(self, part: str) -> str:
        """The SSM parameter with the release of `part` (image or glue) that is in place."""
        return f"/{self.name}/release/{part}"


def load(s3: Any, variables: Mapping[str, str]) -> Environment:
    """The environment that `LAKEHOUSE_ENVIRONMENT_FILE` (an S3 URI) describes.

    Raises:
        DeliveryError: the variable or the object is missing, or the object lacks a key.
    """
    uri = variables.get("LAKEHOUSE_ENVIRONMENT_FILE", "")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not key:
        raise DeliveryError(
            f"LAKEHOUSE_ENVIRONMENT_FILE is {uri!r}: set this variable of the GitHub environment "
            "to the S3 URI in Terraform's output environment_file_uri"
        )
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (s3.exceptions.NoSuchKey, s3.exceptions.NoSuchBucket) as error:
        raise DeliveryError(f"there is no {uri}: apply infra/terraform first") from error
    return Environment.parse(body.decode(), uri)


def checked_release(text: str) -> str:
    """`text` if it can name a release.

    Raises:
        DeliveryError: it cannot.
    """
    if not RELEASE.fullmatch(text):
        raise DeliveryError(
            f"{text!r} cannot name a release: letters, digits, '.', '_' and '-', at most 128, "
            "beginning with a letter or digit (a Git tag such as v1.4.0, or a commit id)"
        )
    return text


def _key_values(text: str) -> dict[str, str]:
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}
