"""Personal data at the connector: what is excluded does not leave, what is hashed leaves hashed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ingestion.declarations import Column, DataType, Declarations, Pii, load
from ingestion.settings import ConnectorName
from lakehouse.kafka.admin import Topics
from lakehouse.source.connectors import PSEUDONYMS, render
from playground.services import ServiceError, Services, connect
from playground.services.capture import SALT, Capture
from playground.services.connect import ConnectWorker
from playground.services.java import LOGGING, java_command
from playground.services.postgres import autocommit_cursor
from playground.services.process import Process
from tests.integration.debezium_classes import run_java
from tests.integration.records import read_all
from tests.kit.declared import with_topic_prefix

QUOTED = ["'quoted'", '"it"', "`code`"]
HOSTILE = [
    *("pass$word", "ssn (last 4)", "c++_code", "a|b", "x*", "y?", "[z]", "{2}", "^start", "end$"),
    *("dot.ted", "back\\slash", "\\E", "\\Q", "\\", "ends in \\", "a,b", ",", "it's", 'say "it"'),
    *(" blank before", "blank after ", "\ttab\n", "größe", "ПАРОЛЬ", "秘密", "😀", "a\u0301", "#"),
    *QUOTED,
    *("%", "${env:HOME}", "Phone (home)", "Tel$No", "x{20}", "plain_name", "UPPER"),
]


def columns(names: list[str], pii: Pii) -> tuple[Column, ...]:
    """Columns of these names in the source."""
    return tuple(
        Column(
            f"{pii}_{number}",
            DataType("varchar", length=64),
            "",
            nullable=True,
            pii=pii,
            collation="binary",
            source_columns={"postgresql": (name,), "sqlserver": (name,)},
        )
        for number, name in enumerate(names)
    )


def with_columns(names: list[str], pii: Pii) -> Declarations:
    """The declarations with columns of these names in the source, added to the table stores."""
    declarations = load()
    stores = declarations.table("stores")
    added = columns(names, pii)
    changed = replace(stores, columns=(*stores.columns, *added))
    tables = tuple(changed if table is stores else table for table in declarations.tables)
    return replace(declarations, tables=tables)


def neighbours(name: str) -> set[str]:
    """Names that differ from `name` a little, and some that it would match as a pattern."""
    letters = range(len(name))
    others = {name[:at] + name[at + 1 :] for at in letters if len(name) > 1}
    others |= {name[:at] + "x" + name[at + 1 :] for at in letters}
    others |= {name + "x", "x" + name, name + " ", " " + name, name + name, name.strip()}
    others |= {"a", "b", "2", "z", "x", "y", "xx", "password_note"}
    return others


@pytest.mark.parametrize(
    ("connector", "database", "schema", "table"),
    [("postgresql", "shop", "public", "stores"), ("sqlserver", "retail", "dbo", "Stores")],
)
def test_debezium_lets_out_no_excluded_column_and_every_other(
    connector: ConnectorName, database: str, schema: str, table: str
) -> None:
    settings = render(
        with_columns(HOSTILE, "exclude"), connector, bootstrap_servers="broker:9092", auth="none"
    )
    excluded = {name.lower() for name in HOSTILE}
    if connector == "postgresql":
        # As Debezium reads them from PostgreSQL's log.
        excluded |= {name[1:-1].lower() for name in QUOTED}
    others = {other for name in HOSTILE for other in neighbours(name)}
    others = {other for other in others if other and other.lower() not in excluded}
    captured = [[database, schema, table, name] for name in [*HOSTILE, *sorted(others)]]
    elsewhere = [
        [database, schema, f"{table}x", "city"],
        [database, f"{schema}x{table}", "", "city"],
        [database, schema, table[:-1], "city"],
    ]

    let_out = run_java(
        "DebeziumFilters",
        {
            "column.exclude.list": settings["column.exclude.list"],
            "table.include.list": settings["table.include.list"],
            "places": captured + elsewhere,
        },
    )

    assert {column for *_, column in let_out} == others
    assert [place for place in let_out if place in elsewhere] == []


# A column of every kind of type, and its value in two rows' worth of SQL.
TYPES = {
    "a text": ("text", "'secret-text-' || {n} || '-größe-😀-\\\"'"),
    "v64": ("varchar(64)", "'secret-v64-' || {n}"),
    "v20": ("varchar(20)", "'secret-v20-' || {n}"),
    "c15": ("char(15)", "'secret-c-' || {n}"),
    "a name": ("name", "'secret-name-' || {n}"),
    "citext": ("citext", "'Secret-Citext-' || {n}"),
    "any case": ("any_case", "'Secret-Domain-' || {n}"),
    "short domain": ("short", "'secret-dom-' || {n}"),
    "mood": ("mood", "case {n} when 1 then 'secret-glad' else 'secret-sad' end::mood"),
    "uuid": ("uuid", "('c0ffee00-0000-4000-8000-00000000000' || {n})::uuid"),
    "numeric": ("numeric(20, 2)", "7700123456.10 + {n}"),
    "any numeric": ("numeric", "7700123456.100 + {n}"),
    "money": ("money", "(7700123.10 + {n})::numeric::money"),
    "bigint": ("bigint", "770012345600 + {n}"),
    "double": ("double precision", "77001.25 + {n}"),
    "date": ("date", "'1977-07-10'::date + {n}"),
    "time": ("time", "'07:07:10.5'::time + interval '1 second' * {n}"),
    "timestamp": ("timestamp", "'1977-07-10 07:07:10.5'::timestamp + interval '1 day' * {n}"),
    "timestamptz": ("timestamptz", "'1977-07-10 07:07:10Z'::timestamptz + interval '1 day' * {n}"),
    "interval": ("interval", "interval '770012 days' * {n}"),
    "boolean": ("boolean", "{n} = 1"),
    "bytea": ("bytea", "('secret-bytes-' || {n})::bytea"),
    "jsonb": ("jsonb", "jsonb_build_object('key', 'secret-json-' || {n})"),
    "inet": ("inet", "'10.77.0.0'::inet + {n}"),
    "bits": ("bit(12)", "(770 + {n})::bit(12)"),
    "texts": ("text[]", "array['secret-array-' || {n}, null]"),
    "point": ("point", "point(77.001234, {n})"),
    "big text": ("text", "repeat('secret-big-' || {n}, 1000)"),
    "big bytes": ("bytea", "repeat('secret-big-' || {n}, 1000)::bytea"),
    "empty": ("text", "case {n} when 1 then '' end"),
    **dict.fromkeys(sorted({*HOSTILE} - {*QUOTED}), ("text", "'secret-hostile-' || {n}")),
}
# Debezium's own mask takes these, and no others.
MASKED = {"a text", "v64", "v20", "c15", "a name", "short domain", "mood", "big text", "empty"}
MASKED |= {*HOSTILE} - {*QUOTED}
# Large values that PostgreSQL does not send when they have not changed.
UNSENT = ["big text", "big bytes"]
# Where a distributed worker keeps what it knows.
INTERNAL = f"connect{secrets.token_hex(4)}"
EXCLUDED = ["gone$", "gone (too) ", "Gone", *QUOTED]


def people(prefix: str) -> Declarations:
    """One table with a hashed column of every type and some that are excluded."""
    declared = with_topic_prefix(load(), prefix)
    key = replace(declared.table("stores").columns[0], name="person_id", source_columns={})
    note = replace(columns(["note"], "clear")[0], name="note", pii=None)
    table = replace(
        declared.table("stores"),
        name="people",
        columns=(key, note, *columns(list(TYPES), "hash"), *columns(EXCLUDED, "exclude")),
        primary_key=("person_id",),
        history="current",
        tracked_columns=(),
        topics={"postgresql": f"{prefix}.public.people", "sqlserver": f"{prefix}.r.dbo.People"},
        partitions=1,
    )
    return replace(declared, tables=(table,))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def create_people(dsn: str) -> None:
    described = [f"{quoted(name)} {type_}" for name, (type_, _) in TYPES.items()]
    described += [f"{quoted(name)} text default 'secret-excluded'" for name in EXCLUDED]
    with autocommit_cursor(dsn) as database:
        database.execute("create extension citext")
        database.execute("create domain any_case as citext")
        database.execute("create domain short as varchar(20)")
        database.execute("create type mood as enum ('secret-glad', 'secret-sad')")
        database.execute(
            f"create table people (person_id bigint primary key, note text, {', '.join(described)})"
        )
        database.execute("alter table people replica identity full")
        for big in ("big text", "big bytes"):
            database.execute(f'alter table people alter "{big}" set storage external')


def insert(person: int) -> str:
    values = ", ".join(value.format(n=person) for _, value in TYPES.values())
    names = ", ".join(quoted(name) for name in TYPES)
    return f"insert into people (person_id, {names}) values ({person}, {values})"


@pytest.fixture
def worker(services: Services, tmp_path: Path) -> Iterator[ConnectWorker]:
    """A distributed worker, as in production: settings in a topic; it logs all that Kafka does."""
    log, properties, logging = (
        tmp_path / name for name in ("connect.log", "worker.properties", "log4j2.properties")
    )
    worker = ConnectWorker(tmp_path, log, bootstrap_servers=services.bootstrap_servers)
    settings = connect.SETTINGS | {
        "bootstrap.servers": services.bootstrap_servers,
        "listeners": worker.url,
        "group.id": INTERNAL,
    }
    for kind in ("config", "offset", "status"):
        settings[f"{kind}.storage.topic"] = f"{INTERNAL}-{kind}"
        settings[f"{kind}.storage.replication.factor"] = "1"
        if kind != "config":
            settings[f"{kind}.storage.partitions"] = "1"
    properties.write_text("\n".join(f"{name}={value}" for name, value in settings.items()))
    lines = LOGGING.read_text("utf-8").splitlines()
    logging.write_text("\n".join(line for line in lines if not line.startswith("logger.")))
    command = java_command(
        "connect",
        "org.apache.kafka.connect.cli.ConnectDistributed",
        str(properties),
        heap_megabytes=768,
    )
    command = [argument.replace(str(LOGGING), str(logging)) for argument in command]
    worker.process = Process("Kafka Connect", command, log=log)
    worker.process.start()
    worker.wait_until_ready()
    yield worker
    worker.process.stop()


def knows(worker: ConnectWorker, connector: str) -> bool:
    """Whether a distributed worker has begun with a connector that it has accepted."""
    try:
        return bool(worker.status(connector).task_states)
    except ServiceError:
        return False


def as_text(value: Any) -> str:
    """The value of a JSON event as text."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def capture_of(kind: str, worker: ConnectWorker, services: Services, database: str) -> Capture:
    """The project's connector; as `clear` and `mask` with nothing, and Debezium's own mask."""
    declared = people(f"{kind}{secrets.token_hex(4)}")
    services.create_topics("postgresql", declared)
    capture = Capture(
        worker,
        dsn=database,
        bootstrap_servers=services.bootstrap_servers,
        declarations=declared,
    )
    if kind != "ours":
        hashed = capture.settings.pop("column.propagate.source.type")
        for name in [name for name in capture.settings if name.startswith("transforms")]:
            del capture.settings[name]
        if kind == "mask":
            capture.settings[f"column.mask.hash.v2.SHA-256.with.salt.{SALT}"] = hashed
    return capture


