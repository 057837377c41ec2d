"""The SQL of target prod as files, and two opinions on it: sqlglot's parser, sqlfluff's rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from ingestion.declarations import DataType, load
from tests.kit.redshift_examples import ACCEPTED
from tests.redshift import sent_sql
from tests.redshift.lint import lint, queries
from tests.redshift.sent_sql import SEPARATOR

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
            "operations/deploy",
            "operations/archive",
        ):
            assert f"{when}/{name}.sql" in names
    assert len(names) > 250


def test_each_table_and_view_is_listed_with_its_columns(folder: Path) -> None:
    """Under their declared types, however they came there: nothing has made a text wider."""
    listed = {path.stem: path.read_text("utf-8") for path in (folder / "ddl").iterdir()}
    assert {"staging", "history", "marts", "operations", "streaming"} <= listed.keys()
    for table in load().tables:
        relations = {"staging": f"create table staging.{table.name}__log"}
        if table.history == "all":
            relations["history"] = f"create table history.{table.name}_history"
        for schema, begins in relations.items():
            found = re.search(rf"(?ms)^{begins} \((.*?)^\)", listed[schema])
            assert found, begins
            for column in table.landed_columns:
                assert f"    {column.name} {_on_redshift(column.type)}," in found[1], begins
            assert schema != "staging" or not re.search(r" (text|varchar),", found[1]), begins
    assert "distkey (order_id) sortkey (" in listed["history"]
    deployed = (folder / "first_build/operations/deploy.sql").read_text("utf-8")
    assert 'grant role transformer to "IAMR:retail-prod-dbt"' in deployed


def _on_redshift(declared: DataType) -> str:
    """A text is as wide as its characters may be long in UTF-8 (r_Character_types)."""
    if declared.length is not None:
        return f"varchar({min(4 * declared.length, 65_535)})"
    return str(declared).replace("decimal", "numeric")


_KIND = re.compile(
    r"create (?:or replace )?(?:temporary )?(?:external \w+|materialized view|masking policy|\w+)"
    r"|alter table \S+ (?:append|(?:add|rename|drop) \w+)"
    r"|alter (?:materialized view|external schema|default privileges)"
    r"|comment on \w+|attach masking policy|drop (?:materialized view|\w+)"
    r"|refresh materialized view|\w+"
)
# shown by the tests of streams, which have a broker
_SHOWN_ELSEWHERE = {"refresh materialized view"}


def _kinds(statements: Iterable[str]) -> set[str]:
    """What kinds of statements these are, without names."""
    found = set()
    for statement in statements:
        text = " ".join(
            re.sub(r"--[^\n]*|/\*.*?\*/", " ", statement, flags=re.DOTALL).lower().split()
        )
        match = _KIND.match(text)
        if match is not None:
            found.add(re.sub(r"(?<=alter table )\S+ ", "", match[0]))
    return found


def test_a_page_shows_each_kind_of_statement_that_is_sent(folder: Path) -> None:
    """So that the stand-in is held to AWS's own examples of all that it is used for."""
    sent = [
        text for path in folder.rglob("*.sql") for text in path.read_text("utf-8").split(SEPARATOR)
    ]
    kinds = _kinds(sent)
    assert len(kinds) > 20
    assert kinds - _kinds(ACCEPTED.values()) <= _SHOWN_ELSEWHERE


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
