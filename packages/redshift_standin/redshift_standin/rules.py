"""What Redshift refuses: a query is held against the tables of `syntax.yml`.

They allow: what is in none of them is refused, in a sentence with the page that would say it.
What is about several parts of a query is a row of `rules` there; the function of its name finds it
here. `refusal` words what the handlers of other statements refuse (`statements.yml`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from sqlglot import exp
from sqlglot.dialects import Redshift

from redshift_standin.dialect import MARK


def read_table(name: str) -> Any:
    """The table `name`.yml beside this module."""
    return yaml.safe_load((Path(__file__).parent / f"{name}.yml").read_text(encoding="utf-8"))


SYNTAX = read_table("syntax")
REFUSALS: dict[str, list[str]] = read_table("statements")["refusals"]
# node: argument: the values that it may have, none for any
_NODES: dict[str, dict[str, set[str]]] = {
    node: {
        name: set(values.split("|")) if values else set()
        for name, _, values in (each.partition("=") for each in arguments.split())
    }
    for nodes in SYNTAX["nodes"].values()
    for node, arguments in nodes.items()
}
_TYPES: dict[str, list[int]] = {
    name: limits for types in SYNTAX["types"].values() for name, limits in types.items()
}
_PARTS: dict[str, str] = {
    name: part for part, others in SYNTAX["date_parts"].items() for name in [part, *others.split()]
}
FUNCTIONS: dict[str, str] = {
    name: name if {"pg", "leader"} & set(row[2:]) and "redshift" not in row else f"redshift.{name}"
    for name, row in SYNTAX["functions"].items()
}


class Refused(Exception):  # noqa: N818 - what Redshift does
    """Redshift refuses the statement, with this message."""


def refusal(name: str, *values: object) -> Refused:
    """The refusal `name` of a statement that is no query; `values` fill its message's gaps."""
    page, message = REFUSALS[name]
    return Refused(f"{message.format(*values)} ({page})")


def check(tree: exp.Expr) -> None:
    """Raise Refused unless every part of `tree` is in the tables, and no combination is refused."""
    for node in tree.walk():
        _check_node(node)
    for name, (page, message) in SYNTAX["rules"].items():
        if _LOOKS[name](tree):
            raise Refused(f"{message} ({page})")


def check_sequences(sql: str) -> None:
    """Raise Refused for words in a row that sqlglot reads as something else."""
    words = _LITERAL.sub("''", sql)
    for page, sequence, pattern in _SEQUENCES:
        if pattern.search(words):
            raise Refused(f'syntax error at or near "{sequence}" ({page})')


def _check_node(node: exp.Expr) -> None:
    kind = type(node).__name__
    allowed = _NODES.get(kind)
    if allowed is None:
        raise _refused(kind, kind)
    for name, value in node.args.items():
        if value is None or value is False or value == []:
            continue
        if name not in allowed:
            raise _refused(f"{kind}.{name}", f"{name} of {kind}")
        values = allowed[name]
        if values and str(value).upper() not in values:
            raise _refused(f"{kind}.{name}", f"{value} of {kind}")
    if isinstance(node, exp.Anonymous):
        _check_call(node)
    elif isinstance(node, exp.Extract):
        date_part(node.this, "extract")
    elif isinstance(node, exp.DataType):
        check_type(node)
    elif isinstance(node, exp.Window):
        _check_window(node)


def _refused(key: str, told: str) -> Refused:
    known = SYNTAX["refused"]
    page, message = (
        known.get(key)
        or known.get(key[key.find(".") :])
        or (
            "c_SQL_reference",
            f"{told} is not in the stand-in's tables: add it with its page",
        )
    )
    return Refused(f"{message} ({page})")


