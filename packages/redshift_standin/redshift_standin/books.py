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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
from confluent_kafka import Consumer, TopicPartition
from psycopg2.extensions import cursor
from sqlglot import exp

from redshift_standin.dialect import to_postgres
from redshift_standin.rules import Refused, function_name, read_table, refusal
from redshift_standin.translation import parse_one, rewrite, schema_and_table, translate_query
from redshift_standin.wire import Session

# The columns of a Kafka stream (materialized-view-streaming-ingestion, "Streaming ingestion from Kafka").
_STREAM_COLUMNS = {
    "kafka_partition": "bigint",
    "kafka_offset": "bigint",
    "kafka_timestamp_type": "char(1)",
    "kafka_timestamp": "timestamp",
    "kafka_key": "bytea",
    "kafka_value": "bytea",
    "kafka_headers": "redshift.super",
    "refresh_time": "timestamp",
}
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
# Of a VARBYTE column without a length, and of Glue's binary (r_VARBYTE_type).
_VARBYTE_BYTES = 64_000
# What data handling knows, as far as it is used here (r_CREATE_EXTERNAL_TABLE).
_PROPERTIES = {
    "data_cleansing_enabled": ("true", "false"),
    "surplus_bytes_handling": ("SET_TO_NULL", "FAIL"),
}
_COLUMN = re.compile(
    r"\s*\"?(?P<name>\w+)\"?\s+(?P<type>[a-z ]+?)\s*(?P<size>\(\d+(?:,\s*\d+)?\))?\s*\Z", re.I
)


def quote(text: str) -> str:
    """`text` as a PostgreSQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def run_all(*statements: str) -> str:
    """One statement that runs `statements` in the client's transaction."""
    lines = "; ".join(f"execute {quote(each)}" for each in statements)
    return f"do $standin$ begin {lines}; end $standin$"


