# ruff: noqa: E501 - statements and patterns of SQL stand in one line each
"""What Redshift has and PostgreSQL has no place for: external schemas, streaming views, Spectrum.

Kafka is read when a streaming view is refreshed; Parquet and JSON files when a query names their
table. Both go into ordinary tables of PostgreSQL, in a transaction of the stand-in's own.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from psycopg2.extensions import cursor
from sqlglot import exp

from redshift_standin.dialect import to_postgres
from redshift_standin.grammar import Match
from redshift_standin.rules import Refused, column_type, function_name, refusal
from redshift_standin.translation import parse_one, rewrite, schema_and_table, translate_query
from redshift_standin.wire import Session

# The columns of a Kafka stream (materialized-view-streaming-ingestion, "Streaming ingestion from Kafka").
_STREAM_COLUMNS = (
    "kafka_partition bigint, kafka_offset bigint, kafka_timestamp_type char(1), kafka_timestamp timestamp,"
    " kafka_key bytea, kafka_value bytea, kafka_headers redshift.super, refresh_time timestamp"
)
# Functions whose answer changes between refreshes (materialized-view-create-sql-command, "Limitations").
_MUTABLE = {"getdate", "sysdate", "current_database", "current_schema", "pg_backend_pid", "random"}
# What a broker says while a topic that was just made has no leader yet
_PASSING = {"NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PART"}
# Larger records are skipped and listed in SYS_STREAM_SCAN_ERRORS.
MAX_RECORD_BYTES = 16 * 1024 * 1024
# Parquet's types as Spectrum takes them for a column (c-spectrum-external-tables; data type pages).
_PARQUET = {
    "int32": {"integer", "int", "int4", "smallint"},
    "int64": {"bigint", "int8"},
    "string": {"varchar", "character varying", "string"},
    "binary": {"varbyte", "varbinary", "binary varying", "binary"},
    "timestamp[us]": {"timestamp"},
}
# Types of Glue's for which Redshift has other names; binary has no length there (r_VARBYTE_type).
_GLUE = {"string": "varchar(65535)", "binary": "varbyte(64000)"}
# What data handling knows, as far as it is used here (r_CREATE_EXTERNAL_TABLE).
_PROPERTIES = {
    "data_cleansing_enabled": ("true", "false"),
    "surplus_bytes_handling": ("SET_TO_NULL", "FAIL"),
}
# whose rights count: of a materialized view, of an external schema, and of a table in one
_OWNERS = {
    "view": "select relowner from pg_class where oid = to_regclass({})",
    "schema": "select nspowner from pg_namespace where oid = to_regnamespace({})",
    "table": "select nspowner from pg_namespace where oid = (select relnamespace from pg_class where oid = to_regclass({}))",
}
NOTHING = "do $$ begin end $$"
Columns = list[tuple[str, str]]
"""Names and types, as they were written."""
Skipped = list[tuple[int, int, int]]
"""Partition, offset and bytes of records that are too large."""


def quote(text: str) -> str:
    """`text` as a PostgreSQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def values_of(*values: object) -> str:
    """A row of VALUES; what is no text is written as JSON."""
    return f"({', '.join(quote(v if isinstance(v, str) else json.dumps(v)) for v in values)})"


def run_all(*statements: str) -> str:
    """One statement that runs `statements` in the client's transaction."""
    lines = "; ".join(f"execute {quote(each)}" for each in statements)
    return f"do $standin$ begin {lines}; end $standin$"


def folded(name: str) -> str:
    """A name that stands alone, as the catalog has it."""
    return name.strip().strip('"').lower()


def where(name: str) -> str:
    """The condition for rows of the books about the relation `name`."""
    schema, table = schema_and_table(name)
    return f"where schema_name = {quote(schema)} and table_name = {quote(table)}"


