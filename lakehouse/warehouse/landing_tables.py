"""External schemas on Kafka and on the landing zone, and the external tables (Spectrum)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import yaml

from ingestion.declarations import SOURCES_FILE, Declarations
from ingestion.landing.storage import open_storage
from ingestion.settings import Settings
from lakehouse.warehouse.catalog import Connection
from lakehouse.warehouse.plan import Statement

_DEBEZIUM = SOURCES_FILE.parents[1] / "debezium/_debezium__sources.yml"
# By default Spectrum gives null for a value that is longer than its column (64,000 bytes, where the
# column names no length), and a null value is a tombstone. So the widest columns, and beyond them
# the query fails. Columns are found in Parquet by name; the headers, a nested column, stay out:
# `select *` would fail.
COLUMNS: Mapping[str, str] = {
    "kafka_topic": "varchar(249)",
    "kafka_partition": "integer",
    "kafka_offset": "bigint",
    "kafka_timestamp": "timestamp",
    "kafka_timestamp_type": "varchar(1)",
    "kafka_key": "varbyte(16777216)",
    "kafka_value": "varbyte(16777216)",
}
# Builds read no table without them: macros/redshift/prepare_landing.sql.
_PROPERTIES: Mapping[str, str] = {
    "data_cleansing_enabled": "true",
    "surplus_bytes_handling": "FAIL",
}
_KAFKA = """\
create external schema kafka
from kafka
{iam_role}authentication {authentication}
uri '{brokers}'"""
_LANDING = """\
create external schema landing
from data catalog
database '{database}'
iam_role {iam_role}"""
_TABLE = """\
create external table landing.{table} (
    {columns}
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location '{landing}/{table}/'
table properties ({properties})"""
_LEDGER = """\
create external table landing.ledger (
    "table" varchar(128),
    topic varchar(249),
    topic_id varchar(64),
    incarnation integer,
    kafka_partition integer,
    from_offset bigint,
    until_offset bigint,
    "rows" bigint,
    kind varchar(10),
    committed_at varchar(40),
    file varchar(1024)
)
row format serde 'org.openx.data.jsonserde.JsonSerDe'
location '{landing}/_ledger/'"""


def external_statements(
    warehouse: Connection, declarations: Declarations, settings: Settings
) -> list[Statement]:
    """What is missing of external schemas and tables; one that is not as declared is dropped."""
    own, brokers = warehouse.settings, settings.kafka_bootstrap_servers
    role = own.iam_role if own.iam_role == "default" else f"'{own.iam_role}'"
    landing = open_storage(settings.landing, make=False).uri.replace("s3a://", "s3://")
    schemas = dict(warehouse.rows("select schemaname, esoptions from svv_external_schemas"))
    is_declared = _tables_there(warehouse)
    found = []
    if "kafka" not in schemas:
        iam_role = f"iam_role {role}\n" if settings.kafka_auth == "iam" else ""
        sql = _KAFKA.format(iam_role=iam_role, authentication=settings.kafka_auth, brokers=brokers)
        found.append(Statement("the cluster, read by the streaming views", sql))
    elif brokers not in schemas["kafka"]:
        found.append(Statement("the brokers moved", f"alter external schema kafka uri '{brokers}'"))
    if "landing" not in schemas:
        sql = _LANDING.format(database=own.glue_database, iam_role=role)
        found.append(Statement("the landing zone, read through Spectrum", sql))
    for table in _tables(declarations):
        if not is_declared.get(table, True):
            why = f"the definition of {table} alone, which is not as declared; its files stay"
            found.append(Statement(why, f"drop table landing.{table}"))
        if not is_declared.get(table):
            sql = _table_sql(table, landing)
            found.append(Statement(f"landed records of {table}", sql))
    if "ledger" not in is_declared:
        sql = _LEDGER.format(landing=landing)
        found.append(Statement("the ledger: which offsets are landed or lost", sql))
    return found


def _tables(declarations: Declarations) -> list[str]:
    """What is landed of the declared tables, and what Debezium says about itself."""
    [debezium] = yaml.safe_load(_DEBEZIUM.read_text("utf-8"))["sources"]
    declared = [table.name for table in declarations.tables]
    return sorted([*declared, *(table["name"] for table in debezium["tables"])])


def _table_sql(table: str, landing: str) -> str:
    return _TABLE.format(
        table=table,
        columns=",\n    ".join(f"{name} {data_type}" for name, data_type in COLUMNS.items()),
        landing=landing,
        properties=", ".join(f"'{name}' = '{value}'" for name, value in _PROPERTIES.items()),
    )


def _tables_there(warehouse: Connection) -> dict[str, bool]:
    """The external tables that are there, and whether each is as `_table_sql` makes it."""
    columns: dict[str, dict[str, str]] = {}
    for table, column, data_type in warehouse.rows(
        "select tablename, columnname, external_type from svv_external_columns"
        " where schemaname = 'landing' and part_key = 0 order by tablename, columnnum"
    ):
        columns.setdefault(table, {})[column] = data_type
    return {
        table: _is_declared(columns.get(table, {}), _parsed(properties or "{}"))
        for table, properties in warehouse.rows(
            "select tablename, parameters from svv_external_tables where schemaname = 'landing'"
        )
    }


def _parsed(properties: str) -> Mapping[str, str]:
    """In small letters; none where the text is no JSON, which no page promises."""
    try:
        return dict(json.loads(properties.lower()))
    except ValueError:
        return {}


def _is_declared(columns: Mapping[str, str], properties: Mapping[str, str]) -> bool:
    """Types are the catalog's own, so of a type only its width counts."""
    if list(columns) != list(COLUMNS):
        return False
    for name, declared in COLUMNS.items():
        widths = [re.findall("[0-9]+", data_type) for data_type in (columns[name], declared)]
        if all(widths) and widths[0] != widths[1]:
            return False
    return all(properties.get(name) == value.lower() for name, value in _PROPERTIES.items())