def events(services: Services, capture: Capture) -> list[dict[str, Any] | None]:
    topic = f"{capture.settings['topic.prefix']}.public.people"
    records = read_all(services.kafka, topic)
    return [json.loads(record.value() or "null") for record in records]


def check_image(clear: dict[str, Any], mask: dict[str, Any], ours: dict[str, Any]) -> None:
    """Each column is the hash of what it was, and what Debezium's mask makes where it does."""
    assert list(ours) == ["person_id", "note", *TYPES]
    for name in TYPES:
        was = clear[name]
        length = {"v20": 20, "short domain": 20, "c15": 15}.get(name, 64)
        digest = sha256((SALT + as_text(was)).encode()).hexdigest()[:length]
        if name not in UNSENT or ours[name] != "__debezium_unavailable_value":
            assert ours[name] == (None if was is None else digest), (name, was)
            assert ours[name] == mask[name] or name not in MASKED, (name, was)


def test_no_personal_data_and_no_salt_leaves_the_source_anywhere(
    services: Services, worker: ConnectWorker, database: str
) -> None:
    create_people(database)
    clear = capture_of("clear", services.connect, services, database)
    mask = capture_of("mask", services.connect, services, database)
    ours = capture_of("ours", worker, services, database)
    with autocommit_cursor(database) as shop:
        shop.execute(insert(1))
        for capture in (clear, mask, ours):
            capture.create()
        worker.process.wait_until(lambda: knows(worker, ours.name), seconds=60)
        for capture in (clear, mask, ours):
            capture.wait_until_streaming()
        shop.execute(insert(2))
        shop.execute("update people set note = 'changed' where person_id = 1")
        shop.execute("delete from people where person_id = 2")
        shop.execute("alter table people replica identity default")
        shop.execute("update people set note = 'again' where person_id = 1")
        for capture in (clear, mask, ours):
            capture.wait_until_delivered()

    emitted = [events(services, capture) for capture in (clear, mask, ours)]
    images: list[tuple[Any, ...]] = []
    for of_one in zip(*emitted, strict=True):
        assert len({event and event["op"] for event in of_one}) == 1
        for image in ("before", "after"):
            images.append(tuple(event and event[image] for event in of_one))
    assert [event and event["op"] for event in emitted[2]] == ["r", "c", "u", "d", None, "u"]
    images = [of_one for of_one in images if of_one != (None, None, None)]
    assert len(images) == 6
    for of_one in images:
        check_image(*of_one)
    assert [
        name for name in TYPES if images[-1][2][name] == "__debezium_unavailable_value"
    ] == UNSENT

    log = worker.process.log.read_text("utf-8")
    assert "Starting PostgresConnectorTask with configuration" in log
    assert f"{PSEUDONYMS}.salt.secret = " in log
    internal = [f"{INTERNAL}-{kind}" for kind in ("config", "offset", "status")]
    prefix = ours.settings["topic.prefix"]
    own = [name for name in Topics(services.settings).names() if name.startswith(prefix)]
    records = {topic: read_all(services.kafka, topic) for topic in [*internal, *own]}
    assert any(b"${directory:" in (record.value() or b"") for record in records[internal[0]])
    kept = log.encode() + b"".join(
        (record.key() or b"") + (record.value() or b"")
        for topic in records.values()
        for record in topic
    )
    # None so short that a port, a time or a digest of the log could contain it by chance.
    clear_values = [
        *("ecret-", "c0ffee00-", "7700123", "1977-07-1", "10.77.0.", "77.001234"),
        *("77002.25", "77003.25", "66529036800000000", "133058073600000000"),
    ]
    assert [value for value in clear_values if value not in json.dumps(emitted[0])] == []
    assert [hidden for hidden in (SALT, *clear_values) if hidden.encode() in kept] == []


