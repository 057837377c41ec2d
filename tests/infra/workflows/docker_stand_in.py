"""`docker build` and `docker push` where there is no Docker engine.

An image is a folder with what the build was given, and a Python environment in `.image` that has
the packages of the tests' own and, by the script of the Dockerfile, the project. Pushing it makes
the registry know its tag.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.infra.workflows.cloud import Cloud, image_folder, put_image_tag


def main() -> None:
    """Do what the arguments say; they are Docker's."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    build = commands.add_parser("build")
    build.add_argument("--pull", action="store_true", required=True)
    build.add_argument("--build-arg", required=True)
    build.add_argument("--tag", required=True)
    build.add_argument("context", type=Path)
    build.set_defaults(command=_build)
    push = commands.add_parser("push")
    push.add_argument("tag")
    push.set_defaults(command=_push)
    options = parser.parse_args()
    options.command(options)


def _images() -> Path:
    return Path(os.environ["DOCKER_IMAGES"])


def _build(options: argparse.Namespace) -> None:
    name, _, release = options.build_arg.partition("=")
    assert (name, options.tag.rpartition(":")[2]) == ("RELEASE", release)
    image = image_folder(_images(), options.tag)
    shutil.copytree(options.context, image)
    prefix = image / ".image"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    (site_packages,) = prefix.glob("lib/python3*/site-packages")
    (site_packages / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([image / "infra/image/install_project.sh", prefix, image], check=True)


def _push(options: argparse.Namespace) -> None:
    assert image_folder(_images(), options.tag).is_dir()
    repository, _, release = options.tag.partition("/")[2].partition(":")
    put_image_tag(Cloud(os.environ["AWS_ENDPOINT_URL"], _images()), repository, release)


if __name__ == "__main__":
    main()
