"""`docker build` and `docker push` where there is no Docker engine.

An image is a folder with what the build was given, and a Python environment in `.image` that has
the packages of the tests' own and, by the script of the Dockerfile, the project. The registry of
all environments knows an image when there is a file beside its folder, with its digest; copying it
from there makes ECR know its tag.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.infra.workflows.cloud import Cloud, image_folder, put_image_tag
from tests.infra.workflows.github_stand_in import TOKEN


def main() -> None:
    """Do what the arguments say; they are Docker's."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    build = commands.add_parser("build")
    build.add_argument("--pull", action="store_true", required=True)
    build.add_argument("--build-arg", action="append", required=True)
    build.add_argument("--tag", required=True)
    build.add_argument("context", type=Path)
    build.set_defaults(command=_build)
    login = commands.add_parser("login")
    login.add_argument("registry", choices=["ghcr.io"])
    login.add_argument("--username", required=True)
    login.add_argument("--password-stdin", action="store_true", required=True)
    login.set_defaults(command=_login)
    tools = commands.add_parser("buildx").add_subparsers(required=True)
    tools = tools.add_parser("imagetools").add_subparsers(required=True)
    inspect = tools.add_parser("inspect")
    inspect.add_argument("--format", choices=["{{.Manifest.Digest}}"], required=True)
    inspect.add_argument("tag")
    inspect.set_defaults(command=_inspect)
    create = tools.add_parser("create")
    # With an index around it the image would have another digest.
    create.add_argument("--prefer-index", choices=["false"], required=True)
    create.add_argument("--tag", required=True)
    create.add_argument("source")
    create.set_defaults(command=_create)
    push = commands.add_parser("push")
    push.add_argument("tag")
    push.set_defaults(command=_push)
    options = parser.parse_args()
    options.command(options)


def _images() -> Path:
    return Path(os.environ["DOCKER_IMAGES"])


def _build(options: argparse.Namespace) -> None:
    given = dict(pair.split("=", 1) for pair in options.build_arg)
    assert set(given) == {"RELEASE", "PYTHON_DIGEST"}
    assert options.tag.rpartition(":")[2].startswith(f"{given['RELEASE']}-")
    image = image_folder(_images(), options.tag)
    shutil.copytree(options.context, image)
    prefix = image / ".image"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    (site_packages,) = prefix.glob("lib/python3*/site-packages")
    (site_packages / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([image / "infra/image/install_project.sh", prefix, image], check=True)


def _login(_options: argparse.Namespace) -> None:
    assert sys.stdin.read().strip() == TOKEN


def _push(options: argparse.Namespace) -> None:
    folder = image_folder(_images(), options.tag)
    _digest(folder).write_text(f"sha256:{hashlib.sha256(os.urandom(9)).hexdigest()}")


def _inspect(options: argparse.Namespace) -> None:
    digest = _digest(image_folder(_images(), options.tag))
    sys.exit(f"ERROR: {options.tag}: not found") if not digest.exists() else print(
        digest.read_text()
    )


def _create(options: argparse.Namespace) -> None:
    _, _, wanted = options.source.partition("@")
    [known] = [file for file in _images().glob("*.digest") if file.read_text() == wanted]
    image_folder(_images(), options.tag).symlink_to(known.with_suffix(""))
    repository, _, release = options.tag.partition("/")[2].partition(":")
    put_image_tag(Cloud(os.environ["AWS_ENDPOINT_URL"], _images()), repository, release, wanted)


def _digest(image: Path) -> Path:
    return image.with_name(f"{image.name}.digest")


if __name__ == "__main__":
    main()
