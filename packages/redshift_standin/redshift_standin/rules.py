"""What Redshift refuses: a query is held against the tables of `syntax.yml`.

They allow: what is in none of them is refused, in a sentence with the page that would say it.
What is about several parts of a query is a row of `rules` there, with the node that it looks at;
`_LOOKS` finds it. `refusal` words what is refused by name (`statements.yml`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
_STATEMENTS = read_table("statements")
# node: argument: the values that it may have, none for any
_NODES: dict[str, dict[str, set[str]]] = {
    node: {
        name: set(values.split("|")) if values else set()
        for name, _, values in (each.partition("=") for each in arguments.split())
    }
    for nodes in SYNTAX["nodes"].values()
    for node, arguments in nodes.items()
}
_KNOWN = {key: row for keys, row in SYNTAX["refused"].items() for key in keys.split()}
_TYPES = {
    name.replace("_", " "): row
    for names, row in _STATEMENTS["column_types"].items()
    for name in names.split()
}
_PARTS: dict[str, str] = {
    name: part for part, others in SYNTAX["date_parts"].items() for name in [part, *others.split()]
}
FUNCTIONS: dict[str, str] = {
    name: name if {"pg", "leader"} & set(row[2:]) and "redshift" not in row else f"redshift.{name}"
    for name, row in SYNTAX["functions"].items()
}
# r_pg_keywords: "You can use the reserved words with delimited identifiers"; it has no `type`.
RESERVED = {word.strip().lower() for word in Redshift.Generator.RESERVED_KEYWORDS} - {"type"}
RESERVED |= {"ctid", "xmin", "xmax", "cmin", "cmax"}  # system columns (r_CREATE_TABLE_NEW)


class Refused(Exception):  # noqa: N818 - what Redshift does
    """Redshift refuses the statement, with this message."""


def refusal(name: str, *values: object) -> Refused:
    """The refusal `name` of the tables; `values` fill its message's gaps."""
    page, message = _STATEMENTS["refusals"][name]
    return Refused(f"{message.format(*values)} ({page})")


def check(tree: exp.Expr) -> None:
    """Raise Refused unless every part of `tree` is in the tables, and no combination is refused."""
    nodes = list(tree.walk())
    for node in nodes:
        _check_node(node)
    for node in nodes:
        for name in _RULES.get(type(node).__name__, ()):
            if _LOOKS[name](node):
                _node, page, message = SYNTAX["rules"][name]
                raise Refused(f"{message} ({page})")
    _check_relations(tree, nodes)


def check_sequences(sql: str) -> None:
    """Raise Refused for words in a row that sqlglot reads as something else."""
    words = _LITERAL.sub("''", sql)
    for page, pattern in _SEQUENCES:
        if found := pattern.search(words):
            raise Refused(f'syntax error at or near "{found[0].strip()}" ({page})')


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
        if allowed[name] and str(value).upper() not in allowed[name]:
            raise _refused(f"{kind}.{name}", f"{value} of {kind}")
    if isinstance(node, exp.Anonymous):
        _check_call(node)
    elif isinstance(node, exp.Extract):
        date_part(node.this, "extract")
    elif isinstance(node, exp.DataType):
        _check_cast(node)
    elif isinstance(node, exp.Window):
        _check_window(node)


def _refused(key: str, told: str) -> Refused:
    row = _KNOWN.get(key) or _KNOWN.get(key[key.find(".") :])
    return Refused(f"{row[1]} ({row[0]})") if row else refusal("not_in_tables", told)


