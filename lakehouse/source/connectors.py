"""Debezium's connector settings and the SQL that switches change capture on, from the declarations.

`infra/connectors/<connector>.json` holds what is the same for every table; which tables are
captured, which columns never leave the source and which leave it hashed follows from the
declarations, so that it cannot be forgotten in a second place.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion.declarations import SOURCE, Column, DataType, Declarations, Table, topic_part
from ingestion.errors import TerminalError
from ingestion.kafka.auth import java_security
from ingestion.settings import ConnectorName, KafkaAuth
from lakehouse.source.tenants import of_tenant, read_together

FOLDER = Path(__file__).parents[2] / "infra/connectors"

# The secret of the source's login; the committed file has no more of it than what it is for.
SHOP_LOGIN = f"{SOURCE}/shop-database"

# The secret of the hashed columns' salt, a JSON object with `salt`.
PII_SALT = f"{SOURCE}/pii-salt"

# Our transform (infra/connectors/transforms), by the name that its settings begin with.
PSEUDONYMS = "transforms.pseudonyms"


@dataclass(frozen=True)
class SourceTable:
    """Where a declared table is in the source: `database` is empty for PostgreSQL."""

    database: str
    schema: str
    name: str

    @property
    def qualified(self) -> str:
        """`schema.table`, as the connectors' lists spell it."""
        return f"{self.schema}.{self.name}"

    @property
    def bracketed(self) -> str:
        """`[schema].[table]`, as T-SQL spells it whatever the names are."""
        return f"{bracketed(self.schema)}.{bracketed(self.name)}"


def bracketed(name: str) -> str:
    """A name of SQL Server as an identifier."""
    return f"[{name.replace(']', ']]')}]"


def check_places(declared: Declarations) -> None:
    """Raises TerminalError for the first topic of which `source_table` finds no table."""
    for part in declared.parts:
        for connector in part.connectors:
            for table in part.tables:
                source_table(part, table, connector)


def source_table(declarations: Declarations, table: Table, connector: ConnectorName) -> SourceTable:
    """Where `connector` reads `table`: Debezium names topics prefix[.database].schema.table.

    Raises:
        TerminalError: the declared topic has not that form, or is not that of `source_tables`.
    """
    prefix = declarations.connectors[connector].topic_prefix
    databases = declarations.connectors[connector].database
    topic = table.topics[connector]
    expected = "database.schema.table" if connector == "sqlserver" else "schema.table"
    told = table.source_tables.get(connector, ())
    ending = "".join(f".{topic_part(name)}" for name in told)
    before = topic.removeprefix(prefix).removesuffix(ending)
    nothing, *schemas = before.split(".")
    parts = (*schemas, *told)
    if nothing or topic != prefix + before + ending or len(parts) != len(expected.split(".")):
        named = f", of {'.'.join(told)!r} with _ for what no topic can have" if told else ""
        raise TerminalError(
            f"table {table.name}: its {connector} topic is {topic!r}; "
            f"Debezium writes to {prefix}.<{expected.replace('.', '>.<')}>{named}"
        )
    database, schema, name = ("", *parts) if connector == "postgresql" else parts
    if databases and topic_part(databases[0]) == database:
        database = databases[0]
    return SourceTable(database, schema, name)


def render(  # noqa: PLR0913 - what the settings follow from
    declarations: Declarations,
    connector: ConnectorName,
    *,
    bootstrap_servers: str,
    auth: KafkaAuth,
    snapshot_of: Sequence[str] = (),
    tenant: str = "",
    shop_login: str = SHOP_LOGIN,
    pii_salt: str = PII_SALT,
) -> dict[str, str]:
    """The complete settings of `connector`: the committed file and what the declarations add.

    Secrets stay references to a configuration provider of the Connect worker; `shop_login` and
    `pii_salt` are the names of those with the source's login and with the hashed columns' salt.
    With `snapshot_of` they are those of a second connector beside it, which only reads the rows
    that these tables hold now, where there are tenants those of `tenant`; the connector itself
    reads the databases of all that have its prefix.

    Raises:
        TerminalError: there is no such table or tenant.
    """
    together = read_together(declarations, connector, tenant)
    declarations = of_tenant(declarations, tenant)
    template = json.loads((FOLDER / f"{connector}.json").read_text(encoding="utf-8"))
    settings = {
        name: value.replace(":shop-database:", f":{shop_login}:")
        for name, value in template.items()
    }
    places = {
        table.name: source_table(declarations, table, connector) for table in declarations.tables
    }
    prefix = declarations.connectors[connector].topic_prefix
    settings["topic.prefix"] = prefix
    settings["notification.sink.topic.name"] = declarations.connectors[connector].notification_topic
    captured = [table.name for table in declarations.select(list(snapshot_of))]
    settings["table.include.list"] = _patterns(places[name].qualified for name in captured)
    excluded = _columns(declarations, connector, lambda column: column.pii == "exclude")
    if excluded:
        settings["column.exclude.list"] = _patterns(excluded)
    settings |= _truncated(declarations, connector)
    hashed = _columns(declarations, connector, lambda column: column.pii == "hash")
    if hashed:
        settings |= _pseudonyms(together, connector, pii_salt)
        # The transform sees no length but in what this adds to a field's schema.
        settings["column.propagate.source.type"] = _patterns(hashed)
    if connector == "sqlserver":
        databases = {
            source_table(part, table, connector).database
            for part in ((declarations,) if snapshot_of else together)
            for table in part.tables
        }
        settings["database.names"] = ",".join(sorted(databases))
        settings |= _schema_history(declarations, connector, bootstrap_servers, auth)
    else:
        # Names of slots and publications allow lower-case letters, digits and _ only.
        name = re.sub(r"[^a-z0-9_]", "_", prefix.lower())
        settings |= {"slot.name": name, "publication.name": name}
    if snapshot_of:
        settings |= _snapshot_only(connector, settings)
    return dict(sorted(settings.items()))