TOPICS = json.dumps({"customers": ["Phone"], "stores": []})


def pseudonymised(**asked: Any) -> Any:
    return run_java("Pseudonymised", {"settings": {"columns": TOPICS, "salt.secret": SALT}} | asked)


def test_texts_of_sql_server_have_the_pseudonyms_of_debeziums_own_mask() -> None:
    # java.sql.Types, as Microsoft's driver gives them.
    kinds = [("nvarchar", -9, 64), ("nvarchar", -9, 30), ("nvarchar", -9, 2**31 - 1)]
    kinds += [("varchar", 12, 10), ("char", 1, 12), ("nchar", -15, 12), ("ntext", -16, 2**30 - 1)]
    kinds += [("uniqueidentifier", 1, 36), ("text", -1, 2**31 - 1)]
    values = ["", "+49 221 123", "größe 😀", "x" * 5000]
    texts = [
        {"type": name, "jdbc": jdbc, "length": length, "value": value}
        for name, jdbc, length in kinds
        for value in values
    ]

    pairs = pseudonymised(texts=texts)["texts"]

    for text, (debezium, ours) in zip(texts, pairs, strict=True):
        assert ours == debezium, text
    lengths = [length for _, _, length in kinds for _ in values]
    assert [len(ours) for _, ours in pairs] == [min(64, length) for length in lengths]


