"""The SQL of target prod as files, and two opinions on it: sqlglot's parser, sqlfluff's rules."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from tests.redshift import sent_sql
from tests.redshift.lint import lint, queries

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make redshift-sql` writes."""
    written = tmp_path_factory.mktemp("sql")
    sent_sql.main(written)
    return written


def test_every_node_and_operation_has_its_file(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.sql")}
    for when in ("first_build", "next_build"):
        for name in (
            "models/customers__log",
            "models/fct_orders",
            "snapshots/orders_history",
            "hooks",
            "operations/deploy_streaming",
            "operations/archive_streams",
        ):
            assert f"{when}/{name}.sql" in names
    assert len(names) > 250


def test_sqlglot_parses_every_query(folder: Path) -> None:
    """As Redshift's SQL, none of it as an unknown command."""
    found = queries(folder)
    assert len(found) > 60
    for name, query in found.items():
        [tree] = sqlglot.parse(query, read="redshift")
        assert isinstance(tree, exp.Query), name


@pytest.mark.timeout(1800)
def test_sqlfluff_finds_only_what_is_meant(folder: Path) -> None:
    meant, others = lint(folder)
    print(dict(meant))
    assert not others, "\n".join(others)
