"""The SQL that Redshift would be sent, as files: `make redshift-sql`.

Starts a stand-in and a broker, deploys the streams and builds target prod twice from a few changes
of every table, then writes what came over the wire to `<folder>/<when>/<kind>/<name>.sql`: when is
first_build or next_build, kind is models, snapshots, tests, unit_tests or operations. What the
run itself does at its start and end is in hooks.sql. What all of them have made is in
`<folder>/ddl/<schema>.sql`: each table and view with its columns.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from ingestion.declarations import load
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from tests.kit.redshift import Prod, new_prod
from tests.redshift.events import Changes
from tests.redshift.lake import Lake

_COMMENT = re.compile(r"\A\s*/\* (?P<json>\{.*?\}) \*/\s*", re.DOTALL)
_HOUSEKEEPING = re.compile(
    r"\s*(begin|commit|rollback|set query_group|select pg_backend_pid)\b", re.I
)
_SCHEMAS = ("staging", "history", "marts", "operations", "streaming")
_COLUMNS = """
    select
        table_schema, table_name, column_name, data_type, character_maximum_length,
        numeric_precision, numeric_scale, is_nullable
    from svv_columns
    where table_schema in ({schemas})
    order by table_schema, table_name, ordinal_position
"""
# between the statements of a file: a statement holds blank lines, but no line like this
SEPARATOR = ";\n\n-- next statement\n\n"
_KINDS = {
    "model": "models",
    "seed": "seeds",
    "snapshot": "snapshots",
    "test": "tests",
    "unit_test": "unit_tests",
}


def by_node(sent: Iterable[str]) -> dict[str, list[str]]:
    """Statements by `<kind>/<name>` of the node that dbt's comment names; without one: `hooks`.

    Of several statements in a string the first has the comment; one thread sends them in a row.
    """
    found: dict[str, list[str]] = {}
    node = None
    for sql in sent:
        match = _COMMENT.match(sql)
        text = _COMMENT.sub("", sql).strip().rstrip(";").rstrip()
        if not text or _HOUSEKEEPING.match(text):
            continue
        node = json.loads(match["json"]).get("node_id") if match else node
        kind, _, name = (node or "").partition(".retail_lakehouse.")
        statements = found.setdefault(f"{_KINDS[kind]}/{name}" if node else "hooks", [])
        if text not in statements:
            statements.append(text)
    return found


def write(folder: Path, statements: Mapping[str, Iterable[str]]) -> None:
    """Write a file for each name to `folder`."""
    for name, own in statements.items():
        path = folder / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SEPARATOR.join(_trimmed(sql) for sql in own) + ";\n", "utf-8")


def _trimmed(sql: str) -> str:
    """Without blanks at ends of lines, and one blank line where templates leave several."""
    text = "\n".join(line.rstrip() for line in sql.splitlines())
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def main(folder: Path) -> None:
    """Build once on servers of its own, and write what was sent."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        postgres = PostgresServer(work / "postgres", work / "postgres.log")
        broker = KafkaBroker(work / "kafka", work / "kafka.log")
        postgres.start()
        broker.start()
        try:
            postgres.wait_until_ready()
            broker.wait_until_ready()
            with StandIn(postgres, {"lake": work}) as stand_in:
                _build(folder, stand_in, broker, work)
        finally:
            broker.process.stop()
            postgres.process.stop()


def _build(folder: Path, stand_in: StandIn, broker: KafkaBroker, work: Path) -> None:
    declarations = load()
    lake = Lake(work / "landing", broker.bootstrap_servers, declarations, "sqlserver")
    changes = Changes(declarations, "sqlserver", seed=1)
    prod = new_prod(
        stand_in,
        broker.bootstrap_servers,
        work,
        "sqlserver",
        LAKEHOUSE_REDSHIFT_THREADS="1",
        LAKEHOUSE_REDSHIFT_TRANSFORMER="IAMR:retail-prod-dbt",
        LAKEHOUSE_REDSHIFT_LOADER="IAMR:retail-prod-operations",
    )
    sent = stand_in.statements.sent

    def operate(when: str, name: str) -> None:
        sent.clear()
        prod.lakehouse(name)
        write(folder / when / "operations", {name: by_node(sent).get("hooks", [])})

    for when, messages in (
        ("first_build", changes.snapshot()),
        ("next_build", changes.stream(3)),
    ):
        lake.produce(messages)
        lake.land()
        for name in ("deploy", "refresh"):
            operate(when, name)
        sent.clear()
        prod.dbt.build()
        prod.dbt.invoke("test")  # made-up rows break rules of the shop
        write(folder / when, by_node(sent))
        for name in ("access", "archive"):
            operate(when, name)
    write(folder / "ddl", _ddl(prod))


def _ddl(prod: Prod) -> dict[str, list[str]]:
    """By schema what the warehouse holds then: the columns it has, the rest as dbt's project says.

    What a view selects is in its model's own file; what has no node, the deployment or a hook made.
    """
    manifest = prod.dbt.manifest
    assert manifest is not None
    nodes = {(node.schema, node.alias): node for node in manifest.nodes.values()}
    with prod.warehouse() as opened:
        columns = opened.rows(_COLUMNS.format(schemas=", ".join(f"'{name}'" for name in _SCHEMAS)))
    found: dict[str, list[str]] = {}
    for (schema, name), rows in groupby(columns, key=lambda row: (row[0], row[1])):
        node = nodes.get((schema, name))
        described = node.columns if node else {}
        listed = []
        for _, _, column, *type_ in rows:
            said = described[column].description if column in described else ""
            listed.append(
                f"    {column} {_type(*type_)}," + (f"  -- {_line(said)}" if said else "")
            )
        kind = "view" if node and node.config.materialized == "view" else "table"
        head = f"-- {_line(node.description)}\n" if node and node.description else ""
        found.setdefault(schema, []).append(
            "\n".join([f"{head}create {kind} {schema}.{name} (", *listed, f"){_keys(node)}"])
        )
    return found


def _type(name: str, length: int | None, precision: int | None, scale: int, null: str) -> str:
    words = {"character varying": "varchar", "timestamp without time zone": "timestamp"}
    size = f"({length})" if length else f"({precision},{scale})" if name == "numeric" else ""
    return f"{words.get(name, name)}{size}{' not null' if null == 'NO' else ''}"


def _keys(node: Any) -> str:
    """Distribution and order, as the node's configuration has them."""
    extra = node.config.extra if node and node.config.materialized != "view" else {}
    parts = []
    if dist := extra.get("dist"):
        parts.append(
            f"diststyle {dist}" if dist in ("all", "even", "auto") else f"distkey ({dist})"
        )
    if sort := extra.get("sort"):
        parts.append(f"sortkey ({sort if isinstance(sort, str) else ', '.join(sort)})")
    return "".join(f" {part}" for part in parts)


def _line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
