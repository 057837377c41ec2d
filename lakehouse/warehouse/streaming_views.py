"""Streaming views on the topics, the archives that their rows go to, the view over all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ingestion.declarations import Declarations, Table
from ingestion.errors import TerminalError
from ingestion.settings import ConnectorName
from lakehouse.warehouse.catalog import Connection, names, relations
from lakehouse.warehouse.plan import Plan, Statement
from lakehouse.warehouse.streams import auto_refreshes

_COLUMNS = """\
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time\
"""
# No cast and no filter: a failing cast would stop the refresh, a filter would drop bad records and
# tombstones. Sorted by offset: new records have the highest ones and are what the log reads. Spread
# evenly: nothing joins a stream by a key.
_VIEW = f"""\
create materialized view streaming.{{view}}
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
{_COLUMNS}
from kafka."{{topic}}\""""
# Made from the view itself: APPEND wants equal columns, distribution and sort key.
_ARCHIVE = """\
create table streaming.{view}_archive
diststyle even
sortkey (kafka_offset)
as
select *
from streaming.{view}
where 1 = 0"""
# Late binding, so that a view or archive under it can be replaced.
_ALL = """\
create or replace view streaming.{table} as
{parts}
with no schema binding"""
_PART = """\
select
    cast('{topic}' as varchar(249)) as kafka_topic,
    cast({incarnation} as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time
from streaming.{relation}"""
# Earlier releases parsed each value into it, for nobody.
_PARSED = """\
select table_name
from svv_columns
where table_schema = 'streaming' and column_name = 'payload'"""
# Before any topic of the table has been landed.
_NOTHING = """\
select
    cast(null as varchar(249)) as kafka_topic,
    cast(null as integer) as _cdc_incarnation,
    cast(null as bigint) as kafka_partition,
    cast(null as bigint) as kafka_offset,
    cast(null as timestamp) as kafka_timestamp,
    cast(null as varbyte(16777216)) as kafka_key,
    cast(null as varbyte(16777216)) as kafka_value,
    cast(null as timestamp) as refresh_time
where 1 = 0"""
# By partition: what the log and landing hold is below it.
_SAFE = """\
select
    logged.kafka_partition,
    least(max(logged.kafka_offset) + 1, max(ends.until_offset)) as safe_until
from {prefix}staging.{table}__log as logged
inner join (
    select ledger.kafka_partition, max(ledger.until_offset) as until_offset
    from {prefix}operations.ledger as ledger
    where ledger.table_name = '{table}' and ledger.incarnation = {incarnation}
    group by ledger.kafka_partition
) as ends
    on logged.kafka_partition = ends.kafka_partition
where logged._cdc_incarnation = {incarnation}
group by logged.kafka_partition
order by logged.kafka_partition"""
# In literals: r_DELETE names no subquery in USING, and they tell Redshift which blocks to read.
_PRUNE = """\
delete from streaming.{table}_{incarnation}_archive
where
    {below}"""


def streaming_statements(
    warehouse: Connection, declarations: Declarations, source: ConnectorName
) -> list[Statement]:
    """What is missing of each table: a view on its topic's newest incarnation, and its archive.

    The view of an older incarnation is emptied into its archive before it goes. Where the source
    has tenants, a table has a view on each one's topic, as soon as the ledger gives it a number.
    A view that still parses stays as it is, with its archive: once it is dropped, the archive loses
    the column too, because APPEND wants equal ones.
    """
    views, there = auto_refreshes(warehouse), relations(warehouse, "streaming")
    parsed = names(warehouse, _PARSED)
    landed = _incarnations(warehouse)
    found = []
    if not views:
        why = "streaming views and their archives"
        found.append(Statement(why, "create schema if not exists streaming"))
    for table in sorted(declarations.tables, key=lambda table: table.name):
        topics = landed.get(table.name, {})
        newest = _newest(declarations, source, table, topics)
        archived = [n for n in _archived(table.name, there) if n not in newest]
        older = [number for number in archived if number < max(newest, default=0)]
        for number in older:
            if f"{table.name}_{number}" in views:
                found += _retired(f"{table.name}_{number}")
        streams = {f"{table.name}_{number}": topic for number, topic in newest.items()}
        for number, (view, topic) in zip(newest, streams.items(), strict=True):
            if view not in views:
                why = f"records of {table.name}, incarnation {number} of its topic"
                found.append(Statement(why, _VIEW.format(view=view, topic=topic)))
                if f"{view}_archive" in parsed:
                    drop = f"alter table streaming.{view}_archive drop column payload"
                    found.append(Statement(f"records as {view} has them", drop))
            if not views.get(view, True):
                found.append(_resumed(view))
            if f"streaming.{view}_archive" not in there:
                why = f"where records of {view} go when the view is emptied"
                found.append(Statement(why, _ARCHIVE.format(view=view)))
        if table.name in parsed:
            why = "a view is not replaced by one with fewer columns"
            found.append(Statement(why, f"drop view streaming.{table.name}"))
        if (
            streams.keys() - set(views)
            or f"streaming.{table.name}" not in there
            or table.name in parsed
        ):
            archives = [(number, f"{table.name}_{number}_archive") for number in (*older, *newest)]
            selects = [
                _PART.format(
                    topic=topics[number] if declarations.tenants else newest[max(newest)],
                    incarnation=number,
                    relation=relation,
                )
                for number, relation in (*archives, *zip(newest, streams, strict=True))
            ]
            sql = _ALL.format(table=table.name, parts="\nunion all\n".join(selects or [_NOTHING]))
            found.append(Statement(f"all streamed records of {table.name}", sql))
    return found


