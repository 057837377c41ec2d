"""Planted errors in the macros: each is found by the worked histories and a few random logs.

A proof that cannot fail proves nothing. Every mutant is a plausible mistake (a tie-break dropped, a
clock trusted, a bound of one too much) put into a copy of the project; the comparison with the
reference model has to notice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from pytest_dbt_runs.cases import MismatchError
from pytest_dbt_runs.project import Project

from ingestion.declarations import Declarations
from ingestion.settings import ConnectorName
from tests.history.cases import case_of
from tests.history.conftest import Described
from tests.kit.batches import new_batch
from tests.kit.dbt import ROOT
from tests.kit.declared import DECLARATIONS
from tests.kit.logs import pairs_in_commits, random_logs
from tests.kit.planted import Planted, with_error
from tests.kit.warehouse import Warehouse
from tests.kit.worked import WorkedHistory, load, worked_histories

PACKAGE = "packages/cdc_history/macros"
VERSIONS = f"{PACKAGE}/strategy/versions.sql"
SETTLED = f"{PACKAGE}/strategy/settled_changes.sql"
IMAGES = f"{PACKAGE}/strategy/images.sql"
LACKS = "macros/log/not_carried.sql"
OVERRIDES = f"{PACKAGE}/strategy/snapshot_overrides.sql"
ABSENCES = f"{PACKAGE}/strategy/absences.sql"
RANK = f"{PACKAGE}/strategy/operation_rank.sql"
POSITION = "macros/log/position_expression.sql"


@dataclass(frozen=True)
class Mutant(Planted):
    """Logs of `connector` show it."""

    connector: ConnectorName = "postgresql"
    described: bool = False
    """Whether it takes tables whose images lack what their declarations say."""


MUTANTS = [
    Mutant(
        "of the deliveries of a change the first stands",
        SETTLED,
        "desc{% for column in options['arrival'] %}, changes.{{ adapter.quote(column) }} desc",
        "asc{% for column in options['arrival'] %}, changes.{{ adapter.quote(column) }} asc",
    ),
    Mutant(
        "changes of one position are one change",
        SETTLED,
        "\n            and lag(changes._cdc_op) over ({{ by_delivery }}) = changes._cdc_op,",
        ",",
        "sqlserver",
    ),
    Mutant(
        "at one position an insert comes before a delete",
        RANK,
        "when 'd' then 0 when 'c' then 1",
        "when 'd' then 1 when 'c' then 0",
        "sqlserver",
    ),
    Mutant(
        "a read comes before the change whose place it carries",
        RANK,
        "else 3 end",
        "else -1 end",
        "sqlserver",
    ),
    Mutant(
        "a repeated read is looked at again",
        VERSIONS,
        "coalesce(previous_op, '') = 'r'",
        "coalesce(previous_op, '') = 'x'",
        "sqlserver",
    ),
    Mutant(
        "the clock orders",
        SETTLED,
        "changes.{{ sequence }} asc, ",
        "changes.{{ committed }} asc, ",
    ),
    Mutant(
        "a before image corrects no read",
        VERSIONS,
        "coalesce(next_before_hash, _cdc_row_hash) <> _cdc_row_hash as is_corrected",
        "false as is_corrected",
        "sqlserver",
    ),
    Mutant(
        "a read just before an insert is a version",
        VERSIONS,
        "where _cdc_op <> 'r' or coalesce(next_op, '') <> 'c'",
        "where true",
    ),
    Mutant(
        "every read is a version",
        VERSIONS,
        "or follows_delete or previous_row_hash <> _cdc_row_hash",
        "or true",
    ),
    Mutant(
        "a read after a delete is no version",
        VERSIONS,
        "or follows_delete or",
        "or",
        "sqlserver",
    ),
    Mutant(
        "a row begins with its first known change",
        VERSIONS,
        "where previous_row_hash is null and _cdc_op in ('u', 'd')",
        "where false and _cdc_op in ('u', 'd')",
    ),
    Mutant(
        "the version before the first change has that change's position",
        VERSIONS,
        "translate({{ sequence }}, '123456789abcdef', '000000000000000')",
        "{{ sequence }}",
    ),
    Mutant(
        "a version begins at its commit, whatever came before",
        VERSIONS,
        "rows between unbounded preceding and current row) as valid_from",
        "rows between current row and current row) as valid_from",
    ),
    Mutant(
        "a version ends at the next commit, whatever came before",
        VERSIONS,
        "rows between unbounded preceding and 1 following",
        "rows between 1 following and 1 following",
    ),
    Mutant(
        "a row that was there before capture begins when it was read",
        VERSIONS,
        "_cdc_op = 'r' and previous_row_hash is null as begins_unknown",
        "false as begins_unknown",
    ),
    Mutant(
        "an inserted row was always there",
        VERSIONS,
        "_cdc_op = 'r' and previous_row_hash is null as begins_unknown",
        "previous_row_hash is null as begins_unknown",
    ),
    Mutant(
        "a change that was delivered again is plain",
        SETTLED,
        "        or is_redelivered\n",
        "",
    ),
    Mutant(
        "a second read is plain",
        SETTLED,
        "op_before is not null or next_op = 'c'",
        "next_op = 'c'",
    ),
    Mutant(
        "a read before an insert is plain",
        SETTLED,
        "or next_op = 'c'",
        "",
    ),
    Mutant(
        "a read that a before image corrects is plain",
        SETTLED,
        " or next_knows_better)",
        ")",
        "sqlserver",
    ),
    Mutant(
        "a key whose clock stepped back is plain",
        SETTLED,
        "or ({{ committed }} < committed_before and op_before <> 'r')",
        "",
        "sqlserver",
    ),
    Mutant(
        "an absence is plain",
        SETTLED,
        "        or _cdc_is_absence\n",
        "",
        "sqlserver",
    ),
    Mutant(
        "the keys that are not plain are among them",
        SETTLED,
        "    where unsettled_keys.{{ keys[0] }} is null\n),",
        "    where true\n),",
    ),
    Mutant(
        "a plain row begins with its first known change",
        VERSIONS,
        "where op_before is null and _cdc_op in ('u', 'd')",
        "where false and _cdc_op in ('u', 'd')",
    ),
    Mutant(
        "a plain row that was there before capture begins when it was read",
        VERSIONS,
        "case when _cdc_op = 'r' then {{ cdc_history.beginning_of_time() }} else",
        "case when false then {{ cdc_history.beginning_of_time() }} else",
    ),
    Mutant(
        "an update that is alone has nothing before it",
        SETTLED,
        " or max(_cdc_op) not in ('c', 'r')",
        "",
    ),
    Mutant(
        "what is alone is written as what is not, and again",
        IMAGES,
        "            where touched.{{ options['keys'][0] }} is null\n",
        "",
    ),
    Mutant(
        "a read that an open transaction overtook stands",
        SETTLED,
        "where stale_reads._cdc_step is null",
        "where true",
    ),
    Mutant(
        "every read after an uncertain change is dropped",
        SETTLED,
        "{{ cdc_history._agrees(options, 'overtaken_by', 'before', 'snapshot_read', 'row') }}",
        "true",
    ),
    Mutant(
        "an absence ends a row that its snapshot did read",
        ABSENCES,
        "            and weighed_absences._cdc_was_read = 0\n",
        "",
    ),
    Mutant(
        "an absence ends a row that a transaction open over the snapshot inserted",
        ABSENCES,
        "            and weighed_absences._cdc_follows_floating = 0\n",
        "",
    ),
    Mutant(
        "an absence ends a row that is changed later",
        ABSENCES,
        "            and weighed_absences._cdc_was_there_later = 0\n",
        "",
        "sqlserver",
    ),
    Mutant(
        "an absence of a row of which nothing is known is a version",
        ABSENCES,
        "weighed_absences._cdc_op_before <> 'd'",
        "coalesce(weighed_absences._cdc_op_before, 'c') <> 'd'",
    ),
    Mutant(
        "an absence behind a delete is a version",
        ABSENCES,
        "weighed_absences._cdc_op_before <> 'd'",
        "weighed_absences._cdc_op_before is not null",
    ),
    Mutant(
        "an absence is a commit for the absence before it",
        ABSENCES,
        "when heard._cdc_op = 'r' or heard._cdc_is_absence then 0",
        "when heard._cdc_op = 'r' then 0",
        "sqlserver",
    ),
    Mutant(
        "only the newest versions of touched keys are compared",
        OVERRIDES,
        "from {{ target_relation }} as kept_before",
        "from (select * from {{ target_relation }} where dbt_valid_to is null) as kept_before",
    ),
    Mutant(
        "closed versions are not corrected, as in stock merges",
        OVERRIDES,
        "    where\n        history.{{ locator }} = ended.dbt_unique_key",
        "    where\n        dbt_valid_to is null and history.{{ locator }} = ended.dbt_unique_key",
    ),
    Mutant(
        "versions that are none any more stay",
        OVERRIDES,
        "where dbt_change_type in ('replace', 'delete')",
        "where dbt_change_type in ('replace')",
    ),
    Mutant(
        "a version whose values were corrected is left as it is",
        OVERRIDES,
        "names.dbt_valid_from, options['committed'], '_cdc_order', '_cdc_row_hash', "
        "'_cdc_before_hash',",
        "names.dbt_valid_from,",
        "sqlserver",
    ),
    Mutant(
        "a corrected read shows what was read",
        VERSIONS,
        "is_corrected as is_before_image",
        "false as is_before_image",
        "sqlserver",
    ),
    Mutant(
        "a corrected read takes the before image of its own record",
        VERSIONS,
        "case when is_corrected then next_{{ column }} else {{ column }} end as {{ column }}",
        "{{ column }} as {{ column }}",
        "sqlserver",
    ),
    Mutant(
        "the values of a change come from any of its deliveries",
        IMAGES,
        "{% for column in options['arrival'] %}\n        {% do columns.update(",
        "{% for column in [] %}\n        {% do columns.update(",
        "sqlserver",
    ),
    Mutant(
        "the newest run is read once more too late",
        OVERRIDES,
        "_cdc_run > {{ cdc_history.consumed_run(",
        "_cdc_run > 1 + {{ cdc_history.consumed_run(",
    ),
    Mutant(
        "a record's place orders across commits",
        POSITION,
        '{{ hex16("coalesce(" ~ _last_commit_lsn(events) ~ ", " ~ events ~ ".lsn)") }}',
        "{{ hex16(events ~ '.lsn') }}",
    ),
    Mutant(
        "a read has its place in the log even where the last commit is known",
        POSITION,
        "then '{{ '0' * 16 }}'\n                        else",
        "then {{ hex16(events ~ '.lsn') }}\n                        else",
    ),
    Mutant(
        "the changes of one statement have no order",
        POSITION,
        "|| ':' || {{ hex16(events ~ '.event_serial_no') }}",
        "|| ':{{ '0' * 16 }}'",
        "sqlserver",
    ),
    Mutant(
        "a restored source begins again where it began",
        POSITION,
        "then '{{ '%04d' % epoch }}'",
        "then '0001'",
    ),
    Mutant(
        "the log begins one record too late",
        "macros/log/landed_records.sql",
        "max(kafka_offset) + 1 as next_offset",
        "max(kafka_offset) + 2 as next_offset",
    ),
    Mutant(
        "a delete has the values after it",
        "macros/log/decoded_events.sql",
        "case when named.event.op = 'd' then named.event.before else",
        "case when named.event.op = 'x' then named.event.before else",
    ),
    Mutant(
        "separators in a text are not escaped",
        f"{PACKAGE}/hashes/canonical_text.sql",
        "replace(replace({{ expression }}, '~', '~0'), '|', '~1')",
        "{{ expression }}",
    ),
    Mutant(
        "what a row lacks is as its own image has it",
        SETTLED,
        "when {{ cdc_history._carries('imaged', column, 'before') }} then",
        "when false then",
    ),
    Mutant(
        "what a row lacks is what the first change told",
        SETTLED,
        "between unbounded preceding and current row\n        ) as _cdc_told_at_",
        "between current row and current row\n        ) as _cdc_told_at_",
        "sqlserver",
    ),
    Mutant(
        "a before image has fillers for what it lacks",
        SETTLED,
        "else earlier.{{ column['column'] }}",
        "else own.{{ column['before'] }}",
        "sqlserver",
    ),
    Mutant(
        "a value that nobody told is not named",
        SETTLED,
        "{column['name']: 'own._cdc_told_at_' ~ loop.index ~ ' is null'}",
        "{column['name']: 'false'}",
        "sqlserver",
    ),
    Mutant(
        "a corrected read lacks what it lacked",
        VERSIONS,
        "case when _cdc_op = 'r' and next_before_hash is not null then",
        "case when false then",
    ),
    Mutant(
        "images are compared in what they lack",
        SETTLED,
        "not {{ cdc_history._carries(a ~ '_values', column, a_image) }}\n                or",
        "false\n                or",
        "sqlserver",
    ),
    Mutant(
        "an update comes before its insert",
        SETTLED,
        "when 'uc' then true",
        "when 'uc' then false",
        "sqlserver",
    ),
    Mutant(
        "a delete comes before its update",
        SETTLED,
        "when 'du' then true",
        "when 'du' then false",
        "sqlserver",
    ),
    Mutant(
        "a row that lived is inserted and deleted",
        SETTLED,
        "when 'cd' then mod(first_change._cdc_life_before, 2) = 1",
        "when 'cd' then false",
        "sqlserver",
    ),
    Mutant(
        "a row that was deleted is deleted and inserted",
        SETTLED,
        "when 'dc' then mod(first_change._cdc_life_before, 2) = 0",
        "when 'dc' then false",
        "sqlserver",
    ),
    Mutant(
        "two updates stand as their positions say",
        SETTLED,
        "and second_change._cdc_before_hash is not null",
        "and false",
        "sqlserver",
    ),
    Mutant(
        "two updates change places against the row before them",
        SETTLED,
        "coalesce(previous_change._cdc_op = 'r' or",
        "coalesce(false and",
        "sqlserver",
    ),
    Mutant(
        "an exchanged change has its own order",
        SETTLED,
        "when exchanged._cdc_first_step = numbered._cdc_step then exchanged._cdc_second_sequence",
        "when exchanged._cdc_first_step = numbered._cdc_step then exchanged._cdc_first_sequence",
        "sqlserver",
    ),
    Mutant(
        "a column that is absent is null",
        LACKS,
        "{{ is_listed(column['source_names'][0], events ~ '.row_missing') }}",
        "false",
    ),
    Mutant(
        "a boolean of SQL Server's delete is what its image shows",
        LACKS,
        "or column['type']['name'] == 'boolean'",
        "",
        "sqlserver",
    ),
    Mutant(
        "a word that stands for a value is one",
        LACKS,
        "{{ events }}.before__{{ column['name'] }} = '{{ unavailable_forms()[0] }}'",
        "false",
    ),
    Mutant(
        "a row of unknown life was there before its commit",
        SETTLED,
        "when 'cd' then mod(first_change._cdc_life_before, 2) = 1",
        "when 'cd' then mod(coalesce(first_change._cdc_life_before, 1), 2) = 1",
        "sqlserver",
    ),
    Mutant(
        "three changes of one commit change places",
        SETTLED,
        "            and first_change._cdc_change_count = 2\n",
        "",
        "sqlserver",
    ),
    Mutant(
        "changes of different commits change places",
        SETTLED,
        "            and first_change._cdc_last_step = second_change._cdc_step\n"
        "            and first_change._cdc_change_count = 2\n",
        "",
        "sqlserver",
    ),
    Mutant(
        "the first commit tells whether a row lived",
        SETTLED,
        "        max(\n            case\n                when numbered._cdc_op = 'r' then 2 *",
        "        min(\n            case\n                when numbered._cdc_op = 'r' then 2 *",
        "sqlserver",
    ),
    Mutant(
        "an updated row need not have lived",
        SETTLED,
        " or commits._cdc_inserts + commits._cdc_deletes = 0 then",
        " then",
        "sqlserver",
    ),
    Mutant(
        "a read says nothing of whether a row lived",
        SETTLED,
        "when numbered._cdc_op = 'r' then 2 * numbered._cdc_step + 1",
        "when numbered._cdc_op = 'r' then null",
        "sqlserver",
    ),
    Mutant(
        "an absence says nothing of whether a row lived",
        SETTLED,
        "when numbered._cdc_is_absence then 2 * numbered._cdc_step",
        "when numbered._cdc_is_absence then null",
        "sqlserver",
    ),
    Mutant(
        "two updates that each fit the other change places",
        SETTLED,
        "not {{ cdc_history._agrees(options, 'second_change', 'before', 'first_change', 'row') }}",
        "true",
        "sqlserver",
    ),
    Mutant(
        "a commit of several changes says what the row was before the next",
        SETTLED,
        "(previous_change._cdc_op <> 'd' and previous_change._cdc_change_count = 1)",
        "previous_change._cdc_op <> 'd'",
        "sqlserver",
    ),
    Mutant(
        "a later change tells what an earlier one lacked",
        SETTLED,
        "between unbounded preceding and current row\n        ) as _cdc_told_at_",
        "between unbounded preceding and unbounded following\n        ) as _cdc_told_at_",
        "sqlserver",
    ),
    Mutant(
        "a filled row keeps the hash of its image",
        SETTLED,
        "case when filled._cdc_stand is null then standing_steps.{{ name }} else filled.{{ name }}"
        " end",
        "standing_steps.{{ name }}",
        "sqlserver",
    ),
    Mutant(
        "a filled row keeps the values of its image",
        IMAGES,
        "when filled._cdc_stand is not null then filled.{{ column['column'] }}\n",
        "",
        "sqlserver",
    ),
    Mutant(
        "a corrected read is filled with what the row had then",
        IMAGES,
        "when filled._cdc_stand is not null and chosen.is_before_image then",
        "when false then",
        "sqlserver",
    ),
    Mutant(
        "a large column that is empty after an update was cleared",
        LACKS,
        "{{ events }}.op = 'u'\n                    and {{ _is_empty(",
        "false\n                    and {{ _is_empty(",
        "sqlserver",
        described=True,
    ),
    Mutant(
        "a large column that was cleared was not written",
        LACKS,
        "                    and {{ _is_empty(events ~ '.before__' ~ column['name']) }}\n",
        "",
        "sqlserver",
        described=True,
    ),
    Mutant(
        "a delete's text is what its image shows",
        LACKS,
        "column['large'] == 'text' or ",
        "",
        "sqlserver",
        described=True,
    ),
    Mutant(
        "a delete with the key alone has the values that it shows",
        LACKS,
        "{%- if not (key_only or (sqlserver",
        "{%- if not ((sqlserver",
        described=True,
    ),
    Mutant(
        "an update with the key alone had the values that it shows",
        LACKS,
        "{%- if key_only %}true{% else %}",
        "{%- if key_only %}false{% else %}",
        described=True,
    ),
    Mutant(
        "an absent column of a before image is null",
        LACKS,
        "or {{ is_listed(column['source_names'][0], events ~ '.before_missing') }}",
        "or false",
    ),
    Mutant(
        "a commit ends with each of its changes",
        POSITION,
        "substring({{ position }}, 1, 27)",
        "{{ position }}",
        "sqlserver",
    ),
    Mutant(
        "a delete at the place of the reads is a commit",
        POSITION,
        "and right(_cdc_position, 17) = ':{{ '0' * 16 }}'",
        "and false",
    ),
    Mutant(
        "no commit's place is asked for",
        SETTLED,
        "'floats': 'not _cdc_commit_known'",
        "'floats': 'false'",
    ),
    Mutant(
        "no absence is asked for",
        SETTLED,
        "'absences': '_cdc_is_absence'",
        "'absences': 'false'",
        "sqlserver",
    ),
    Mutant(
        "what an image lacks is not asked for",
        SETTLED,
        "'_cdc_not_carried is not null or _cdc_before_not_carried is not null'",
        "'false'",
        described=True,
    ),
    Mutant(
        "two changes of a commit are not asked for",
        SETTLED,
        "                        then 1\n                    else 0\n",
        "                        then 0\n                    else 0\n",
        "sqlserver",
    ),
]


@cache
def some_logs(connector: ConnectorName) -> list[WorkedHistory]:
    pairs = pairs_in_commits() if connector == "sqlserver" else []
    return [*worked_histories(connector), *random_logs(connector, number=1, of=80), *pairs]


def goes_wrong(warehouse: Warehouse, folder: Path, declared: Declarations = DECLARATIONS) -> bool:
    """Whether a run into a new warehouse fails or leaves tables that the rules do not give."""
    logs = [
        replace(log, table=declared.table(log.table.name)) for log in some_logs(warehouse.connector)
    ]
    batch = new_batch(warehouse, folder, declared, logs)
    for run in batch.runs:
        batch.land(run)
        try:
            batch.warehouse.build(*batch.selection)
            right = (
                batch.expected() == batch.histories()
                and batch.expected_verdicts() == batch.verdicts()
            )
        except AssertionError:  # a node failed, or a version is there twice
            return True
        if not right:
            return True
    return False


# What a mutant goes through, in the short run by one connector: test_history_in_dbt.py is stricter.
@pytest.mark.parametrize(
    "connector", ["postgresql", pytest.param("sqlserver", marks=pytest.mark.long)]
)
def test_without_an_error_nothing_is_wrong(
    connector: ConnectorName, parsed: dict[ConnectorName, Warehouse], tmp_path: Path
) -> None:
    assert not goes_wrong(parsed[connector], tmp_path)


@pytest.mark.parametrize(
    "connector", ["sqlserver", pytest.param("postgresql", marks=pytest.mark.long)]
)
def test_without_an_error_nothing_is_wrong_with_what_images_lack(
    connector: ConnectorName, described: Described, tmp_path: Path
) -> None:
    assert not goes_wrong(described.parsed[connector], tmp_path, described.declarations)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_has_its_place(mutant: Mutant) -> None:
    assert mutant.old in (ROOT / mutant.file).read_text("utf-8")


# They prove the proof: in the short run the first error of each file.
@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(
            mutant,
            id=mutant.name,
            marks=pytest.mark.long if mutant.file in {m.file for m in MUTANTS[:place]} else (),
        )
        for place, mutant in enumerate(MUTANTS)
    ],
)
def test_mutant_is_caught(
    mutant: Mutant,
    parsed: dict[ConnectorName, Warehouse],
    described: Described,
    tmp_path: Path,
) -> None:
    warehouse = (described.parsed if mutant.described else parsed)[mutant.connector]
    assert warehouse.manifest is not None
    wrong = replace(warehouse, manifest=with_error(warehouse.manifest, mutant))
    declared = described.declarations if mutant.described else DECLARATIONS
    assert goes_wrong(wrong, tmp_path, declared)


def worked(title: str) -> WorkedHistory:
    return next(each for each in load(DECLARATIONS) if each.title == title)


def test_an_error_fails_the_case_of_a_worked_history(project: Path, tmp_path: Path) -> None:
    wrong = Project(project, {"{}": with_error(Project(project).manifest({}), MUTANTS[0])})
    redelivery = worked("Redelivery with other values")
    with pytest.raises(MismatchError, match=r"customers_history lacks 1 of \d expected rows"):
        wrong.run(case_of(redelivery, tmp_path / "landing"))


# A batch of many keys has every shape of changes, whatever of them is not asked for.
ASKED = [
    Mutant(
        "what a before image lacks is not asked for",
        SETTLED,
        "'_cdc_not_carried is not null or _cdc_before_not_carried is not null'",
        "'_cdc_not_carried is not null'",
    ),
    Mutant(
        "only new records are asked, not all of their keys",
        SETTLED,
        "            group by {% for key in options['keys'] %}changes",
        "            {{ 'where ' ~ touched_by if touched_by }}"
        " group by {% for key in options['keys'] %}changes",
    ),
]


@pytest.mark.parametrize("mutant", ASKED, ids=lambda mutant: mutant.name)
def test_an_error_that_a_history_shows_alone(mutant: Mutant, project: Path, tmp_path: Path) -> None:
    wrong = Project(project, {"{}": with_error(Project(project).manifest({}), mutant)})
    with pytest.raises(MismatchError):
        wrong.run(case_of(worked("A column that a before image alone lacks"), tmp_path / "landing"))
