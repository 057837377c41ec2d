"""How long the cdc snapshot takes, beside dbt's stock one and a hand-written transaction.

    python -m benchmarks.history [--keys 1000000] [--changed 10000] [--recent]

A table of `keys` rows has been snapshot once; then `changed` of its keys change 1, 3 and 10 times,
and each way brings its history up to date. The stock snapshot (timestamp) sees the table as it is
afterwards, so it keeps one version per key; `versions` shows what each kept. Last, a run without
anything new. Seconds are those of the snapshot node alone: dbt's start and parse are the same.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import yaml
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner
from rich.console import Console
from rich.table import Table

from benchmarks.measure import judged
from lakehouse.dbt import let_go

_PACKAGE = Path(__file__).parents[2] / "packages/cdc_history"
_ROW = "customer_id, name, city, amount"
_CHANGE = """
    select
        key as customer_id,
        'customer ' || key as name,
        'city ' || (key + {round}) % 1000 as city,
        cast(key % 997 + {round} as decimal(12, 2)) as amount,
        {before},
        lpad(cast({round} as varchar), 16, '0') as position,
        '{op}' as _cdc_op,
        true as _cdc_commit_known,
        timestamp '2026-01-01' + interval ({round}) minute as committed_at,
        timestamp '2026-01-01' + interval ({round}) minute as kafka_timestamp,
        0 as _cdc_incarnation,
        0 as kafka_partition,
        key + cast({round} as bigint) * 100000000 as kafka_offset,
        {run} as _cdc_run
    from {keys}
"""
_BEFORE = """
    {id} as _before_customer_id, {name} as _before_name, {city} as _before_city,
    {amount} as _before_amount
"""
_HASHED = f"""
    select changes.*,
        md5(concat_ws('|', {_ROW})) as _cdc_row_hash,
        case when _before_customer_id is not null then md5(concat_ws(
            '|', _before_customer_id, _before_name, _before_city, _before_amount
        )) end as _cdc_before_hash
    from ({{changes}}) as changes
