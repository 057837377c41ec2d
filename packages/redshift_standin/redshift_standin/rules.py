# ruff: noqa: E501 - statements and patterns of SQL stand in one line each
"""What Redshift refuses and PostgreSQL does not: two tables of rules with their sources.

A rule of `RULES` looks at a parsed query and says what it finds. `STATEMENT_RULES` are about the other
statements, whose handlers (`statements`, `books`) raise them by name. Each has an example. Sources are page names of the Amazon
Redshift Database Developer Guide; "unverified" marks what is refused here on purpose because no page
says that it works (the README lists these for the first deployment).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlglot import exp
from sqlglot.dialects import Redshift

from redshift_standin.dialect import MARK

Look = Callable[[exp.Expr], bool]


def read_table(name: str) -> Any:
    """The table `name`.yml beside this module."""
    return yaml.safe_load((Path(__file__).parent / f"{name}.yml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Rule:
    """`message` is raised for a statement on which `applies`; `example` is one that is refused."""

    name: str
    source: str
    message: str
    example: str
    applies: Look


@dataclass(frozen=True)
class StatementRule:
    """What a handler refuses with `message`; `example`, after `before`, is refused."""

    name: str
    source: str
    message: str
    example: str
    before: tuple[str, ...] = ()


class Refused(Exception):  # noqa: N818 - what Redshift does
    """Redshift refuses the statement, with this message."""


def check(tree: exp.Expr) -> None:
    """Raise Refused for the first rule that applies to `tree`."""
    for rule in RULES:
        if rule.applies(tree):
            raise Refused(rule.message)


def refusal(name: str, *values: object) -> Refused:
    """The refusal of the statement rule `name`; `values` fill its message's gaps."""
    return Refused(_BY_NAME[name].message.format(*values))


def _has(*kinds: type[exp.Expr]) -> Look:
    return lambda tree: tree.find(*kinds) is not None


def _argument(kind: type[exp.Expr], name: str) -> Look:
    return lambda tree: any(node.args.get(name) for node in tree.find_all(kind))


def function_name(node: exp.Anonymous) -> str:
    """The name of a called function, in lower case."""
    return str(node.name).lower().removeprefix(MARK)


def _calls(*names: str) -> Look:
    return lambda tree: any(function_name(call) in names for call in tree.find_all(exp.Anonymous))


def _series_with_tables(tree: exp.Expr) -> bool:
    return _calls("generate_series")(tree) and any(
        table.name and not isinstance(table.this, exp.Func) for table in tree.find_all(exp.Table)
    )


def _unknown_function(tree: exp.Expr) -> bool:
    return any(function_name(call) not in FUNCTIONS for call in tree.find_all(exp.Anonymous))


def _frames(tree: exp.Expr) -> Iterator[tuple[exp.Window, exp.WindowSpec | None]]:
    for window in tree.find_all(exp.Window):
        spec = window.args.get("spec")
        yield window, spec if isinstance(spec, exp.WindowSpec) else None


def _range_frame(tree: exp.Expr) -> bool:
    return any(
        spec is not None and str(spec.args.get("kind", "")).upper() != "ROWS"
        for _window, spec in _frames(tree)
    )


def _ordered_aggregate_without_frame(tree: exp.Expr) -> bool:
    return any(
        spec is None
        and window.args.get("order") is not None
        and isinstance(window.this, (exp.Sum, exp.Count, exp.Min, exp.Max, exp.Avg))
        for window, spec in _frames(tree)
    )


def _ranking_frame(tree: exp.Expr) -> bool:
    ranking = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead)
    return any(
        spec is not None and isinstance(window.this, ranking) for window, spec in _frames(tree)
    )


def _distinct_window(tree: exp.Expr) -> bool:
    return any(window.this.find(exp.Distinct) is not None for window, _spec in _frames(tree))


def _values_table(tree: exp.Expr) -> bool:
    return any(not isinstance(node.parent, exp.Insert) for node in tree.find_all(exp.Values))


def _type_named(*names: str) -> Look:
    def look(tree: exp.Expr) -> bool:
        return any(
            kind.this.name.lower() in names if hasattr(kind.this, "name") else False
            for kind in tree.find_all(exp.DataType)
        )

    return look


def _is_leaders(table: exp.Table) -> bool:
    """A view of the leader node's: of the information schema, or of external tables."""
    return table.db.lower() == "information_schema" or table.name.lower().startswith("svv_external")


def _is_users(table: exp.Table, own: set[str]) -> bool:
    """A table of a user's: no CTE, no catalog, no system view."""
    system = ("pg_", "svv_", "svl_", "svcs_", "stl_", "stv_", "sys_")
    return (
        isinstance(table.this, exp.Identifier)
        and table.db.lower() not in ("information_schema", "pg_catalog")
        and not table.name.lower().startswith(system)
        and not (table.name.lower() in own and not table.db)
    )


def _leaders_views_with_tables(tree: exp.Expr) -> bool:
    tables = list(tree.find_all(exp.Table))
    own = {each.alias.lower() for each in tree.find_all(exp.CTE)}
    return any(map(_is_leaders, tables)) and any(_is_users(table, own) for table in tables)


def _merge_whens(tree: exp.Expr) -> list[exp.When]:
    return list(tree.find_all(exp.When)) if isinstance(tree, exp.Merge) else []


