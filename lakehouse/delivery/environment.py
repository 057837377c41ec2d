"""Where an environment's parts are: read from the environment file that Terraform writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from ingestion.errors import TerminalError
from ingestion.settings import EnvironmentSettings, named

# The manifest of the last deployment of this environment, a rollback too: what the next one
# compares its models with.
DEPLOYED = "state/deployed.json"
# Tags of the image, parts of S3 keys: what Git tags and commit ids are made of.
RELEASE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")


class DeliveryError(Exception):
    """Something that a person has to put right; the message says what and how."""


@dataclass(frozen=True)
class Finding:
    """Something looked at; `wrong` says what is wrong and what to do, and is empty when right."""

    subject: str
    wrong: str = ""


class Delivery(EnvironmentSettings):
    """What the commands read: the first on GitHub's machines and laptops, the others in tasks."""

    environment_file: str = Field(
        "", description="S3 URI of the environment file: on GitHub's machines and laptops."
    )
    redshift_admin_secret: str = Field(
        "",
        description="Secret with the administrator's `username` and `password`, in tasks; unset: "
        "dbt connects as its settings say.",
    )


def _separated(text: object) -> object:
    return tuple(text.split(",")) if isinstance(text, str) else text


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_separated)]


class Environment(EnvironmentSettings):
    """The names that a deployment needs. `name` is also the prefix of the task families."""

    model_config = named("LAKEHOUSE_") | SettingsConfigDict(env_ignore_empty=True)
    advice = "apply infra/terraform for this environment"

    stage: str = Field(
        validation_alias="LAKEHOUSE_ENVIRONMENT", description="`dev`, `qa` or `prod`."
    )
    name: str = Field(
        validation_alias="LAKEHOUSE_ECS_CLUSTER", description="The cluster in which tasks run."
    )
    subnets: Names = Field(
        validation_alias="LAKEHOUSE_TASK_SUBNETS", description="Where, separated by commas."
    )
    security_groups: Names = Field(
        validation_alias="LAKEHOUSE_TASK_SECURITY_GROUPS",
        description="Their security groups, separated by commas.",
    )
    image_repository: str = Field(description="The image's repository.")
    glue_jobs: Names = Field(description="The jobs that land, separated by commas.")
    artifacts: str = Field(
        validation_alias="LAKEHOUSE_ARTIFACTS_BUCKET",
        description="Bucket of artifacts and manifests.",
    )

    @classmethod
    def parse(cls, text: str, origin: str) -> Environment:
        """Read KEY=VALUE lines; `origin` is where they come from, for messages.

        Raises:
            DeliveryError: a key is missing or empty; names all of them.
        """
        try:
            return cls.read(_key_values(text))
        except TerminalError as error:
            raise DeliveryError(f"{origin}: {error}") from error

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
    uri = Delivery.read(variables).environment_file
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