def test_what_is_no_change_passes_and_what_is_not_known_stops() -> None:
    phone = sha256(f"{SALT}+49".encode()).hexdigest()
    kept = [2, "c", "Customers", 3, 5, 7]
    expected = {
        "change": [phone, phone, "null", kept],
        "null": ["null", "null", "null", kept],
        "unavailable": [*["__debezium_unavailable_value"] * 2, "null", kept],
        "tombstone": [phone, "tombstone"],
        "nothing hashed": "unchanged",
        "heartbeat": "unchanged",
    }
    refusals = {
        "other case": "an event for customers has no column Phone, which is declared pii: hash",
        "unknown topic": "a change event for Customers, a topic that the setting columns does not",
        "excluded in the key": "the key of the events for stores has the column Mail, which the",
        "stranger": "no change event of Debezium on customers",
    }

    found = pseudonymised(records=[*expected, *refusals])["records"]

    assert {kind: found[kind] for kind in expected} == expected
    for kind, message in refusals.items():
        assert message in found[kind]
        assert "+49" not in found[kind]


def test_a_renamed_column_is_replaced_under_each_of_its_names() -> None:
    def found(*names: str) -> Any:
        columns = json.dumps({"customers": [list(names)], "stores": []})
        settings = {"columns": columns, "salt.secret": SALT}
        return pseudonymised(settings=settings, records=["change"])["records"]["change"]

    assert found("Mobile", "Phone") == found("Phone") == found("Phone", "Mobile")
    assert found("Phone")[0] == sha256(f"{SALT}+49".encode()).hexdigest()
    assert "has no column Mobile or Tel, which is declared pii: hash" in found("Mobile", "Tel")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": TOPICS, "salt.secret": "${secretsmanager:retail/pii-salt:salt}"}, "reference"),
        ({"columns": TOPICS, "salt.secret": "only-21-characters-ab"}, "at least 22 characters"),
        ({"columns": TOPICS}, "salt.secret"),
        ({"columns": '{"customers": "Phone"}', "salt.secret": SALT}, "it must be JSON"),
        ({"columns": '{"customers": [[]]}', "salt.secret": SALT}, "it must be JSON"),
        ({"columns": "customers.Phone", "salt.secret": SALT}, "it must be JSON"),
    ],
    ids=["not replaced", "short", "none", "no list", "no name", "no JSON"],
)
def test_settings_that_would_not_hide_anything_are_refused(
    settings: dict[str, str], message: str
) -> None:
    refused = pseudonymised(settings=settings)["refused"]
    assert message in refused
    assert settings.get("salt.secret", SALT) not in refused