def _merge_condition(tree: exp.Expr) -> bool:
    return any(when.args.get("condition") for when in _merge_whens(tree))


def _merge_not_two(tree: exp.Expr) -> bool:
    matched = sorted(bool(when.args.get("matched")) for when in _merge_whens(tree))
    return isinstance(tree, exp.Merge) and matched != [False, True]


def _merge_target_alias(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Merge) and bool(tree.this.alias)


def _merge_with(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Merge) and tree.args.get("with_") is not None


def _merge_source_reads_target(tree: exp.Expr) -> bool:
    if not isinstance(tree, exp.Merge):
        return False
    using = tree.args["using"]
    return isinstance(using, exp.Subquery) and any(
        table.name == tree.this.name and table.db == tree.this.db
        for table in using.find_all(exp.Table)
    )


def _outer_names(select: exp.Select) -> set[str]:
    return {
        (source.alias or source.name).lower()
        for source in [
            *([select.args["from_"].this] if select.args.get("from_") else []),
            *(join.this for join in select.args.get("joins") or []),
        ]
        if isinstance(source, (exp.Table, exp.Subquery))
    }


def _skipping_correlation(tree: exp.Expr) -> bool:
    """A column of a query two or more levels up, seen from a subquery."""
    for select in tree.find_all(exp.Select):
        chain = []
        node: exp.Expr | None = select
        while node is not None:
            if isinstance(node, exp.Select):
                chain.append(_outer_names(node))
            if isinstance(node, (exp.CTE, exp.From, exp.Join)) and not _in_condition(node, select):
                break
            node = node.parent
        if len(chain) < 3:
            continue
        near = chain[0] | chain[1]
        for column in select.find_all(exp.Column):
            if column.find_ancestor(exp.Select) is not select:
                continue
            name = column.parts[0].name.lower() if len(column.parts) > 1 else ""
            if name and name not in near and any(name in names for names in chain[2:]):
                return True
    return False


def _in_condition(node: exp.Expr, inner: exp.Expr) -> bool:
    on = node.args.get("on") if isinstance(node, exp.Join) else None
    return on is not None and any(part is inner for part in on.walk())


def _correlated_limit(tree: exp.Expr) -> bool:
    """LIMIT or ORDER BY in a subquery that names a relation of the query around it."""
    for select in tree.find_all(exp.Select):
        if not (select.args.get("limit") or select.args.get("order")):
            continue
        outer = select.parent.find_ancestor(exp.Select) if select.parent else None
        if outer is None or select.find_ancestor(exp.CTE, exp.From) is not None:
            continue
        inner_names, outer_names = _outer_names(select), _outer_names(outer)
        for column in select.find_all(exp.Column):
            name = column.parts[0].name.lower() if len(column.parts) > 1 else ""
            if name and name not in inner_names and name in outer_names:
                return True
    return False


def _own_columns(select: exp.Select) -> Iterator[exp.Column]:
    """Columns of the query itself, not of those inside it."""
    for column in select.find_all(exp.Column):
        if column.find_ancestor(exp.Select) is select:
            yield column


def _correlated_selects(tree: exp.Expr) -> Iterator[tuple[exp.Select, exp.Select]]:
    """Subqueries of an expression that name a relation of the query around them, with that query."""
    for select in tree.find_all(exp.Select):
        outer = select.parent.find_ancestor(exp.Select) if select.parent else None
        between = select.find_ancestor(exp.CTE, exp.From, exp.Select)
        if outer is None or between is not outer:
            continue
        inner_names, outer_names = _outer_names(select), _outer_names(outer)
        for column in _own_columns(select):
            name = column.parts[0].name.lower() if len(column.parts) > 1 else ""
            if name and name not in inner_names and name in outer_names:
                yield select, outer
                break


def _correlated_window(tree: exp.Expr) -> bool:
    return any(inner.find(exp.Window) for inner, _outer in _correlated_selects(tree))


def _correlated_outer_join(tree: exp.Expr) -> bool:
    for inner, _outer in _correlated_selects(tree):
        join = inner.find_ancestor(exp.Join, exp.Select)
        if isinstance(join, exp.Join) and join.side:
            return True
    return False


def _grouped_by_correlated(tree: exp.Expr) -> bool:
    for inner, outer in _correlated_selects(tree):
        projection = inner.find_ancestor(exp.Alias, exp.Select)
        group = outer.args.get("group")
        if isinstance(projection, exp.Alias) and group is not None:
            return any(each.name == projection.alias for each in group.expressions)
    return False


def _qualify_without_alias(tree: exp.Expr) -> bool:
    """QUALIFY directly behind FROM asks for an alias of the relation."""
    for select in tree.find_all(exp.Select):
        from_ = select.args.get("from_")
        last = (select.args.get("joins") or [from_])[-1]
        if (
            select.args.get("qualify")
            and not any(select.args.get(part) for part in ("where", "group", "having"))
            and last is not None
            and not last.this.alias
            and not last.args.get("on")
        ):
            return True
    return False


def _listagg_orders(tree: exp.Expr) -> bool:
    for select in tree.find_all(exp.Select):
        orders = {
            group.expression.sql()
            for projection in select.expressions
            for group in projection.find_all(exp.WithinGroup)
        }
        if len(orders) > 1:
            return True
    return False


