"""What a file of multi-run tests holds, and what is refused in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Row = dict[str, Any]
"""A row by column name, with the values of YAML."""


class CaseError(Exception):
    """A file or a case cannot be run as it is written; the message says what to write."""


class MismatchError(Exception):
    """The model is not as the case expects; the message shows where and how."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Given(_Shape):
    """What an input of the model holds from this batch on: `rows` alone, or `append` as well."""

    input: str
    rows: list[Row] | None = None
    append: list[Row] | None = None
    types: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.rows is None) == (self.append is None):
            raise ValueError(f"{self.input} needs either rows (it holds them alone) or append")
        return self

    @property
    def new_rows(self) -> list[Row]:
        """The rows that this batch brings."""
        return (self.append if self.rows is None else self.rows) or []


class Expected(_Shape):
    """The rows that the model holds after the batch, in the columns that they name."""

    rows: list[Row]

    @model_validator(mode="after")
    def _same_columns(self) -> Self:
        for number, row in enumerate(self.rows, start=1):
            if differing := ", ".join(sorted(row.keys() ^ self.rows[0].keys())):
                raise ValueError(f"rows 1 and {number} do not name the same columns: {differing}")
        return self


class Batch(_Shape):
    """One run: rows come in, dbt builds, the model is looked at."""

    given: list[Given] = []
    dbt: Annotated[str, Field(pattern=r"\S")] = "build"
    vars: dict[str, Any] = {}
    expect: Expected | None = None


class Case(_Shape):
    """A model and the batches that it goes through, in a database of its own."""

    name: str
    model: str
    description: str = ""
    batches: Annotated[list[Batch], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        first = {given.input for given in self.batches[0].given if given.rows is not None}
        for batch in self.batches:
            if late := ", ".join(sorted({given.input for given in batch.given} - first)):
                raise ValueError(f"batch 1 has to give rows of {late} (`rows: []` for none)")
        if not any(batch.expect for batch in self.batches):
            raise ValueError("no batch expects anything")
        return self


class _File(_Shape):
    multi_run_tests: list[Case]


def load(path: Path) -> list[Case]:
    """The cases of a file. Raises CaseError with the place of each mistake."""
    try:
        return _File.model_validate(yaml.safe_load(path.read_text("utf-8"))).multi_run_tests
    except yaml.YAMLError as error:
        raise CaseError(str(error)) from None
    except ValidationError as error:
        raise CaseError("\n".join(_told(mistake) for mistake in error.errors())) from None


def _told(mistake: Any) -> str:
    place = ".".join(str(part) for part in mistake["loc"])
    return f"{place}: {mistake['msg'].removeprefix('Value error, ')}"