def function_name(node: exp.Expr) -> str:
    """The name of a called function, in lower case."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower().removeprefix(MARK)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(node).__name__).lower()


def _check_call(call: exp.Anonymous) -> None:
    name = function_name(call)
    if name not in FUNCTIONS:
        raise refusal("unknown_function", name)
    low, _, high = str(SYNTAX["functions"][name][0]).partition("-")
    if not int(low) <= len(call.expressions) <= int(high or low):
        raise refusal("function_arguments", name, *SYNTAX["functions"][name][:2])
    if name in SYNTAX["parts_of"]:
        date_part(call.expressions[0], name)


def date_part(node: exp.Expr, function: str) -> str:
    """The part that `node` names, as PostgreSQL calls it.

    Refused: it is none, or the function does not take it.
    """
    part = _PARTS.get(str(node.name).lower(), "")
    if part not in SYNTAX["parts_of"][function].split():
        raise refusal("date_part", node.name.lower(), function)
    return part


def _check_cast(kind: exp.DataType) -> None:
    name = getattr(kind.this, "name", str(kind.this))
    if name not in SYNTAX["casts"]:
        raise refusal("unknown_type", name.lower())
    sizes = ", ".join(each.this.name for each in kind.expressions)
    column_type(f"{SYNTAX['casts'][name]}({sizes})" if sizes else SYNTAX["casts"][name])


def column_type(written: str, *, external: bool = False) -> tuple[str, str]:
    """The name of a type and PostgreSQL's type for it.

    Refused: Redshift has no such type (there), or not of that size.
    """
    found = re.fullmatch(r"([\w ]+?)\s*(?:\(([^)]*)\))?", written.strip())
    title, given = (" ".join(found[1].upper().split()), found[2]) if found else ("", None)
    if title not in _TYPES:
        raise refusal("unknown_type", written)
    name, kind, *sizes = _TYPES[title]
    if external and title not in _STATEMENTS["external_types"]:
        raise refusal("external_type", written)
    default, limit = sizes or ["", 0]
    size = re.sub(r"\s", "", given or default).lower().replace("max", str(limit))
    precision, *scale = (int(number) for number in size.split(",")) if size else (1,)
    if (
        (given and not sizes)
        or (sizes and not 1 <= precision <= limit)
        or (scale and (name != "decimal" or scale[0] > min(precision, 37)))
    ):
        raise refusal("type_length", name, limit or "none", size)
    return name, kind.format(size)


def _check_window(window: exp.Window) -> None:
    name = function_name(window.this)
    row = SYNTAX["windows"].get(name)
    if row is None:
        raise refusal("no_window_function", name)
    page, frame, *needs = row
    spec, order = window.args.get("spec"), window.args.get("order")
    if spec is not None and not frame:
        raise Refused(f"a frame is not allowed with {name} ({page})")
    if frame and order is not None and spec is None:
        raise refusal("frame_needed", page)
    if (spec is not None or needs) and order is None:
        raise Refused(f"{name} needs an ORDER BY clause in its window ({page})")


def _check_relations(tree: exp.Expr, nodes: list[exp.Expr]) -> None:
    """What runs on the leader node reads no table of a user, LISTAGG reads one."""
    tables = [node for node in nodes if isinstance(node, exp.Table)]
    own = {node.alias.lower() for node in nodes if isinstance(node, exp.CTE)}
    has_users = any(_is_users(table, own) for table in tables)
    called = {function_name(node) for node in nodes if isinstance(node, exp.Anonymous)}
    leaders = any("leader" in SYNTAX["functions"][name] for name in called)
    if has_users and (leaders or any(map(_is_leaders, tables))):
        raise refusal("leader_node_only")
    if not has_users and tree.find(exp.GroupConcat) is not None:
        raise refusal("compute_node_only")


def _is_leaders(table: exp.Table) -> bool:
    """A relation of the leader node's: of the information schema, a catalog, of external tables."""
    return table.db.lower() in _CATALOGS or table.name.lower().startswith(
        ("svv_external", "svv_tables", "svv_columns", "pg_")
    )


def _is_users(table: exp.Table, own: set[str]) -> bool:
    """A table of a user's: no CTE, no catalog, no system view."""
    return (
        isinstance(table.this, exp.Identifier)
        and table.db.lower() not in _CATALOGS
        and not re.match("pg_|svv_|svl_|svcs_|stl_|stv_|sys_", table.name, re.IGNORECASE)
        and not (table.name.lower() in own and not table.db)
    )


_CATALOGS = ("information_schema", "pg_catalog")


def _names(select: exp.Expr) -> set[str]:
    """The relations that a query's columns may be of."""
    joined = [select.args.get("from_"), *(select.args.get("joins") or [])]
    return {
        (each.this.alias or each.this.name).lower()
        for each in joined
        if each is not None and isinstance(each.this, (exp.Table, exp.Subquery))
    }


def _columns(select: exp.Select) -> list[exp.Column]:
    """Columns of the query itself, not of those inside it, that name their relation."""
    return [
        column
        for column in select.find_all(exp.Column)
        if len(column.parts) > 1 and column.find_ancestor(exp.Select) is select
    ]