def _window_literal(tree: exp.Expr) -> bool:
    for window, _spec in _frames(tree):
        order = window.args.get("order")
        ordered = [each.this for each in order.expressions] if order is not None else []
        if any(
            isinstance(each, exp.Literal)
            for each in [*(window.args.get("partition_by") or []), *ordered]
        ):
            return True
    return False


def _merge_super_path(tree: exp.Expr) -> bool:
    if not isinstance(tree, exp.Merge):
        return False
    relations = {tree.this.name.lower(), tree.args["using"].alias_or_name.lower()}
    return any(
        len(column.parts) > 2 and column.parts[0].name.lower() in relations
        for part in (tree.args["on"], *_merge_whens(tree))
        for column in part.find_all(exp.Column)
    )


def _merge_same_table(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Merge) and (
        tree.args["using"].name,
        tree.args["using"].args.get("db"),
    ) == (
        tree.this.name,
        tree.this.args.get("db"),
    )


def _sets_qualified(tree: exp.Expr) -> bool:
    """`update t set t.a = 1`, alone or in a MERGE; not in what stands right of the sign."""
    return any(
        isinstance(assigned, exp.EQ)
        and isinstance(assigned.this, exp.Column)
        and assigned.this.table
        for update in tree.find_all(exp.Update)
        for assigned in update.expressions
    )


def _update_outer_join(tree: exp.Expr) -> bool:
    from_ = tree.args.get("from_") if isinstance(tree, exp.Update) else None
    if from_ is None:
        return False
    return any(
        join.side
        for join in [*(from_.this.args.get("joins") or []), *(from_.args.get("joins") or [])]
    )


def _target_alias(tree: exp.Expr) -> bool:
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    return isinstance(tree, (exp.Delete, exp.Insert)) and bool(target.alias)


def _subquery_in_rows(tree: exp.Expr) -> bool:
    """More than one row of VALUES, and a subquery in one of them."""
    rows = tree.args.get("expression") if isinstance(tree, exp.Insert) else None
    return (
        isinstance(rows, exp.Values)
        and len(rows.expressions) > 1
        and rows.find(exp.Select) is not None
    )


def _limit_in_set_operation(tree: exp.Expr) -> bool:
    return any(
        side is not None and side.unnest().args.get(part) is not None
        for operation in tree.find_all(exp.SetOperation)
        for side in (operation.this, operation.expression)
        for part in ("limit", "offset")
    )


def _bound(spec: exp.WindowSpec, end: str) -> float | None:
    """Where a frame begins or ends, in rows from the current one."""
    value, side = spec.args.get(end), str(spec.args.get(f"{end}_side") or "").upper()
    sign = -1 if side == "PRECEDING" else 1
    if value is None:
        return None
    if isinstance(value, str):
        return 0 if value == "CURRENT ROW" else sign * float("inf")
    return sign * float(value.name)


def _frame_ends_before_it_begins(tree: exp.Expr) -> bool:
    for _window, spec in _frames(tree):
        start, end = (
            (_bound(spec, "start"), _bound(spec, "end")) if spec is not None else (None, None)
        )
        if start is not None and end is not None and start > end:
            return True
    return False


def _subquery_without_alias(tree: exp.Expr) -> bool:
    return any(
        isinstance(subquery.this, (exp.Select, exp.SetOperation))
        and isinstance(subquery.parent, (exp.From, exp.Join))
        and not subquery.alias
        for subquery in tree.find_all(exp.Subquery)
    )


def _with_in_with(tree: exp.Expr) -> bool:
    return any(cte.this.args.get("with_") is not None for cte in tree.find_all(exp.CTE))


def _super_in_outer_join(tree: exp.Expr) -> bool:
    """Navigation into a SUPER in a query that joins RIGHT or FULL."""
    for select in tree.find_all(exp.Select):
        names = _outer_names(select)
        if any(join.side in ("RIGHT", "FULL") for join in select.args.get("joins") or []) and any(
            len(column.parts) > 2 and column.parts[0].name.lower() in names
            for column in _own_columns(select)
        ):
            return True
    return False


def _reserved_name(tree: exp.Expr) -> bool:
    return any(
        not identifier.args.get("quoted")
        and identifier.name.lower() in RESERVED
        and not _is_system_column(identifier)
        and not _is_default(identifier)
        for identifier in tree.find_all(exp.Identifier)
    )


def _is_system_column(identifier: exp.Expr) -> bool:
    """`oid` of a catalog table, which dbt's adapter asks for by that name."""
    column = identifier.parent
    return isinstance(column, exp.Column) and bool(column.table) and column.name.lower() == "oid"


def _is_default(identifier: exp.Expr) -> bool:
    """DEFAULT in the place of a value (r_UPDATE, r_INSERT_30)."""
    column = identifier.parent
    return (
        identifier.name.lower() == "default"
        and isinstance(column, exp.Column)
        and not column.table
        and isinstance(column.parent, (exp.EQ, exp.Tuple))
    )