"""
_SNAPSHOTS = {
    "cdc_history": {
        "relation": "ref('changes')",
        "config": {
            "strategy": "cdc_history.cdc",
            "unique_key": "customer_id",
            "updated_at": "committed_at",
            "meta": {"sequence_by": "position"},
        },
    },
    "stock_history": {
        "relation": "ref('customers')",
        "config": {
            "strategy": "timestamp",
            "unique_key": "customer_id",
            "updated_at": "committed_at",
        },
    },
}

_MANY_KEYS = 10_000_000


class Bench:
    """A small dbt project on a DuckDB file, with the package of history macros as it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "bench.duckdb"
        (folder / "dbt_packages").mkdir(parents=True)
        (folder / "dbt_packages/cdc_history").symlink_to(_PACKAGE)
        self._write("packages.yml", {"packages": [{"local": str(_PACKAGE)}]})
        self._write(
            "dbt_project.yml",
            {
                "name": "bench",
                "profile": "bench",
                "dispatch": [
                    {"macro_namespace": "dbt", "search_order": ["bench", "cdc_history", "dbt"]}
                ],
                "on-run-start": ["{{ cdc_history.start_run() }}"],
                "on-run-end": ["{{ cdc_history.finish_run(results) }}"],
                "snapshots": {"+post-hook": "{{ cdc_history.save_watermark() }}"},
                "flags": {"send_anonymous_usage_stats": False},
            },
        )
        output = {"type": "duckdb", "path": str(self._file), "schema": "main", "threads": 1}
        self._write("profiles.yml", {"bench": {"target": "local", "outputs": {"local": output}}})
        snapshots = [{"name": name, **entry} for name, entry in _SNAPSHOTS.items()]
        self._write("snapshots/snapshots.yml", {"snapshots": snapshots})
        self._write_text("models/changes.sql", "select * from base.changes")
        self._write_text(
            "models/customers.sql",
            "{{ config(materialized='table') }}"
            f" select {_ROW}, committed_at from base.changes qualify row_number()"
            " over (partition by customer_id order by position desc) = 1",
        )

    def fill(self, keys: int) -> None:
        """The table as it is at first: each key inserted once."""
        no_before = _BEFORE.format(id="null::bigint", name="null::varchar", city="null::varchar",
                                   amount="null::decimal(12, 2)")  # fmt: skip
        changes = _CHANGE.format(
            round=0, op="c", run=1, before=no_before, keys=f"range({keys}) as keys(key)"
        )
        with self._connection() as connection:
            connection.execute("create schema base")
            connection.execute(f"create table base.changes as {_HASHED.format(changes=changes)}")

    def change(self, keys: range, changed: int, times: int, first_round: int, run: int) -> None:
        """`changed` random keys of `keys` change `times` times."""
        with self._connection() as connection:
            connection.execute(
                "create or replace temp table chosen as select key from"
                f" range({keys.start}, {keys.stop}) as keys(key)"
                f" using sample reservoir({changed} rows) repeatable ({first_round})"
            )
            for number in range(first_round, first_round + times):
                before = _BEFORE.format(
                    id="key", name="'customer ' || key", city="state.city", amount="state.amount"
                )
                states = (
                    "chosen inner join (select customer_id, arg_max(city, position) as city,"
                    " arg_max(amount, position) as amount from base.changes semi join chosen"
                    " on customer_id = key group by 1) as state on state.customer_id = chosen.key"
                )
                changes = _CHANGE.format(round=number, op="u", run=run, before=before, keys=states)
                connection.execute(f"insert into base.changes {_HASHED.format(changes=changes)}")

    def dbt(self, *arguments: str) -> dict[str, float]:
        """Seconds of each node."""
        options = ["--project-dir", str(self._folder), "--profiles-dir", str(self._folder)]
        try:
            result = dbtRunner().invoke(
                [*arguments, *options, "--log-level", "error", "--no-write-json"]
            )
        finally:
            let_go()
        assert isinstance(result.result, RunExecutionResult)
        assert result.success
        return {node.node.name: node.execution_time for node in result.result.results}

    def next_run(self) -> int:
        """The number that the next run will have."""
        return self.number("select coalesce(max(run_number), 0) + 1 from main_operations.runs")

    def number(self, query: str) -> int:
        """The number that a query gives."""
        with self._connection() as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def by_hand(self, run: int) -> float:
        """Seconds of one hand-written transaction that appends the new changes to a history."""
        with self._connection() as connection:
            connection.execute(
                "create table if not exists base.by_hand as select * exclude (_cdc_run),"
                " committed_at as valid_from, null::timestamp as valid_to from base.changes"
                f" where _cdc_run < {run}"
            )
            started = time.monotonic()
            connection.execute(
                f"""
                begin;
                create or replace temp table news as
                select * exclude (_cdc_run), committed_at as valid_from,
                    lead(committed_at) over (partition by customer_id order by position) as valid_to
                from base.changes where _cdc_run = {run};
                update base.by_hand set valid_to = first.valid_from
                from (
                    select customer_id, min(valid_from) as valid_from from news group by 1
                ) as first
                where by_hand.customer_id = first.customer_id and by_hand.valid_to is null;
                insert into base.by_hand select * from news;
                commit;
                """
            )
            return time.monotonic() - started

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(str(self._file)) as connection:
            yield connection

    def _write(self, name: str, content: object) -> None:
        self._write_text(name, yaml.safe_dump(content))

    def _write_text(self, name: str, content: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def main() -> None:
    """Print the figures as a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=10_000)
    parser.add_argument(
        "--recent",
        action="store_true",
        help="change keys among the newest ten times as many, as orders change",
    )
    options = parser.parse_args()
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    oldest = options.keys - 10 * options.changed if options.recent else 0
    keys = range(max(0, oldest), options.keys)
    shown = Table(
        "run", "changes", "cdc s", "stock s", "by hand s", "cdc versions", "stock versions",
        title=f"{options.keys:,} keys, {options.changed:,} {'newer ' * options.recent}ones changed",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.fill(options.keys)
        bench.dbt("run")
        first = bench.dbt("snapshot")
        shown.add_row("first", f"{options.keys:,}", f"{first['cdc_history']:.2f}",
                      f"{first['stock_history']:.2f}", "", "", "")  # fmt: skip
        ratio = first["cdc_history"] / first["stock_history"]
        goals = [judged("first build / stock", ratio, "at most", 3)]
        changed_round = 1
        for times in (1, 3, 10):
            run = bench.next_run()
            bench.change(keys, options.changed, times, changed_round, run)
            changed_round += times
            by_hand = bench.by_hand(run)
            bench.dbt("run", "--select", "customers")
            nodes = bench.dbt("snapshot")
            shown.add_row(
                f"{times} a key",
                f"{times * options.changed:,}",
                f"{nodes['cdc_history']:.2f}",
                f"{nodes['stock_history']:.2f}",
                f"{by_hand:.2f}",
                f"{bench.number('select count(*) from main.cdc_history'):,}",
                f"{bench.number('select count(*) from main.stock_history'):,}",
            )
            # What random keys of a large table cost is a scan of it, by hand as well.
            many = options.keys >= _MANY_KEYS
            if times == 1 and not many:
                beside, other, limit = "stock", nodes["stock_history"], 0.5
            else:
                beside, other, limit = "by hand", by_hand, 1.5 if many else 2
            ratio = nodes["cdc_history"] / other
            goals.append(judged(f"{times} a key / {beside}", ratio, "at most", limit))
        nodes = bench.dbt("snapshot")
        shown.add_row("nothing new", "0", f"{nodes['cdc_history']:.2f}",
                      f"{nodes['stock_history']:.2f}", "", "", "")  # fmt: skip
    Console().print(shown)
    if not options.recent:
        print("\n".join(goals))


if __name__ == "__main__":
    main()
