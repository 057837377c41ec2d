# ruff: noqa: E501 - statements and patterns of SQL stand in one line each
"""Every statement that a client sends: what kind it is, and what PostgreSQL is sent in its place."""

from __future__ import annotations

import re
from collections.abc import Callable

from redshift_standin.books import Books, check_attributes, column_type, quote, run_all
from redshift_standin.grammar import Match, match_statement
from redshift_standin.rules import PARAMETERS, Refused, read_table, refusal
from redshift_standin.translation import (
    names_of_tables,
    names_without_schema,
    schema_and_table,
    translate_query,
)
from redshift_standin.wire import Session

_COMMENTS = re.compile(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_QUERY = re.compile(r"(select|with|insert|update|delete|merge)\b|\(", re.IGNORECASE)
_TARGET = re.compile(
    r"(?P<verb>insert\s+into|update|delete\s+from|delete|merge\s+into)\s+"
    r'(?P<name>(?:"?[\w$-]+"?\.){0,2}"?[\w$.-]+"?)',
    re.IGNORECASE,
)
ENCODINGS: dict[str, str] = read_table("statements")["encodings"]
_NOTHING = "do $$ begin end $$"
# r_UPDATE and the pages of all others: "The maximum size for a single SQL statement is 16 MB."
MAX_STATEMENT_BYTES = 16 * 1024 * 1024
Handler = Callable[["Statements", Match, str, Session], str]


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
        self.sent: list[str] = []
        self.faults: list[tuple[str, str]] = []
        """Pairs of pattern and message: the next statement like the pattern meets that error, once."""

    def translate(self, sql: str, session: Session) -> str:
        """What PostgreSQL is sent for `sql`; what Redshift refuses becomes an error in its words.

        `sent` keeps what came, in order, so that it can be looked at and linted.
        """
        self.sent.append(sql)
        for fault in self.faults:
            if re.search(fault[0], sql):
                self.faults.remove(fault)
                return raise_error(fault[1])
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
        name, match = match_statement(text)
        return _HANDLERS[name](self, match, text, session)

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
            raise refusal("merge_external" if "merge" in verb else "update_external", name)
        if kind == "view" or (kind == "materialized" and not verb.startswith("delete")):
            raise refusal("view_read_only", name)

    def _translated(self, sql: str, session: Session) -> str:
        views = self._books.late_binding_views(sql, session.user)
        self._books.sync_external_tables("\n".join([sql, *views.values()]))
        return translate_query(sql, session, views)

    def _as_is(self, _match: Match, text: str, _session: Session) -> str:
        return text

    def _nothing(self, _match: Match, _text: str, _session: Session) -> str:
        return _NOTHING

    def _lock(self, match: Match, text: str, _session: Session) -> str:
        for name in match.all("relation"):
            if self._books.kind(name) == "view":
                raise refusal("lock_view", name)
        return text

    def _truncate(self, _match: Match, text: str, session: Session) -> str:
        _outside(session, "truncate_in_transaction")
        return text

    def _vacuum(self, _match: Match, _text: str, session: Session) -> str:
        _outside(session, "vacuum_in_transaction")
        return _NOTHING

    def _set(self, match: Match, _text: str, session: Session) -> str:
        name = match["setting"].lower()
        if name not in PARAMETERS:
            raise refusal("unknown_parameter", name)
        session.settings[name] = match["values"].strip("'\"")
        return _NOTHING

    def _show(self, match: Match, _text: str, session: Session) -> str:
        name = match["setting"].lower()
        value = session.settings.get(name, "off" if name.startswith("enable_") else None)
        if value is None:
            raise refusal("unknown_value", name)
        return f"select {quote(value)}::varchar as {name}"

    def _reset(self, match: Match, _text: str, session: Session) -> str:
        session.settings.pop(match["setting"].lower(), None)
        return _NOTHING

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
        keys = check_attributes(attributes.lower())
        if any(part.kind == "super" and part.name in keys for part in parts):
            raise refusal("super_as_key")
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
            width = self._books.width(match["view"]) if match["replace"] else 0
            if not width:
                return create
            return run_all(create, f"select standin.check_width({quote(match['view'])}, {width})")
        if names_without_schema(query):
            raise refusal("late_binding_names_schemas")
        if match["columns"]:
            raise Refused("columns of a late-binding view are not in the stand-in's tables")
        return (
            f"do $standin$ begin perform standin.create_late_binding_view({quote(match['view'])},"
            f" {bool(match['replace'])}, {quote(query)}, {quote(translated)}); end $standin$"
        )

    def _append(self, match: Match, _text: str, session: Session) -> str:
        _outside(session, "append_in_transaction")
        if self._books.kind(match["target"]) in ("view", "materialized"):
            raise refusal("append_permanent")
        return self._books.append(match["target"], match["source"], match["extra"].lower())

    def _rename_table(self, match: Match, text: str, _session: Session) -> str:
        kind = self._books.kind(match["table"])
        if kind == "external":
            raise refusal("rename_external")
        if kind == "materialized":
            raise refusal("materialized_view", match["table"])
        return run_all(text, *self._books.rename_sql(match["table"], match["new_name"]))

    def _add_column(self, match: Match, _text: str, _session: Session) -> str:
        [part] = (_Column(part) for part in match.parts("column"))
        if match["not_null"] and not match["default"]:
            raise refusal("add_not_null_without_default")
        if part.attributes and "key" in part.attributes:
            raise refusal("add_key_column")
        return f"alter table {match['table']} add column {part.sql}"

    def _drop_column(self, match: Match, text: str, _session: Session) -> str:
        column = match["dropped"].strip('"').lower()
        if column in self._books.keys(match["table"]):
            raise refusal("drop_key_column", column)
        return text

    def _drop_table(self, match: Match, text: str, session: Session) -> str:
        for name in match.all("relation"):
            kind = self._books.kind(name)
            if kind == "materialized":
                raise refusal("materialized_view", name)
            if kind == "external":
                _outside(session, "drop_external_in_transaction")
                return self._books.drop_external_table(name)
        return text

    def _alter_column_type(self, match: Match, _text: str, session: Session) -> str:
        if session.in_transaction:
            raise refusal("alter_column_in_transaction")
        name, kind = column_type(match["type"])
        if name not in ("varchar", "character varying", "nvarchar", "text"):
            raise refusal("alter_type_of_varchar")
        if self._books.has_default(match["table"], match["altered"]):
            raise refusal("alter_column_with_default")
        return f"alter table {match['table']} alter column {match['altered']} type {kind}"

    def _alter_attributes(self, match: Match, _text: str, _session: Session) -> str:
        return self._books.alter_attributes(
            match["table"], match["style"], match["dist"], match.all("sort"), match["unsorted"]
        )

    # -- streams

    def _create_external_schema(self, match: Match, _text: str, session: Session) -> str:
        if match["by_iam"] and not match["iam"]:
            raise refusal("kafka_needs_a_role")
        for role in re.findall(r"iam_role\s+'([^']*)'", match["options"], re.IGNORECASE):
            if not re.fullmatch(r"arn:aws[^:]*:iam::\d{12}:role/.+", role):
                raise refusal("iam_role", role)
        if match["makes"] and session.in_transaction:
            raise refusal("external_database_in_transaction")
        return self._books.create_external_schema(
            match["schema"],
            "kafka" if match["kafka"] else "catalog",
            match["options"],
            bool(match["exists"]),
        )

    def _alter_external_schema(self, match: Match, _text: str, _session: Session) -> str:
        return self._books.alter_external_schema(match["schema"], match["uri"])

    def _create_external_table(self, match: Match, _text: str, session: Session) -> str:
        _outside(session, "external_in_transaction", "CREATE EXTERNAL TABLE")
        if match["serde"] not in ("", "'org.openx.data.jsonserde.JsonSerDe'"):
            raise Refused(f"{match['serde']} is not in the stand-in's tables")
        for kind in match.all("type"):
            column_type(kind, external=True)
        return self._books.create_external_table(
            match["table"],
            match["own"],
            match["parts"],
            "parquet" if match["parquet"] else "json",
            match["location"].strip("'"),
            match.all("property"),
        )

    def _add_partition(self, match: Match, _text: str, session: Session) -> str:
        _outside(session, "partition_in_transaction")
        added = [
            (
                {
                    key.strip('"').lower(): value.strip("'")
                    for key, value in zip(each.all("key"), each.all("value"), strict=True)
                },
                each["location"].strip("'"),
            )
            for each in match.parts("added")
        ]
        return self._books.add_partitions(match["table"], added, bool(match["exists"]))

    def _alter_external_table(self, match: Match, _text: str, session: Session) -> str:
        _outside(session, "partition_in_transaction")
        keys = {
            key.strip('"').lower(): value.strip("'")
            for key, value in zip(match.all("key"), match.all("value"), strict=True)
        }
        return self._books.alter_external_table(
            match["table"], keys, match["location"].strip("'"), match.all("property")
        )

    def _create_materialized_view(self, match: Match, _text: str, session: Session) -> str:
        _outside(session, "streaming_in_transaction", "CREATE MATERIALIZED VIEW")
        if match["late"]:
            raise refusal("attributes_before_auto_refresh", match["late"].split()[0])
        return self._books.create_streaming_view(
            match["view"],
            match["attributes"],
            match["query"],
            session,
            auto=match["auto"].lower() == "yes",
        )

    def _refresh(self, match: Match, _text: str, session: Session) -> str:
        _outside(session, "streaming_in_transaction", "REFRESH MATERIALIZED VIEW")
        return self._books.refresh(match["view"], session)

    def _alter_materialized_view(self, match: Match, _text: str, _session: Session) -> str:
        schema, view = schema_and_table(match["view"])
        return (
            f"update standin.streaming_views set auto_refresh = {match['auto'].lower() == 'yes'}"
            f" where schema_name = {quote(schema)} and table_name = {quote(view)}"
        )

    def _drop_materialized_view(self, match: Match, _text: str, _session: Session) -> str:
        return self._books.drop_streaming_view(match["view"], bool(match["exists"]))

    # -- users, roles and masks

    def _create_role(self, match: Match, _text: str, _session: Session) -> str:
        return f"create role {match['role_name']} nologin"

    def _drop_role(self, match: Match, _text: str, _session: Session) -> str:
        return f"drop role {match['role_name']}"

    def _create_user(self, match: Match, _text: str, _session: Session) -> str:
        return f"create role {match['user']} login password {match['password'] or 'null'}"

    def _alter_user(self, match: Match, _text: str, _session: Session) -> str:
        return f"alter role {match['user']} password {match['password'] or 'null'}"

    def _grant_role(self, match: Match, _text: str, _session: Session) -> str:
        members = ", ".join(re.sub(r"(?i)^role\s+", "", each) for each in match.all("member"))
        verb = match["verb"].lower()
        admin = " with admin option" if match["admin"] else ""
        word = "to" if verb == "grant" else "from"
        return f"{verb} {', '.join(match.all('granted'))} {word} {members}{admin}"

    def _grant_scoped(self, match: Match, _text: str, _session: Session) -> str:
        """On the tables that are there, and those that will be."""
        verb, schema = match["verb"].lower(), match["schema"]
        to = f"{'to' if verb == 'grant' else 'from'} {match['to']}"
        return run_all(
            f"{verb} {match['privileges']} on all tables in schema {schema} {to}",
            f"alter default privileges in schema {schema} {verb} {match['privileges']} on tables {to}",
        )

    def _grant(self, match: Match, text: str, session: Session) -> str:
        if re.search(r"\b(drop|alter)\b", match["privileges"], re.IGNORECASE):
            raise Refused("privileges to drop and alter are not in the stand-in's tables (r_GRANT)")
        for schema in match.all("schema"):
            if self._books.is_external_schema(schema):
                _outside(session, "grant_external_in_transaction")
                if re.search(r"\b(create|all)\b", match["schema_privileges"], re.IGNORECASE):
                    raise refusal("grant_create_on_external_schema")
        if any(self._books.kind(name) == "external" for name in match.all("relation")):
            raise refusal("grant_on_external_table")
        text = re.sub(r"(?i)\bfor\s+user\b", "for role", text)
        return re.sub(r"(?i)\b(to|from|,)\s*(role|group)\s+", r"\1 ", text)

    def _create_masking_policy(self, match: Match, _text: str, _session: Session) -> str:
        self._books.check_mask_expression(match["policy_input"], match["expression"])
        exists = " on conflict do nothing" if match["exists"] else ""
        return (
            f"insert into standin.masking_policies values ({quote(match['policy'].lower())},"
            f" {quote(match['policy_input'])}, {quote(match['expression'])}){exists}"
        )

    def _alter_masking_policy(self, match: Match, _text: str, _session: Session) -> str:
        self._books.check_mask_expression(
            self._books.mask_input(match["policy"]), match["expression"]
        )
        return (
            f"update standin.masking_policies set expression = {quote(match['expression'])}"
            f" where name = {quote(match['policy'].lower())}"
        )

    def _drop_masking_policy(self, match: Match, _text: str, _session: Session) -> str:
        self._books.mask_input(match["policy"])
        name = quote(match["policy"].lower())
        if self._books.rows(f"select 1 from standin.attached_policies where policy = {name}"):
            raise refusal("drop_attached_mask", match["policy"])
        return f"delete from standin.masking_policies where name = {name}"

    def _attach_masking_policy(self, match: Match, _text: str, _session: Session) -> str:
        schema, table = schema_and_table(match["relation"])
        columns, priority = ", ".join(match.all("outputs")), int(match["priority"] or 0)
        inputs = match.all("inputs") or match.all("outputs")
        self._books.check_mask(
            match["policy"].lower(), match["relation"], inputs, columns, match["to"], priority
        )
        return (
            f"insert into standin.attached_policies values ({quote(match['policy'].lower())},"
            f" {quote(schema + '.' + table)}, {quote(columns)}, {quote(match['to'])}, {priority})"
        )

    def _detach_masking_policy(self, match: Match, _text: str, _session: Session) -> str:
        schema, table = schema_and_table(match["relation"])
        return (
            f"delete from standin.attached_policies where policy = {quote(match['policy'].lower())}"
            f" and relation = {quote(schema + '.' + table)}"
            f" and columns = {quote(', '.join(match.all('outputs')))}"
            f" and grantee = {quote(match['to'])}"
        )


class _Column:
    """A column of CREATE TABLE or ADD COLUMN: what PostgreSQL is told, and what the books keep."""

    def __init__(self, match: Match) -> None:
        self.name = match["column_name"].strip('"').lower()
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
        if self.kind == "super" and (match["distkey"] or match["sortkey"]):
            raise refusal("super_as_key")


def _outside(session: Session, rule: str, *values: str) -> None:
    """Some statements commit by themselves; the page of each says that it can't be in a transaction."""
    if session.in_transaction:
        raise refusal(rule, *values)


_HANDLERS: dict[str, Handler] = {
    name.removeprefix("_"): handler
    for name, handler in vars(Statements).items()
    if name.startswith("_") and not name.startswith("__") and callable(handler)
}
