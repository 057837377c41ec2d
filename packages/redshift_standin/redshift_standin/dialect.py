"""Redshift SQL to sqlglot's tree and back, with Redshift's own functions left alone.

sqlglot turns functions into those that it thinks PostgreSQL has. Here they stay calls by name, so
that the name can be looked up in the list of Redshift's functions and means what Redshift does
(`functions.sql`), not what sqlglot makes of it: a mark before the name hides it from the parser.
"""

from __future__ import annotations

from typing import ClassVar

from sqlglot import exp, parse, tokenize
from sqlglot.dialects.redshift import Redshift
from sqlglot.tokenizer_core import TokenType

MARK = "rs__"
# Syntax of its own in the parser, and the same meaning in PostgreSQL.
_KEPT = {
    "cast", "try_cast", "coalesce", "nullif", "greatest", "least", "extract", "substring", "trim",
    "position",
    "count", "sum", "min", "max", "avg", "row_number", "rank", "dense_rank", "lag", "lead",
    "first_value", "last_value", "abs", "round", "upper", "lower", "nvl", "decode", "listagg",
    "exists", "numeric", "values",
}  # fmt: skip
# What may stand before the name of a relation or of an alias, not before that of a function.
_NO_FUNCTION_AFTER = {
    TokenType.INTO, TokenType.TABLE, TokenType.DOT, TokenType.R_PAREN, TokenType.VAR,
    TokenType.ALIAS, TokenType.UPDATE,
}  # fmt: skip


class _Redshift(Redshift):
    class Tokenizer(Redshift.Tokenizer):
        # `$1,$2` are bound values: sqlglot takes what stands between two dollars for a string
        HEREDOC_STRINGS: ClassVar[list[str | tuple[str, str]]] = []
        SINGLE_TOKENS: ClassVar[dict[str, TokenType]] = {
            **Redshift.Tokenizer.SINGLE_TOKENS,
            "$": TokenType.PARAMETER,
        }


def parse_redshift(sql: str) -> list[exp.Expr]:
    """The statements in `sql`; calls of functions are `Anonymous` with the mark before their name.

    Raises:
        sqlglot.errors.ParseError: it is no SQL that sqlglot knows.
    """
    tokens = tokenize(sql, read=_Redshift)
    marked: list[str] = []
    written = 0
    for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
        if (
            after.token_type == TokenType.L_PAREN
            and (token.token_type == TokenType.VAR or token.text.lower() in _ALSO_FUNCTIONS)
            and token.text.lower() not in _KEPT
            and (before is None or before.token_type not in _NO_FUNCTION_AFTER)
        ):
            marked.append(sql[written : token.start] + MARK)
            written = token.start
    marked.append(sql[written:])
    return [tree for tree in parse("".join(marked), read=_Redshift) if tree is not None]


# Functions whose names the tokenizer takes for keywords.
_ALSO_FUNCTIONS = {"left", "right", "replace", "mod", "isnull", "current_schema", "unnest"}


def to_postgres(tree: exp.Expr) -> str:
    """`tree` as PostgreSQL's SQL."""
    return str(tree.sql(dialect="postgres"))
