"""The package installed in a project that knows nothing of the shop: what its README promises."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from dbt.tests.fixtures.project import TestProjInfo
from dbt.tests.util import run_dbt

from tests.adapter.conftest import PACKAGE

Rows = list[tuple[str, ...]]
HISTORY = "accounts_history"
_COLUMNS = (
    "branch, account, balance, note, _before_branch, _before_account, _before_balance, "
    "_before_note, seq, _cdc_op, _cdc_commit_known, committed, arrived, _cdc_run"
)
# run, then the change: (branch, account) is the key, `seq` the order, `arrived` the delivery
_CHANGES = f"""
select
    {_COLUMNS},
    md5(concat_ws('|', branch, account, balance, note)) as _cdc_row_hash,
    case when _before_branch is not null
        then md5(concat_ws('|', _before_branch, _before_account, _before_balance, _before_note))
    end as _cdc_before_hash
from (values
    ('b', 1, 10, 'x', null, null, null, null, '01', 'c', true, timestamp '2026-01-01', 1, 1),
    ('b', 1, 30, 'x', 'b', 1, 20, 'x', '03', 'u', true, timestamp '2026-01-03', 2, 1),
    ('b', 2, 5, 'y', null, null, null, null, '01', 'c', true, timestamp '2026-01-01', 3, 1),
    -- late, and a delete of the other account
    ('b', 1, 20, 'x', 'b', 1, 10, 'x', '02', 'u', true, timestamp '2026-01-02', 4, 2),
    ('b', 2, 5, 'y', 'b', 2, 5, 'y', '04', 'd', true, timestamp '2026-01-04', 5, 2),
    -- the first change again
    ('b', 1, 10, 'x', null, null, null, null, '01', 'c', true, timestamp '2026-01-01', 6, 3)
) as changes ({_COLUMNS})
where _cdc_run <= {{{{ var('run') }}}}
"""
_CONFIG: dict[str, object] = {
    "strategy": "cdc_history.cdc",
    "unique_key": ["branch", "account"],
    "updated_at": "committed",
    "dbt_valid_to_current": "cast('9999-12-31' as timestamp)",
    "snapshot_meta_column_names": {
        "dbt_valid_from": "starts",
        "dbt_valid_to": "ends",
        "dbt_scd_id": "version",
        "dbt_updated_at": "updated",
    },
    "meta": {
        "sequence_by": "seq",
        "apply_as_deletes": "_cdc_op = 'd'",
        "track_history_except_column_list": ["note"],
        "arrival_columns": ["arrived"],
    },
}


_KEY = {"key": ["branch", "account"], "sequence_by": "seq"}
_PROOFS: list[dict[str, object]] = [
    {"cdc_history.unbroken_history": {"arguments": _KEY}},
    {"cdc_history.before_images_chain": {"arguments": _KEY}},
    {"cdc_history.every_change_has_its_version": {"arguments": _KEY | {"log": "ref('changes')"}}},
]


def _snapshot(config: dict[str, object], proofs: Sequence[dict[str, object]] = _PROOFS) -> str:
    snapshot = {"name": HISTORY, "relation": "ref('changes')", "config": config}
    return yaml.safe_dump({"snapshots": [snapshot | {"data_tests": [*proofs]}]})


def build(project: TestProjInfo, columns: str, order: str, runs: int = 3) -> Rows:
    """`columns` of the history after so many runs, the later ones with late records."""
    for run in range(1, runs + 1):
        run_dbt(["build", "--vars", f"run: {run}"])
    return rows(project, columns, order)


def rows(project: TestProjInfo, columns: str, order: str) -> Rows:
    query = f"select {columns} from {project.test_schema}.{HISTORY} order by {order}"
    return [tuple(map(str, row)) for row in sql(project, query)]


def sql(project: TestProjInfo, statement: str) -> list[tuple[object, ...]]:
    """The rows of a statement."""
    return list(project.run_sql(statement, fetch="all"))  # type: ignore[no-untyped-call]


def refusal(project: TestProjInfo, *arguments: str) -> str:
    """What dbt says when it refuses to build."""
    results = run_dbt(["build", *arguments], expect_pass=False)
    return " ".join(str(result.message) for result in results)


class _Project:
    @pytest.fixture(scope="class")
    @staticmethod
    def models() -> dict[str, str]:
        return {"changes.sql": "{{ config(materialized='view') }}" + _CHANGES}

    @pytest.fixture(scope="class")
    @staticmethod
    def snapshots() -> dict[str, str]:
        return {f"{HISTORY}.yml": _snapshot(_CONFIG)}

    @pytest.fixture(scope="class")
    @staticmethod
    def project_config_update() -> dict[str, object]:
        return {
            "on-run-start": ["{{ cdc_history.start_run() }}"],
            "on-run-end": ["{{ cdc_history.finish_run(results) }}"],
            "snapshots": {
                "+pre-hook": "{{ cdc_history.begin_transaction() }}",
                "+post-hook": "{{ cdc_history.save_watermark() }}",
            },
            "vars": {"run": 1},
        }


_DAY = "2026-01-0{}".format
_LAST = "9999-12-31"
_VERSIONS = "branch, account, balance, seq, is_deleted, cast(starts as date), cast(ends as date)"
_EXPECTED = [
    ("b", "1", "10", "01", "False", _DAY(1), _DAY(2)),
    ("b", "1", "20", "02", "False", _DAY(2), _DAY(3)),
    ("b", "1", "30", "03", "False", _DAY(3), _LAST),
    ("b", "2", "5", "01", "False", _DAY(1), _DAY(4)),
    ("b", "2", "5", "04", "True", _DAY(4), _LAST),
]


class TestAnotherProject(_Project):
    def test_every_version_is_kept_under_the_names_of_the_project(
        self, project: TestProjInfo
    ) -> None:
        found = build(project, f"{_VERSIONS}, _cdc_run", "account, seq")
        runs = ("2", "2", "1", "2", "2")
        assert found == [(*row, run) for row, run in zip(_EXPECTED, runs, strict=True)]

    def test_a_sample_is_refused(self, project: TestProjInfo) -> None:
        window = "{start: '2026-01-01', end: '2026-01-02'}"
        assert "--sample reads a part" in refusal(project, "--sample", window)

    def test_a_clone_says_nothing_of_what_was_read(self, project: TestProjInfo) -> None:
        run_dbt(["build"])
        read = f"select * from {project.test_schema}_operations.watermarks"
        before = sql(project, read)
        state = Path(project.project_root, "state")
        state.mkdir()
        manifest = json.loads(Path(project.project_root, "target/manifest.json").read_text("utf-8"))
        history = manifest["nodes"][f"snapshot.test.{HISTORY}"]
        history |= {"alias": "original", "relation_name": f"{project.test_schema}.original"}
        (state / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        sql(project, "alter table {schema}.accounts_history rename to original")
        run_dbt(["clone", "--state", "state", "--select", HISTORY])
        assert sql(project, read) == before


class TestCommitsBeforeTheBeginning(_Project):
    """Rows of which no insert is known are there since 1900; what a source dates earlier waits."""

    @pytest.fixture(scope="class")
    @staticmethod
    def models() -> dict[str, str]:
        early = "case when seq = '02' then timestamp '1800-01-01' else committed end as committed"
        read = "case when seq = '01' then 'r' else _cdc_op end as _cdc_op"
        records = f"select * replace ({early}, {read}) from ({_CHANGES}) where seq < '03'"
        return {"changes.sql": "{{ config(materialized='view') }}" + records}

    def test_versions_end_when_the_next_begins(self, project: TestProjInfo) -> None:
        found = build(
            project, "seq, cast(starts as date), cast(ends as date)", "account, seq", runs=2
        )
        first = "1900-01-01"
        assert found == [("01", first, first), ("02", first, _LAST), ("01", first, _LAST)]


class TestRecordsThatAreNoChanges(_Project):
    """Nothing stops them; the proofs name them."""

    @pytest.fixture(scope="class")
    @staticmethod
    def models() -> dict[str, str]:
        odd = ", ".join(
            f"case when account = {{{{ var('odd', 0) }}}} then {{{{ var('{name}', '{name}') }}}}"
            f" else {name} end as {name}"
            for name in ("branch", "seq", "_cdc_op", "committed")
        )
        return {"changes.sql": f"select * replace ({odd}) from ({_CHANGES})"}

    @pytest.mark.parametrize(
        ("column", "value", "proof"),
        [
            ("_cdc_op", "'I'", "every_change_has_its_version"),
            ("_cdc_op", "null", "every_change_has_its_version"),
            ("branch", "null", "every_change_has_its_version"),
            ("seq", "null", "every_change_has_its_version"),
            ("committed", "null", "unbroken_history"),
        ],
    )
    def test_a_proof_fails(
        self, project: TestProjInfo, column: str, value: str, proof: str
    ) -> None:
        sql(project, f"drop table if exists {{schema}}.{HISTORY}")
        sql(project, "drop schema if exists {schema}_operations cascade")
        variables = {"run": 3, "odd": 2, column: value}
        results = run_dbt(["build", "--vars", json.dumps(variables)], expect_pass=False)
        failed = {result.node.name for result in results if result.status == "fail"}
        assert any(name.startswith(f"cdc_history_{proof}") for name in failed), failed


class TestWithoutDispatch(_Project):
    @pytest.fixture(scope="class")
    @staticmethod
    def search_order() -> list[str]:
        return ["test", "dbt"]

    def test_the_missing_entry_is_named(self, project: TestProjInfo) -> None:
        said = refusal(project)
        assert "dbt's own snapshot macros would be used" in said
        assert "search_order: [test, cdc_history, dbt]" in said


_WRAPPER = """
{{% macro snapshot_{name}_strategy(node, snapshotted, current, config, exists) %}}
    {{{{ return(cdc_history.snapshot_cdc_strategy(node, snapshotted, current, config, exists)) }}}}
{{% endmacro %}}
"""


class TestOtherSpellings(_Project):
    """A project may give the strategy a name of its own."""

    @pytest.fixture(scope="class")
    @staticmethod
    def macros() -> dict[str, str]:
        return {f"{name}.sql": _WRAPPER.format(name=name) for name in ("cdc", "every_change")}

    @pytest.mark.parametrize("strategy", ["cdc", "test.cdc"])
    def test_the_history_is_right(self, project: TestProjInfo, strategy: str) -> None:
        sql(project, f"drop table if exists {{schema}}.{HISTORY}")
        sql(project, "drop schema if exists {schema}_operations cascade")
        _write_snapshot(project, _CONFIG | {"strategy": strategy})
        assert build(project, _VERSIONS, "account, seq") == _EXPECTED

    def test_a_name_by_which_the_merge_would_be_dbts_own_is_refused(
        self, project: TestProjInfo
    ) -> None:
        _write_snapshot(project, _CONFIG | {"strategy": "every_change"})
        assert "write strategy: cdc_history.cdc" in refusal(project)


def _write_snapshot(project: TestProjInfo, config: dict[str, object]) -> None:
    Path(project.project_root, f"snapshots/{HISTORY}.yml").write_text(_snapshot(config), "utf-8")


def _first_example() -> str:
    """The first history of the README, for any table of changes."""
    readme = (PACKAGE / "README.md").read_text("utf-8")
    example = re.search(r"## A first history\n.*?```yaml\n(.*?)```", readme, re.S)
    assert example
    return example[1]


class TestFirstHistory:
    """The README's five lines, on changes without hashes, images, run numbers and hooks."""

    @pytest.fixture(scope="class")
    @staticmethod
    def models() -> dict[str, str]:
        # batch, account, balance, position, operation: 03 was committed before 02 was seen
        return {
            "account_changes.sql": """
            select account, balance, position, _cdc_op, committed_at
            from (values
                (1, 1, 10, '01', 'c', timestamp '2026-01-01'),
                (1, 1, 30, '03', 'u', timestamp '2026-01-03'),
                (1, 2, 5, '04', 'c', timestamp '2026-01-04'),
                (2, 1, 20, '02', 'u', timestamp '2026-01-02'),
                (2, 2, 5, '05', 'd', timestamp '2026-01-05'),
                (3, 1, 10, '01', 'c', timestamp '2026-01-01')
            ) as changes (batch, account, balance, position, _cdc_op, committed_at)
            where batch <= {{ var('run') }}
            """
        }

    @pytest.fixture(scope="class")
    @staticmethod
    def snapshots() -> dict[str, str]:
        return {f"{HISTORY}.yml": _first_example()}

    @pytest.fixture(scope="class")
    @staticmethod
    def project_config_update() -> dict[str, object]:
        return {"vars": {"run": 1}}

    def test_every_change_is_a_version(self, project: TestProjInfo) -> None:
        columns = "account, balance, is_deleted, cast(dbt_valid_from as date), "
        found = build(project, columns + "cast(dbt_valid_to as date)", "account, position")
        assert found == [
            ("1", "10", "False", _DAY(1), _DAY(2)),
            ("1", "20", "False", _DAY(2), _DAY(3)),
            ("1", "30", "False", _DAY(3), "None"),
            ("2", "5", "False", _DAY(4), _DAY(5)),
            ("2", "5", "True", _DAY(5), "None"),
        ]
        schemas = sql(project, "select schema_name from duckdb_schemas()")
        assert not [name for (name,) in schemas if str(name).endswith("operations")]

    def test_it_has_five_lines(self) -> None:
        (snapshot,) = yaml.safe_load(_first_example())["snapshots"]
        assert len(snapshot["config"]) + 1 <= 5, "relation and config"


