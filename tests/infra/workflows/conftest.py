"""Accounts, and the folders that stand for images."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.workflows.cloud import Account, Cloud, create_account, image_folder, put_image

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    images = tmp_path_factory.mktemp("images")
    with (images / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.infra.workflows.server", str(images)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    endpoint = process.stdout.readline().strip()
    assert endpoint, (images / "log.txt").read_text()
    yield Cloud(endpoint, images)
    process.stdin.close()
    process.wait()


@pytest.fixture
def cloud(_server: Cloud) -> Cloud:
    """An empty AWS in which tasks run."""
    _server.reset()
    return _server


@pytest.fixture
def dev(cloud: Cloud) -> Account:
    """The environment dev as Terraform leaves it, and an image that holds no project."""
    account = create_account(cloud, "dev", {})
    image_folder(cloud.images, f"{account.repository}:initial").mkdir(exist_ok=True)
    put_image(account, "initial")
    return account