class Books:
    """The stand-in's books in PostgreSQL, at `dsn`; `buckets` maps S3 buckets to folders."""

    def __init__(self, dsn: str, buckets: dict[str, Path]) -> None:
        self._dsn = dsn
        self.buckets = buckets
        self._lock = threading.RLock()
        self._looking: psycopg2.extensions.connection | None = None
        self.max_record_bytes = MAX_RECORD_BYTES
        self.broker_timeout = 20.0
        """Seconds in which a broker has to answer."""

    def close(self) -> None:
        """End the session of the look-ups."""
        if self._looking is not None:
            self._looking.close()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query on the PostgreSQL behind the stand-in."""
        with self._lock:
            if self._looking is None or self._looking.closed:
                self._looking = psycopg2.connect(self._dsn)
                self._looking.autocommit = True
            with self._looking.cursor() as database:
                database.execute(sql, values or None)
                return database.fetchall()

    def kind(self, name: str) -> str:
        """What `name` is: table, view, materialized, external; or unmade, in an external schema."""
        found = self.rows(f"select kind from standin.kinds {where(name)}")
        in_lake = self.external_schema(schema_and_table(name)[0])[0] if "." in name else ""
        return str(found[0][0]) if found else "unmade" if in_lake else "table"

    def columns(self, name: str) -> dict[str, str]:
        """The columns of the relation `name`, with their types."""
        return dict(self.rows(f"select column_name, kind from standin.columns {where(name)}"))

    def is_owner(self, user: str, label: str = "", name: str = "") -> bool:
        """Whether `user` is a superuser, or may do what the owner of `name` may."""
        owns = f"pg_has_role(oid, ({_OWNERS[label]}), 'usage')" if label else "false"
        asked = f"select rolsuper or {owns} from pg_roles where rolname = {quote(user)}"
        return self.rows(asked.replace("{}", quote(name))) == [(True,)]

    def has_identity(self, name: str, can_log_in: bool) -> bool:
        """Whether there is a user, who can log in, or a role of that name."""
        asked = "select 1 from pg_roles where oid = to_regrole(%s) and rolcanlogin = %s"
        return bool(self.rows(asked, name, can_log_in))

    # -- distribution and sort keys

    @staticmethod
    def attributes_sql(name: str, attributes: str) -> list[str]:
        """Checks a table's distribution and sort keys, and keeps them: APPEND compares them."""
        style = " ".join(attributes.lower().split())
        keys = check_attributes(style)
        style = re.sub(r"backup (yes|no)|encode auto", "", style).strip()
        kept = f"insert into standin.table_attributes values ({quote(name)}::regclass::oid, {quote(style)})"
        return [
            *(f"select standin.check_key({quote(name)}, {quote(key)})" for key in keys),
            f"{kept} on conflict (relation) do update set attributes = excluded.attributes",
        ]

    def attributes(self, name: str) -> str:
        """Distribution style and keys of the table `name`."""
        kept = "select attributes from standin.table_attributes where relation = to_regclass(%s)"
        found = self.rows(kept, name)
        return str(found[0][0]) if found else ""

    def append(self, match: Match, _session: Session) -> str:
        """ALTER TABLE APPEND: all rows move; columns, distribution and sort keys have to agree."""
        target, source, extra = match["table"], match["source"], match["extra"].lower()
        told = "select column_name, kind || not_null from standin.columns"
        into, out_of = (dict(self.rows(f"{told} {where(name)}")) for name in (target, source))
        temporary = "select 1 from pg_class where relname = %s and relpersistence = 't'"
        for name in [name for name, columns in ((target, into), (source, out_of)) if not columns]:
            if self.rows(temporary, schema_and_table(name)[1]):
                raise refusal("append_permanent")
            raise Refused(f'relation "{name}" does not exist')
        if self.attributes(target) != self.attributes(source):
            raise refusal("append_keys", self.attributes(target), self.attributes(source))
        if any(into[name] != kind for name, kind in out_of.items() if name in into):
            raise refusal("append_attributes")
        if (out_of.keys() - into.keys() and extra != "ignoreextra") or (
            into.keys() - out_of.keys() and extra != "filltarget"
        ):
            raise refusal("append_columns")
        common = ", ".join(f'"{name}"' for name in out_of if name in into)
        return run_all(
            f"lock table {source} in exclusive mode",
            f"insert into {target} ({common}) select {common} from {source}",
            f"delete from {source}",
        )

    # -- masking policies

    def create_mask(self, match: Match, _session: Session) -> str:
        """r_CREATE_MASKING_POLICY: the expression has the type of the first input."""
        inputs = [(each["named"], each["type"]) for each in match.parts("input")]
        expression = match["expression"]
        shape = ", ".join(
            f"cast(null as {column_type(kind)[1]}) as {name}" for name, kind in inputs
        )
        query = translate_query(f"select {expression} as masked from _input", Session("", ""))
        [(given, wanted)] = self.rows(
            f"with _input as (select {shape}) select format_type(pg_typeof(masked), null),"
            f" format_type(pg_typeof({inputs[0][0]}), null) from ({query}) as made, _input"
        )
        if given != wanted:
            raise refusal("mask_expression_type", given, wanted)
        row = values_of(folded(match["policy"]), inputs, expression)
        exists = " on conflict do nothing" if match["exists"] else ""
        return f"insert into standin.masking_policies values {row}{exists}"

    def attach_mask(self, match: Match, _session: Session) -> str:
        """r_ATTACH_MASKING_POLICY, t_ddm-considerations: to columns of its types, once."""
        relation, policy, grantee = match["relation"], folded(match["policy"]), folded(match["to"])
        inputs = match.all("inputs") or match.all("outputs")
        outputs, priority = ", ".join(match.all("outputs")), int(match["priority"] or 0)
        found = self.rows("select input from standin.masking_policies where name = %s", policy)
        if not found:
            raise refusal("mask_unknown", policy)
        types, columns = json.loads(found[0][0]), self.columns(relation)
        if len(inputs) != len(types):
            raise refusal("mask_inputs", len(types), len(inputs))
        for column, (_name, kind) in zip(map(folded, inputs), types, strict=True):
            if column not in columns:
                raise Refused(f'column "{column}" does not exist')
            if columns[column] != _catalog_type(kind):
                raise refusal("mask_type", _catalog_type(kind), columns[column])
        same = "relation = %s::regclass and columns = %s and (grantee = %s or priority = %s)"
        asked = f"select 1 from standin.attached_policies where {same}"
        if self.rows(asked, relation, outputs, grantee, priority):
            raise refusal("mask_twice", outputs)
        row = f"({quote(relation)}::regclass, {values_of(policy, outputs, grantee, priority)[1:]}"
        return f"insert into standin.attached_policies values {row}"

    def late_binding_views(self, sql: str, user: str) -> dict[tuple[str, str], str]:
        """Queries of the late-binding views that `sql` names, and of those that they name.

        Refused: `user` may not read one of them.
        """
        asked = (
            "select n.nspname::text, c.relname::text, v.query, has_schema_privilege(%s, n.oid, 'usage')"
            " and has_table_privilege(%s, c.oid, 'select') from standin.late_binding_views as v"
            " inner join pg_class as c on v.view = c.oid"
            " inner join pg_namespace as n on c.relnamespace = n.oid"
        )
        known = {row[:2]: row[2:] for row in self.rows(asked, user, user)}
        found: dict[tuple[str, str], str] = {}
        waiting = [sql]
        while waiting:
            text = waiting.pop().lower()
            for name, (query, readable) in known.items():
                if name in found or not _names(text, *name):
                    continue
                if not readable and not found:
                    raise Refused(f"permission denied for relation {name[1]}")
                found[name] = query
                waiting.append(query)
        return found

    # -- external schemas

    def external_schema(self, name: str) -> tuple[str, str]:
        """Kind and options of the external schema `name`, empty where there is none."""
        asked = "select kind, options from standin.external_schemas where name = %s"
        found = self.rows(asked, folded(name))
        return found[0] if found else ("", "")

    def create_external_schema(self, match: Match, session: Session) -> str:
        """What CREATE EXTERNAL SCHEMA does to the books, as PostgreSQL's SQL."""
        schema, options = folded(match["schema"]), match["options"]
        if match["by_iam"] and not match["iam"]:
            raise refusal("kafka_needs_a_role")
        if match["makes"] and session.in_transaction:
            raise refusal("external_in_transaction", "CREATE EXTERNAL DATABASE")
        if any(self.external_schema(schema)):
            if match["exists"]:
                return NOTHING
            raise Refused(f'Schema "{schema}" already exists')
        row = values_of(schema, "kafka" if match["kafka"] else "catalog", options)
        kept = f"insert into standin.external_schemas values {row}"
        return run_all(f"create schema if not exists {schema}", kept)

    # -- streaming views

    def create_streaming_view(self, match: Match, session: Session) -> str:
        """A streaming view is a table that the refreshes fill."""
        name, query = match["view"], match["query"]
        schema, view = schema_and_table(name)
        tree = _stream_query(query)
        stream = self._check_stream_query(tree, session)
        with self._writing() as database:
            self._stage(database, [])
            database.execute(f"create temporary table _shape as {_stream_sql(tree, session)}")
            database.execute(
                "select attname, format_type(atttypid, atttypmod) from pg_attribute"
                " where attrelid = 'pg_temp._shape'::regclass and attnum > 0 order by attnum"
            )
            columns = ", ".join(f'"{column}" {kind}' for column, kind in database.fetchall())
        row = values_of(schema, view, *stream, query, match["auto"].lower() == "yes")
        return run_all(
            f"create table {schema}.{view} ({columns})",
            *self.attributes_sql(name, match["attributes"]),
            f"create table {schema}.{_internal(view)} ({columns})",
            f"insert into standin.streaming_views values {row}",
        )

    def _check_stream_query(self, tree: exp.Expr, session: Session) -> tuple[str, str]:
        """materialized-view-streaming-ingestion, "limitations": one stream, no join, no subquery.

        Returns the external schema and the topic, whose case counts only where identifiers' does.
        """
        if not isinstance(tree, exp.Select):
            raise refusal("stream_without_clauses")
        tables = list(tree.find_all(exp.Table))
        if len(tables) != 1 or tree.args.get("joins"):
            raise refusal("stream_of_one_topic")
        if len(list(tree.find_all(exp.Select))) > 1:
            raise refusal("stream_without_subquery")
        clauses = ("order", "limit", "group", "qualify", "distinct")
        if any(tree.args.get(part) for part in clauses) or tree.find(exp.AggFunc, exp.Window):
            raise refusal("stream_without_clauses")
        called = {function_name(call) for call in tree.find_all(exp.Anonymous)}
        if called & _MUTABLE or tree.find(exp.CurrentTimestamp):
            raise refusal("stream_without_mutable_functions", ", ".join(sorted(called & _MUTABLE)))
        [table] = tables
        if self.external_schema(table.db)[0] != "kafka":
            raise refusal("view_of_a_stream", table.db, table.name)
        case_sensitive = session.is_on("enable_case_sensitive_identifier") and table.this.quoted
        return table.db.lower(), table.name if case_sensitive else table.name.lower()

    @staticmethod
    def _stage(database: cursor, records: list[tuple[object, ...]]) -> None:
        database.execute(f"create temporary table _stream ({_STREAM_COLUMNS}) on commit drop")
        row = "(%s, %s, %s, %s, %s, %s, null, %s)"
        psycopg2.extras.execute_values(database, "insert into _stream values %s", records, row)

    def refresh(self, match: Match, session: Session) -> str:
        """Read the topic to its end; no SQL is left to run."""
        name = match["view"]
        schema, view = schema_and_table(name)
        rows = self.rows(
            "select v.topic, v.query, s.options from standin.streaming_views as v"
            f" inner join standin.external_schemas as s on v.kafka_schema = s.name {where(name)}"
        )
        if not rows:
            raise Refused(f'materialized view "{view}" does not exist')
        topic, query, options = rows[0]
        uri = re.search(r"uri\s+'([^']*)'", options, re.I)
        asked = f"select kafka_partition, next_offset from standin.stream_positions {where(name)}"
        positions, limits = dict(self.rows(asked)), (self.max_record_bytes, self.broker_timeout)
        records, reached, skipped = read_stream(uri[1] if uri else "", topic, positions, *limits)
        failure = None
        with self._lock:
            try:
                with self._writing() as database:
                    self._stage(database, records)
                    sql = _stream_sql(_stream_query(query), session)
                    database.execute(f"insert into {schema}.{view} {sql}")
                    self._keep_positions(database, (schema, view), topic, reached, skipped)
            except psycopg2.Error as error:
                failure = str(error).splitlines()[0]
        status = "Failed" if failure else "Refresh successfully updated MV incrementally"
        with self._writing() as database:
            row = values_of(schema, view, status)
            columns = "(schema_name, table_name, status)"
            database.execute(f"insert into standin.refreshes {columns} values {row}")
        if failure:
            raise Refused(f"Refresh of materialized view {view} failed: {failure}")
        return NOTHING

    @contextmanager
    def _writing(self) -> Iterator[cursor]:
        """A transaction of the stand-in's own."""
        connection = psycopg2.connect(self._dsn)
        try:
            with connection, connection.cursor() as database:
                yield database
        finally:
            connection.close()

    @staticmethod
    def _keep_positions(
        database: cursor,
        name: tuple[str, str],
        topic: str,
        reached: dict[int, int],
        skipped: Skipped,
    ) -> None:
        keep = partial(psycopg2.extras.execute_values, database)
        keep(
            "insert into standin.stream_positions values %s on conflict (schema_name, table_name, kafka_partition)"
            " do update set next_offset = excluded.next_offset",
            [(*name, partition, offset) for partition, offset in reached.items()],
        )
        view, now = name[1], datetime.now(UTC).replace(tzinfo=None)
        known = "(stream_name, mv_name, partition_id, record_time"
        keep(
            f"insert into redshift.sys_stream_scan_states {known}, latest_position) values %s",
            [(topic, view, str(at), now, str(offset - 1)) for at, offset in reached.items()],
        )
        keep(
            f"insert into redshift.sys_stream_scan_errors {known}, position, error_reason) values %s",
            [
                (topic, view, str(at), now, str(offset), f"record of {size} bytes is too large")
                for at, offset, size in skipped
            ],
        )

    def drop_streaming_view(self, match: Match, _session: Session) -> str:
        """Its positions go with it: one made again starts at the earliest offset."""
        name, (schema, view) = match["view"], schema_and_table(match["view"])
        if self.kind(name) != "materialized":
            if match["exists"]:
                return NOTHING
            raise Refused(f'materialized view "{view}" does not exist')
        return run_all(
            f"drop table {schema}.{view}, {schema}.{_internal(view)} cascade",
            f"delete from standin.streaming_views {where(name)}",
            f"delete from standin.stream_positions {where(name)}",
        )

    # -- Spectrum

    def create_external_table(self, match: Match, _session: Session) -> str:
        """An external table is a table that holds the files that a query is to see."""
        schema, location = schema_and_table(match["table"])[0], match["location"].strip("'")
        if self.external_schema(schema)[0] != "catalog":
            raise refusal("external_needs_its_schema", schema)
        own, partitions = (
            [(each["named"], each["type"]) for each in match.parts(label)]
            for label in ("own", "part")
        )
        if any(column in ('"$path"', '"$size"') for column, _kind in own):
            raise refusal("pseudocolumn")
        for kind in match.all("type"):
            column_type(kind, external=True)
        files = "parquet" if match["parquet"] else "json"
        properties = _properties(match.all("property"))
        return _external_table_sql(match["table"], location, files, own, partitions, properties)

    def glue_table(self, name: str, location: str, columns: str, partitions: str) -> None:
        """A table of Parquet files that something else than Redshift made in the catalog."""
        own, parts = (
            [(column, kind) for column, kind in map(str.split, text.split(", "))]
            for text in (columns, partitions)
        )
        with self._writing() as database:
            database.execute(_external_table_sql(name, location, "parquet", own, parts, {}))

    @staticmethod
    def drop_external_table(name: str) -> str:
        """The Glue table goes, its files stay."""
        kept = ("tables", "partitions", "files")
        forget = (f"delete from standin.external_{book} {where(name)}" for book in kept)
        return run_all(f"drop table {'.'.join(schema_and_table(name))}", *forget)

    def add_partitions(self, match: Match, _session: Session) -> str:
        """ALTER TABLE … ADD PARTITION by the schema's owner, which no rollback takes back."""
        name, added = match["table"], list(match.parts("added"))
        if len(added) > 100:
            raise refusal("partition_count")
        found = self.rows(f"select partitions from standin.external_tables {where(name)}")
        keys = {key for key, _kind in json.loads(found[0][0])} if found else set()
        same = f"{where(name)} and partition_values::jsonb = %s::jsonb"
        for each in added:
            pairs = zip(each.all("key"), each.all("value"), strict=True)
            values = {folded(key): value.strip("'") for key, value in pairs}
            if not keys or values.keys() != keys:
                raise refusal("partition_key", sorted(keys), sorted(values))
            asked = f"select 1 from standin.external_partitions {same}"
            is_there = bool(self.rows(asked, json.dumps(values)))
            if is_there and not match["exists"]:
                raise refusal("partition_exists", values)
            if not is_there:
                row = values_of(*schema_and_table(name), each["location"].strip("'"), values)
                with self._writing() as database:
                    database.execute(f"insert into standin.external_partitions values {row}")
        self.sync_external_tables(".".join(schema_and_table(name)))
        return NOTHING

    def sync_external_tables(self, sql: str) -> None:
        """Bring the tables that `sql` names up to what lies in their folders.

        All of them where it asks the catalog for them: a transaction that names one later does not
        see what is written after its snapshot.
        """
        lowered = sql.lower()
        for schema, table, *told in self.rows("select * from standin.external_tables"):
            if "svv_external_" in lowered or _names(lowered, schema, table):
                with self._lock:
                    self._sync(f"{schema}.{table}", *told)

    def _sync(  # noqa: PLR0917
        self, name: str, location: str, kind: str, columns: str, partitions: str, properties: str
    ) -> None:
        folders: list[tuple[str, dict[str, str]]] = [(location, {})]
        keys = [key for key, _kind in json.loads(partitions)]
        if keys:
            listed = (
                f"select location, partition_values from standin.external_partitions {where(name)}"
            )
            folders = [(place, json.loads(values)) for place, values in self.rows(listed)]
        present = {
            str(path): (path, values) for place, values in folders for path in self._files(place)
        }
        known = {
            path for (path,) in self.rows(f"select path from standin.external_files {where(name)}")
        }
        gone, fresh = known - present.keys(), present.keys() - known
        if not gone and not fresh:
            return
        with self._writing() as database:
            for path in gone:
                database.execute(f'delete from {name} where "$path" = %s', (path,))
                database.execute(
                    f"delete from standin.external_files {where(name)} and path = %s", (path,)
                )
            for path in sorted(fresh):
                file, values = present[path]
                read = _read_file(file, kind, json.loads(columns), json.loads(properties))
                rows = [(*row, *(values[key] for key in keys), path) for row in read]
                psycopg2.extras.execute_values(database, f"insert into {name} values %s", rows)
                row = values_of(*schema_and_table(name), path)
                database.execute(f"insert into standin.external_files values {row}")

    def _files(self, location: str) -> Iterator[Path]:
        """Files below `location`; Spectrum ignores names that begin with ., _ or # or end in ~."""
        bucket, _, key = location.removeprefix("s3://").partition("/")
        if bucket not in self.buckets:
            raise Refused(f"S3 Query Exception (Listing): the bucket {bucket} does not exist")
        folder = self.buckets[bucket] / key
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            parts = path.relative_to(folder).parts
            if path.is_file() and not any(part[0] in "._#" or part[-1] == "~" for part in parts):
                yield path


