"""Playbooks and roles against ansible-lint's strictest profile, with nothing skipped."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.infra.ansible.conftest import ANSIBLE, TOOLS


def test_ansible_lint_finds_nothing_in_the_production_profile(tmp_path: Path) -> None:
    lint = subprocess.run(
        [str(TOOLS / "ansible-lint"), "--offline", "--strict", "--nocolor", "--profile=production"],
        cwd=ANSIBLE,
        env={
            **os.environ,
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(tmp_path),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr
    assert "0 failure(s), 0 warning(s)" in lint.stderr + lint.stdout


def test_nothing_is_skipped() -> None:
    sources = [path for path in ANSIBLE.rglob("*") if path.is_file()]
    assert not [path for path in sources if path.name.startswith(".ansible-lint")]
    assert not [path for path in sources if "noqa" in path.read_text(encoding="utf-8")]
