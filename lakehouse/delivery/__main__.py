"""`python -m lakehouse.delivery`: the commands of the workflows; see README.md beside it.

Needs boto3, credentials, and LAKEHOUSE_ENVIRONMENT_FILE (the S3 URI of the environment file);
`check-environments` needs GITHUB_REPOSITORY and GITHUB_TOKEN instead, `preflight` neither.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from lakehouse.delivery import administrator, environment, glue, images, models, preflight, trust
from lakehouse.delivery.environment import DeliveryError, checked_release
from lakehouse.delivery.tasks import TaskRunner, inert_workflow_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is the task's for `run`, else 0, or 1 with a sentence."""
    options = _parser().parse_args(arguments)
    # Also SIGINT: whoever starts this in the background has it ignored, and Python leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
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
    parser = argparse.ArgumentParser(prog="python -m lakehouse.delivery", description=__doc__)
    commands = parser.add_subparsers(required=True)

    run = commands.add_parser("run", help="Run a command inside the VPC and show its log.")
    run.add_argument("--family", choices=images.FAMILIES, default="operations")
    run.add_argument("--candidate", action="store_true", help="In the release being tried out.")
    run.add_argument("--timeout", type=float, default=90, metavar="MINUTES")
    run.add_argument("words", nargs="+", metavar="WORD", help="The command, after `--`.")
    run.set_defaults(command=_run)

    for name, command, description in (
        ("stage-image", _stage_image, "Register candidates with the release's image."),
        ("activate-image", _activate_image, "Make the release what the schedule runs."),
        ("activate-glue", _activate_glue, "Point the Glue jobs at the release, restart streams."),
    ):
        parts = commands.add_parser(name, help=description)
        parts.add_argument("release", type=checked_release)
        parts.set_defaults(command=command)

    image = commands.add_parser(
        "image", help="Print the image's full name and whether the registry has it."
    )
    image.add_argument("release", type=checked_release)
    image.add_argument("digest", help="Which image it has to be: sha256:…")
    image.set_defaults(command=_image)

    publish = commands.add_parser("publish-glue", help="Upload the Glue artifacts of a release.")
    publish.add_argument("release", type=checked_release)
    publish.add_argument("directory", type=Path)
    publish.set_defaults(command=_publish_glue)

    plugin = commands.add_parser(
        "publish-connect-plugin", help="Upload the plugin that build_connect_plugin.sh has built."
    )
    plugin.add_argument("path", type=Path)
    plugin.set_defaults(command=_publish_connect_plugin)

    check = commands.add_parser(
        "check-environments",
        help="Ask GitHub whether its rules keep other branches out.",
        epilog="GITHUB_REPOSITORY (owner/name) and GITHUB_TOKEN (may read the settings) say where.",
    )
    check.add_argument("stages", nargs="*", metavar="ENVIRONMENT", help="Default: dev qa prod.")
    check.set_defaults(command=_check_environments)

    room = commands.add_parser(
        "preflight",
        help="Before an apply: has the account room for what the plan makes, and a trail?",
    )
    room.add_argument("plan", type=Path, metavar="PLAN.json", help="Of `terraform show -json`.")
    room.set_defaults(command=_preflight)

    verify = commands.add_parser(
        "verify",
        help="Whether the environment works: its topics, a mark of the source, the data's tests.",
    )
    verify.set_defaults(command=_verify)

    show = commands.add_parser("show", help="Print what is in place.")
    show.set_defaults(command=_show)

    build = commands.add_parser(
        "build-models", help="Inside the VPC: dbt build of what a release changes."
    )
    build.add_argument("--full-refresh", action="store_true")
    build.set_defaults(command=_build_models)

    as_administrator = commands.add_parser(
        "as-administrator", help="Inside the VPC: run a program with the administrator's login."
    )
    as_administrator.add_argument(
        "words", nargs="+", metavar="WORD", help="The program, after `--`."
    )
    as_administrator.set_defaults(command=_as_administrator)
    return parser


def _client(name: str, region: str | None = None) -> Any:
    import boto3

    return boto3.client(name, region_name=region)


