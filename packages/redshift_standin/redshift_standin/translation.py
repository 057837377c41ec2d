"""Queries and changes of rows: a parsed Redshift statement becomes PostgreSQL's.

What is rewritten: SUPER navigation, UNPIVOT, QUALIFY, functions, lengths in bytes, the case of
identifiers, UPDATE … FROM.
What is refused is in `rules`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from redshift_standin.dialect import MARK, parse_redshift, to_postgres
from redshift_standin.rules import (
    FUNCTIONS,
    Refused,
    check,
    check_sequences,
    date_part,
    function_name,
)
from redshift_standin.wire import Session

_PART_FUNCTIONS = {"dateadd", "datediff", "date_trunc", "date_part"}
# What the catalog says of a decimal whose scale PostgreSQL forgot (functions.sql): kept as it is.
_COMPUTED_DECIMAL = "DECIMAL(38, 17)"
# The settings of its session that a translation hangs on (_fold_identifiers).
IDENTIFIERS = ("enable_case_sensitive_identifier", "enable_case_sensitive_super_attribute")
Views = Mapping[tuple[str, str], str]
"""Queries of late-binding views by schema and name."""


def parse_one(sql: str) -> exp.Expr:
    """The one statement in `sql`; Refused when it is not SQL or more than one."""
    try:
        trees = parse_redshift(sql)
    except (ParseError, TokenError, TypeError) as error:
        [told, *_more] = getattr(error, "errors", None) or [{}]
        near = told.get("highlight") or str(error).splitlines()[0]
        raise Refused(f'syntax error at or near "{near}" (c_SQL_reference)') from error
    if len(trees) != 1:
        raise Refused("cannot insert multiple commands into a prepared statement")
    check_sequences(sql)
    return _as_meant(trees[0])


def _as_meant(tree: exp.Expr) -> exp.Expr:
    """What sqlglot reads otherwise: `delete t`, `with x (a)`, `insert values (…)` of a MERGE."""
    for named in tree.find_all(exp.TableAlias):
        if isinstance(named.this, exp.Identifier):  # a CTE with columns looks like a call
            named.this.set("this", named.name.removeprefix(MARK))
    if isinstance(tree, exp.Delete) and tree.args.get("tables") and not tree.this:
        tree.set("this", tree.args.pop("tables")[0])
    for when in tree.find_all(exp.When) if isinstance(tree, exp.Merge) else ():
        insert = when.args["then"]
        rows = insert.this if isinstance(insert, exp.Insert) else None
        if isinstance(rows, exp.Tuple) and isinstance(rows.expressions[0], exp.Anonymous):
            insert.set("expression", exp.Tuple(expressions=rows.expressions[0].expressions))
            insert.set("this", None)
    return tree


def translate_query(sql: str, session: Session, views: Views | None = None) -> str:
    """`sql` (a query, INSERT, UPDATE, DELETE or MERGE) as PostgreSQL's SQL."""
    tree = parse_one(sql)
    check(tree)
    return to_postgres(_rewrite_checked(_bind_late(tree, views or {}), session))


def rewrite(tree: exp.Expr, session: Session) -> exp.Expr:
    """`tree` checked against the rules and rewritten for PostgreSQL.

    Refused: Redshift would refuse it.
    """
    check(tree)
    return _rewrite_checked(tree, session)


def _rewrite_checked(tree: exp.Expr, session: Session) -> exp.Expr:
    _fold_identifiers(tree, session)
    for table in tree.find_all(exp.Table):
        if (table.db, table.name) == ("information_schema", "columns"):
            table.set("db", exp.to_identifier("redshift"))
            table.set("this", exp.to_identifier("information_columns"))
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier("columns")))
    tree = _navigate(tree)
    tree = _unpivot(tree)
    tree = _qualify(tree)
    _name_functions(tree)
    _compute_as_redshift(tree)
    _cast_by_bytes(tree)
    _order_lists(tree)
    return _update_once(tree)