# r_pg_keywords: "You can use the reserved words with delimited identifiers"; it has no `type`
RESERVED = {word.strip().lower() for word in Redshift.Generator.RESERVED_KEYWORDS} - {"type"}
# cm_chap_ConfigurationRef lists them; what a driver sets at its start, too
PARAMETERS = frozenset(
    """
    analyze_threshold_percent application_name cast_super_null_on_error client_encoding datestyle
    default_geometry_encoding describe_field_name_in_uppercase downcase_delimited_identifier
    enable_case_sensitive_identifier enable_case_sensitive_super_attribute enable_numeric_rounding
    enable_result_cache_for_session enable_vacuum_boost error_on_nondeterministic_update
    extra_float_digits json_serialization_enable json_serialization_parse_nested_strings
    max_concurrency_scaling_clusters max_cursor_result_set_size mv_enable_aqmv_for_session
    navigate_super_null_on_error parse_super_null_on_error query_group search_path
    spectrum_enable_pseudo_columns spectrum_query_maxerror statement_timeout
    stored_proc_log_min_messages timezone use_fips_ssl wlm_query_slot_count
    """.split()  # noqa: SIM905 - a list of words
)
_DIST = "c_unsupported-postgresql-features"
_TYPES = "c_unsupported-postgresql-datatypes"
_MERGE = "r_MERGE"