def _pseudonyms(
    parts: Iterable[Declarations], connector: ConnectorName, pii_salt: str
) -> dict[str, str]:
    """The transform that hashes; it lets no event of a topic through that is not listed here."""
    columns = {
        table.topics[connector]: [
            names[0] if len(names) == 1 else names
            for column in table.columns
            if column.pii == "hash"
            for names in [column.source_names(connector)]
        ]
        for part in parts
        for table in part.tables
    }
    return {
        "transforms": "pseudonyms",
        f"{PSEUDONYMS}.type": "retail.lakehouse.Pseudonyms",
        # A name that looks like a reference to a configuration provider is none.
        f"{PSEUDONYMS}.columns": json.dumps(columns).replace("$", r"\u0024"),
        f"{PSEUDONYMS}.salt.secret": f"${{secretsmanager:{pii_salt}:salt}}",
    }


def _snapshot_only(connector: ConnectorName, settings: Mapping[str, str]) -> dict[str, str]:
    """What a connector changes that reads rows once, beside the one that streams."""
    # Two connectors of one prefix in one worker would have metrics of one name, and wait for it.
    changed = {"snapshot.mode": "initial_only", "custom.metric.tags": "reads=snapshot"}
    if connector == "sqlserver":
        # It never goes on after a restart, so nobody has to remember the tables' structure.
        changed["schema.history.internal"] = "io.debezium.relational.history.MemorySchemaHistory"
    else:
        name = f"{settings['slot.name']}_snapshot"
        changed |= {"slot.name": name, "publication.name": name, "slot.drop.on.stop": "true"}
    return changed


def _patterns(names: Iterable[str]) -> str:
    """What Debezium takes for exactly these names, upper and lower case being one.

    Its lists are regular expressions, each trimmed and held against a whole name, between commas
    (io.debezium.util.Strings.RegExSplitter): in code points no character means anything else.
    """
    return ",".join(
        re.sub(r"[^A-Za-z0-9_]", lambda found: rf"\x{{{ord(found[0]):x}}}", name) for name in names
    )


def _truncated(declarations: Declarations, connector: ConnectorName) -> dict[str, str]:
    """Where texts that are too long are cut: the only place before both ways into the warehouse."""
    cut = [
        column.type
        for table in declarations.tables
        for column in table.columns
        if column.too_long == "truncate"
    ]

    def names(kind: DataType) -> list[str]:
        return _columns(
            declarations,
            connector,
            lambda column: column.too_long == "truncate" and column.type == kind,
        )

    return {f"column.truncate.to.{kind.length}.chars": _patterns(names(kind)) for kind in cut}


def _columns(
    declarations: Declarations, connector: ConnectorName, chosen: Callable[[Column], bool]
) -> list[str]:
    return [
        f"{source_table(declarations, table, connector).qualified}.{name}"
        for table in declarations.tables
        for column in table.columns
        if chosen(column)
        for told in column.source_names(connector)
        for name in _spellings(told, connector)
    ]


def _spellings(name: str, connector: ConnectorName) -> list[str]:
    """A column's names: from PostgreSQL's log Debezium reads one in quotes without them.

    io.debezium.connector.postgresql.connection.pgoutput.PgOutputMessageDecoder; snapshots have the
    quotes.
    """
    spellings = [name]
    while connector == "postgresql" and re.fullmatch(r"""(["'`]).*\1""", name, re.DOTALL):
        name = name[1:-1].replace(name[0] * 2, name[0])
        spellings.append(name)
    return spellings