def _names(text: str, schema: str, relation: str) -> bool:
    optional = "?" * (schema == "public")
    return bool(re.search(rf'(?:"?\b{schema}\b"?\.){optional}"?\b{relation}\b', text))


def _internal(view: str) -> str:
    """The table that holds a materialized view's rows on Redshift; here it is only listed."""
    return f"mv_tbl__{view}__0"


def _stream_query(query: str) -> exp.Expr:
    return parse_one(query).unnest()


def _stream_sql(tree: exp.Expr, session: Session) -> str:
    tree = tree.copy()
    next(tree.find_all(exp.Table)).replace(exp.table_("_stream"))
    return to_postgres(rewrite(tree, session))


def check_attributes(attributes: str) -> list[str]:
    """Columns of the distribution and sort keys in a table's attributes (r_CREATE_TABLE_NEW).

    Refused: distribution style and key do not go together, or there are too many columns.
    """
    styles = re.findall(r"diststyle\s+(\w+)", attributes, re.I)
    dist = re.findall(r"distkey\s*\(([^)]*)\)", attributes, re.I)
    sort = re.findall(r"(interleaved\s+)?sortkey\s*\(([^)]*)\)", attributes, re.I)
    if len(dist) > 1 or "," in "".join(dist):
        raise refusal("one_distkey")
    if len(re.findall(r"\bsortkey (?:auto|\()", attributes, re.I)) > 1 or len(styles) > 1:
        raise refusal("attribute_twice")
    if styles and dist and styles[0].lower() != "key":
        raise refusal("distkey_and_other_style")
    if styles and not dist and styles[0].lower() == "key":
        raise refusal("distkey_without_column")
    sorted_by = [name for _how, names in sort for name in names.split(",")]
    if any(how for how, _names in sort) and len(sorted_by) > 8:
        raise refusal("interleaved_columns")
    return list(map(folded, [*dist, *sorted_by]))