def function_name(node: exp.Expr) -> str:
    """The name of a called function, in lower case."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower().removeprefix(MARK)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(node).__name__).lower()


def _check_call(call: exp.Anonymous) -> None:
    name = function_name(call)
    row = SYNTAX["functions"].get(name)
    if row is None:
        return  # the rule unknown_function says it
    low, _, high = str(row[0]).partition("-")
    if not int(low) <= len(call.expressions) <= int(high or low):
        raise Refused(f"function {name} takes {row[0]} arguments ({row[1]})")
    if name in SYNTAX["parts_of"]:
        date_part(call.expressions[0], name)


def date_part(node: exp.Expr, function: str) -> str:
    """The part that `node` names, as PostgreSQL calls it.

    Raises:
        Refused: it is none, or the function does not take it.
    """
    part = _PARTS.get(str(node.name).lower(), "")
    if part not in SYNTAX["parts_of"][function].split():
        raise Refused(
            f"{node.name.lower()} is no date part of {function}, or not in the stand-in's tables"
            " (r_Dateparts_for_datetime_functions)"
        )
    return part


def check_type(kind: exp.DataType) -> None:
    """Raise Refused for a type that Redshift has not, or whose length it does not allow."""
    name = getattr(kind.this, "name", str(kind.this))
    limits = _TYPES.get(name)
    if limits is None:
        raise Refused(
            f"Unsupported data type, or not in the stand-in's tables: {name.lower()}"
            " (c_unsupported-postgresql-datatypes)"
        )
    sizes = [each.this.name for each in kind.expressions]
    if len(sizes) > len(limits):
        raise Refused(f"type {name.lower()} has no such length (c_Supported_data_types)")
    numbers = [
        limit if size.lower() == "max" else int(size)
        for size, limit in zip(sizes, limits, strict=False)
    ]
    for number, limit in zip(numbers, limits, strict=False):
        if number > limit or (number < 1 and number != (numbers[1] if len(numbers) > 1 else None)):
            raise Refused(
                f"length for type {name.lower()} cannot exceed {limit}: {number}"
                " (c_Supported_data_types)"
            )
    if len(numbers) == 2 and numbers[1] > numbers[0]:
        raise Refused(
            f"the scale of a decimal cannot exceed its precision: {numbers} (r_Numeric_types201)"
        )


def _check_window(window: exp.Window) -> None:
    name = function_name(window.this)
    row = SYNTAX["windows"].get(name)
    if row is None:
        raise Refused(f"{name} is no window function in the stand-in's tables (c_Window_functions)")
    page, frame, *needs = row
    spec, order = window.args.get("spec"), window.args.get("order")
    if spec is not None and not frame:
        raise Refused(f"a frame is not allowed with {name} ({page})")
    if frame and order is not None and spec is None:
        raise Refused(
            f"Aggregate window functions with an ORDER BY clause require a frame clause ({page})"
        )
    if spec is not None and order is None:
        raise Refused(f"a frame clause needs an ORDER BY clause ({page})")
    if needs and order is None:
        raise Refused(f"{name} needs an ORDER BY clause in its window ({page})")


def _unknown_function(tree: exp.Expr) -> bool:
    return bool(_called(tree) - FUNCTIONS.keys() - {"group_concat"})


def _frames(tree: exp.Expr) -> Iterator[tuple[exp.Window, exp.WindowSpec | None]]:
    for window in tree.find_all(exp.Window):
        spec = window.args.get("spec")
        yield window, spec if isinstance(spec, exp.WindowSpec) else None


def _window_distinct(tree: exp.Expr) -> bool:
    return any(window.this.find(exp.Distinct) is not None for window, _spec in _frames(tree))


def _values_as_table(tree: exp.Expr) -> bool:
    return any(not isinstance(node.parent, exp.Insert) for node in tree.find_all(exp.Values))


def _called(tree: exp.Expr) -> set[str]:
    return {function_name(call) for call in tree.find_all(exp.Anonymous, exp.GroupConcat)}


def _leader_node_only(tree: exp.Expr) -> bool:
    called = {name for name in _called(tree) if "leader" in SYNTAX["functions"].get(name, ())}
    return bool(called) and _has_users_table(tree)


def _compute_node_only(tree: exp.Expr) -> bool:
    return tree.find(exp.GroupConcat) is not None and not _has_users_table(tree)


def _has_users_table(tree: exp.Expr) -> bool:
    own = {each.alias.lower() for each in tree.find_all(exp.CTE)}
    return any(_is_users(table, own) for table in tree.find_all(exp.Table))


def _merge_on_equality(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Merge) and tree.args["on"].find(exp.EQ) is None


def _listagg_distinct_order(tree: exp.Expr) -> bool:
    return any(
        listed.find(exp.Distinct) is not None or isinstance(listed.parent, exp.Window)
        for listed in tree.find_all(exp.GroupConcat)
    )


def _frame_offset(tree: exp.Expr) -> bool:
    return any(
        not (isinstance(end, str) or (isinstance(end, exp.Literal) and end.is_int))
        for _window, spec in _frames(tree)
        if spec is not None
        for end in (spec.args.get("start"), spec.args.get("end"))
        if end is not None
    )


def _cte_of_a_change(tree: exp.Expr) -> bool:
    return any(not isinstance(cte.this, exp.Query) for cte in tree.find_all(exp.CTE))


def _empty_select(tree: exp.Expr) -> bool:
    return any(not select.expressions for select in tree.find_all(exp.Select))


def _is_what(tree: exp.Expr) -> bool:
    truths = (exp.Null, exp.Boolean)
    return any(not isinstance(node.expression, truths) for node in tree.find_all(exp.Is))


def _sets_a_row(tree: exp.Expr) -> bool:
    return any(
        not isinstance(each, exp.EQ) or isinstance(each.this, exp.Tuple)
        for update in tree.find_all(exp.Update)
        for each in update.expressions
    )


def _row_comparison(tree: exp.Expr) -> bool:
    places = (exp.In, exp.Values, exp.Insert, exp.Tuple, exp.Subquery)
    return any(not isinstance(each.parent, places) for each in tree.find_all(exp.Tuple))


def _current_timestamp(tree: exp.Expr) -> bool:
    return any(not now.args.get("sysdate") for now in tree.find_all(exp.CurrentTimestamp))


def _boolean_to_text(tree: exp.Expr) -> bool:
    truths = (exp.Boolean, exp.Predicate, exp.Not, exp.And, exp.Or)
    return any(
        isinstance(cast.this.unnest(), truths) and cast.args["to"].this in exp.DataType.TEXT_TYPES
        for cast in tree.find_all(exp.Cast)
    )


# What works on the trailing blanks of a text; a comparison is answered (`translation`).
_KEEPS_BLANKS = (
    exp.DPipe,
    exp.Anonymous,
    exp.GroupConcat,
    exp.Trim,
    exp.StrPosition,
    exp.Cast,
    exp.Like,
)
BLANKS_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)


def _trailing_blanks(tree: exp.Expr) -> bool:
    """A text that ends in a blank, where it may be grouped, joined or compared unseen."""
    return any(
        literal.is_string
        and literal.name.endswith(" ")
        and not isinstance(literal.parent, (*_KEEPS_BLANKS, *BLANKS_COMPARED))
        for literal in tree.find_all(exp.Literal)
    )


def _is_leaders(table: exp.Table) -> bool:
    """A relation of the leader node's: of the information schema, a catalog, of external tables."""
    leaders = ("svv_external", "svv_tables", "svv_columns", "pg_")
    return (
        table.db.lower() in ("information_schema", "pg_catalog")
        or table.name.lower().startswith(leaders)
        or (isinstance(table.this, exp.Anonymous) and function_name(table.this).startswith("pg_"))
    )


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