def _update_once(tree: exp.Expr) -> exp.Expr:
    """UPDATE … FROM as a MERGE, which refuses two rows for one where PostgreSQL's UPDATE takes any.

    Redshift refuses them with error_on_nondeterministic_update. Without it no page says which row
    is taken, so here they are refused always.
    """
    if not isinstance(tree, exp.Update) or tree.args.get("from_") is None:
        return tree
    source = tree.args["from_"].this
    for join in source.args.get("joins") or []:
        if not (join.args.get("on") or join.args.get("using") or join.kind):
            join.set("kind", "CROSS")
    where = tree.args.get("where")
    when = exp.When(matched=True, then=exp.Update(expressions=tree.expressions))
    return exp.Merge(
        this=tree.this,
        using=source,
        on=where.this if where is not None else exp.true(),
        whens=exp.Whens(expressions=[when]),
        with_=tree.args.get("with_"),
    )


def _bind_late(tree: exp.Expr, views: Views) -> exp.Expr:
    """Late-binding views find their tables when they are read (r_CREATE_VIEW): by their text."""
    if views:
        for table in list(tree.find_all(exp.Table)):
            query = views.get((table.db.lower() or "public", table.name.lower()))
            if query is not None:
                table.replace(
                    exp.Subquery(
                        this=_bind_late(parse_one(query), views),
                        alias=exp.TableAlias(this=exp.to_identifier(table.alias or table.name)),
                    )
                )
    return tree


def _fold_identifiers(tree: exp.Expr, session: Session) -> None:
    """Redshift folds quoted names too, and those inside a SUPER, unless it is told not to.

    Sources: r_names; enable_case_sensitive_identifier, enable_case_sensitive_super_attribute.
    """
    case_sensitive, in_super_too = map(session.is_on, IDENTIFIERS)
    kept: set[int] = set()
    if in_super_too:
        kept = {id(part) for _node, parts in _paths(tree) for part in parts[2:]}
    for identifier in tree.find_all(exp.Identifier):
        if id(identifier) not in kept and not (case_sensitive and identifier.args.get("quoted")):
            identifier.set("this", identifier.name.lower())


def _paths(tree: exp.Expr) -> list[tuple[exp.Expr, list[exp.Expr]]]:
    """What navigates into a SUPER, with its parts: `relation.column.attribute…`.

    Its first part is a relation of the statement; a target that is written out as
    database.schema.table.column is none, neither is `column.attribute`.
    """
    relations = {table.alias_or_name.lower() for table in tree.find_all(exp.Table)}
    relations |= {alias.name.lower() for alias in tree.find_all(exp.TableAlias)}
    found: list[tuple[exp.Expr, list[exp.Expr]]] = []
    for node in tree.find_all(exp.Dot, exp.Column):
        if isinstance(node.parent, exp.Dot):
            continue
        parts: list[exp.Expr] = []
        inner: exp.Expr = node
        while isinstance(inner, exp.Dot):
            parts.insert(0, inner.expression)
            inner = inner.this
        if isinstance(inner, exp.Column):
            parts = [*inner.parts, *parts]
            if len(parts) > 2 and parts[0].name.lower() in relations:
                found.append((node, parts))
    return found


def _navigate(tree: exp.Expr) -> exp.Expr:
    for node, parts in _paths(tree):
        # a new column, because to copy a node costs more
        column, table = (
            exp.Identifier(this=part.name, quoted=part.args.get("quoted"))
            for part in (parts[1], parts[0])
        )
        value: exp.Expr = exp.Column(this=column, table=table)
        for part in parts[2:]:
            attribute = exp.Literal.string(part.name)
            value = exp.Anonymous(this="redshift.nav", expressions=[value, attribute])
        if node is tree:
            return value
        # `select t.s.a` is named after its last part
        if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
            value = exp.alias_(value, parts[-1].name, quoted=True)
        node.replace(value)
    return tree


