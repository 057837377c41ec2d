# ruff: noqa: E501 - statements and patterns of SQL stand in one line each
"""Every statement that a client sends: what kind it is, and what PostgreSQL is sent in its place."""

from __future__ import annotations

import re
from collections.abc import Callable

from redshift_standin.books import Books, quote
from redshift_standin.rules import PARAMETERS, RESERVED, Refused, refusal
from redshift_standin.translation import (
    names_without_schema,
    schema_and_table,
    translate_query,
)
from redshift_standin.wire import Session

_COMMENTS = re.compile(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_NAME = r'(?P<name>(?:"?[\w$-]+"?\.){0,2}"?[\w$.-]+"?)'
_ATTRIBUTES = re.compile(
    r"\b(backup\s+(?:yes|no)|diststyle\s+(?:all|even|auto|key)|distkey\s*\([^)]*\)"
    r"|(?:compound\s+|interleaved\s+)?sortkey\s*\([^)]*\)|sortkey\s+auto|auto\s+refresh\s+(?:yes|no))",
    re.IGNORECASE,
)
# c_unsupported-postgresql-features: unique, primary and foreign keys are informational only
_TABLE_KEYS = re.compile(
    r",\s*(?:constraint\s+\w+\s+)?(?:unique|primary\s+key|foreign\s+key)\s*\([^)]*\)"
    r"(?:\s+references\s+[^\s(,)]+\s*(?:\([^)]*\))?)?",
    re.IGNORECASE,
)
_KEYS = re.compile(
    r"\b(?:unique|primary\s+key|references\s+[^\s(,)]+\s*(?:\([^)]*\))?)", re.IGNORECASE
)
_TARGET = re.compile(
    r"(?P<verb>insert\s+into|update|delete\s+from|delete|merge\s+into)\s+" + _NAME, re.IGNORECASE
)
# r_UPDATE and the pages of all others: "The maximum size for a single SQL statement is 16 MB."
MAX_STATEMENT_BYTES = 16 * 1024 * 1024
Handler = Callable[["Statements", "re.Match[str]", str, Session], str]


def raise_error(message: str, sqlstate: str = "XX000") -> str:
    """PostgreSQL's SQL that fails with `message`."""
    return (
        f"do $standin$ begin raise exception using errcode = '{sqlstate}', "
        f"message = {quote(message)}; end $standin$"
    )


def run_all(*statements: str) -> str:
    """One statement that runs `statements` in the client's transaction."""
    lines = "; ".join(f"execute {quote(each)}" for each in statements)
    return f"do $standin$ begin {lines}; end $standin$" if statements else "do $$ begin end $$"


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
        for pattern, handler in _HANDLERS:
            match = pattern.match(text)
            if match is not None:
                return handler(self, match, text, session)
        raise refusal("unknown_statement", text.split(maxsplit=1)[0])

    # -- queries

    def _query(self, _match: re.Match[str], text: str, session: Session) -> str:
        target = _TARGET.match(text)
        if target is not None:
            kind = self._books.kind(target["name"])
            if kind == "external":
                merge = target["verb"].lower().startswith("merge")
                raise refusal("merge_external" if merge else "update_external", target["name"])
            if kind == "view":
                raise refusal("view_read_only", target["name"])
        return self._translated(text, session)

    def _translated(self, sql: str, session: Session) -> str:
        views = self._books.late_binding_views(sql, session.user)
        self._books.sync_external_tables("\n".join([sql, *views.values()]))
        return translate_query(sql, session, views)

    def _as_is(self, _match: re.Match[str], text: str, _session: Session) -> str:
        return text

    def _nothing(self, _match: re.Match[str], _text: str, _session: Session) -> str:
        return "do $$ begin end $$"

    def _lock(self, match: re.Match[str], text: str, _session: Session) -> str:
        for name in match["names"].split(","):
            if self._books.kind(name.strip()) == "view":
                raise refusal("lock_view", name.strip())
        return text

    def _truncate(self, _match: re.Match[str], text: str, session: Session) -> str:
        _outside(session, "truncate_in_transaction")
        return text

    def _vacuum(self, _match: re.Match[str], _text: str, session: Session) -> str:
        _outside(session, "vacuum_in_transaction")
        return "do $$ begin end $$"

    def _set(self, match: re.Match[str], _text: str, session: Session) -> str:
        name = match["setting"].lower()
        if name in ("session authorization", "role"):
            return f"set {name} {match['value']}"
        if name not in PARAMETERS:
            raise refusal("unknown_parameter", name)
        session.settings[name] = match["value"].strip().strip("'\"")
        return "do $$ begin end $$"

    def _show(self, match: re.Match[str], _text: str, session: Session) -> str:
        name = match["setting"].lower()
        return f"select {quote(session.settings.get(name, 'off'))}::varchar as {name}"

    def _reset(self, match: re.Match[str], _text: str, session: Session) -> str:
        session.settings.pop(match["setting"].lower(), None)
        return "do $$ begin end $$"

    # -- tables and views

    def _create_table_as(self, match: re.Match[str], _text: str, session: Session) -> str:
        attributes = _ATTRIBUTES.sub(" ", match["attributes"]).strip()
        if attributes:
            raise refusal("unknown_statement", attributes.split()[0])
        query = self._translated(match["query"], session)
        temporary = "temporary " if match["temporary"] else ""
        exists = "if not exists " if match["exists"] else ""
        create = f"create {temporary}table {exists}{match['name']} as {query}"
        return run_all(create, *self._books.attributes_sql(match["name"], match["attributes"]))

    def _create_table(self, match: re.Match[str], _text: str, _session: Session) -> str:
        columns, end = _balanced(match["rest"])
        after = match["rest"][end:]
        left_over = _ATTRIBUTES.sub(" ", after).strip()
        if left_over:
            raise refusal("unknown_statement", left_over.split()[0])
        if re.search(r"\b(jsonb?|uuid|serial|bytea|text\s*\[\])\b", columns, re.IGNORECASE):
            raise refusal("column_type")
        if re.search(r"\bcheck\s*\(", columns, re.IGNORECASE):
            raise refusal("check_constraint")
        keys = re.findall(r"(?:distkey|sortkey)\s*\(([^)]*)\)", after, re.IGNORECASE)
        of_super = set(re.findall(r'"?(\w+)"?\s+super\b', columns, re.IGNORECASE))
        if of_super & set(re.findall(r"\w+", " ".join(keys))):
            raise refusal("super_as_key")
        columns = _KEYS.sub("", _TABLE_KEYS.sub("", columns))
        columns = re.sub(
            r"\bvarchar\s*\(\s*max\s*\)", "varchar(65535)", columns, flags=re.IGNORECASE
        )
        columns = re.sub(r"\bvarbyte\s*(\(\s*\d+\s*\))?", "bytea", columns, flags=re.IGNORECASE)
        columns = re.sub(r"\bsuper\b", "redshift.super", columns, flags=re.IGNORECASE)
        columns = re.sub(r"\bencode\s+\w+", "", columns, flags=re.IGNORECASE)
        columns = re.sub(r"\b(distkey|sortkey)\b", "", columns, flags=re.IGNORECASE)
        temporary = "temporary " if match["temporary"] else ""
        exists = "if not exists " if match["exists"] else ""
        create = f"create {temporary}table {exists}{match['name']} {columns}"
        return run_all(create, *self._books.attributes_sql(match["name"], after))

    def _create_view(self, match: re.Match[str], _text: str, session: Session) -> str:
        body = match["body"].strip()
        unbound = re.search(r"\bwith\s+no\s+schema\s+binding\s*$", body, re.IGNORECASE)
        query = body[: unbound.start()] if unbound else body
        translated = self._translated(query, session)
        if not unbound:
            replace = "or replace " if match["replace"] else ""
            return f"create {replace}view {match['name']} as {translated}"
        if names_without_schema(query):
            raise refusal("late_binding_names_schemas")
        return (
            f"do $standin$ begin perform standin.create_late_binding_view({quote(match['name'])},"
            f" {bool(match['replace'])}, {quote(query)}, {quote(translated)}); end $standin$"
        )

    def _alter_table_append(self, match: re.Match[str], _text: str, session: Session) -> str:
        _outside(session, "append_in_transaction")
        return self._books.append(match["target"], match["source"], (match["extra"] or "").lower())

    def _rename_table(self, match: re.Match[str], text: str, _session: Session) -> str:
        if self._books.kind(match["name"]) == "external":
            raise refusal("rename_external")
        return run_all(text, *self._books.rename_sql(match["name"], match["new_name"]))

    def _add_column(self, match: re.Match[str], text: str, _session: Session) -> str:
        if "," in re.sub(r"\([^)]*\)", "", match["column"]):
            raise refusal("one_column_at_a_time")
        return text

    def _drop_column(self, match: re.Match[str], text: str, _session: Session) -> str:
        if "," in match["column"]:
            raise refusal("one_column_at_a_time")
        column = match["column"].split()[0].strip('"').lower()
        if column in self._books.keys(match["name"]):
            raise refusal("drop_key_column", column)
        return text

    def _drop_table(self, match: re.Match[str], text: str, session: Session) -> str:
        for name in match["names"].split(","):
            if self._books.kind(name.split()[0]) == "external":
                _outside(session, "drop_external_in_transaction")
                return self._books.drop_external_table(name.split()[0])
        return text

    def _alter_column_type(self, match: re.Match[str], text: str, session: Session) -> str:
        if session.in_transaction:
            raise refusal("alter_column_in_transaction")
        return text

    # -- streams

    def _create_external_schema(self, match: re.Match[str], _text: str, session: Session) -> str:
        return self._books.create_external_schema(
            match["name"], match["options"], bool(match["exists"]), session
        )

    def _alter_external_schema(self, match: re.Match[str], _text: str, _session: Session) -> str:
        return self._books.alter_external_schema(match["name"], match["options"])

    def _create_external_table(self, match: re.Match[str], _text: str, session: Session) -> str:
        _outside(session, "external_in_transaction", "CREATE EXTERNAL TABLE")
        columns, end = _balanced(match["rest"])
        return self._books.create_external_table(match["name"], columns, match["rest"][end:])

    def _add_partition(self, match: re.Match[str], _text: str, session: Session) -> str:
        _outside(session, "partition_in_transaction")
        return self._books.add_partitions(match["name"], match["rest"])

    def _create_materialized_view(self, match: re.Match[str], _text: str, session: Session) -> str:
        _outside(session, "streaming_in_transaction", "CREATE MATERIALIZED VIEW")
        attributes = match["attributes"]
        order = re.search(r"auto\s+refresh", attributes, re.IGNORECASE)
        if order and _ATTRIBUTES.search(attributes[order.end() + 4 :]):
            raise refusal("attributes_before_auto_refresh")
        if _ATTRIBUTES.sub(" ", attributes).strip():
            raise refusal("unknown_statement", _ATTRIBUTES.sub(" ", attributes).split()[0])
        return self._books.create_streaming_view(match["name"], attributes, match["query"], session)

    def _refresh(self, match: re.Match[str], _text: str, session: Session) -> str:
        _outside(session, "streaming_in_transaction", "REFRESH MATERIALIZED VIEW")
        return self._books.refresh(match["name"], session)

    def _alter_materialized_view(self, match: re.Match[str], _text: str, _session: Session) -> str:
        schema, view = schema_and_table(match["name"])
        return (
            f"update standin.streaming_views set auto_refresh = {match['value'].lower() == 'yes'}"
            f" where schema_name = {quote(schema)} and table_name = {quote(view)}"
        )

    def _drop_materialized_view(self, match: re.Match[str], _text: str, _session: Session) -> str:
        return self._books.drop_streaming_view(match["name"], bool(match["exists"]))

    # -- roles and masks

    def _create_role(self, match: re.Match[str], _text: str, _session: Session) -> str:
        if match["name"].lower() in RESERVED:
            raise refusal("role_reserved_word", match["name"])
        return f"create role {match['name']} nologin"

    def _grant(self, _match: re.Match[str], text: str, session: Session) -> str:
        if re.search(r"\bto\s+(public|group\s+\S+)\s+with\s+grant\s+option", text, re.IGNORECASE):
            raise refusal("grant_option_to_public")
        on_schema = re.search(
            r"(?P<what>[\w, ]+?)\s+on\s+schema\s+(?P<name>\S+)", text, re.IGNORECASE
        )
        if on_schema is not None and self._books.is_external_schema(on_schema["name"]):
            _outside(session, "grant_external_in_transaction")
            if re.search(r"\b(create|all)\b", on_schema["what"], re.IGNORECASE):
                raise refusal("grant_create_on_external_schema")
        on_table = re.search(
            r"\bon\s+(?:table\s+)?" + _NAME + r"\s+(?:to|from)\b", text, re.IGNORECASE
        )
        if on_table is not None and self._books.kind(on_table["name"]) == "external":
            raise refusal("grant_on_external_table")
        text = re.sub(r"\b(to|from)\s+(role|group)\s+", r"\1 ", text, flags=re.IGNORECASE)
        text = re.sub(
            r"\balter default privileges for role\b", "alter default privileges for role", text
        )
        text = re.sub(r"\bgrant\s+role\s+", "grant ", text, flags=re.IGNORECASE)
        return re.sub(r"\brevoke\s+role\s+", "revoke ", text, flags=re.IGNORECASE)

    def _create_masking_policy(self, match: re.Match[str], _text: str, _session: Session) -> str:
        if re.fullmatch(
            r"\s*('[^']*'|[\d.]+|null|true|false)\s*", match["expression"], re.IGNORECASE
        ):
            raise refusal("mask_constant_without_cast")
        exists = " on conflict do nothing" if match["exists"] else ""
        return (
            f"insert into standin.masking_policies values ({quote(match['name'].lower())},"
            f" {quote(match['input'])}, {quote(match['expression'])}){exists}"
        )

    def _attach_masking_policy(self, match: re.Match[str], _text: str, _session: Session) -> str:
        schema, table = schema_and_table(match["relation"])
        self._books.check_mask(
            match["name"].lower(),
            match["relation"],
            match["columns"],
            match["grantee"],
            int(match["priority"] or 0),
        )
        return (
            f"insert into standin.attached_policies values ({quote(match['name'].lower())},"
            f" {quote(schema + '.' + table)}, {quote(match['columns'])}, {quote(match['grantee'])},"
            f" {match['priority'] or 0})"
        )

    def _detach_masking_policy(self, match: re.Match[str], _text: str, _session: Session) -> str:
        schema, table = schema_and_table(match["relation"])
        return (
            f"delete from standin.attached_policies where policy = {quote(match['name'].lower())}"
            f" and relation = {quote(schema + '.' + table)} and columns = {quote(match['columns'])}"
            f" and grantee = {quote(match['grantee'])}"
        )


def _outside(session: Session, rule: str, *values: str) -> None:
    """Some statements commit by themselves; the page of each says that it can't be in a transaction."""
    if session.in_transaction:
        raise refusal(rule, *values)


def _balanced(text: str) -> tuple[str, int]:
    """The parenthesised part that `text` begins with, and where it ends."""
    depth = 0
    quoted = False
    for place, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter == "(":
            depth += 1
        elif not quoted and letter == ")":
            depth -= 1
            if depth == 0:
                return text[: place + 1], place + 1
    raise Refused("syntax error at end of input")


def _statement(pattern: str, handler: Handler) -> tuple[re.Pattern[str], Handler]:
    return re.compile(pattern + r"\s*\Z", re.IGNORECASE | re.DOTALL), handler


_HANDLERS: list[tuple[re.Pattern[str], Handler]] = [
    _statement(r"(select|with|insert|update|delete|merge|\().*", Statements._query),
    _statement(r"(begin|commit|rollback|end|start transaction|abort)\b.*", Statements._as_is),
    _statement(r"set\s+(?P<setting>session\s+authorization|role)\s+(?P<value>.+)", Statements._set),
    _statement(r"set\s+(?P<setting>\w+)\s*(?:to|=)\s*(?P<value>.+)", Statements._set),
    _statement(r"show\s+(?P<setting>\w+)", Statements._show),
    _statement(r"reset\s+(?P<setting>\w+)", Statements._reset),
    _statement(
        r"create\s+(?P<temporary>temp(?:orary)?\s+|local\s+temp(?:orary)?\s+)?table\s+"
        r"(?P<exists>if\s+not\s+exists\s+)?" + _NAME + r"(?P<attributes>(?:(?!\bas\b)[^(]|\(\s*[\w, ]+\s*\))*?)"
        r"\bas\s*(?P<query>\(?\s*(?:select|with)\b.*)",
        Statements._create_table_as,
    ),
    _statement(
        r"create\s+(?P<temporary>temp(?:orary)?\s+)?table\s+(?P<exists>if\s+not\s+exists\s+)?"
        + _NAME + r"\s*(?P<rest>\(.*)",
        Statements._create_table,
    ),
    _statement(
        r"create\s+(?P<replace>or\s+replace\s+)?view\s+" + _NAME + r"\s+as\s+(?P<body>.*)",
        Statements._create_view,
    ),
    _statement(
        r"create\s+materialized\s+view\s+" + _NAME + r"(?P<attributes>.*?)\bas\s*(?P<query>\(?\s*select\b.*)",
        Statements._create_materialized_view,
    ),
    _statement(r"refresh\s+materialized\s+view\s+" + _NAME + r"(\s+restrict)?", Statements._refresh),
    _statement(
        r"alter\s+materialized\s+view\s+" + _NAME + r"\s+auto\s+refresh\s+(?P<value>yes|no)",
        Statements._alter_materialized_view,
    ),
    _statement(
        r"drop\s+materialized\s+view\s+(?P<exists>if\s+exists\s+)?" + _NAME + r"(\s+cascade|\s+restrict)?",
        Statements._drop_materialized_view,
    ),
    _statement(
        r"create\s+external\s+schema\s+(?P<exists>if\s+not\s+exists\s+)?" + _NAME + r"\s+(?P<options>from\b.*)",
        Statements._create_external_schema,
    ),
    _statement(
        r"alter\s+external\s+schema\s+" + _NAME + r"\s+(?P<options>.*)",
        Statements._alter_external_schema,
    ),
    _statement(r"create\s+external\s+table\s+" + _NAME + r"\s*(?P<rest>\(.*)", Statements._create_external_table),
    _statement(r"alter\s+table\s+" + _NAME + r"\s+add\s+(?P<rest>(?:if\s+not\s+exists\s+)?partition.*)", Statements._add_partition),
    _statement(
        r"alter\s+table\s+(?P<target>\S+)\s+append\s+from\s+(?P<source>\S+)(?:\s+(?P<extra>ignoreextra|filltarget))?",
        Statements._alter_table_append,
    ),
    _statement(r"alter\s+table\s+" + _NAME + r"\s+alter\s+column\s+\S+\s+type\s+varchar.*", Statements._alter_column_type),
    _statement(r"alter\s+table\s+" + _NAME + r"\s+rename\s+to\s+(?P<new_name>\S+)", Statements._rename_table),
    _statement(r"alter\s+table\s+" + _NAME + r"\s+add\s+column\s+(?P<column>.+)", Statements._add_column),
    _statement(r"alter\s+table\s+" + _NAME + r"\s+drop\s+column\s+(?P<column>.+)", Statements._drop_column),
    _statement(r"alter\s+table\s+" + _NAME + r"\s+(rename\s+column|owner\s+to)\b.*", Statements._as_is),
    _statement(r"lock\s+(?:table\s+)?(?P<names>.+)", Statements._lock),
    _statement(r"truncate\b.*", Statements._truncate),
    _statement(r"drop\s+table\s+(?:if\s+exists\s+)?(?P<names>.+)", Statements._drop_table),
    _statement(r"create\s+schema\b.*|drop\s+(schema|view|role|user)\b.*|comment\s+on\b.*|create\s+user\b.*|alter\s+user\b.*", Statements._as_is),
    _statement(r"analyze\b.*", Statements._nothing),
    _statement(r"vacuum\b.*", Statements._vacuum),
    _statement(r"create\s+role\s+" + _NAME, Statements._create_role),
    _statement(r"(grant|revoke|alter\s+default\s+privileges)\b.*", Statements._grant),
    _statement(
        r"create\s+masking\s+policy\s+(?P<exists>if\s+not\s+exists\s+)?" + _NAME
        + r"\s+with\s*\((?P<input>.*?)\)\s+using\s*\((?P<expression>.*)\)",
        Statements._create_masking_policy,
    ),
    _statement(
        r"attach\s+masking\s+policy\s+" + _NAME + r"\s+on\s+(?P<relation>\S+)\s*\((?P<columns>[^)]*)\)"
        r"(?:\s+using\s*\([^)]*\))?\s+to\s+(?:role\s+)?(?P<grantee>\w+)(?:\s+priority\s+(?P<priority>\d+))?",
        Statements._attach_masking_policy,
    ),
    _statement(
        r"detach\s+masking\s+policy\s+" + _NAME + r"\s+on\s+(?P<relation>\S+)\s*\((?P<columns>[^)]*)\)"
        r"\s+from\s+(?:role\s+)?(?P<grantee>\w+)",
        Statements._detach_masking_policy,
    ),
]  # fmt: skip