RULES: tuple[Rule, ...] = (
    Rule("on_conflict", "r_INSERT_30", 'syntax error at or near "on"',
         "insert into t values (1) on conflict do nothing", _argument(exp.Insert, "conflict")),
    Rule("returning", "r_INSERT_30", 'syntax error at or near "returning"',
         "delete from t where a = 1 returning a", _has(exp.Returning)),
    Rule("filter", "c_Aggregate_Functions", 'syntax error at or near "filter"',
         "select sum(a) filter (where a > 1) from t", _has(exp.Filter)),
    Rule("lateral", "r_FROM_clause30", 'syntax error at or near "lateral"',
         "select 1 from t, lateral (select t.a) as x", _has(exp.Lateral)),
    Rule("distinct_on", _DIST, "SELECT DISTINCT ON is not supported",
         "select distinct on (a) a, b from t",
         lambda tree: any(node.args.get("on") for node in tree.find_all(exp.Distinct))),
    Rule("array_constructor", _TYPES, 'syntax error at or near "["',
         "select array[1, 2]", _has(exp.Array)),
    Rule("json_operators", _TYPES, 'syntax error at or near "->"',
         "select a ->> 'x' from t",
         _has(exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar,
              exp.JSONBContains)),
    Rule("postgresql_types", _TYPES,
         "Unsupported PostgreSQL data type: arrays, json, jsonb, uuid, xml, bytea, inet, money, bit, serial",
         "select cast(a as jsonb) from t",
         _type_named("json", "jsonb", "uuid", "xml", "inet", "money", "bit", "serial", "bigserial",
                     "array", "bytea", "hstore")),
    Rule("values_as_table", _DIST, 'syntax error at or near "values"',
         "select * from (values (1), (2)) as t(a)", _values_table),
    Rule("generate_series_with_tables", "c_SQL_functions_leader_node_only",
         "Specified types or functions (one per INFO message) not supported on Redshift tables.",
         "select t.a from t join generate_series(1, 3) as g on true", _series_with_tables),
    Rule("leaders_views_with_tables", "c_join_PG",
         "Specified types or functions (one per INFO message) not supported on Redshift tables.",
         "select t.a from t join svv_external_partitions as p on t.c = p.location", _leaders_views_with_tables),
    Rule("ranking_frame", "c_Window_functions", "a frame is not allowed with a ranking function",
         "select row_number() over (partition by a order by b rows unbounded preceding) from t", _ranking_frame),
    Rule("window_range", "r_Window_function_synopsis", "RANGE frames are not supported; use ROWS",
         "select sum(a) over (order by b range between unbounded preceding and current row) from t",
         _range_frame),
    Rule("window_frame_required", "r_Window_function_synopsis",
         "Aggregate window functions with an ORDER BY clause require a frame clause",
         "select sum(a) over (partition by c order by b) from t", _ordered_aggregate_without_frame),
    Rule("window_distinct", "r_Window_function_synopsis",
         "DISTINCT is not supported for window functions",
         "select count(distinct a) over (partition by b) from t", _distinct_window),
    Rule("is_distinct_from", "unverified", 'syntax error at or near "distinct"',
         "select a is distinct from b from t", _has(exp.NullSafeEQ, exp.NullSafeNEQ)),
    Rule("merge_condition", _MERGE, 'syntax error at or near "and"',
         "merge into t using s on t.a = s.a when matched and s.b > 1 then update set b = s.b"
         " when not matched then insert values (s.a, s.b)", _merge_condition),
    Rule("merge_one_of_each", _MERGE,
         "MERGE requires exactly one WHEN MATCHED and one WHEN NOT MATCHED clause",
         "merge into t using s on t.a = s.a when matched then update set b = s.b", _merge_not_two),
    Rule("merge_target_alias", _MERGE, "MERGE target table cannot have an alias",
         "merge into t as x using s on x.a = s.a when matched then update set b = s.b"
         " when not matched then insert values (s.a, s.b)", _merge_target_alias),
    Rule("merge_with", _MERGE, "MERGE does not support a WITH clause",
         "with s as (select 1 as a) merge into t using s on t.a = s.a when matched then delete"
         " when not matched then insert values (s.a)", _merge_with),
    Rule("merge_source_reads_target", _MERGE,
         "Source view/subquery in Merge statement cannot reference target table",
         "merge into t using (select a, b from t) as s on t.a = s.a when matched then update set b ="
         " s.b when not matched then insert values (s.a, s.b)", _merge_source_reads_target),
    Rule("correlation_skips_a_level", "r_correlated_subqueries",
         "This type of correlated subquery pattern is not supported yet",
         "select t.a from t where exists (select 1 from s where s.b = (select max(u.b) from u"
         " where u.a = t.a))", _skipping_correlation),
    Rule("correlation_with_limit", "r_correlated_subqueries",
         "This type of correlated subquery pattern is not supported yet",
         "select t.a, (select s.b from s where s.a = t.a order by s.b limit 1) from t",
         _correlated_limit),
    Rule("correlation_with_window", "r_correlated_subqueries",
         "This type of correlated subquery pattern is not supported yet",
         "select t.a from t where t.b not in (select sum(s.b) over () from s where s.a = t.a)",
         _correlated_window),
    Rule("correlation_in_outer_join", "r_correlated_subqueries",
         "This type of correlated subquery pattern is not supported yet",
         "select t.a from t left join s on t.a = s.a and s.b = (select max(u.b) from u where u.a = s.a)",
         _correlated_outer_join),
    Rule("grouped_by_correlated", "r_correlated_subqueries",
         "This type of correlated subquery pattern is not supported yet",
         "select t.a, (select count(s.b) from s where s.a = t.a) as n from t group by n, t.a",
         _grouped_by_correlated),
    Rule("qualify_without_alias", "r_QUALIFY_clause", 'syntax error at or near "qualify"',
         "select a from t qualify row_number() over (partition by a order by b) = 1",
         _qualify_without_alias),
    Rule("listagg_orders", "r_LISTAGG",
         "All WITHIN GROUP clauses of a statement must use the same ORDER BY values",
         "select listagg(a) within group (order by b) as x, listagg(b) within group (order by a) as y from t",
         _listagg_orders),
    Rule("window_literal", "r_Window_function_synopsis",
         "constant expressions are not supported in the PARTITION BY and ORDER BY of a window",
         "select row_number() over (partition by 'x' order by a) from t", _window_literal),
    Rule("merge_super_path", _MERGE, "Partial reference of SUPER column is not supported in MERGE statement.",
         "merge into t using s on t.a = s.a when matched then update set c = s.p.x"
         " when not matched then insert values (s.a)", _merge_super_path),
    Rule("merge_super_path_in_condition", _MERGE,
         "Partial reference of SUPER column is not supported in MERGE statement.",
         "merge into t using s on t.a = s.p.a when matched then delete"
         " when not matched then insert values (s.a)", _merge_super_path),
    Rule("merge_same_table", _MERGE, "Source and target of a MERGE cannot be the same table",
         "merge into t using t on t.a = t.a when matched then delete when not matched then insert values (t.a)",
         _merge_same_table),
    Rule("merge_sets_qualified", _MERGE, 'syntax error at or near "."',
         "merge into t using s on t.a = s.a when matched then update set t.b = s.b"
         " when not matched then insert values (s.a, s.b)", _sets_qualified),
    Rule("update_sets_qualified", "r_UPDATE", 'syntax error at or near "."', "update t set t.b = 1", _sets_qualified),
    Rule("update_outer_join", "r_UPDATE", "Target table must be part of an equijoin predicate",
         "update t set b = s.b from s left join u on s.a = u.a where t.a = s.a", _update_outer_join),
    Rule("delete_alias", "r_DELETE", 'syntax error at or near "as"', "delete from t as x where x.a = 1", _target_alias),
    Rule("insert_alias", "r_INSERT_30", 'syntax error at or near "as"', "insert into t as x (a) values (1)", _target_alias),
    Rule("subquery_in_rows", "r_INSERT_30", "subqueries are not supported in a VALUES list of several rows",
         "insert into s values ((select max(b) from s), 1), (3, 4)", _subquery_in_rows),
    Rule("limit_in_set_operation", "r_UNION", "LIMIT may not be used within input to set operations",
         "(select a from t limit 10) except (select a from s)", _limit_in_set_operation),
    Rule("frame_ends_before_it_begins", "r_Window_function_synopsis",
         "frame starting from following row cannot end before it",
         "select sum(a) over (order by b rows between current row and 2 preceding) from t",
         _frame_ends_before_it_begins),
    Rule("with_in_with", "r_WITH_clause", "a WITH clause inside a subquery of a WITH clause is not supported",
         "with x as (with y as (select a from t) select a from y) select a from x", _with_in_with),
    Rule("super_in_outer_join", "limitations-super", "SUPER is not supported in right and full outer joins",
         "select t.p.n from t full join s on t.a = s.a", _super_in_outer_join),
    Rule("subquery_without_alias", "r_FROM_clause30", "subquery in FROM must have an alias",
         "select a from (select a from t)", _subquery_without_alias),
    Rule("collate", _DIST, 'syntax error at or near "collate"', 'select c collate "C" from t', _has(exp.Collate)),
    Rule("row_constructor", _DIST, 'syntax error at or near "row"', "select row(1, 2)", _calls("row")),
    Rule("reserved_name", "r_pg_keywords", "syntax error: a reserved word is used as a name",
         "select a as snapshot from t", _reserved_name),
    Rule("tablesample", _DIST, 'syntax error at or near "tablesample"',
         "select a from t tablesample bernoulli (10)", _has(exp.TableSample)),
    Rule("for_update", "r_SELECT_synopsis", "SELECT FOR UPDATE is not supported",
         "select a from t for update", _has(exp.Lock)),
    Rule("unknown_function", "c_SQL_functions", "function does not exist",
         "select gen_random_uuid()", _unknown_function),
)  # fmt: skip