def _schema_history(
    declarations: Declarations, connector: ConnectorName, bootstrap_servers: str, auth: KafkaAuth
) -> dict[str, str]:
    history = "schema.history.internal"
    settings = {
        f"{history}.kafka.topic": declarations.connectors[connector].schema_history_topic,
        f"{history}.kafka.bootstrap.servers": bootstrap_servers,
    }
    for client in ("producer", "consumer"):
        security = java_security(auth)
        settings |= {f"{history}.{client}.{name}": value for name, value in security.items()}
    return settings


CDC_HEAD = """\
-- Change capture on Azure SQL Database for the declared tables.
-- Written by `lakehouse connector cdc-sql`; do not edit: change the declarations, write it again.
--
-- Run it in the shop's database as a member of db_owner:
--     sqlcmd -b -v debezium_password=... -i infra/connectors/enable_cdc.sql
-- It can be run again: what exists stays. Azure SQL captures on vCore tiers and from S3 upwards.
-- A column added later needs a second capture instance: docs/runbooks/onboarding.md.

if (select is_cdc_enabled from sys.databases where name = db_name()) = 0
    exec sys.sp_cdc_enable_db;
go

-- Who reads the changes: a role of its own, and a user that may do nothing else.
if database_principal_id(N'cdc_reader') is null
    create role cdc_reader;
go
if database_principal_id(N'debezium') is null
    create user debezium with password = N'$(debezium_password)';
go
alter role cdc_reader add member debezium;
grant select on schema::cdc to cdc_reader;
grant view database state to debezium;
go
"""

CDC_TAIL = """\
-- Seven days instead of three: a connector that stands still over a long weekend loses nothing.
exec sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 10080;
go
"""


def cdc_sql(declarations: Declarations, computed: Sequence[str] = ()) -> str:
    """T-SQL that enables change data capture for every declared table of Azure SQL Database.

    Columns with `pii: exclude` are left out of the capture, so they do not even reach the change
    tables, and those that the source computes (`computed`, as schema.table.column), which would be
    null there; a column whose hash would be cut off by its length stops the script.
    """
    captures: list[str] = []
    taken: set[tuple[str, str]] = set()
    for table in declarations.tables:
        place = source_table(declarations, table, "sqlserver")
        instance = _instance(place, taken)
        taken.add((place.database, instance.lower()))
        captures.append(_capture(place, table, instance, computed))
    return "\n".join([CDC_HEAD, *captures, CDC_TAIL])


def _instance(place: SourceTable, taken: Collection[tuple[str, str]]) -> str:
    """A capture instance's name: its own in the database, and of at most 100 characters."""
    name = f"{place.schema}_{place.name}"
    is_taken = (place.database, f"{name}_1".lower()) in taken
    if len(name.encode("utf-16-le")) <= 2 * 98 and not is_taken:
        return f"{name}_1"
    digest = hashlib.sha256(place.bracketed.encode()).hexdigest()[:12]
    short = name.encode("utf-16-le")[: 2 * 80].decode("utf-16-le", "ignore")
    return f"{short}_{digest}_1"


def _capture(place: SourceTable, table: Table, instance: str, computed: Sequence[str]) -> str:
    landed = [column.source_name("sqlserver") for column in table.landed_columns]
    captured = [name for name in landed if f"{place.qualified}.{name}" not in computed]
    checks = [
        _length_check(place, column.source_name("sqlserver"))
        for column in table.columns
        if column.pii == "hash"
    ]
    column_list = ", ".join(map(bracketed, captured))
    return "\n".join(
        [
            *checks,
            "if not exists (",
            "    select 1 from cdc.change_tables",
            f"    where source_object_id = object_id({_text(place.bracketed)})",
            ")",
            "    exec sys.sp_cdc_enable_table",
            f"        @source_schema = {_text(place.schema)},",
            f"        @source_name = {_text(place.name)},",
            f"        @capture_instance = {_text(instance)},",
            "        @role_name = N'cdc_reader',",
            "        @supports_net_changes = 0,",
            f"        @captured_column_list = {_text(column_list)};",
            f"grant select on object::{place.bracketed} to cdc_reader;",
            "go",
            "",
        ]
    )


def _text(text: str) -> str:
    """A text in T-SQL."""
    return "N'{}'".format(text.replace("'", "''"))


def _length_check(place: SourceTable, column: str) -> str:
    """The transform shortens a hash to the column's length; -1 is nvarchar(max)."""
    too_short = (
        f"{place.qualified}.{column} is shorter than the 64 characters of its hash; widen it first"
    )
    return "\n".join(
        [
            "if exists (",
            "    select 1 from information_schema.columns",
            f"    where table_schema = {_text(place.schema)} and table_name = {_text(place.name)}",
            f"        and column_name = {_text(column)}",
            "        and character_maximum_length between 0 and 63",
            ")",
            f"    throw 50000, {_text(too_short)}, 1;",
            "go",
        ]
    )