def _unpivot(tree: exp.Expr) -> exp.Expr:
    """`from t, unpivot t.s as value at name`: a row an attribute (query-super)."""
    for join in list(tree.find_all(exp.Join)):
        pivot = join.this
        if not (isinstance(pivot, exp.Pivot) and pivot.args.get("unpivot")):
            continue
        at = pivot.this
        if not isinstance(at, exp.AtIndex) or not isinstance(at.this, exp.Alias):
            raise Refused('syntax error at or near "unpivot"')
        value, attribute = at.this.args["alias"].name, at.expression.name
        source = to_postgres(at.this.this)
        join.replace(
            exp.Join(
                this=exp.Lateral(
                    this=exp.Anonymous(this="redshift.entries", expressions=[exp.Var(this=source)]),
                    alias=exp.TableAlias(
                        this=exp.to_identifier(f"unpivot_{value}"),
                        columns=[exp.to_identifier(value), exp.to_identifier(attribute)],
                    ),
                ),
                kind="CROSS",
            )
        )
    return tree


def _qualify(tree: exp.Expr) -> exp.Expr:
    """A query whose condition is a column of the query inside it."""
    numbers = count()
    for select in [node for node in tree.find_all(exp.Select) if node.args.get("qualify")]:
        name = f"_qualified_{next(numbers)}"
        names = [each.alias_or_name for each in select.expressions if not each.is_star]
        outer: list[exp.Expr] = [exp.column(exp.to_identifier(each, quoted=True)) for each in names]
        inner = select.copy()
        parts = {key: inner.args.pop(key, None) for key in ("with_", "order", "limit")}
        inner.append("expressions", exp.alias_(inner.args.pop("qualify").this, name))
        alias = exp.TableAlias(this=exp.to_identifier(f"_t{name}"))
        wrapped = exp.Select(
            expressions=outer if len(names) == len(select.expressions) else [exp.Star()],
            from_=exp.From(this=exp.Subquery(this=inner, alias=alias)),
            where=exp.Where(this=exp.column(name)),
        )
        for key, part in parts.items():
            wrapped.set(key, part)
        if select is tree:
            tree = wrapped
        else:
            select.replace(wrapped)
    return tree


def _order_lists(tree: exp.Expr) -> None:
    """LISTAGG … WITHIN GROUP: PostgreSQL's string_agg has the order inside (r_LISTAGG)."""
    for group in list(tree.find_all(exp.WithinGroup)):
        listed = group.this
        separator = listed.args.get("separator") or exp.Literal.string("")
        order = to_postgres(group.expression)
        joined = exp.Anonymous(
            this="string_agg",
            expressions=[
                exp.Nullif(this=_cast(listed.this, "text"), expression=exp.Literal.string("")),
                exp.Var(this=f"{to_postgres(separator)} {order}"),
            ],
        )
        group.replace(exp.Anonymous(this="redshift.bounded", expressions=[joined]))


def _cast(value: exp.Expr, kind: str) -> exp.Cast:
    return exp.Cast(this=value, to=exp.DataType.build(kind, dialect="postgres"))


def _name_functions(tree: exp.Expr) -> None:
    for call in list(tree.find_all(exp.Anonymous)):
        name = function_name(call)
        if name.startswith("redshift.") or name not in FUNCTIONS:
            continue
        if name in _PART_FUNCTIONS:
            part = call.expressions[0]
            part.replace(exp.Literal.string(date_part(part, name)))
        call.set("this", FUNCTIONS[name])
    for now in list(tree.find_all(exp.CurrentTimestamp, exp.CurrentDate)):
        moment = exp.Anonymous(this="redshift.sysdate")
        is_date = isinstance(now, exp.CurrentDate)
        now.replace(_cast(moment, "date") if is_date else moment)


# Operators and functions with a syntax of their own that PostgreSQL answers otherwise.
_COMPUTED = {
    exp.Mul: "multiply", exp.Round: "round", exp.Extract: "date_part",
}  # fmt: skip


