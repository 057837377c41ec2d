"""Give the task families another release of the image."""

from __future__ import annotations

from typing import Any

from lakehouse.delivery.environment import DeliveryError, Environment
from lakehouse.delivery.tasks import CONTAINER

FAMILIES = ("operations", "dbt")


def image_name(environment: Environment, release: str) -> str:
    """The image of `release` in the environment's registry, as Docker and ECS name it."""
    return f"{environment.image_repository}:{release}"


def digest(ecr: Any, environment: Environment, release: str) -> str | None:
    """Which image of `release` the environment's registry holds, None without one."""
    repository = environment.image_repository.partition("/")[2]
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": release}])
    except ecr.exceptions.ImageNotFoundException:
        return None
    return str(found["imageDetails"][0]["imageDigest"])


def same_image(ecr: Any, environment: Environment, release: str, wanted: str) -> bool:
    """Whether the registry holds the image `wanted`, a digest, as `release`.

    Raises:
        DeliveryError: it holds another one, which would run instead.
    """
    there = digest(ecr, environment, release)
    if there not in (None, wanted):
        raise DeliveryError(
            f"{image_name(environment, release)} is {there} here and {wanted} now: what a release "
            "is never changes; tag the commit with another one"
        )
    return there is not None


def stage(ecs: Any, ecr: Any, environment: Environment, release: str) -> list[str]:
    """Register candidates: the families as they are now, with the image of `release`."""
    return _register(ecs, ecr, environment, release, candidate=True)


def activate(ecs: Any, ecr: Any, ssm: Any, environment: Environment, release: str) -> list[str]:
    """Make `release` what the schedule and later tasks run; last of all, remember it."""
    revisions = _register(ecs, ecr, environment, release, candidate=False)
    remember(ssm, environment, "image", release)
    return revisions


def remember(ssm: Any, environment: Environment, part: str, release: str) -> None:
    """Record that `release` of `part` is in place; Terraform's next plan agrees with it."""
    name = environment.release_parameter(part)
    ssm.put_parameter(Name=name, Value=release, Type="String", Overwrite=True)


def current(ssm: Any, environment: Environment, part: str) -> str | None:
    """The release of `part` that is in place, None before the first deployment."""
    try:
        answer = ssm.get_parameter(Name=environment.release_parameter(part))
    except ssm.exceptions.ParameterNotFound:
        return None
    return str(answer["Parameter"]["Value"])


def _register(
    ecs: Any, ecr: Any, environment: Environment, release: str, *, candidate: bool
) -> list[str]:
    if digest(ecr, environment, release) is None:
        raise DeliveryError(
            f"{environment.image_repository} has no image {release}: deploy that release first "
            "(workflow deploy-warehouse builds it)"
        )
    image = image_name(environment, release)
    revisions = []
    for kind in FAMILIES:
        described = ecs.describe_task_definition(
            taskDefinition=environment.family(kind, candidate=False), include=["TAGS"]
        )
        template = described["taskDefinition"]
        # A revision has no tags but those it is given: costs are told by them.
        tags = {"tags": described["tags"]} if described.get("tags") else {}
        definition = _with_image(ecs, template, image)
        definition["family"] = environment.family(kind, candidate=candidate)
        if not candidate and definition == _with_image(ecs, template, None):
            revisions.append(template["taskDefinitionArn"])
            continue
        registered = ecs.register_task_definition(**definition, **tags)
        revisions.append(registered["taskDefinition"]["taskDefinitionArn"])
    return revisions


def _with_image(ecs: Any, described: dict[str, Any], image: str | None) -> dict[str, Any]:
    """What RegisterTaskDefinition takes of a description, with `image` unless that is None.

    DescribeTaskDefinition answers with more than may be registered again (ARN, revision, status).
    """
    accepted = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    definition = {key: value for key, value in described.items() if key in accepted}
    definition["containerDefinitions"] = [
        container | {"image": image} if image and container["name"] == CONTAINER else container
        for container in described["containerDefinitions"]
    ]
    return definition