def _environment() -> environment.Environment:
    return environment.load(_client("s3"), os.environ)


def _run(options: argparse.Namespace) -> int:
    return _task(options.family, options.words, options.timeout, candidate=options.candidate)


def _task(family: str, words: Sequence[str], minutes: float, *, candidate: bool = False) -> int:
    place = _environment()
    runner = TaskRunner(_client("ecs"), _client("logs"), place, show=_print)
    name = place.family(family, candidate=candidate)
    with inert_workflow_commands(_print):
        return runner.run(name, words, timeout_seconds=minutes * 60)


def _verify(_options: argparse.Namespace) -> int:
    """The exit code of the first task that does not end with 0."""
    # It waits for as long as an hourly schedule and its build take.
    mark = "python -m lakehouse.delivery as-administrator -- lakehouse verify"
    tests = f"dbt test --target {_environment().stage} --exclude-resource-type unit_test"
    return (
        _task("operations", ["lakehouse", "topics", "check"], 15)
        or _task("operations", mark.split(), 95)
        or _task("dbt", tests.split(), 120)
    )


def _image(options: argparse.Namespace) -> int:
    """As outputs of a workflow's step."""
    place = _environment()
    exists = images.same_image(_client("ecr"), place, options.release, options.digest)
    _print(f"name={images.image_name(place, options.release)}\nexists={str(exists).lower()}")
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
    aws = glue.Aws(_client("glue"), _client("s3"), _client("ssm"))
    jobs = glue.activate(aws, _environment(), options.release)
    _print("\n".join(f"{job}: release {options.release}" for job in jobs))
    return 0


def _publish_glue(options: argparse.Namespace) -> int:
    keys = glue.publish(_client("s3"), _environment(), options.release, options.directory)
    _print("\n".join(f"published: {key}" for key in keys))
    return 0


def _publish_connect_plugin(options: argparse.Namespace) -> int:
    key = f"connect/{options.path.name}"
    glue.put_once(_client("s3"), _environment().artifacts, key, options.path)
    _print(f"published: {key}")
    return 0


def _check_environments(options: argparse.Namespace) -> int:
    return _found(trust.check(os.environ, options.stages or ("dev", "qa", "prod")))


def _preflight(options: argparse.Namespace) -> int:
    findings = list(preflight.check(options.plan, _client))
    return _found(findings or [environment.Finding("nothing that counts against a quota")])


def _found(findings: Sequence[environment.Finding]) -> int:
    """1 when something is wrong."""
    _print("\n".join(f"{finding.subject}: {finding.wrong or 'right'}" for finding in findings))
    return int(any(finding.wrong for finding in findings))


def _show(_options: argparse.Namespace) -> int:
    place, ssm = _environment(), _client("ssm")
    for part in ("image", "glue"):
        _print(f"{place.stage} {part}: {images.current(ssm, place, part) or 'nothing yet'}")
    return 0


def _build_models(options: argparse.Namespace) -> int:
    what = models.Build(
        target=os.environ["LAKEHOUSE_ENVIRONMENT"],
        full_refresh=options.full_refresh,
        directory=Path(os.environ.get("DBT_TARGET_PATH", "target")).absolute(),
    )
    return models.build(_client("s3"), os.environ["LAKEHOUSE_ARTIFACTS_BUCKET"], _dbt, what)


def _as_administrator(options: argparse.Namespace) -> int:
    """Without LAKEHOUSE_REDSHIFT_ADMIN_SECRET the program connects as the environment says."""
    secret = environment.Delivery.read().redshift_admin_secret
    login = administrator.login(_client("secretsmanager"), secret) if secret else {}
    completed = subprocess.run(options.words, env={**os.environ, **login}, check=False)
    return completed.returncode


def _dbt(arguments: Sequence[str]) -> int:
    return subprocess.run(["dbt", *arguments], check=False).returncode


def _print(line: str) -> None:
    print(line, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """GitHub cancels with SIGINT, then SIGTERM: treat both alike."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
