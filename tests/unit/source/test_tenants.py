"""Several databases with the same tables: what is declared once, and how each mistake is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ingestion import declarations
from ingestion.declarations import SOURCES_FILE, Declarations, load
from ingestion.errors import RefusedError, TerminalError
from ingestion.kafka import brokers
from ingestion.kafka.brokers import Offsets, Topic
from ingestion.landing import layout
from ingestion.landing.ledger import Ledger, Progress, entries, fold
from ingestion.landing.plan import digest, plan
from ingestion.landing.storage import open_storage
from ingestion.landing.subscriptions import subscriptions
from ingestion.settings import ConnectorName
from lakehouse.commands import declarations as declarations_command
from lakehouse.commands import onboard as onboard_command
from lakehouse.commands.rebuild import _part
from lakehouse.dbt_files import render
from lakehouse.kafka.topics import desired_topics
from lakehouse.reconcile.rows import require_own_database
from lakehouse.source.catalog import Catalog, CatalogTable, SourceColumn
from lakehouse.source.connectors import cdc_sql, source_table
from lakehouse.source.connectors import render as render_connector
from lakehouse.source.database import Database
from lakehouse.source.misfits import misfits
from lakehouse.source.onboarding import declared_by, propose
from lakehouse.source.tenants import of_tenant
from tests.kit.command_line import CommandLine

Meta = dict[str, Any]
TABLES = ("Customers", "Stores")
TENANTS: Meta = {
    "de": {
        "sqlserver": {"database": ["ShopDE2", "ShopDE"]},
        "postgresql": {"topic_prefix": "shop_de", "epochs": {"shop_de": 1}},
    },
    "fr": {
        "sqlserver": {"database": "ShopFR"},
        "postgresql": {"topic_prefix": "shop_fr2", "epochs": {"shop_fr": 1, "shop_fr2": 2}},
    },
}


def declared(
    folder: Path, change: Callable[[Meta, Meta], None] = lambda _, __: None
) -> Declarations:
    """Customers and stores of two tenants: in SQL Server one connector reads both."""
    document = yaml.safe_load(SOURCES_FILE.read_text("utf-8"))
    source = document["sources"][0]
    meta = source["config"]["meta"]
    source["tables"] = [t for t in source["tables"] if t["name"] in ("customers", "stores")]
    meta["tenants"] = yaml.safe_load(yaml.safe_dump(TENANTS))
    del meta["connectors"]["postgresql"]
    for table in source["tables"]:
        name = table["name"]
        table["config"]["meta"]["topics"] = {
            "sqlserver": f"{{prefix}}.{{database}}.dbo.{name.capitalize()}",
            "postgresql": f"{{prefix}}.public.{name}",
        }
    change(meta, source["tables"][0])
    path = folder / "sources.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return load(path)


def test_topics_follow_from_prefix_and_database(tmp_path: Path) -> None:
    found = declared(tmp_path)
    assert {name: part.table("stores").topics for name, part in found.tenants.items()} == {
        "de": {"sqlserver": "retail.ShopDE2.dbo.Stores", "postgresql": "shop_de.public.stores"},
        "fr": {"sqlserver": "retail.ShopFR.dbo.Stores", "postgresql": "shop_fr2.public.stores"},
    }
    names = [topic.name for topic in desired_topics(found, "sqlserver")]
    assert len(names) == len(set(names)) == 2 * 2 + 5
    assert len(desired_topics(found, "postgresql")) == 2 * 2 + 2 * 4
    landed = [s.topic for s in subscriptions(found, "postgresql", ["stores", "debezium_heartbeat"])]
    assert landed == [
        "shop_de.public.stores", "shop_fr2.public.stores",
        "__debezium-heartbeat.shop_de", "__debezium-heartbeat.shop_fr2",
    ]  # fmt: skip


def odd_name(meta: Meta, _: Meta) -> None:
    meta["tenants"]["fr"]["sqlserver"]["database"] = ["Shop 🐟", "Shop's"]


def test_a_database_is_in_topics_as_debezium_writes_it(tmp_path: Path) -> None:
    """AbstractTopicNamingStrategy.sanitizedTopicName; the connector reads it by its own name."""
    found = declared(tmp_path, odd_name)
    part = of_tenant(found, "fr")
    assert part.table("stores").topics["sqlserver"] == "retail.Shop___.dbo.Stores"
    topics = part.connectors["sqlserver"].topics("{prefix}.{database}.dbo.Stores")
    assert topics == ("retail.Shop___.dbo.Stores", "retail.Shop_s.dbo.Stores")
    assert settings(found, "sqlserver", tenant="fr")["database.names"] == "Shop 🐟,ShopDE2"


def test_the_tenant_leads_each_key_and_distributes_nothing(tmp_path: Path) -> None:
    files = {path.name: text for path, text in render(declared(tmp_path)).items()}
    config = yaml.safe_load(files["customers_history.yml"])["snapshots"][0]["config"]
    assert (config["unique_key"], config["dist"]) == (["tenant", "customer_id"], "customer_id")
    assert "dist='customer_id'" in files["customers__log.sql"]


def test_topics_of_one_table_are_landed_under_numbers_of_their_own(tmp_path: Path) -> None:
    wanted = subscriptions(declared(tmp_path), "postgresql", ["stores"])
    topics = {s.topic: Topic(s.topic, f"id {s.topic}", {0: Offsets(0, 3)}) for s in wanted}
    now = "2026-03-01T00:00:00+00:00"
    openings = plan(Progress(), wanted, topics, now).openings
    assert [(entry.topic, entry.incarnation) for entry in openings] == [
        ("shop_de.public.stores", 1),
        ("shop_fr2.public.stores", 2),
    ]
    made_again = {name: replace(topic, topic_id="new") for name, topic in topics.items()}
    stops = plan(fold(openings), wanted, made_again, now).stops
    accepted = fold((record for stop in stops for record in stop.records), fold(openings))
    assert [accepted.incarnation("stores", name) for name in topics] == [(3, "new"), (4, "new")]


def test_a_loss_is_accepted_of_the_topic_that_is_named(
    tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two topics of a table the same offsets are gone: nobody accepts more than was meant."""
    found = declared(tmp_path)
    monkeypatch.setattr(declarations, "load", lambda: found)
    monkeypatch.setenv("LAKEHOUSE_LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("LAKEHOUSE_SOURCE", "postgresql")
    storage = open_storage(str(tmp_path / "landing"))
    storage.put(layout.IDENTITY, b"{}")
    ledger = Ledger(storage)
    wanted = subscriptions(found, "postgresql", ["stores"])
    there = {s.topic: Topic(s.topic, f"id {s.topic}", {0: Offsets(0, 3)}) for s in wanted}
    now = "2026-03-01T00:00:00+00:00"
    ledger.append(plan(Progress(), wanted, there, now).openings)
    gone = {name: replace(topic, partitions={0: Offsets(2, 9)}) for name, topic in there.items()}
    answers = SimpleNamespace(topics=lambda asked: {name: gone[name] for name in asked})
    monkeypatch.setattr(brokers, "Brokers", lambda _: answers)
    loss = ["landing", "accept-loss", "stores", "--partition", "0"]
    lost = ["--from", "0", "--until", "2"]
    own = [*loss, "--topic", "shop_fr2.public.stores", *lost]

    code, _, err = command_line(*loss, *lost)
    assert (code, "this is not a loss that landing has stopped at" in err) == (4, True), err
    code, out, err = command_line(*own)
    assert (code, "topic shop_fr2.public.stores" in out) == (0, True), err
    written = entries(storage)
    assert [e.topic for e in written if e.kind == "lost"] == ["shop_fr2.public.stores"]
    one, other = plan(ledger.progress, wanted, gone, now).stops
    assert digest([one]) != digest([other])


def test_who_names_no_tenant_gets_nobodys_topics(tmp_path: Path) -> None:
    found = declared(tmp_path)
    for asks in (
        lambda: found.table("stores").topics["sqlserver"],
        lambda: list(found.connectors),
        lambda: len(found.connectors),
    ):
        with pytest.raises(TerminalError, match=r"the source has tenants \(de, fr\).*--tenant"):
            asks()
    assert of_tenant(found, "fr").connectors["postgresql"].epoch == 2
    with pytest.raises(TerminalError, match="'xx' is not declared; declared tenants: de, fr"):
        of_tenant(found, "xx")
    with pytest.raises(TerminalError, match="the source has no tenants: leave --tenant xx out"):
        of_tenant(load(), "xx")


def settings(found: Declarations, connector: ConnectorName, **other: Any) -> dict[str, str]:
    return render_connector(found, connector, bootstrap_servers="", auth="none", **other)


def test_one_connector_reads_the_databases_of_its_prefix_and_a_snapshot_one(tmp_path: Path) -> None:
    found = declared(tmp_path)
    both = settings(found, "sqlserver", tenant="fr")
    assert both["database.names"] == "ShopDE2,ShopFR"
    assert both == settings(found, "sqlserver", tenant="de")
    hashed = json.loads(both["transforms.pseudonyms.columns"])
    assert set(hashed) == {f"retail.{d}.dbo.{t}" for d in ("ShopDE2", "ShopFR") for t in TABLES}
    again = settings(found, "sqlserver", tenant="fr", snapshot_of=["stores"])
    assert again["database.names"] == "ShopFR"
    for tenant, name in (("de", "shop_de"), ("fr", "shop_fr2")):
        own = settings(found, "postgresql", tenant=tenant)
        assert (own["topic.prefix"], own["slot.name"]) == (name, name)
        assert set(json.loads(own["transforms.pseudonyms.columns"])) == {
            f"{name}.public.{table}" for table in ("customers", "stores")
        }
    with pytest.raises(TerminalError, match="--tenant"):
        settings(found, "sqlserver")


def test_the_source_of_a_tenant_is_its_own_database(tmp_path: Path) -> None:
    found = declared(tmp_path)
    stores = of_tenant(found, "fr").table("stores")
    place = source_table(of_tenant(found, "fr"), stores, "sqlserver")
    assert (place.database, place.qualified) == ("ShopFR", "dbo.Stores")
    assert cdc_sql(of_tenant(found, "de")) == cdc_sql(of_tenant(found, "fr"))
    other = Catalog("sqlserver", "ShopDE2", ())
    said = [str(misfit) for misfit in misfits(of_tenant(found, "fr"), other)]
    assert len(said) == 2 and all("is not in the database ShopDE2" in line for line in said)


@pytest.mark.parametrize(
    ("name", "is_refused"), [("ShopFR", False), ("shopfr", False), ("ShopDE2", True)]
)
def test_rows_are_not_compared_with_another_tenants_database(
    tmp_path: Path, name: str, is_refused: bool
) -> None:
    """Its rows would look lost, and --repair write their deletes."""
    with closing(Answers([(name,)])) as connection:
        database = Database("sqlserver", connection, (), ())
        refused = pytest.raises(RefusedError, match=r"of the database ShopDE2.*fr is ShopFR")
        with refused if is_refused else nullcontext():
            require_own_database(of_tenant(declared(tmp_path), "fr"), database)


class Answers:
    """A connection, and its cursor, that answers everything with the same rows."""

    description = "rows"

    def __init__(self, rows: list[tuple[str]]) -> None:
        self.fetchall = lambda: rows

    def cursor(self) -> Answers:
        return self

    def execute(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


def no_names(meta: Meta, _: Meta) -> None:
    meta["tenants"] = []


def blank_in_topic(_: Meta, table: Meta) -> None:
    table["config"]["meta"]["topics"]["sqlserver"] = "{prefix}.{database}.dbo.Order Lines"


def long_topic(_: Meta, table: Meta) -> None:
    table["config"]["meta"]["topics"]["postgresql"] = "x" * 250


def norway(meta: Meta, _: Meta) -> None:
    meta["tenants"][False] = meta["tenants"].pop("fr")


def quoted(meta: Meta, _: Meta) -> None:
    meta["tenants"]["d'e"] = meta["tenants"].pop("fr")


def no_database(meta: Meta, _: Meta) -> None:
    del meta["tenants"]["fr"]["sqlserver"]["database"]


def same_database(meta: Meta, _: Meta) -> None:
    meta["tenants"]["fr"]["sqlserver"]["database"] = "ShopDE2"


def former_database(meta: Meta, _: Meta) -> None:
    meta["tenants"]["fr"]["sqlserver"]["database"] = "ShopDE"


def one_without(meta: Meta, _: Meta) -> None:
    del meta["tenants"]["fr"]["postgresql"]


def unknown_key(meta: Meta, _: Meta) -> None:
    meta["tenants"]["fr"]["sqlserver"]["databse"] = "ShopFR"


def unknown_connector(meta: Meta, _: Meta) -> None:
    meta["tenants"]["fr"]["mysql"] = {"database": "ShopFR"}


def own_names(meta: Meta, _: Meta) -> None:
    meta["tenants"]["fr"]["postgresql"]["column_naming"] = "PascalCase"


def own_places(meta: Meta, table: Meta) -> None:
    table["config"]["meta"]["topics"]["sqlserver"] = "{prefix}.{database}.dbo.x.Customers"


def called_tenant(_: Meta, table: Meta) -> None:
    table["columns"][4]["name"] = "tenant"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_names, "tenants: e.g. de: {sqlserver: {database: ShopDE}}; not []"),
        (norway, "tenant False: letters, digits, _, -; in quotes"),
        (quoted, 'tenant "d\'e": letters'),
        (no_database, "tenant fr: sqlserver topic 'retail.{database}.dbo.Customers': "),
        (same_database, "sqlserver topic 'retail.ShopDE2.dbo.Customers' is declared twice"),
        (former_database, "sqlserver topic 'retail.ShopDE.dbo.Customers' is declared twice"),
        (one_without, "tenant fr: connector postgresql is missing"),
        (unknown_key, "tenant fr: connectors, sqlserver, databse: there is no such key"),
        (unknown_connector, "tenant fr: connectors, mysql"),
        (own_names, "tenant fr: column_naming is a connector's or a table's"),
        (blank_in_topic, "topic 'retail.ShopDE2.dbo.Order Lines': it may have up to 249"),
        (long_topic, "xxx': it may have up to 249 of A-Za-z0-9._-"),
        (called_tenant, "column tenant: the name is that of the tenants' column"),
    ],
)  # fmt: skip
def test_mistakes_are_named(
    tmp_path: Path, change: Callable[[Meta, Meta], None], said: str
) -> None:
    with pytest.raises(TerminalError) as error:
        declared(tmp_path, change)
    assert said in str(error.value)


