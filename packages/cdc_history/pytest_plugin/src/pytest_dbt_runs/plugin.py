"""pytest's side: a file `*.runs.yml` is collected, each of its cases is a test."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dbt_runs.cases import Case, CaseError, MismatchError, load

if TYPE_CHECKING:
    from pytest_dbt_runs.project import Project


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A file of multi-run tests, known by its name."""
    if file_path.name.endswith(".runs.yml"):
        return RunsFile.from_parent(parent, path=file_path)
    return None


class RunsFile(pytest.File):
    """A file of multi-run tests."""

    def collect(self) -> Iterator[RunsItem]:
        """A test per case."""
        try:
            cases = load(self.path)
        except CaseError as error:
            raise self.CollectError(str(error)) from None
        for case in cases:
            yield RunsItem.from_parent(self, name=case.name, case=case)


class RunsItem(pytest.Item):
    """A case as a test."""

    def __init__(self, case: Case, **others: Any) -> None:
        super().__init__(**others)
        self.case = case

    def runtest(self) -> None:
        """Run the case in the dbt project that its file is in."""
        for folder in self.path.parents:
            if (folder / "dbt_project.yml").is_file():
                return _project(folder).run(self.case)
        raise CaseError("no folder above has a dbt_project.yml")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *others: Any) -> Any:
        """What is wrong, in the case's own words; a traceback only for an error that is not."""
        if isinstance(excinfo.value, MismatchError | CaseError):
            return f"{self.case.description}\n{excinfo.value}".strip()
        return super().repr_failure(excinfo, *others)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where pytest says that the test is."""
        return self.path, None, self.name


@cache
def _project(folder: Path) -> Project:
    # dbt takes a second to import, which a session without a case does not pay
    from pytest_dbt_runs.project import Project

    return Project(folder)