class Books:
    """The stand-in's books in PostgreSQL, at `dsn`; `buckets` maps S3 buckets to folders."""

    def __init__(self, dsn: str, buckets: dict[str, Path]) -> None:
        self._dsn = dsn
        self._buckets = buckets
        self._lock = threading.RLock()
        self._looking: psycopg2.extensions.connection | None = None
        self.max_record_bytes = MAX_RECORD_BYTES
        self.broker_timeout = 20.0
        """Seconds in which a broker has to answer."""

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(self._dsn)

    def close(self) -> None:
        """End the session of the look-ups."""
        if self._looking is not None:
            self._looking.close()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query on the PostgreSQL behind the stand-in; one mapping, or values in order."""
        with self._lock:
            if self._looking is None:
                self._looking = self._connect()
                self._looking.autocommit = True
            with self._looking.cursor() as database:
                named = len(values) == 1 and isinstance(values[0], dict)
                database.execute(sql, values[0] if named else values)
                return database.fetchall()

    def _run(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        connection = self._connect()
        try:
            with connection, connection.cursor() as database:
                for sql, values in statements:
                    database.execute(sql, values)
        finally:
            connection.close()

    def kind(self, name: str) -> str:
        """What the relation `name` is: table, view, materialized, external (nothing yet: table)."""
        schema, table = schema_and_table(name)
        [(kind,)] = self.rows(
            "select case"
            " when exists (select 1 from standin.external_tables"
            " where schema_name = %(schema)s and table_name = %(table)s) then 'external'"
            " when exists (select 1 from standin.streaming_views"
            " where schema_name = %(schema)s and table_name = %(table)s) then 'materialized'"
            " when exists (select 1 from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
            " where n.nspname = %(schema)s and c.relname = %(table)s and c.relkind = 'v') then 'view'"
            " else 'table' end",
            {"schema": schema, "table": table},
        )
        return str(kind)

    def attributes_sql(self, name: str, attributes: str) -> list[str]:
        """Checks a table's distribution and sort keys, and keeps them: APPEND compares them."""
        schema, table = schema_and_table(name)
        style = " ".join(attributes.lower().split())
        keys = check_attributes(style)
        style = re.sub(r"backup (yes|no)|encode auto", "", style).strip()
        return [
            *(f"select standin.check_key({quote(name)}, {quote(key)})" for key in keys),
            f"insert into standin.table_attributes values ({quote(schema)}, {quote(table)},"
            f" {quote(style)}) on conflict (schema_name, table_name) do update set attributes ="
            " excluded.attributes",
        ]

    def keys(self, name: str) -> set[str]:
        """Columns of the distribution and sort keys of the table `name`."""
        return set(check_attributes(self.attributes(name)))

    def attributes(self, name: str) -> str:
        """Distribution style and keys of the table `name`, as they were written."""
        schema, table = schema_and_table(name)
        found = self.rows(
            "select attributes from standin.table_attributes where schema_name = %s and table_name = %s",
            schema,
            table,
        )
        return str(found[0][0]) if found else ""

    def alter_attributes(
        self, name: str, style: str, dist: str, sort: list[str], unsorted: str
    ) -> str:
        """ALTER TABLE … ALTER DISTSTYLE, DISTKEY or SORTKEY: the books keep the new ones."""
        kept = self.attributes(name)
        if style or dist:
            kept = re.sub(r"diststyle \w+|distkey\s*\([^)]*\)", "", kept)
            kept += f" diststyle {style}" if style else f" diststyle key distkey ({dist})"
        if sort or unsorted:
            kept = re.sub(r"((compound|interleaved) )?sortkey\s*(\([^)]*\)|auto)", "", kept)
            kept += f" sortkey ({', '.join(sort)})" if sort else ""
        return run_all(*self.attributes_sql(name, kept))

    def width(self, name: str) -> int:
        """How many columns the relation `name` has."""
        schema, table = schema_and_table(name)
        found = self.rows(
            "select count(*) from standin.columns where schema_name = %s and table_name = %s",
            schema,
            table,
        )
        return int(found[0][0])

    def has_default(self, name: str, column: str) -> bool:
        """Whether a column of the table `name` has a default."""
        schema, table = schema_and_table(name)
        return bool(
            self.rows(
                "select 1 from information_schema.columns where table_schema = %s"
                " and table_name = %s and column_name = %s and column_default is not null",
                schema,
                table,
                column.strip('"').lower(),
            )
        )

    @staticmethod
    def rename_sql(name: str, new_name: str) -> list[str]:
        """Keeps the distribution and sort keys of a table under its new name."""
        schema, table = schema_and_table(name)
        new = new_name.strip('"').lower()
        where = f"where schema_name = {quote(schema)} and table_name ="
        return [
            f"delete from standin.table_attributes {where} {quote(new)}",
            f"update standin.table_attributes set table_name = {quote(new)} {where} {quote(table)}",
        ]

    def is_external_schema(self, name: str) -> bool:
        """Whether `name` is an external schema."""
        schema = name.strip('"').lower()
        return bool(self.rows("select 1 from standin.external_schemas where name = %s", schema))

    def check_mask(  # noqa: PLR0917 - what the statement says
        self,
        policy: str,
        relation: str,
        inputs: list[str],
        columns: str,
        grantee: str,
        priority: int,
    ) -> None:
        """r_ATTACH_MASKING_POLICY, t_ddm-considerations: what a policy can be attached to.

        Raises:
            Refused: the relation is external, a type differs, or a policy is there already.
        """
        if self.kind(relation) == "external":
            raise refusal("mask_external")
        found = self.mask_input(policy)
        if grantee.lower() != "public" and not self.rows(
            "select 1 from pg_roles where rolname = %s", grantee.strip('"')
        ):
            raise refusal("mask_grantee", grantee)
        schema, table = schema_and_table(relation)
        types = [_column_type(part) for part in re.split(r",(?![^(]*\))", found)]
        if len(inputs) != len(types):
            raise refusal("mask_inputs", len(types), len(inputs))
        for column, expected in zip(inputs, types, strict=True):
            name = column.strip().strip('"').lower()
            kinds = self.rows(
                "select kind from standin.columns where schema_name = %s and table_name = %s"
                " and column_name = %s",
                schema,
                table,
                name,
            )
            if not kinds:
                raise Refused(f'column "{name}" does not exist')
            if kinds[0][0] != expected:
                raise refusal("mask_type", expected, kinds[0][0])
            if self.rows(
                "select 1 from standin.attached_policies where relation = %s and columns = %s"
                " and (grantee = %s or priority = %s)",
                f"{schema}.{table}",
                columns,
                grantee,
                priority,
            ):
                raise refusal("mask_twice", name)

    def mask_input(self, policy: str) -> str:
        """The input of the masking policy `policy`.

        Raises:
            Refused: there is none.
        """
        found = self.rows(
            "select input from standin.masking_policies where name = %s", policy.lower()
        )
        if not found:
            raise refusal("mask_unknown", policy)
        return str(found[0][0])

    def check_mask_expression(self, inputs: str, expression: str) -> None:
        """r_CREATE_MASKING_POLICY: the expression has the type of the first input.

        Raises:
            Refused: it has another, or is a constant without a cast.
        """
        if re.fullmatch(r"\s*('[^']*'|[\d.]+|null|true|false)\s*", expression, re.I):
            raise refusal("mask_constant_without_cast")
        kinds = [column_type(kind) for _name, kind in _pieces(inputs)]
        shape = ", ".join(
            f"cast(null as {kind[1]}) as {name}"
            for (name, _), kind in zip(_pieces(inputs), kinds, strict=True)
        )
        query = translate_query(f"select {expression} as masked from _input", Session("", ""))
        [(given, wanted)] = self.rows(
            f"with _input as (select {shape}) select format_type(pg_typeof(masked), null),"
            f" format_type(pg_typeof(cast(null as {kinds[0][1]})), null) from ({query}) as made"
        )
        if given != wanted:
            raise refusal("mask_expression_type", given, wanted)

    def late_binding_views(self, sql: str, user: str) -> dict[tuple[str, str], str]:
        """Queries of the late-binding views that `sql` names, and of those that they name.

        Raises:
            Refused: `user` may not read one of them.
        """
        known = {
            (schema, view): (oid, readable)
            for schema, view, oid, readable in self.rows(
                "select n.nspname::text, c.relname::text, v.view, has_schema_privilege(%s, n.oid, 'usage')"
                " and has_table_privilege(%s, c.oid, 'select')"
                " from standin.late_binding_views as v inner join pg_class as c on v.view = c.oid"
                " inner join pg_namespace as n on c.relnamespace = n.oid",
                user,
                user,
            )
        }
        found: dict[tuple[str, str], str] = {}
        waiting = [sql]
        while waiting:
            text = waiting.pop().lower()
            for name, (oid, readable) in known.items():
                if name in found or not re.search(rf'"?\b{name[0]}\b"?\."?{name[1]}\b', text):
                    continue
                if not readable and not found:
                    raise Refused(f"permission denied for relation {name[1]}")
                [(query,)] = self.rows(
                    "select query from standin.late_binding_views where view = %s", oid
                )
                found[name] = query
                waiting.append(query)
        return found

    # ------------------------------------------------------------------------- external schemas

    def create_external_schema(
        self, name: str, kind: str, options: str, if_not_exists: bool
    ) -> str:
        """What CREATE EXTERNAL SCHEMA does to the books, as PostgreSQL's SQL."""
        schema = name.strip('"').lower()
        if self.rows("select 1 from standin.external_schemas where name = %s", schema):
            if if_not_exists:
                return "do $$ begin end $$"
            raise Refused(f'Schema "{schema}" already exists')
        return (
            "do $standin$ begin"
            f" create schema if not exists {schema};"
            f" insert into standin.external_schemas values ({quote(schema)}, {quote(kind)}, {quote(options)});"
            " end $standin$"
        )

    def alter_external_schema(self, name: str, uri: str) -> str:
        """The same of ALTER EXTERNAL SCHEMA."""
        schema = name.strip('"').lower()
        rows = self.rows(
            "select kind, options from standin.external_schemas where name = %s", schema
        )
        if not rows:
            raise Refused(f'external schema "{schema}" does not exist')
        changed = rows[0][1]
        if uri:
            changed = re.sub(r"uri\s+'[^']*'", uri, changed, flags=re.I)
        return f"update standin.external_schemas set options = {quote(changed)} where name = {quote(schema)}"

    # -------------------------------------------------------------------------- streaming views

    def create_streaming_view(
        self, name: str, attributes: str, query: str, session: Session, *, auto: bool
    ) -> str:
        """A streaming view is a table that the refreshes fill."""
        schema, view = schema_and_table(name)
        tree = parse_one(query)
        if isinstance(tree, exp.Subquery):
            tree = tree.this
        kafka_schema, topic = self._check_stream_query(tree, session)
        with self._lock, self._connect() as connection, connection.cursor() as database:
            self._stage(database, [])
            translated = self._stream_sql(tree, session)
            database.execute(f"create temporary table _shape as {translated}")
            database.execute(
                "select attname, format_type(atttypid, atttypmod) from pg_attribute"
                " where attrelid = 'pg_temp._shape'::regclass and attnum > 0 order by attnum"
            )
            columns = ", ".join(f'"{column}" {kind}' for column, kind in database.fetchall())
            connection.rollback()
        style = "; ".join(
            f"execute {quote(each)}" for each in self.attributes_sql(name, attributes)
        )
        return (
            f"do $standin$ begin create table {schema}.{view} ({columns}); {style};"
            f" create table {schema}.{_internal(view)} ({columns});"
            f" insert into standin.streaming_views values ({quote(schema)}, {quote(view)},"
            f" {quote(kafka_schema)}, {quote(topic)}, {quote(query)}, {auto}); end $standin$"
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
        if any(tree.args.get(part) for part in ("order", "limit", "group", "qualify", "distinct")):
            raise refusal("stream_without_clauses")
        called = {function_name(call) for call in tree.find_all(exp.Anonymous)}
        if called & _MUTABLE or tree.find(exp.CurrentTimestamp):
            raise refusal("stream_without_mutable_functions", ", ".join(sorted(called & _MUTABLE)))
        table = tables[0]
        if not self.rows(
            "select 1 from standin.external_schemas where name = %s and kind = 'kafka'",
            table.db.lower(),
        ):
            raise refusal("view_of_a_stream", table.db, table.name)
        case_sensitive = session.is_on("enable_case_sensitive_identifier") and table.this.quoted
        return table.db.lower(), table.name if case_sensitive else table.name.lower()

    @staticmethod
    def _stream_sql(tree: exp.Expr, session: Session) -> str:
        tree = tree.copy()
        next(tree.find_all(exp.Table)).replace(exp.table_("_stream"))
        return to_postgres(rewrite(tree, session))

    @staticmethod
    def _stage(database: cursor, records: list[tuple[object, ...]]) -> None:
        columns = ", ".join(f"{name} {kind}" for name, kind in _STREAM_COLUMNS.items())
        database.execute(f"create temporary table _stream ({columns}) on commit drop")
        psycopg2.extras.execute_values(
            database,
            "insert into _stream values %s",
            records,
            template="(%s, %s, %s, %s, %s, %s, null, %s)",
        )

    def refresh(self, name: str, session: Session) -> str:
        """Read the topic to its end; no SQL is left to run."""
        schema, view = schema_and_table(name)
        rows = self.rows(
            "select v.topic, v.query, s.options from standin.streaming_views as v"
            " inner join standin.external_schemas as s on v.kafka_schema = s.name"
            " where v.schema_name = %s and v.table_name = %s",
            schema,
            view,
        )
        if not rows:
            raise Refused(f'materialized view "{view}" does not exist')
        topic, query, options = rows[0]
        uri = re.search(r"uri\s+'([^']*)'", options, re.I)
        positions = dict(
            self.rows(
                "select kafka_partition, next_offset from standin.stream_positions"
                " where schema_name = %s and table_name = %s",
                schema,
                view,
            )
        )
        now = datetime.now(UTC).replace(tzinfo=None)
        records, reached, skipped = read_stream(
            uri[1] if uri else "",
            topic,
            positions,
            now,
            self.max_record_bytes,
            self.broker_timeout,
        )
        tree = parse_one(query)
        tree = tree.this if isinstance(tree, exp.Subquery) else tree
        failure = None
        with self._lock:
            connection = self._connect()
            try:
                with connection, connection.cursor() as database:
                    self._stage(database, records)
                    sql = self._stream_sql(tree, session)
                    database.execute(f"insert into {schema}.{view} {sql}")
                    self._keep_positions(database, schema, view, topic, reached, skipped)
            except psycopg2.Error as error:
                failure = str(error).splitlines()[0]
            finally:
                connection.close()
        self._run(
            (
                "insert into standin.refreshes (schema_name, table_name, status) values (%s, %s, %s)",
                (
                    schema,
                    view,
                    "Failed" if failure else "Refresh successfully updated MV incrementally",
                ),
            )
        )
        if failure:
            raise Refused(f"Refresh of materialized view {view} failed: {failure}")
        return "do $$ begin end $$"

    @staticmethod
    def _keep_positions(  # noqa: PLR0917
        database: cursor,
        schema: str,
        view: str,
        topic: str,
        reached: dict[int, int],
        skipped: list[tuple[int, int, int]],
    ) -> None:
        for partition, offset in reached.items():
            database.execute(
                "insert into standin.stream_positions values (%s, %s, %s, %s)"
                " on conflict (schema_name, table_name, kafka_partition)"
                " do update set next_offset = excluded.next_offset",
                (schema, view, partition, offset),
            )
            database.execute(
                "insert into redshift.sys_stream_scan_states (stream_name, mv_name, partition_id,"
                " latest_position, record_time) values (%s, %s, %s, %s, redshift.getdate())",
                (topic, view, str(partition), str(offset - 1)),
            )
        for partition, offset, size in skipped:
            database.execute(
                "insert into redshift.sys_stream_scan_errors (stream_name, mv_name, partition_id,"
                " position, error_reason, record_time) values (%s, %s, %s, %s, %s, redshift.getdate())",
                (topic, view, str(partition), str(offset), f"record of {size} bytes is too large"),
            )

    def drop_streaming_view(self, name: str, if_exists: bool) -> str:
        """Its positions go with it: one made again starts at the earliest offset."""
        schema, view = schema_and_table(name)
        found = self.rows(
            "select 1 from standin.streaming_views where schema_name = %s and table_name = %s",
            schema,
            view,
        )
        if not found:
            if if_exists:
                return "do $$ begin end $$"
            raise Refused(f'materialized view "{view}" does not exist')
        where = f"where schema_name = {quote(schema)} and table_name = {quote(view)}"
        return (
            f"do $standin$ begin drop table {schema}.{view}, {schema}.{_internal(view)} cascade;"
            f" delete from standin.streaming_views {where}; delete from standin.stream_positions {where};"
            " end $standin$"
        )

    def append(self, target: str, source: str, extra: str) -> str:
        """ALTER TABLE APPEND: all rows move; columns, distribution and sort keys have to agree."""
        target_name, source_name = schema_and_table(target), schema_and_table(source)
        shapes = []
        for schema, table in (target_name, source_name):
            columns = dict(
                self.rows(
                    "select attname, format_type(atttypid, atttypmod) || case when attnotnull then ' not null'"
                    " else '' end from pg_attribute as a inner join pg_class as c on a.attrelid = c.oid"
                    " inner join pg_namespace as n on c.relnamespace = n.oid"
                    " where n.nspname = %s and c.relname = %s and attnum > 0 and not attisdropped",
                    schema,
                    table,
                )
            )
            if not columns and self.rows(
                "select 1 from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
                " where n.nspname like 'pg\\_temp%%' and c.relname = %s",
                table,
            ):
                raise refusal("append_permanent")
            if not columns:
                raise Refused(f'relation "{schema}.{table}" does not exist')
            shapes.append(columns)
        attributes = [self.attributes(".".join(name)) for name in (target_name, source_name)]
        if attributes[0] != attributes[1]:
            raise refusal("append_keys", *attributes)
        into, out_of = shapes
        if any(into[name] != kind for name, kind in out_of.items() if name in into):
            raise refusal("append_attributes")
        if (set(out_of) - set(into) and extra != "ignoreextra") or (
            set(into) - set(out_of) and extra != "filltarget"
        ):
            raise refusal("append_columns")
        common = ", ".join(f'"{name}"' for name in out_of if name in into)
        full_target, full_source = ".".join(target_name), ".".join(source_name)
        return (
            f"do $standin$ begin lock table {full_source} in exclusive mode;"
            f" insert into {full_target} ({common}) select {common} from {full_source};"
            f" delete from {full_source}; end $standin$"
        )

    # --------------------------------------------------------------------------------- Spectrum

    def create_external_table(  # noqa: PLR0917
        self,
        name: str,
        columns: str,
        partitions: str,
        kind: str,
        location: str,
        properties: list[str],
    ) -> str:
        """An external table is a table that holds the files that a query is to see."""
        schema, table = schema_and_table(name)
        if not self.rows(
            "select 1 from standin.external_schemas where name = %s and kind = 'catalog'", schema
        ):
            raise refusal("external_needs_its_schema", schema)
        if re.search(r'"\$(path|size)"', columns, re.I):
            raise refusal("pseudocolumn")
        if not re.fullmatch(r"s3://[^']+/", location):
            raise refusal("external_location", location)
        return self._external_table_sql(
            (schema, table),
            location,
            kind,
            _columns(columns),
            _columns(partitions),
            dict(map(_property, properties)),
        )

    @staticmethod
    def _external_table_sql(  # noqa: PLR0917
        name: tuple[str, str],
        location: str,
        kind: str,
        own: list[tuple[str, str, str]],
        parts: list[tuple[str, str, str]],
        properties: dict[str, str],
    ) -> str:
        schema, table = name
        shape = ", ".join(
            f'"{column}" {_postgres_type(type_name, size)}'
            for column, type_name, size in [*own, *parts]
        )
        values = ", ".join(
            quote(value)
            for value in (
                *(schema, table, location, kind),
                *(json.dumps(each) for each in (own, parts, properties)),
            )
        )
        return (
            f'do $standin$ begin create table {schema}.{table} ({shape}, "$path" text);'
            f" insert into standin.external_tables values ({values}); end $standin$"
        )

    def glue_table(self, name: str, location: str, columns: str, partitions: str) -> None:
        """A table of Parquet files that something else than Redshift made in the catalog."""
        sql = self._external_table_sql(
            schema_and_table(name), location, "parquet", _columns(columns), _columns(partitions), {}
        )
        self._run((sql, ()))

    def drop_external_table(self, name: str) -> str:
        """The Glue table goes, its files stay."""
        schema, table = schema_and_table(name)
        where = f"where schema_name = {quote(schema)} and table_name = {quote(table)}"
        gone = "; ".join(
            f"delete from standin.external_{what} {where}"
            for what in ("tables", "partitions", "files")
        )
        return f"do $standin$ begin drop table {schema}.{table}; {gone}; end $standin$"

    def add_partitions(
        self, name: str, added: list[tuple[dict[str, str], str]], if_not_exists: bool
    ) -> str:
        """What ALTER TABLE … ADD PARTITION does to the books."""
        schema, table = schema_and_table(name)
        if len(added) > 100:
            raise refusal("partition_count")
        for values, _location in added:
            self._require_partition(name, values, exists=None if if_not_exists else False)
        conflict = " on conflict do nothing" if if_not_exists else ""
        rows = ", ".join(
            f"({quote(schema)}, {quote(table)}, {quote(location)}, {quote(json.dumps(values))})"
            for values, location in added
        )
        return f"insert into standin.external_partitions values {rows}{conflict}"

    def _require_partition(self, name: str, values: dict[str, str], exists: bool | None) -> None:
        """Refused unless `values` are of the table's keys, and the partition is there or not."""
        schema, table = schema_and_table(name)
        keys = self.rows(
            "select partitions from standin.external_tables where schema_name = %s and table_name = %s",
            schema,
            table,
        )
        wanted = {key for key, *_ in json.loads(keys[0][0])} if keys else set()
        if not wanted or values.keys() != wanted:
            raise refusal("partition_key", sorted(wanted), sorted(values))
        found = self.rows(
            "select 1 from standin.external_partitions where schema_name = %s and table_name = %s"
            " and partition_values::jsonb = %s::jsonb",
            schema,
            table,
            json.dumps(values),
        )
        if exists is not None and bool(found) is not exists:
            raise refusal("partition_exists", bool(found))

    def alter_external_table(
        self, name: str, values: dict[str, str], location: str, properties: list[str]
    ) -> str:
        """ALTER TABLE … DROP PARTITION, SET LOCATION or SET TABLE PROPERTIES."""
        schema, table = schema_and_table(name)
        if self.kind(name) != "external":
            raise Refused(f'external table "{name}" does not exist')
        where = f"where schema_name = {quote(schema)} and table_name = {quote(table)}"
        if values:
            self._require_partition(name, values, exists=True)
            where += f" and partition_values::jsonb = {quote(json.dumps(values))}::jsonb"
            if not location:
                return f"delete from standin.external_partitions {where}"
            return f"update standin.external_partitions set location = {quote(location)} {where}"
        if properties:
            told = json.dumps(dict(map(_property, properties)))
            return (
                "update standin.external_tables set properties ="
                f" (properties::jsonb || {quote(told)}::jsonb)::text {where}"
            )
        return f"update standin.external_tables set location = {quote(location)} {where}"

    def sync_external_tables(self, sql: str) -> None:
        """Bring the tables that `sql` names up to what lies in their folders."""
        lowered = sql.lower()
        for schema, table, location, kind, columns, partitions, properties in self.rows(
            "select schema_name, table_name, location, format, columns, partitions, properties"
            " from standin.external_tables"
        ):
            if not re.search(rf'"?\b{schema}\b"?\."?{table}\b', lowered):
                continue
            with self._lock:
                self._sync(
                    schema,
                    table,
                    location,
                    kind,
                    json.loads(columns),
                    json.loads(partitions),
                    json.loads(properties),
                )

    def _sync(  # noqa: PLR0917
        self,
        schema: str,
        table: str,
        location: str,
        kind: str,
        columns: list[list[str]],
        partitions: list[list[str]],
        properties: dict[str, str],
    ) -> None:
        folders: list[tuple[str, dict[str, str]]] = [(location, {})]
        if partitions:
            folders = [
                (place, json.loads(values))
                for place, values in self.rows(
                    "select location, partition_values from standin.external_partitions"
                    " where schema_name = %s and table_name = %s",
                    schema,
                    table,
                )
            ]
        present = {
            str(path): (path, values) for place, values in folders for path in self._files(place)
        }
        known = {
            row[0]
            for row in self.rows(
                "select path from standin.external_files where schema_name = %s and table_name = %s",
                schema,
                table,
            )
        }
        gone, fresh = known - present.keys(), present.keys() - known
        if not gone and not fresh:
            return
        connection = self._connect()
        try:
            with connection, connection.cursor() as database:
                for path in gone:
                    database.execute(f'delete from {schema}.{table} where "$path" = %s', (path,))
                    database.execute(
                        "delete from standin.external_files where schema_name = %s and table_name = %s"
                        " and path = %s",
                        (schema, table, path),
                    )
                for path in sorted(fresh):
                    file, values = present[path]
                    rows = [
                        (*row, *(values[part[0]] for part in partitions), path)
                        for row in _read_file(file, kind, columns, properties)
                    ]
                    psycopg2.extras.execute_values(
                        database, f"insert into {schema}.{table} values %s", rows
                    )
                    database.execute(
                        "insert into standin.external_files values (%s, %s, %s)",
                        (schema, table, path),
                    )
        finally:
            connection.close()

    def _files(self, location: str) -> Iterator[Path]:
        """Files below `location`; Spectrum ignores names that begin with ., _ or # or end in ~."""
        bucket, _, key = location.removeprefix("s3://").partition("/")
        if bucket not in self._buckets:
            raise Refused(f"S3 Query Exception (Listing): the bucket {bucket} does not exist")
        folder = self._buckets[bucket] / key
        if folder.is_dir():
            for path in sorted(folder.rglob("*")):
                hidden = any(
                    part[0] in "._#" or part.endswith("~")
                    for part in path.relative_to(folder).parts
                )
                if path.is_file() and not hidden:
                    yield path


def _internal(view: str) -> str:
    """The table that holds a materialized view's rows on Redshift; here it is only listed."""
    return f"mv_tbl__{view}__0"


def check_attributes(attributes: str) -> list[str]:
    """Columns of the distribution and sort keys in a table's attributes (r_CREATE_TABLE_NEW).

    Raises:
        Refused: distribution style and key do not go together, or there are too many columns.
    """
    style = re.search(r"diststyle\s+(\w+)", attributes, re.I)
    dist = re.findall(r"distkey\s*\(([^)]*)\)", attributes, re.I)
    sort = re.findall(r"(interleaved\s+)?sortkey\s*\(([^)]*)\)", attributes, re.I)
    if len(dist) > 1 or "," in "".join(dist):
        raise refusal("one_distkey")
    if len(sort) > 1 or len(re.findall("diststyle", attributes, re.I)) > 1:
        raise refusal("attribute_twice")
    if dist and style is not None and style[1].lower() != "key":
        raise refusal("distkey_and_other_style")
    if not dist and style is not None and style[1].lower() == "key":
        raise refusal("distkey_without_column")
    sorted_by = [name for _how, names in sort for name in names.split(",")]
    if any(how for how, _names in sort) and len(sorted_by) > 8:
        raise refusal("interleaved_columns")
    return [name.strip().strip('"').lower() for name in [*dist, *sorted_by]]


_TYPES = {
    name.replace("_", " "): row
    for names, row in read_table("statements")["column_types"].items()
    for name in names.split()
}
_EXTERNAL_TYPES = read_table("statements")["external_types"]


def column_type(written: str, *, external: bool = False) -> tuple[str, str]:
    """The name of a column's type and PostgreSQL's type for it.

    Raises:
        Refused: Redshift has no such type (there), or not of that size.
    """
    found = re.fullmatch(r"(?P<name>[\w ]+?)\s*(?:\((?P<size>[^)]*)\))?", written.strip())
    row = _TYPES.get(" ".join(found["name"].upper().split())) if found else None
    if row is None or found is None:
        raise refusal("unknown_type", written)
    name, kind, *sizes = row
    if external and " ".join(found["name"].upper().split()) not in _EXTERNAL_TYPES:
        raise refusal("external_type", written)
    if not sizes:
        if found["size"]:
            raise refusal("type_length", name, "none", found["size"])
        return name, kind
    default, limit = sizes
    size = re.sub(r"\s", "", found["size"] or default).lower().replace("max", str(limit))
    precision, *scale = (int(number) for number in size.split(","))
    if not 1 <= precision <= limit or (scale and (name != "decimal" or scale[0] > precision)):
        raise refusal("type_length", name, limit, size)
    return name, kind.format(size)


def _column_type(column: str) -> str:
    """The type in `name type`, as PostgreSQL's catalog writes it."""
    kind = column_type(column.split(maxsplit=1)[1])[1]
    kind = re.sub(r"^varchar", "character varying", kind)
    return re.sub(r"^timestamp$", "timestamp without time zone", kind)


def _pieces(columns: str) -> list[tuple[str, str]]:
    """Names and types of `name type, …`."""
    parts = re.split(r",(?![^(]*\))", columns)
    return [(name, kind) for name, kind in (part.strip().split(maxsplit=1) for part in parts)]


def _columns(text: str) -> list[tuple[str, str, str]]:
    found = []
    for part in re.split(r",(?![^(]*\))", text):
        if not part.strip():
            continue
        match = _COLUMN.match(part)
        if match is None:
            raise Refused(f'syntax error at or near "{part.split()[0]}"')
        found.append((match["name"].lower(), match["type"].lower().strip(), match["size"] or ""))
    return found


def _property(pair: str) -> tuple[str, str]:
    """r_CREATE_EXTERNAL_TABLE, "TABLE PROPERTIES": their names are case-sensitive."""
    name, value = re.findall(r"'([^']*)'", pair)
    if value not in _PROPERTIES.get(name, ()):
        raise refusal("table_property", name, value)
    return name, value


def _postgres_type(name: str, size: str) -> str:
    if name == "string":
        return "text"
    return "bytea" if name.startswith("varb") or name.startswith("binary") else f"{name}{size}"


def _within_width(value: object, size: str, properties: dict[str, str]) -> object:
    """A value of a VARBYTE column; what is longer is null, unless the table's data handling says FAIL.

    Raises:
        Refused: it is longer, and the table says FAIL.
    """
    width = int(size.strip("()") or _VARBYTE_BYTES)
    if not isinstance(value, bytes) or len(value) <= width:
        return value
    if (
        properties.get("data_cleansing_enabled") == "true"
        and properties.get("surplus_bytes_handling") == "FAIL"
    ):
        raise Refused(f"Spectrum Scan Error: a value of {len(value)} bytes exceeds {width} bytes")
    return None


def _read_file(
    path: Path, kind: str, columns: list[list[str]], properties: dict[str, str]
) -> Iterable[tuple[object, ...]]:
    if kind == "json":
        for line in path.read_text(encoding="utf-8").splitlines():
            document = json.loads(line)
            yield tuple(document.get(name) for name, _type, _size in columns)
        return
    import pyarrow.parquet as pq

    names = [name for name, _type, _size in columns]
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    for name, type_name, _size in columns:
        index = schema.get_field_index(name)
        if index >= 0 and type_name not in _PARQUET.get(str(schema.field(index).type), set()):
            raise Refused(
                f"Spectrum Scan Error: File '{path.name}' has an incompatible Parquet schema for column"
                f" '{name}'. Column type: {type_name.upper()}, Parquet schema: {schema.field(index).type}"
            )
    for batch in file.iter_batches(columns=[name for name in names if name in schema.names]):
        for row in batch.to_pylist():
            yield tuple(_within_width(row.get(name), size, properties) for name, _, size in columns)


def watermarks(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """The earliest offset and the end of a partition; a new topic may not have its leader yet."""
    from confluent_kafka import KafkaException

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


def read_stream(  # noqa: PLR0912, PLR0917 - one loop over what a consumer may say
    servers: str,
    topic: str,
    positions: dict[int, int],
    now: datetime,
    max_bytes: int,
    timeout: float,
) -> tuple[list[tuple[object, ...]], dict[int, int], list[tuple[int, int, int]]]:
    """The records of `topic` from `positions` (default: the earliest) to its present end.

    Returns rows for `_STREAM_COLUMNS` (without headers), the offsets reached, and what was skipped as
    too large: partition, offset, bytes.
    """
    from confluent_kafka import KafkaException

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
    try:
        metadata = consumer.list_topics(topic, timeout=timeout).topics.get(topic)
        if metadata is None or metadata.error is not None:
            raise Refused(f"Kafka topic {topic} does not exist")
        ends: dict[int, int] = {}
        assigned = []
        for partition in metadata.partitions:
            low, high = watermarks(consumer, TopicPartition(topic, partition))
            start = max(positions.get(partition, low), low)
            ends[partition] = max(high, start)
            if start < high:
                assigned.append(TopicPartition(topic, partition, start))
        consumer.assign(assigned)
        waiting = {each.partition for each in assigned}
        records: list[tuple[object, ...]] = []
        skipped: list[tuple[int, int, int]] = []
        while waiting:
            message = consumer.poll(20)
            if message is None:
                raise Refused(f"Kafka topic {topic} did not answer")
            error = message.error()
            if error is not None:
                if error.name() == "_PARTITION_EOF":
                    # an early one may come before the broker lets consumers see the end
                    if (message.offset() or 0) >= ends[message.partition() or 0]:
                        waiting.discard(message.partition() or 0)
                    continue
                raise KafkaException(error)
            partition, offset = message.partition() or 0, message.offset() or 0
            if offset >= ends[partition]:
                waiting.discard(partition)
                continue
            value = message.value()
            if value is not None and len(value) > max_bytes:
                skipped.append((partition, offset, len(value)))
            else:
                kind, moment = message.timestamp()
                records.append(
                    (
                        partition,
                        offset,
                        {1: "C", 2: "L"}.get(kind, "U"),
                        datetime.fromtimestamp(moment / 1000, UTC).replace(tzinfo=None),
                        message.key(),
                        value,
                        now,
                    )
                )
            if offset + 1 >= ends[partition]:
                waiting.discard(partition)
        return records, ends, skipped
    finally:
        consumer.close()