def _catalog_type(kind: str) -> str:
    """A type as PostgreSQL's catalog writes it."""
    written = re.sub("^varchar", "character varying", column_type(kind)[1])
    return "timestamp without time zone" if written == "timestamp" else written


def _properties(pairs: list[str]) -> dict[str, str]:
    """r_CREATE_EXTERNAL_TABLE, "TABLE PROPERTIES": their names are case-sensitive."""
    told = dict(re.findall(r"'([^']*)'\s*=\s*'([^']*)'", ", ".join(pairs)))
    for name, value in told.items():
        if value not in _PROPERTIES.get(name, ()):
            raise refusal("table_property", name, value)
    return told


def _external_table_sql(  # noqa: PLR0917
    name: str, location: str, kind: str, own: Columns, parts: Columns, properties: dict[str, str]
) -> str:
    own, parts = (
        [(folded(column), type_.lower()) for column, type_ in each] for each in (own, parts)
    )
    shape = "".join(
        f'"{column}" {column_type(_GLUE.get(type_, type_))[1]}, '
        for column, type_ in [*own, *parts]
    )
    row = values_of(*schema_and_table(name), location, kind, own, parts, properties)
    relation = ".".join(schema_and_table(name))
    return run_all(
        f'create table {relation} ({shape}"$path" text)',
        # who may use an external schema may read what is in it (r_GRANT)
        f"grant select on {relation} to public",
        f"insert into standin.external_tables values {row}",
    )


