"""The SQL that Redshift would be sent, by node: `python -m tests.redshift.sent_sql <folder>`.

Starts a stand-in and a broker, deploys the streams and builds target prod twice (a first build and
an incremental one) from a few changes of every table, then writes what came over the wire: a file a
model, snapshot and test, one for the operations.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ingestion.declarations import load
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from tests.redshift.events import Changes
from tests.redshift.lake import Lake
from tests.redshift.standin.server import StandIn
from tests.redshift.warehouse import Dbt, redshift_settings

_COMMENT = re.compile(r"\A\s*/\* (?P<json>\{.*?\}) \*/\s*", re.DOTALL)
_HOUSEKEEPING = re.compile(
    r"\s*(begin|commit|rollback|set query_group|select pg_backend_pid)\b", re.I
)
OPERATIONS = "operations"


def by_node(sent: Iterable[str]) -> dict[str, list[str]]:
    """Statements by the node that dbt's comment names; without one: operations and hooks."""
    found: dict[str, list[str]] = {}
    for sql in sent:
        match = _COMMENT.match(sql)
        text = _COMMENT.sub("", sql).strip().rstrip(";")
        if not text or _HOUSEKEEPING.match(text):
            continue
        node = json.loads(match["json"]).get("node_id") if match else None
        statements = found.setdefault(node or OPERATIONS, [])
        if text not in statements:
            statements.append(text)
    return found


def write(folder: Path, sent: Iterable[str]) -> list[Path]:
    """Write a file a node to `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for node, statements in by_node(sent).items():
        path = folder / f"{node}.sql"
        path.write_text(";\n\n".join(statements) + ";\n", "utf-8")
        paths.append(path)
    return sorted(paths)


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
                _build(stand_in, broker, work)
                for path in write(folder, stand_in.statements.sent):
                    print(path)
        finally:
            broker.process.stop()
            postgres.process.stop()


def _build(stand_in: StandIn, broker: KafkaBroker, work: Path) -> None:
    declarations = load()
    lake = Lake(work / "landing", broker.bootstrap_servers, declarations, "sqlserver")
    changes = Changes(declarations, "sqlserver", seed=1)
    settings = redshift_settings(stand_in, broker.bootstrap_servers) | {
        "LAKEHOUSE_LANDING": "s3://lake/landing",
        "LAKEHOUSE_SOURCE": "sqlserver",
    }
    dbt = Dbt("prod", settings, work / "prod")
    for messages in (changes.snapshot(), changes.stream(3)):
        lake.produce(messages)
        lake.land()
        dbt.operation("deploy_streaming")
        dbt.operation("refresh_streams")
        dbt.build()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