def _merge_one_of_each(tree: exp.Expr) -> bool:
    matched = sorted(bool(when.args.get("matched")) for when in _merge_whens(tree))
    return isinstance(tree, exp.Merge) and matched != [False, True]


def _merge_target_alias(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Merge) and bool(tree.this.alias)


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


def _correlation_skips_a_level(tree: exp.Expr) -> bool:
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


def _correlation_with_limit(tree: exp.Expr) -> bool:
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
    """Subqueries of an expression that name a relation of the query around them; that query."""
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


def _correlation_with_window(tree: exp.Expr) -> bool:
    return any(inner.find(exp.Window) for inner, _outer in _correlated_selects(tree))


def _correlation_in_outer_join(tree: exp.Expr) -> bool:
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


def _row_constructor(tree: exp.Expr) -> bool:
    return "row" in _called(tree)


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
_LOOKS: dict[str, Callable[[exp.Expr], bool]] = {
    name: globals()[f"_{name}"] for name in SYNTAX["rules"]
}


def _bounded(words: str) -> str:
    """Whole words only, where they are words."""
    return rf"\b{words}\b" if re.fullmatch(r"[a-z ]+", words) else words.replace(" ?", r"\s*")


_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|--[^\n]*|\"[^\"]*\"")
_SEQUENCES = [
    (page, words, re.compile(_bounded(words).replace(" ", r"\s+"), re.IGNORECASE))
    for page, words in SYNTAX["sequences"]
]