_APPEND = "r_ALTER_TABLE_APPEND"
_STREAM = "materialized-view-streaming-ingestion"

STATEMENT_RULES: tuple[StatementRule, ...] = (
    StatementRule("unknown_statement", _DIST, 'syntax error at or near "{}"', "create index i on t (a)"),
    StatementRule("statement_size", "r_UPDATE", "statement is too large: the maximum size of a single SQL statement is 16 MB",
                  "select '" + "x" * 16_777_216 + "'"),
    StatementRule("unknown_parameter", "cm_chap_ConfigurationRef", 'unrecognized configuration parameter "{}"',
                  "set error_on_nondeterministic_updates to true"),
    # tables: distribution and sort keys, columns
    StatementRule("distkey_without_column", "r_CREATE_TABLE_NEW", "DISTSTYLE KEY requires a DISTKEY column",
                  "create table j diststyle key as select 1 as a"),
    StatementRule("distkey_and_other_style", "r_CREATE_TABLE_NEW", "DISTKEY is allowed with DISTSTYLE KEY only",
                  "create table j diststyle even distkey (a) as select 1 as a"),
    StatementRule("one_distkey", "r_CREATE_TABLE_NEW", "only one column can be the distribution key",
                  "create table j (a integer, b integer) distkey (a, b)"),
    StatementRule("interleaved_columns", "r_CREATE_TABLE_NEW", "an interleaved sort key has at most 8 columns",
                  "create table j (a integer) interleaved sortkey (a, b, c, d, e, f, g, h, i)"),
    StatementRule("key_of_no_column", "r_CREATE_TABLE_NEW", 'column "{}" specified as distkey/sortkey is not in the table',
                  "create table j diststyle key distkey (z) as select 1 as a"),
    StatementRule("super_as_key", "limitations-super", "a SUPER column can't be a distribution or sort key",
                  "create table j (a integer, p super) sortkey (p)"),
    StatementRule("check_constraint", _DIST, 'syntax error at or near "check"', "create table j (a integer check (a > 0))"),
    StatementRule("column_type", _TYPES, "Unsupported PostgreSQL data type", "create table j (a jsonb)"),
    StatementRule("varchar_length", "r_Character_types", "length for type varchar cannot exceed 65535: {}",
                  "select cast(c as varchar(70000)) from t"),
    StatementRule("one_column_at_a_time", "r_ALTER_TABLE", 'syntax error at or near ","',
                  "alter table t add column y integer, add column z integer"),
    StatementRule("drop_key_column", "r_ALTER_TABLE", 'cannot drop distkey or sortkey column "{}"', "alter table t drop column a"),
    StatementRule("alter_column_in_transaction", "r_ALTER_TABLE",
                  "ALTER TABLE ALTER COLUMN cannot run inside a transaction block",
                  "alter table t alter column c type varchar(30)", ("begin",)),
    StatementRule("vacuum_in_transaction", "r_VACUUM_command", "VACUUM cannot run inside a transaction block", "vacuum t", ("begin",)),
    # Redshift commits what came before it: refused, so that nothing here is committed unseen
    StatementRule("truncate_in_transaction", "r_TRUNCATE", "TRUNCATE commits the transaction in which it is run: refused here",
                  "truncate t", ("begin",)),
    # views
    StatementRule("late_binding_names_schemas", "r_CREATE_VIEW",
                  "All the relation names inside should be qualified when creating views with no schema binding.",
                  "create view w as select a from t with no schema binding"),
    StatementRule("view_read_only", "r_CREATE_VIEW", 'cannot change a view: "{}"', "delete from plain_view",
                  ("create view plain_view as select a from t",)),
    StatementRule("late_binding_view_read_only", "r_CREATE_VIEW", 'cannot change a view: "{}"', "update public.unbound set a = 1",
                  ("create view public.unbound as select a from public.t with no schema binding",)),
    StatementRule("lock_view", "r_LOCK", 'cannot lock a view: "{}"', "lock public.lockable",
                  ("create view public.lockable as select a from public.t with no schema binding",)),
    # ALTER TABLE APPEND
    StatementRule("append_in_transaction", _APPEND, "ALTER TABLE APPEND cannot run inside a transaction block",
                  "alter table t append from s", ("begin",)),
    StatementRule("append_permanent", _APPEND, "ALTER TABLE APPEND: source and target must be permanent tables",
                  "alter table passing append from sales", ("create temporary table passing (a integer)",)),
    StatementRule("append_keys", _APPEND,
                  "ALTER TABLE APPEND: source and target must have the same distribution style and sort keys: {!r}, {!r}",
                  "alter table t append from s"),
    StatementRule("append_attributes", _APPEND, "ALTER TABLE APPEND: columns of one name must have identical attributes",
                  "alter table sales append from other_sales", ("create table other_sales (a bigint)",)),
    StatementRule("append_columns", _APPEND, "ALTER TABLE APPEND: columns differ; use IGNOREEXTRA or FILLTARGET",
                  "alter table sales append from wide_sales", ("create table wide_sales (a integer, b integer)",)),
    StatementRule("append_columns_of_both", _APPEND, "ALTER TABLE APPEND: columns differ; use IGNOREEXTRA or FILLTARGET",
                  "alter table left_sales append from right_sales filltarget",
                  ("create table left_sales (a integer, b integer)", "create table right_sales (a integer, c integer)")),
    StatementRule("append_null", _APPEND, "ALTER TABLE APPEND: columns of one name must have identical attributes",
                  "alter table sales append from full_sales", ("create table full_sales (a integer not null)",)),
    # external schemas and tables
    StatementRule("kafka_needs_a_role", "materialized-view-streaming-ingestion-getting-started-MSK",
                  "IAM_ROLE is required with AUTHENTICATION IAM",
                  "create external schema k2 from kafka authentication iam uri 'b-1:9098'"),
    StatementRule("external_database_in_transaction", "r_CREATE_EXTERNAL_SCHEMA",
                  "CREATE EXTERNAL SCHEMA … CREATE EXTERNAL DATABASE cannot run inside a transaction block",
                  "create external schema lake2 from data catalog database 'x' iam_role default"
                  " create external database if not exists", ("begin",)),
    StatementRule("external_in_transaction", "r_CREATE_EXTERNAL_TABLE", "{} cannot run inside a transaction block",
                  "create external table lake.x (a integer) stored as parquet location 's3://lake/x/'", ("begin",)),
    StatementRule("external_needs_its_schema", "r_CREATE_EXTERNAL_TABLE", 'external schema "{}" does not exist',
                  "create external table public.x (a integer) stored as parquet location 's3://lake/x/'"),
    StatementRule("pseudocolumn", "r_CREATE_EXTERNAL_TABLE", "\"$path\" and \"$size\" cannot be names of columns",
                  "create external table lake.y (\"$path\" varchar(9)) stored as parquet location 's3://lake/y/'"),
    StatementRule("table_property", "r_CREATE_EXTERNAL_TABLE", "table property '{}' = '{}' is not known",
                  "create external table lake.p (a varbyte(9)) stored as parquet location 's3://lake/p/'"
                  " table properties ('Surplus_Bytes_Handling' = 'FAIL')"),
    StatementRule("partition_in_transaction", "r_ALTER_TABLE_external-table",
                  "ALTER EXTERNAL TABLE cannot run inside a transaction block",
                  "alter table lake.x add partition (a = 1) location 's3://lake/x/a=1/'", ("begin",)),
    StatementRule("drop_external_in_transaction", "r_DROP_TABLE", "DROP EXTERNAL TABLE cannot run inside a transaction block",
                  "drop table lake.z", ("create external table lake.z (a integer) stored as parquet location 's3://lake/z/'", "begin")),
    StatementRule("rename_external", "r_ALTER_TABLE", "cannot rename an external table",
                  "alter table lake.r rename to r2", ("create external table lake.r (a integer) stored as parquet location 's3://lake/r/'",)),
    StatementRule("update_external", "r_UPDATE", 'cannot change an external table: "{}"', "update lake.u set a = 1",
                  ("create external table lake.u (a integer) stored as parquet location 's3://lake/u/'",)),
    StatementRule("merge_external", _MERGE, 'cannot change an external table: "{}"',
                  "merge into lake.m using s on lake.m.a = s.a when matched then delete when not matched then insert values (s.a)",
                  ("create external table lake.m (a integer) stored as parquet location 's3://lake/m/'",)),
    # streaming views; facts about transactions are open: refused, so that nothing here depends on them
    StatementRule("streaming_in_transaction", "unverified",
                  "{} of a streaming view inside a transaction block is unverified: refused here",
                  "refresh materialized view m", ("begin",)),
    StatementRule("stream_of_one_topic", _STREAM,
                  "Materialized view over stream could not be created, reason: Joins are not supported.",
                  'create materialized view m1 auto refresh yes as select a.kafka_offset from k."x" as a'
                  ' join k."y" as b on a.kafka_offset = b.kafka_offset'),
    StatementRule("stream_without_subquery", _STREAM,
                  "Materialized view over stream could not be created, reason: Column aliases are not supported.",
                  'create materialized view m2 auto refresh yes as select q.kafka_offset from'
                  ' (select kafka_offset from k."x") as q'),
    StatementRule("stream_without_clauses", _STREAM,
                  "Materialized view over stream could not be created, reason: ORDER BY, LIMIT, GROUP BY and DISTINCT"
                  " are not supported.",
                  'create materialized view m3 auto refresh yes as select kafka_offset from k."x" order by kafka_offset'),
    StatementRule("stream_without_mutable_functions", "materialized-view-create-sql-command",
                  "AUTO REFRESH is not supported for a materialized view with mutable functions: {}",
                  'create materialized view m6 auto refresh yes as select kafka_offset, getdate() as seen_at from k."x"'),
    StatementRule("view_of_a_stream", _STREAM, 'relation "{}.{}" is not a stream',
                  "create materialized view m4 auto refresh yes as select a from public.t"),
    StatementRule("attributes_before_auto_refresh", "materialized-view-create-sql-command",
                  'syntax error at or near "sortkey"',
                  'create materialized view m5 auto refresh yes sortkey (kafka_offset) as select kafka_offset from k."x"'),
    # roles, grants, masks
    StatementRule("role_reserved_word", "r_CREATE_ROLE", 'syntax error at or near "{}"', "create role user"),
    StatementRule("grant_on_external_table", "r_CREATE_EXTERNAL_SCHEMA",
                  "permissions are granted on the external schema, not on its tables",
                  "grant select on lake.g to role masked",
                  ("create external table lake.g (a integer) stored as parquet location 's3://lake/g/'", "create role masked")),
    StatementRule("grant_create_on_external_schema", "r_GRANT", "CREATE ON SCHEMA is not supported for external schemas",
                  "grant create on schema lake to public"),
    StatementRule("grant_external_in_transaction", "r_GRANT",
                  "GRANT on an external resource cannot run inside a transaction block",
                  "grant usage on schema lake to public", ("begin",)),
    StatementRule("grant_option_to_public", "r_GRANT", "WITH GRANT OPTION cannot be granted to a group or to PUBLIC",
                  "grant select on t to public with grant option"),
    StatementRule("mask_constant_without_cast", "r_CREATE_MASKING_POLICY",
                  "a constant as masking expression has to be cast to the type of the input",
                  "create masking policy bare with (value varchar(256)) using ('***')"),
    StatementRule("mask_unknown", "r_ATTACH_MASKING_POLICY", 'masking policy "{}" does not exist',
                  "attach masking policy missing on t (c) to public"),
    StatementRule("mask_type", "r_CREATE_MASKING_POLICY", "masking policy and column have different types: {}, {}",
                  "attach masking policy of_dates on t (c) to public",
                  ("create masking policy of_dates with (value date) using (cast(null as date))",)),
    StatementRule("mask_twice", "r_ATTACH_MASKING_POLICY",
                  'a masking policy is already attached to column "{}" for this grantee or with this priority',
                  "attach masking policy other on masked_table (c) to public",
                  ("create table masked_table (c varchar(20))",
                   "create masking policy one with (value varchar(20)) using (cast('***' as varchar(20)))",
                   "create masking policy other with (value varchar(20)) using (cast('---' as varchar(20)))",
                   "attach masking policy one on masked_table (c) to public")),
    StatementRule("mask_external", "t_ddm-considerations", "a masking policy cannot be attached to an external table",
                  "attach masking policy whole on lake.h (a) to public",
                  ("create external table lake.h (a integer) stored as parquet location 's3://lake/h/'",
                   "create masking policy whole with (value integer) using (cast(null as integer))")),
    # raised by functions.sql
    StatementRule("listagg_size", "r_LISTAGG", "Result size exceeds LISTAGG limit",
                  "select listagg(repeat('x', 60000)) within group (order by a) from answered"),
    StatementRule("json_serialize_size", "JSON_SERIALIZE", "JSON_SERIALIZE: the result exceeds the maximum of 65535 bytes",
                  "select json_serialize(json_parse('[\"' || repeat('x', 60000) || '\",\"' || repeat('x', 60000) || '\"]'))"),
    StatementRule("json_parse_invalid", "JSON_PARSE", "Invalid JSON format", "select json_parse('[1,2')"),
)  # fmt: skip
_BY_NAME = {rule.name: rule for rule in STATEMENT_RULES}

