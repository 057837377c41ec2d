"""The lists of reserved words are the engines' own."""

from __future__ import annotations

import duckdb
from sqlglot.dialects import Redshift

from ingestion.reserved_names import RESERVED, column_taken


def test_duckdb_says_which_words_are_no_column_names() -> None:
    rows = duckdb.sql(
        "select keyword_name from duckdb_keywords() "
        "where keyword_category in ('reserved', 'type_function')"
    ).fetchall()
    assert {word for (word,) in rows} == RESERVED["DuckDB"]


def test_redshifts_words_are_those_that_sqlglot_knows_too() -> None:
    """All but `type`, which r_pg_keywords does not have."""
    words = {word.strip().lower() for word in Redshift.Generator.RESERVED_KEYWORDS}
    assert words - {"type"} == RESERVED["Redshift"]


def test_duckdbs_rows_have_a_column_that_no_table_declares() -> None:
    with duckdb.connect() as connection:
        connection.execute("create table t as select 1 as a")
        assert connection.execute("select rowid from t").fetchall() == [(0,)]
    assert column_taken("t", "rowid", is_key=False)