def _newest(
    declarations: Declarations, source: ConnectorName, table: Table, topics: Mapping[int, str]
) -> dict[int, str]:
    """The incarnations of a table that are streamed, with their topics; `topics` are all."""
    if not declarations.tenants:
        return {max(topics, default=1): table.topics[source]}
    last = {topic: number for number, topic in sorted(topics.items())}
    wanted = [part.table(table.name).topics[source] for part in declarations.parts]
    return {last[topic]: topic for topic in wanted if topic in last}


def archive_streams(plan: Plan, declarations: Declarations) -> None:
    """Empty the streaming views into their archives, and the archives of what is safe.

    ALTER TABLE APPEND moves all rows of a view and commits by itself, so it needs no check of its
    own: the log reads views and archives together. What is then deleted from an archive is in the
    log and lies below the end of the ledger, so landing holds it too.

    Raises:
        TerminalError: Redshift refuses to empty views; the others are emptied, refreshes go on, and
            the archives are pruned.
    """
    prefix = plan.warehouse.settings.schema_prefix
    there = relations(plan.warehouse, "streaming", f"{prefix}staging", f"{prefix}operations")
    refused = []
    for view, auto in sorted(auto_refreshes(plan.warehouse).items()):
        if f"streaming.{view}_archive" in there:
            try:
                _empty(plan, view, auto)
            except TerminalError as error:
                refused.append(f"{view}: {error}")
        elif not auto:
            plan.carry_out(_resumed(view))
    for table in sorted(table.name for table in declarations.tables):
        if {f"{prefix}staging.{table}__log", f"{prefix}operations.ledger"} <= there:
            for number in _archived(table, there):
                _prune(plan, {"table": table, "incarnation": number, "prefix": prefix})
    if refused:
        raise TerminalError("not archived:\n" + "\n".join(refused))


def _empty(plan: Plan, view: str, auto: bool) -> None:
    """Move a view's rows into its archive; its refreshes go on, however this ends.

    APPEND wants equal compression encodings (r_ALTER_TABLE_APPEND). A view cannot declare them
    (materialized-view-create-sql-command), and Redshift chooses them by itself, for view and
    archive apart. So what it refuses to append is copied and deleted, in one transaction.
    """
    if auto:
        plan.carry_out(_refreshing(view, "no refresh meanwhile", "no"))
    try:
        try:
            plan.carry_out(_appended(view, f"all rows of {view}"))
        except TerminalError as error:
            copied = f"insert into streaming.{view}_archive select * from streaming.{view}"
            plan.carry_out(Statement(str(error).splitlines()[0], "begin"))
            try:
                plan.carry_out(
                    Statement(f"all rows of {view}", copied),
                    Statement("which are in the archive", f"delete from streaming.{view}"),
                    Statement("both or neither", "commit"),
                )
            except TerminalError:
                plan.carry_out(Statement("neither", "rollback"))
                raise
    finally:
        again = _refreshing(view, "refreshes go on", "yes") if auto else _resumed(view)
        plan.carry_out(again)


def _prune(plan: Plan, archive: Mapping[str, str | int]) -> None:
    safe = plan.warehouse.rows(_SAFE.format_map(archive))
    below = [f"(kafka_partition = {at} and kafka_offset < {until})" for at, until in safe]
    if below:
        sql = _PRUNE.format_map({**archive, "below": "\n    or ".join(below)})
        plan.carry_out(Statement("records that the log and landing hold", sql))


def resume_refreshes(plan: Plan) -> None:
    """Turn automatic refreshes on again where an archive was killed, or somebody turned them off.

    An archive that is at work meanwhile is refused at worst, and comes back next time.
    """
    for view, auto in sorted(auto_refreshes(plan.warehouse).items()):
        if not auto:
            plan.carry_out(_resumed(view))


def _incarnations(warehouse: Connection) -> dict[str, dict[int, str]]:
    """The incarnations of each table that the ledger names, with their topics."""
    tables = "select tablename from svv_external_tables where schemaname = 'landing'"
    if "ledger" not in names(warehouse, tables):
        return {}
    found: dict[str, dict[int, str]] = {}
    for table, number, topic in warehouse.rows(
        'select written."table", written.incarnation, max(written.topic)'
        ' from landing.ledger as written group by written."table", written.incarnation'
    ):
        found.setdefault(table, {})[number] = topic
    return found


def _archived(table: str, there: Iterable[str]) -> list[int]:
    """The incarnations of a table's topic that have an archive."""
    archives = (re.fullmatch(rf"streaming\.{table}_([0-9]+)_archive", name) for name in there)
    return sorted(int(archive[1]) for archive in archives if archive)


def _retired(view: str) -> list[Statement]:
    return [
        _refreshing(view, f"the topic of {view} was recreated: no more refreshes", "no"),
        _appended(view, "its rows are kept"),
        Statement("the empty view", f"drop materialized view streaming.{view}"),
    ]


def _refreshing(view: str, why: str, auto: str) -> Statement:
    return Statement(why, f"alter materialized view streaming.{view} auto refresh {auto}")


def _resumed(view: str) -> Statement:
    return _refreshing(view, f"automatic refreshes of {view} were found off", "yes")


def _appended(view: str, why: str) -> Statement:
    return Statement(why, f"alter table streaming.{view}_archive append from streaming.{view}")
