# ruff: noqa: E501 - statements and patterns of SQL stand in one line each
"""Every statement that a client sends: what kind it is, and what PostgreSQL is sent in its place."""

from __future__ import annotations

import re
from typing import Any

from redshift_standin.books import (
    NOTHING,
    Books,
    check_attributes,
    folded,
    quote,
    run_all,
    where,
)
from redshift_standin.grammar import Match, match_statement
from redshift_standin.rules import Refused, column_type, read_table, refusal
from redshift_standin.translation import IDENTIFIERS, names_of_tables, translate_query
from redshift_standin.wire import Session

_COMMENTS = re.compile(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_QUERY = re.compile(r"(select|with|insert|update|delete|merge)\b|\(", re.IGNORECASE)
_TARGET = re.compile(
    r"(?P<verb>insert\s+into|update|delete\s+from|delete|merge\s+into)\s+"
    r'(?P<name>(?:"?[\w$-]+"?\.){0,2}"?[\w$.-]+"?)',
    re.IGNORECASE,
)
ENCODINGS: dict[str, str] = read_table("statements")["encodings"]
_PARAMETERS: list[str] = read_table("statements")["parameters"].split()
# in the attributes of a table that the books keep
_DIST = r"diststyle \w+|distkey \([^)]*\)"
_SORT = r"((compound|interleaved) )?sortkey (\([^)]*\)|auto)"
_FIXED = "(bytedict|runlength|text255|text32k)"  # whose columns keep their type (r_ALTER_TABLE)
# r_UPDATE and the pages of all others: "The maximum size for a single SQL statement is 16 MB."
MAX_STATEMENT_BYTES = 16 * 1024 * 1024


def raise_error(message: str, sqlstate: str = "XX000") -> str:
    """PostgreSQL's SQL that fails with `message`."""
    return (
        f"do $standin$ begin raise exception using errcode = '{sqlstate}', "
        f"message = {quote(message)}; end $standin$"
    )


class Statements:
    """Translates the statements of all sessions; `books` keeps what PostgreSQL has no place for."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._known: dict[tuple[object, ...], str] = {}
        self.sent: list[str] = []

    def translate(self, sql: str, session: Session) -> str:
        """What PostgreSQL is sent for `sql`; what Redshift refuses becomes an error in its words.

        `sent` keeps what came, in order, so that it can be looked at and linted.
        """
        self.sent.append(sql)
        try:
            return self._translate(sql, session)
        except Refused as refusal:
            return raise_error(str(refusal), "42601")
        except Exception as error:
            return raise_error(f"{type(error).__name__}: {error}")

    def _translate(self, sql: str, session: Session) -> str:
        if len(sql.encode()) > MAX_STATEMENT_BYTES:
            raise refusal("statement_size")
        text = _COMMENTS.sub("", sql, count=1).rstrip().rstrip(";").rstrip()
        if not text:
            return ""
        if _QUERY.match(text):
            return self._query(text, session)
        row, match = match_statement(text)
        self._check_row(row, match, session)
        if "as" in row:
            return re.sub(r"{(\w+)}", lambda label: match[label[1]], row["as"])
        if "keep" in row:
            return str(getattr(self._books, row["keep"])(match, session))
        return str(getattr(self, f"_{row['do']}")(match, text, session)) if "do" in row else text

    def _check_row(self, row: dict[str, Any], match: Match, session: Session) -> None:
        """Raise Refused for what the row of the tables says beside its synopsis."""
        if session.in_transaction and "outside" in row:
            raise Refused(f"{row['outside']} cannot run inside a transaction block ({row['page']})")
        for label, told in row.get("needs", {}).items():
            if not self._books.is_owner(session.acting, label, match[label]):
                raise Refused(f"{told} ({row['page']}): {match[label]}")
        for label, can_log_in in (("user", True), ("role", False)):  # each a name space of its own
            for name in match.all(label):
                if not self._books.has_identity(name.strip("'"), can_log_in):
                    raise refusal("no_identity", label, name)
        for name in (*match.all("relation"), *match.all("table")) if "not_of" in row else ():
            if told := row["not_of"].get(self._books.kind(name)):
                raise refusal(told, name)
        for label, (told, pattern) in row.get("like", {}).items():
            if not re.fullmatch(pattern, match[label]):
                raise refusal(told, match[label])

    # -- queries

    def _query(self, text: str, session: Session) -> str:
        target = _TARGET.match(text)
        if target is not None:
            self._require_table(target["name"], target["verb"].lower())
        return self._translated(text, session)

    def _require_table(self, name: str, verb: str) -> None:
        """A view takes no rows; of a streaming view they can be deleted only."""
        kind = self._books.kind(name)
        if kind == "external":
            raise refusal("change_external", name)
        if kind == "view" or (kind == "materialized" and not verb.startswith("delete")):
            raise refusal("view_read_only", name)

    def _translated(self, sql: str, session: Session) -> str:
        views = self._books.late_binding_views(sql, session.acting)
        self._books.sync_external_tables("\n".join([sql, *views.values()]))
        asked = (sql, *map(session.is_on, IDENTIFIERS), *views.items())
        if asked not in self._known:
            self._known[asked] = translate_query(sql, session, views)
        return self._known[asked]

    def _set(self, match: Match, _text: str, session: Session) -> str:
        name = match["setting"].lower()
        if name not in _PARAMETERS:
            raise refusal("unknown_parameter", name)
        session.settings[name] = match["values"].strip("'\"")
        return NOTHING

    def _show(self, match: Match, _text: str, session: Session) -> str:
        name = match["setting"].lower()
        value = session.settings.get(name, "off" if name.startswith("enable_") else None)
        if value is None:
            raise refusal("unknown_value", name)
        return f"select {quote(value)}::varchar as {name}"

    def _reset(self, match: Match, _text: str, session: Session) -> str:
        session.settings.pop(match["setting"].lower(), None)
        return NOTHING

    def _become(self, match: Match, text: str, session: Session) -> str:
        if not self._books.is_owner(session.user):
            raise refusal("session_authorization")
        session.settings["session_authorization"] = match["user"].strip("'\"")
        return text

    # -- tables and views

    def _create_table_as(self, match: Match, _text: str, session: Session) -> str:
        query = self._translated(match["query"], session)
        temporary = "temporary " if match["temporary"] else ""
        create = f"create {temporary}table {match['table']} {match['columns']} as {query}"
        return run_all(create, *self._books.attributes_sql(match["table"], match["attributes"]))

    def _create_table(self, match: Match, _text: str, _session: Session) -> str:
        # c_unsupported-postgresql-features: unique, primary and foreign keys are informational only
        parts = [_Column(part) for part in match.parts("column")]
        attributes = " ".join([match["attributes"], *(part.attributes for part in parts)])
        if not {part.name for part in parts}.issuperset(map(folded, match.all("keyed"))):
            raise refusal("key_columns")
        temporary = "temporary " if match["temporary"] else ""
        exists = "if not exists " if match["exists"] else ""
        columns = ", ".join(part.sql for part in parts)
        create = f"create {temporary}table {exists}{match['table']} ({columns})"
        return run_all(create, *self._books.attributes_sql(match["table"], attributes))

    def _create_table_like(self, match: Match, text: str, _session: Session) -> str:
        kept = self._books.attributes(match["parent"])
        return run_all(text, *self._books.attributes_sql(match["table"], kept))

    def _create_view(self, match: Match, _text: str, session: Session) -> str:
        query = match["query"]
        translated = self._translated(query, session)
        if not match["unbound"]:
            if any(self._books.kind(name) == "external" for name in names_of_tables(query)):
                raise refusal("bound_view_of_external")
            replace = "or replace " if match["replace"] else ""
            create = f"create {replace}view {match['view']} {match['columns']} as {translated}"
            width = len(self._books.columns(match["view"]))
            if not (match["replace"] and width):
                return create
            return run_all(create, f"select standin.check_width({quote(match['view'])}, {width})")
        if any("." not in name for name in names_of_tables(query)):
            raise refusal("late_binding_names_schemas")
        if match["columns"]:
            raise refusal("not_in_tables", "a column list of a late-binding view")
        return (
            f"do $standin$ begin perform standin.create_late_binding_view({quote(match['view'])},"
            f" {bool(match['replace'])}, {quote(query)}, {quote(translated)}); end $standin$"
        )

    def _add_key(self, match: Match, _text: str, _session: Session) -> str:
        needed = " and not_null" if match["primary"] else ""
        of_table = f"select column_name from standin.columns {where(match['table'])}{needed}"
        there = {column for (column,) in self._books.rows(of_table)}
        if not there.issuperset(map(folded, match.all("keyed"))):
            raise refusal("key_columns")
        return NOTHING

    def _alter_attributes(self, match: Match, _text: str, _session: Session) -> str:
        """New keys in the place of those that the table has."""
        kept = self._books.attributes(match["table"])
        if dist := match["dist"]:
            kept = f"{re.sub(_DIST, '', kept)} diststyle key distkey ({dist})"
        elif match["style"]:
            kept = f"{re.sub(_DIST, '', kept)} diststyle {match['style']}"
        if match["sort"] or match["sorted"]:
            kept = re.sub(_SORT, "", kept)
            kept += f" sortkey ({', '.join(match.all('sort'))})" if match["sort"] else ""
        return run_all(*self._books.attributes_sql(match["table"], kept))

    def _add_column(self, match: Match, _text: str, _session: Session) -> str:
        [part] = (_Column(part) for part in match.parts("column"))
        if match["not_null"] and not match["default"]:
            raise refusal("add_not_null_without_default")
        if part.attributes and "key" in part.attributes:
            raise refusal("add_key_column")
        return f"alter table {match['table']} add column {part.sql}"

    def _drop_column(self, match: Match, text: str, _session: Session) -> str:
        column = folded(match["dropped"])
        if column in check_attributes(self._books.attributes(match["table"])):
            raise refusal("drop_key_column", column)
        return text

    def _drop_table(self, match: Match, text: str, session: Session) -> str:
        for name in match.all("relation"):
            if self._books.kind(name) == "external":
                if session.in_transaction:
                    raise refusal("external_in_transaction", "DROP")
                return self._books.drop_external_table(name)
        return text

    def _alter_column_type(self, match: Match, _text: str, _session: Session) -> str:
        name, kind = column_type(match["type"])
        if name != "varchar":
            raise refusal("alter_type_of_varchar")
        encoded = rf"encode \({re.escape(folded(match['altered']))} {_FIXED}\)"
        if re.search(encoded, self._books.attributes(match["table"])):
            raise refusal("alter_encoded_column")
        of_column = f"{where(match['table'])} and column_name = {quote(folded(match['altered']))}"
        if self._books.rows(f"select 1 from standin.columns {of_column} and has_default"):
            raise refusal("alter_column_with_default")
        return f"alter table {match['table']} alter column {match['altered']} type {kind}"

    # -- users, roles and masks

    def _grant_scoped(self, match: Match, _text: str, _session: Session) -> str:
        """On the tables that are there, and those that will be."""
        verb, schema = match["verb"].lower(), match["schema"]
        to = f"{'to' if verb == 'grant' else 'from'} {match['to']}"
        return run_all(
            f"{verb} {match['privileges']} on all tables in schema {schema} {to}",
            f"alter default privileges in schema {schema} {verb} {match['privileges']} on tables {to}",
        )

    def _grant(self, match: Match, text: str, session: Session) -> str:
        for schema in match.all("schema"):
            if any(self._books.external_schema(schema)):
                if session.in_transaction:
                    raise refusal("external_in_transaction", "GRANT")
                if match["schema_privileges"].lower() != "usage":
                    raise refusal("grant_create_on_external_schema")
        text = re.sub(r"(?i)\bfor\s+user\b", "for role", text)
        return re.sub(r"(?i)(\bgrant|\brevoke|\bto|\bfrom|,)\s*(role|group)\s+", r"\1 ", text)


class _Column:
    """A column of CREATE TABLE or ADD COLUMN: what PostgreSQL is told, and what the books keep."""

    def __init__(self, match: Match) -> None:
        self.name = folded(match["column_name"])
        self.kind, written = column_type(match["type"])
        encoding = match["encoding"].upper()
        if encoding and self.kind not in ENCODINGS[encoding].split():
            raise refusal("encoding", encoding, self.kind)
        options = [match["default"], match["not_null"]]
        self.sql = " ".join([match["column_name"], written, *filter(None, options)])
        kept = [
            f"distkey ({self.name})" if match["distkey"] else "",
            f"sortkey ({self.name})" if match["sortkey"] else "",
            f"encode ({self.name} {encoding.lower()})" if encoding else "",
        ]
        self.attributes = " ".join(filter(None, kept))