def _queries_around(select: exp.Select) -> list[exp.Select]:
    """The queries whose relations `select` could name, the nearest first."""
    found: list[exp.Select] = []
    child: exp.Expr = select
    while (parent := child.parent) is not None:
        if isinstance(parent, (exp.CTE, exp.From)):
            break
        if isinstance(parent, exp.Join) and child.arg_key != "on":
            break
        if isinstance(parent, exp.Select):
            found.append(parent)
        child = parent
    return found


def _correlation(select: exp.Select) -> bool:
    """A subquery that names a query around it, in one of the ways that the page excludes."""
    around = _queries_around(select)
    used = {column.parts[0].name.lower() for column in _columns(select)} - _names(select)
    if not around or not used:
        return False
    nearest = used & _names(around[0])
    if any((used - nearest) & _names(each) for each in around[1:]):
        return True
    join = select.find_ancestor(exp.Join, exp.Select)
    named = select.find_ancestor(exp.Alias, exp.Select)
    group = around[0].args.get("group")
    return bool(nearest) and bool(
        any(select.args.get(part) for part in ("limit", "order"))
        or select.find(exp.Window)
        or (isinstance(join, exp.Join) and join.side)
        or (
            group is not None
            and isinstance(named, exp.Alias)
            and named.alias in [each.name for each in group.expressions]
        )
    )


def _qualify_without_alias(select: exp.Select) -> bool:
    """QUALIFY directly behind FROM asks for an alias of the relation."""
    last = (select.args.get("joins") or [select.args.get("from_")])[-1]
    between = any(select.args.get(part) for part in ("where", "group", "having"))
    return bool(
        select.args.get("qualify")
        and not between
        and last is not None
        and not last.this.alias
        and not last.args.get("on")
    )


def _super_in_outer_join(select: exp.Select) -> bool:
    """Navigation into a SUPER in a query that joins RIGHT or FULL."""
    names = _names(select)
    return any(join.side in ("RIGHT", "FULL") for join in select.args.get("joins") or []) and any(
        len(column.parts) > 2 and column.parts[0].name.lower() in names
        for column in _columns(select)
    )


def _merge_super_path(merge: exp.Merge) -> bool:
    relations = {merge.this.name.lower(), merge.args["using"].alias_or_name.lower()}
    return any(
        len(column.parts) > 2 and column.parts[0].name.lower() in relations
        for part in (merge.args["on"], merge.args["whens"])
        for column in part.find_all(exp.Column)
    )


def _whole_frame(spec: exp.WindowSpec) -> bool:
    """A frame whose ends are whole numbers, the last not before the first."""
    ends = []
    for end in ("start", "end"):
        value, side = spec.args.get(end), str(spec.args.get(f"{end}_side") or "").upper()
        rows = 0.0 if value in (None, "CURRENT ROW") else float("inf")
        if isinstance(value, exp.Expr):
            if not (isinstance(value, exp.Literal) and value.is_int):
                return False
            rows = float(value.name)
        ends.append(-rows if side == "PRECEDING" else rows)
    return ends[0] <= ends[1]


def _reserved_name(identifier: exp.Identifier) -> bool:
    """Apart from a catalog's `oid`, which dbt's adapter asks for, and DEFAULT for a value."""
    name, column = identifier.name.lower(), identifier.parent
    if identifier.args.get("quoted") or name not in RESERVED:
        return False
    if not isinstance(column, exp.Column):
        return True
    is_default = name == "default" and isinstance(column.parent, (exp.EQ, exp.Tuple))
    return not (name == "oid" if column.table else is_default)


def _literal_in_window(window: exp.Window) -> bool:
    order = window.args.get("order")
    by = [each.this for each in order.expressions] if order is not None else []
    return any(isinstance(each, exp.Literal) for each in by + window.args["partition_by"])


def _outer_join_of_update(update: exp.Update) -> bool:
    from_ = update.args.get("from_")
    joins = (
        [*(from_.this.args.get("joins") or []), *(from_.args.get("joins") or [])] if from_ else []
    )
    return any(join.side for join in joins)


def _alias_of_target(change: exp.Insert | exp.Delete) -> bool:
    target = change.this.this if isinstance(change.this, exp.Schema) else change.this
    return isinstance(target, exp.Table) and bool(target.alias)


def _orders_of_lists(select: exp.Select) -> set[str]:
    return {
        group.expression.sql()
        for projection in select.expressions
        for group in projection.find_all(exp.WithinGroup)
    }