def _within_width(value: object, kind: str, properties: dict[str, str]) -> object:
    """A value of a VARBYTE column; what is longer is null, unless the table's data handling says FAIL.

    Refused: it is longer, and the table says FAIL.
    """
    if not isinstance(value, bytes):
        return value
    width = int(re.findall(r"\d+", f"{kind}(64000)")[0])
    if len(value) <= width:
        return value
    if (
        properties.get("data_cleansing_enabled") == "true"
        and properties.get("surplus_bytes_handling") == "FAIL"
    ):
        raise Refused(f"Spectrum Scan Error: a value of {len(value)} bytes exceeds {width} bytes")
    return None


def _read_file(
    path: Path, kind: str, columns: Columns, properties: dict[str, str]
) -> Iterable[tuple[object, ...]]:
    if kind == "json":
        for line in path.read_text(encoding="utf-8").splitlines():
            document = json.loads(line)
            yield tuple(document.get(name) for name, _type in columns)
        return
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    for name, type_ in columns:
        index, title = schema.get_field_index(name), re.sub(r"\s*\(.*", "", type_)
        if index >= 0 and title not in _PARQUET.get(str(schema.field(index).type), set()):
            raise Refused(
                f"Spectrum Scan Error: File '{path.name}' has an incompatible Parquet schema for column"
                f" '{name}'. Column type: {title.upper()}, Parquet schema: {schema.field(index).type}"
            )
    for batch in file.iter_batches(columns=[name for name, _ in columns if name in schema.names]):
        for row in batch.to_pylist():
            yield tuple(_within_width(row.get(name), kind, properties) for name, kind in columns)