def _compute_as_redshift(tree: exp.Expr) -> None:
    for node in list(tree.find_all(*_COMPUTED, exp.Div, exp.DPipe)):
        values = [
            part for key in ("this", "expression", "decimals") if (part := node.args.get(key))
        ]
        if isinstance(node, exp.Extract):
            values[0] = exp.Literal.string(date_part(node.this, "extract"))
        if isinstance(node, exp.Div):
            values += _quotient_scale(*values)
            name = "divide"
        elif isinstance(node, exp.DPipe):
            if isinstance(node.parent, exp.DPipe):
                continue
            name, values = "bounded", [exp.DPipe(this=node.this, expression=node.expression)]
        else:
            name = _COMPUTED[type(node)]
        node.replace(exp.Anonymous(this=f"redshift.{name}", expressions=values))


def _quotient_scale(dividend: exp.Expr, divisor: exp.Expr) -> list[exp.Expr]:
    """The scale of a quotient of decimals that both say their types (numeric_computations)."""
    sizes = [_decimal_size(dividend), _decimal_size(divisor)]
    if sizes[0] is None or sizes[1] is None:
        return []
    (precision, scale), (by_precision, by_scale) = sizes[0], sizes[1]
    found = max(4, scale + by_precision - by_scale + 1)
    total = precision - scale + by_scale + found
    if total > 38:
        found = max(38 + found - total, 4)
    return [exp.Literal.number(found)]


def _decimal_size(value: exp.Expr) -> tuple[int, int] | None:
    value = value.unnest()
    if not isinstance(value, exp.Cast) or value.to.this != exp.DataType.Type.DECIMAL:
        return None
    sizes = [int(each.this.name) for each in value.to.expressions] or [18]
    return sizes[0], sizes[1] if len(sizes) > 1 else 0


def _cast_by_bytes(tree: exp.Expr) -> None:
    """VARCHAR(n) counts bytes; alone it is VARCHAR(256), as TEXT is; DECIMAL is DECIMAL(18,0)."""
    for cast in list(tree.find_all(exp.Cast)):
        kind = cast.args["to"]
        if kind.this in exp.DataType.TEXT_TYPES and kind.this != exp.DataType.Type.NAME:
            length = kind.expressions[0].name if kind.expressions else "256"
            if length.lower() == "max":
                length = "65535"
            text = _cast(cast.this, "varchar")
            fitted = exp.Anonymous(
                this="redshift.fit", expressions=[text, exp.Literal.number(length)]
            )
            cast.set("this", fitted)
            cast.set("to", exp.DataType.build(f"varchar({length})", dialect="postgres"))
        elif kind.this == exp.DataType.Type.DECIMAL and kind.sql() == _COMPUTED_DECIMAL:
            cast.set("to", exp.DataType.build("decimal", dialect="postgres"))
        elif kind.this == exp.DataType.Type.DECIMAL and not kind.expressions:
            cast.set("to", exp.DataType.build("decimal(18,0)", dialect="postgres"))
        elif kind.this == exp.DataType.Type.VARBINARY and kind.expressions:
            cast.set("to", exp.DataType.build("bytea", dialect="postgres"))


def names_of_tables(sql: str) -> set[str]:
    """The relations that a query names and does not make, as `schema.name` or `name`."""
    tree = parse_one(sql)
    own = {each.alias.lower() for each in tree.find_all(exp.CTE)}
    named = [each for each in tree.find_all(exp.Table) if isinstance(each.this, exp.Identifier)]
    return {f"{each.db}.{each.name}" if each.db else each.name.lower() for each in named} - own


_QUALIFIED = re.compile(r'^\s*(?:"?[\w$-]+"?\.)?"?([\w$-]+)"?\."?([\w$.-]+)"?\s*$')


def schema_and_table(name: str) -> tuple[str, str]:
    """Schema and table of a name written as [database.]schema.table, folded to lower case."""
    match = _QUALIFIED.match(name)
    if match is None:
        return "public", name.strip().strip('"').lower()
    return match[1].lower(), match[2].lower()