# Functions of Redshift that our SQL and dbt's adapter use, and where they are: in PostgreSQL with the
# same meaning, or in schema `redshift` (functions.sql). Everything else does not exist.
_POSTGRES = {
    "md5", "translate", "replace", "lpad", "rpad", "length", "octet_length", "strpos", "to_hex",
    "to_char", "date_trunc", "mod", "concat", "left", "right", "split_part", "ltrim", "rtrim",
    "btrim", "bool_and", "bool_or", "pg_backend_pid", "has_table_privilege", "has_schema_privilege",
    "current_database", "current_schema", "version", "generate_series", "chr", "ascii", "floor",
    "ceil", "ceiling", "power", "sqrt", "sign", "initcap", "reverse", "repeat", "ntile",
    "percent_rank", "cume_dist", "obj_description", "col_description", "pg_get_userbyid",
    "pg_terminate_backend", "format_type", "pg_get_viewdef", "quote_ident", "stddev", "variance",
    "to_date", "to_timestamp", "date_part",
}  # fmt: skip
_OURS = {
    "can_json_parse", "json_parse", "json_typeof", "json_size", "json_serialize", "is_float",
    "from_varbyte", "getdate", "dateadd", "datediff", "convert_timezone", "len", "sha2", "trunc",
    "regexp_substr", "regexp_replace", "regexp_count", "pg_get_late_binding_view_cols",
}  # fmt: skip
FUNCTIONS: dict[str, str] = {name: name for name in _POSTGRES} | {
    name: f"redshift.{name}" for name in _OURS
}
