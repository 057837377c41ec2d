"""The package installed in a project that knows nothing of the shop: what its README promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from dbt.tests.fixtures.project import TestProjInfo
from dbt.tests.util import run_dbt, write_file

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


def _snapshot(config: dict[str, object]) -> str:
    return yaml.safe_dump(
        {
            "snapshots": [
                {"name": "accounts_history", "relation": "ref('changes')", "config": config}
            ]
        }
    )


class _Project:
    @pytest.fixture(scope="class")
    @staticmethod
    def models() -> dict[str, str]:
        return {"changes.sql": "{{ config(materialized='view') }}" + _CHANGES}

    @pytest.fixture(scope="class")
    @staticmethod
    def snapshots() -> dict[str, str]:
        return {"accounts_history.yml": _snapshot(_CONFIG)}

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


class TestAnotherProject(_Project):
    def test_every_version_is_kept_under_the_names_of_the_project(
        self, project: TestProjInfo
    ) -> None:
        for run in (1, 2, 3):
            run_dbt(["build", "--vars", f"run: {run}"])
        versions = project.run_sql(
            "select branch, account, balance, seq, is_deleted, cast(starts as date),"
            " cast(ends as date), _cdc_run"
            f" from {project.test_schema}.accounts_history order by account, seq",
            fetch="all",
        )
        day = "2026-01-0{}".format
        assert [tuple(map(str, version)) for version in versions] == [
            ("b", "1", "10", "01", "False", day(1), day(2), "2"),
            ("b", "1", "20", "02", "False", day(2), day(3), "2"),
            ("b", "1", "30", "03", "False", day(3), "9999-12-31", "1"),
            ("b", "2", "5", "01", "False", day(1), day(4), "2"),
            ("b", "2", "5", "04", "True", day(4), "9999-12-31", "2"),
        ]

    def test_a_sample_is_refused(self, project: TestProjInfo) -> None:
        window = "{start: '2026-01-01', end: '2026-01-02'}"
        results = run_dbt(["build", "--sample", window], expect_pass=False)
        assert "--sample reads a part" in " ".join(str(result.message) for result in results)

    def test_a_clone_says_nothing_of_what_was_read(self, project: TestProjInfo) -> None:
        run_dbt(["build"])
        read = f"select * from {project.test_schema}_operations.watermarks"
        before = project.run_sql(read, fetch="all")
        state = Path(project.project_root, "state")
        state.mkdir()
        manifest = json.loads(Path(project.project_root, "target/manifest.json").read_text("utf-8"))
        history = manifest["nodes"]["snapshot.test.accounts_history"]
        history |= {"alias": "original", "relation_name": f"{project.test_schema}.original"}
        (state / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        project.run_sql("alter table {schema}.accounts_history rename to original")
        run_dbt(["clone", "--state", "state", "--select", "accounts_history"])
        assert project.run_sql(read, fetch="all") == before


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
            {"hard_deletes": "new_record"}, "see meta.apply_as_deletes", id="hard_deletes"
        ),
    ],
)
class TestWrongConfiguration(_Project):
    def test_is_refused_with_what_is_allowed(
        self, project: TestProjInfo, change: dict[str, object], message: str
    ) -> None:
        config = {name: value for name, value in (_CONFIG | change).items() if value is not None}
        write_file(_snapshot(config), project.project_root, "snapshots", "accounts_history.yml")
        results = run_dbt(["build"], expect_pass=False)
        shown = " ".join(str(result.message) for result in results)
        assert message in shown
