"""The SQL that Redshift would be sent, as files: `make redshift-sql`.

Starts a stand-in and a broker, deploys the streams and builds target prod twice from a few changes
of every table, then writes what came over the wire to `<folder>/<when>/<kind>/<name>.sql`: when is
first_build or next_build, kind is models, snapshots, tests, unit_tests or operations. What the
run itself does at its start and end is in hooks.sql.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ingestion.declarations import load
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from tests.kit.redshift import new_prod
from tests.redshift.events import Changes
from tests.redshift.lake import Lake

_COMMENT = re.compile(r"\A\s*/\* (?P<json>\{.*?\}) \*/\s*", re.DOTALL)
_HOUSEKEEPING = re.compile(
    r"\s*(begin|commit|rollback|set query_group|select pg_backend_pid)\b", re.I
)
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
        stand_in, broker.bootstrap_servers, work, "sqlserver", LAKEHOUSE_REDSHIFT_THREADS="1"
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