@pytest.mark.parametrize("change", [lambda _, __: None, own_places])
def test_the_declarations_of_tenants_are_checked_by_tenant(
    tmp_path: Path,
    change: Callable[[Meta, Meta], None],
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = declared(tmp_path, change)
    monkeypatch.setattr(declarations_command, "load", lambda: found)
    code, out, err = command_line("declarations", "check", "--json")
    if change is own_places:
        assert (code, "table customers: its sqlserver topic is" in err) == (1, True)
    else:
        assert (code, json.loads(out)["tables"]) == (0, 2), err


ITEMS = (
    CatalogTable("dbo", "Items", (SourceColumn("ItemID", "int"),), ("ItemID",)),
    CatalogTable("my sales", "Order Lines", (SourceColumn("Id", "int"),), ("Id",)),
    CatalogTable("dbo", "Stores", (SourceColumn("StoreId", "int"),), ("StoreId",)),
)


@pytest.mark.parametrize(
    ("connector", "database"), [("sqlserver", "ShopFR"), ("postgresql", "anything")]
)
def test_a_table_is_onboarded_for_all_tenants_from_the_catalog_of_one(
    tmp_path: Path, connector: ConnectorName, database: str
) -> None:
    declared(tmp_path)
    sources, catalog = tmp_path / "sources.yml", Catalog(connector, database, ITEMS)
    for place in ("Items", "Order Lines"):
        sources.write_text(propose(catalog, place, sources).text, "utf-8")
    found = declared_by(sources.read_text("utf-8"), sources)
    for part in found.parts:
        places = [source_table(part, part.table(n), connector) for n in ("items", "order_lines")]
        assert [(p.schema, p.name) for p in places] == [
            ("dbo", "Items"),
            ("my sales", "Order Lines"),
        ]
        [item] = {p.database for p in places}
        assert item == {"de": "ShopDE2", "fr": "ShopFR"}[part.tenant] * (connector == "sqlserver")
    with pytest.raises(RefusedError, match="Items is declared: table items"):
        propose(catalog, "Items", sources)


def test_a_catalog_of_nobodys_database_is_refused(tmp_path: Path) -> None:
    declared(tmp_path)
    with pytest.raises(RefusedError, match="of the database ShopIT, which no tenant has: ShopDE2"):
        propose(Catalog("sqlserver", "ShopIT", ITEMS), "Items", tmp_path / "sources.yml")


def test_the_command_writes_for_tenants_and_says_what_is_to_be_done_for_each(
    tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared(tmp_path)
    (tmp_path / "infra/connectors").mkdir(parents=True)
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "models/staging/retail").mkdir(parents=True)
    sources = tmp_path / "models/staging/retail/sources.yml"
    (tmp_path / "sources.yml").rename(sources)
    catalog = tmp_path / "catalog.json"
    catalog.write_text(Catalog("sqlserver", "ShopDE", ITEMS).json(), "utf-8")
    monkeypatch.setattr(onboard_command, "ROOT", tmp_path)
    monkeypatch.setattr(onboard_command, "SOURCES_FILE", sources)
    code, out, err = command_line("onboard", "Items", "--catalog", str(catalog), "--write")
    assert (code, "{prefix}.{database}.dbo.Items" in out) == (0, True), err
    assert "lakehouse doctor --tenant <tenant>" in err and "once for each: de, fr" in err
    assert (
        "object_id(N'[dbo].[Items]')" in (tmp_path / "infra/connectors/enable_cdc.sql").read_text()
    )
    code, out, err = command_line("onboard", "items", "--remove", "--write")
    left = [table.name for table in load(sources).tables]
    assert (code, left) == (0, ["customers", "stores"]), err


def test_a_key_to_rebuild_has_the_tenant_that_is_named(tmp_path: Path) -> None:
    found = declared(tmp_path)
    keys = [{"tenant": "de", "code": "abc"}]
    assert _part(found, ["code=abc"], "de") == {"tenant": "de", "keys": keys}
    assert _part(found, ["tenant=de,code=abc"], "") == {"keys": keys}
