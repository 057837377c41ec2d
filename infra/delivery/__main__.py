"""`python -m infra.delivery`: the commands of the workflows; see infra/README.md.

Needs boto3, credentials, and LAKEHOUSE_ENVIRONMENT_FILE (the S3 URI of the environment file).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from infra.delivery import environment, glue, images
from infra.delivery.environment import DeliveryError, checked_release
from infra.delivery.tasks import TaskRunner, inert_workflow_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is the task's for `run`, else 0, or 1 with a sentence."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code: int = options.command(options)
    except DeliveryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cancelled", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.delivery", description=__doc__)
    commands = parser.add_subparsers(required=True)

    run = commands.add_parser("run", help="Run a command inside the VPC and show its log.")
    run.add_argument("--family", choices=images.FAMILIES, default="operations")
    run.add_argument("--candidate", action="store_true", help="In the release being tried out.")
    run.add_argument("--timeout", type=float, default=90, metavar="MINUTES")
    run.add_argument("words", nargs="+", metavar="WORD", help="The command, after `--`.")
    run.set_defaults(command=_run)

    for name, command, description in (
        ("has-image", _has_image, "Print true or false: is the image in the registry?"),
        ("stage-image", _stage_image, "Register candidates with the release's image."),
        ("activate-image", _activate_image, "Make the release what the schedule runs."),
        ("activate-glue", _activate_glue, "Point the Glue jobs at the release, restart streams."),
    ):
        parts = commands.add_parser(name, help=description)
        parts.add_argument("release", type=checked_release)
        parts.set_defaults(command=command)

    publish = commands.add_parser("publish-glue", help="Upload the Glue artifacts of a release.")
    publish.add_argument("release", type=checked_release)
    publish.add_argument("directory", type=Path)
    publish.set_defaults(command=_publish_glue)

    show = commands.add_parser("show", help="Print what is in place.")
    show.set_defaults(command=_show)

    upload = commands.add_parser("upload-state", help="Upload dbt's manifest to compare with.")
    upload.add_argument("manifest", type=Path)
    upload.set_defaults(command=_upload_state)

    download = commands.add_parser("download-state", help="Download dbt's manifest.")
    download.add_argument("manifest", type=Path)
    download.set_defaults(command=_download_state)
    return parser


def _client(name: str) -> Any:
    import boto3

    return boto3.client(name)


def _environment() -> environment.Environment:
    return environment.load(_client("s3"), os.environ)


def _run(options: argparse.Namespace) -> int:
    place = _environment()
    runner = TaskRunner(_client("ecs"), _client("logs"), place, show=_print)
    family = place.family(options.family, candidate=options.candidate)
    with inert_workflow_commands(_print):
        return runner.run(family, options.words, timeout_seconds=options.timeout * 60)


def _has_image(options: argparse.Namespace) -> int:
    _print(str(images.has_image(_client("ecr"), _environment(), options.release)).lower())
    return 0


def _stage_image(options: argparse.Namespace) -> int:
    staged = images.stage(_client("ecs"), _client("ecr"), _environment(), options.release)
    _print("\n".join(f"candidate: {arn}" for arn in staged))
    return 0


def _activate_image(options: argparse.Namespace) -> int:
    clients = _client("ecs"), _client("ecr"), _client("ssm")
    active = images.activate(*clients, _environment(), options.release)
    _print("\n".join(f"active: {arn}" for arn in active))
    return 0


def _activate_glue(options: argparse.Namespace) -> int:
    clients = _client("glue"), _client("s3"), _client("ssm")
    jobs = glue.activate(*clients, _environment(), options.release)
    _print("\n".join(f"{job}: release {options.release}" for job in jobs))
    return 0


def _publish_glue(options: argparse.Namespace) -> int:
    keys = glue.publish(_client("s3"), _environment(), options.release, options.directory)
    _print("\n".join(f"published: {key}" for key in keys))
    return 0


def _show(_options: argparse.Namespace) -> int:
    place, ssm = _environment(), _client("ssm")
    for part in ("image", "glue"):
        _print(f"{place.stage} {part}: {images.current(ssm, place, part) or 'nothing yet'}")
    return 0


def _upload_state(options: argparse.Namespace) -> int:
    bucket = _environment().artifacts
    _client("s3").upload_file(str(options.manifest), bucket, environment.STATE)
    return 0


def _download_state(options: argparse.Namespace) -> int:
    bucket = _environment().artifacts
    options.manifest.parent.mkdir(parents=True, exist_ok=True)
    _client("s3").download_file(bucket, environment.STATE, str(options.manifest))
    return 0


def _print(line: str) -> None:
    print(line, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """GitHub cancels with SIGINT, then SIGTERM: treat both alike."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