class TestNamesThatNeedQuotes(_Project):
    """Columns that are reserved words, or spelt with capitals."""

    @pytest.fixture(scope="class")
    @staticmethod
    def models() -> dict[str, str]:
        return {
            "changes.sql": """
            select batch as "limit", batch * 10 as "Order Amount", 1 as "group", 'x' as "select",
                lpad(cast(batch as varchar), 4, '0') as "order", 'u' as _cdc_op,
                timestamp '2026-01-01' + interval (batch) day as "end",
                nullif(1, batch) as "_before_group", 'x' as "_before_select",
                batch - 1 as "_before_limit", (batch - 1) * 10 as "_before_Order Amount"
            from range(1, {{ var('run') + 1 }}) as batches (batch)
            """
        }

    @pytest.fixture(scope="class")
    @staticmethod
    def snapshots() -> dict[str, str]:
        config: dict[str, object] = {
            "strategy": "cdc_history.cdc",
            "unique_key": ["group", "select"],
            "updated_at": "end",
            "meta": {"sequence_by": "order", "track_history_column_list": ["limit"]},
        }
        return {f"{HISTORY}.yml": _snapshot(config, [])}

    @pytest.fixture(scope="class")
    @staticmethod
    def project_config_update() -> dict[str, object]:
        return {"vars": {"run": 1}}

    def test_they_are_columns_like_others(self, project: TestProjInfo) -> None:
        found = build(project, '"limit", "Order Amount", dbt_valid_to is null', '"order"')
        assert found == [("1", "10", "False"), ("2", "20", "False"), ("3", "30", "True")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"updated_at": None}, "updated_at is missing", id="no commit time"),
        pytest.param({"meta": {}}, "meta.sequence_by is missing", id="no order"),
        pytest.param(
            {"meta": {"sequence_by": "seq", "sequenced_by": "seq"}},
            "meta.sequenced_by is unknown; allowed: sequence_by, apply_as_deletes",
            id="unknown option",
        ),
        pytest.param(
            {"meta": {"sequence_by": "seq", "tracked_columns": ["note"]}},
            "meta.tracked_columns is unknown; allowed: sequence_by, apply_as_deletes",
            id="misspelt option",
        ),
        pytest.param(
            {"track_history_column_list": ["note"]},
            "track_history_column_list belongs under meta",
            id="option in the wrong place",
        ),
        pytest.param(
            {"meta": {"sequence_by": "seq", "track_history_column_list": "note"}},
            'meta.track_history_column_list is "note"; allowed: a list of columns',
            id="a column that is no list",
        ),
        pytest.param(
            {"meta": {"sequence_by": "seq", "track_history_column_list": []}},
            "meta.track_history_column_list is []; allowed: a list of columns",
            id="nothing tracked",
        ),
        pytest.param(
            {
                "meta": {
                    "sequence_by": "seq",
                    "track_history_column_list": ["note"],
                    "track_history_except_column_list": ["note"],
                }
            },
            "allowed: one of them",
            id="both track lists",
        ),
        pytest.param(
            {"meta": {"sequence_by": "place", "arrival_columns": ["arrived"]}},
            "the relation has no column place; it has branch",
            id="order by a column that is not there",
        ),
        pytest.param(
            {
                "meta": {
                    "sequence_by": "seq",
                    "arrival_columns": ["arrived"],
                    "track_history_column_list": ["colour"],
                }
            },
            "column colour is not in the relation; it has branch",
            id="tracked column that is not there",
        ),
        pytest.param(
            {"meta": {"sequence_by": "seq"}},
            "the relation has no column _before_arrived with the before image of arrived",
            id="a column without before image beside others that have one",
        ),
        pytest.param(
            {"hard_deletes": "new_record"}, "see meta.apply_as_deletes", id="hard_deletes"
        ),
    ],
)
class TestWrongConfiguration(_Project):
    def test_is_refused_with_what_is_allowed(
        self, project: TestProjInfo, change: dict[str, object], message: str
    ) -> None:
        config = {name: value for name, value in (_CONFIG | change).items() if value is not None}
        _write_snapshot(project, config)
        assert message in refusal(project)