def watermarks(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """The earliest offset and the end of a partition; a new topic may not have its leader yet."""
    deadline = time.monotonic() + 20
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=20)
        except KafkaException as error:
            if error.args[0].name() not in _PASSING or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return int(low), int(high)


def read_stream(
    servers: str, topic: str, positions: dict[int, int], max_bytes: int, timeout: float
) -> tuple[list[tuple[object, ...]], dict[int, int], Skipped]:
    """The records of `topic` from `positions` (default: the earliest) to its present end.

    Returns rows for `_STREAM_COLUMNS` (without headers), the offsets reached, and what was skipped.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "standin",
            "log_level": 0,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.message.max.bytes": 20 * 1024 * 1024,
            "enable.partition.eof": True,
        }
    )
    now = datetime.now(UTC).replace(tzinfo=None)
    records: list[tuple[object, ...]] = []
    skipped: Skipped = []
    try:
        metadata = consumer.list_topics(topic, timeout=timeout).topics.get(topic)
        if metadata is None or metadata.error is not None:
            raise Refused(f"Kafka topic {topic} does not exist")
        ends: dict[int, int] = {}
        waiting: dict[int, TopicPartition] = {}
        for partition in metadata.partitions:
            low, high = watermarks(consumer, TopicPartition(topic, partition))
            start = max(positions.get(partition, low), low)
            ends[partition] = max(high, start)
            if start < high:
                waiting[partition] = TopicPartition(topic, partition, start)
        consumer.assign(list(waiting.values()))
        while waiting:
            message = consumer.poll(20)
            if message is None:
                raise Refused(f"Kafka topic {topic} did not answer")
            partition, offset = message.partition() or 0, message.offset() or 0
            error = message.error()
            if error is not None and error.name() != "_PARTITION_EOF":
                raise KafkaException(error)
            if error is None and offset < ends[partition]:
                value = message.value()
                if value is not None and len(value) > max_bytes:
                    skipped.append((partition, offset, len(value)))
                else:
                    records.append(_stream_row(message, now))
            # an early end of the partition may come before the broker lets consumers see the last records
            if offset + (error is None) >= ends[partition]:
                waiting.pop(partition, None)
        return records, ends, skipped
    finally:
        consumer.close()


def _stream_row(message: Message, now: datetime) -> tuple[object, ...]:
    kind, moment = message.timestamp()
    written = datetime.fromtimestamp(moment / 1000, UTC).replace(tzinfo=None)
    place = (message.partition(), message.offset(), {1: "C", 2: "L"}.get(kind, "U"), written)
    return (*place, message.key(), message.value(), now)