# What works on the trailing blanks of a text; what compares it would not see them on Redshift.
_BLANKS_KEPT = (exp.DPipe, exp.Anonymous, exp.GroupConcat, exp.Trim, exp.StrPosition, exp.Cast)
_TRUTHS = (exp.Boolean, exp.Predicate, exp.Not, exp.And, exp.Or)
_ROWS = (exp.In, exp.Values, exp.Insert, exp.Tuple, exp.Subquery)
_LOOKS: dict[str, Callable[[Any], Any]] = {
    "no_catalog": lambda table: re.match(SYNTAX["no_catalogs"], f"{table.db}.{table.name}".lower()),
    "values_as_table": lambda values: not isinstance(values.parent, exp.Insert),
    "window_distinct": lambda window: window.this.find(exp.Distinct) is not None,
    "window_literal": _literal_in_window,
    "frame": lambda spec: not _whole_frame(spec),
    "merge_one_of_each": lambda merge: (
        sorted(bool(when.args.get("matched")) for when in merge.args["whens"].expressions)
        != [False, True]
    ),
    "merge_target_alias": lambda merge: merge.this.alias,
    "merge_source_reads_target": lambda merge: any(
        (table.name, table.db) == (merge.this.name, merge.this.db)
        for table in merge.args["using"].find_all(exp.Table)
    ),
    "merge_on_equality": lambda merge: merge.args["on"].find(exp.EQ) is None,
    "merge_super_path": _merge_super_path,
    "correlation": _correlation,
    "qualify_without_alias": _qualify_without_alias,
    "listagg_orders": lambda select: len(_orders_of_lists(select)) > 1,
    "count_of_several": lambda count: len(getattr(count.this, "expressions", ())) > 1,
    "listagg_distinct_order": lambda listed: (
        listed.find(exp.Distinct) is not None or isinstance(listed.parent, exp.Window)
    ),
    "delete_using_subquery": lambda delete: (
        exp.Subquery in map(type, delete.args.get("using") or [])
    ),
    "merge_sets_where": lambda merge: merge.args["whens"].find(exp.Where) is not None,
    "sets_qualified": lambda update: any(
        isinstance(each, exp.EQ) and each.this.args.get("table") for each in update.expressions
    ),
    "sets_a_row": lambda update: any(
        not isinstance(each, exp.EQ) or isinstance(each.this, exp.Tuple)
        for each in update.expressions
    ),
    "update_outer_join": _outer_join_of_update,
    "target_alias": _alias_of_target,
    "subquery_in_rows": lambda values: len(values.expressions) > 1 and values.find(exp.Select),
    "cte_of_a_change": lambda cte: not isinstance(cte.this, exp.Query),
    "with_in_with": lambda cte: cte.this.args.get("with_") is not None,
    "empty_select": lambda select: not select.expressions,
    "is_what": lambda node: not isinstance(node.expression, (exp.Null, exp.Boolean)),
    "row_comparison": lambda row: not isinstance(row.parent, _ROWS),
    "current_timestamp": lambda now: not now.args.get("sysdate"),
    "boolean_to_text": lambda cast: (
        isinstance(cast.this.unnest(), _TRUTHS) and cast.to.this in exp.DataType.TEXT_TYPES
    ),
    "trailing_blanks": lambda literal: (
        literal.is_string
        and literal.name.endswith(" ")
        and not isinstance(literal.parent, _BLANKS_KEPT)
    ),
    "limit_in_set_operation": lambda operation: any(
        side.unnest().args.get(part)
        for side in (operation.this, operation.expression)
        for part in ("limit", "offset")
    ),
    "subquery_without_alias": lambda subquery: (
        isinstance(subquery.this, exp.Query)
        and isinstance(subquery.parent, (exp.From, exp.Join))
        and not subquery.alias
    ),
    "super_in_outer_join": _super_in_outer_join,
    "reserved_name": _reserved_name,
}
_RULES: dict[str, list[str]] = {}
for _name, (_kinds, *_) in SYNTAX["rules"].items():
    for _kind in _kinds.split():
        _RULES.setdefault(_kind, []).append(_name)

_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|--[^\n]*|\"[^\"]*\"")
# whole words only, where they end in one
_SEQUENCES = [
    (page, re.compile(words.replace(" ?", r"\s*").replace(" ", r"\s+") + end, re.IGNORECASE))
    for page, words in SYNTAX["sequences"]
    for end in (r"\b" if words[-1].isalpha() else "",)
]
