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

from redshift_standin.dialect import parse_redshift, to_postgres
from redshift_standin.rules import (
    BLANKS_COMPARED,
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
Views = Mapping[tuple[str, str], str]
"""Queries of late-binding views by schema and name."""


def parse_one(sql: str) -> exp.Expr:
    """The one statement in `sql`; Refused when it is not SQL or more than one."""
    try:
        trees = parse_redshift(sql)
    except (ParseError, TokenError, TypeError) as error:
        raise Refused(f"syntax error: {error}") from error
    if len(trees) != 1:
        raise Refused("cannot insert multiple commands into a prepared statement")
    check_sequences(sql)
    return _as_meant(trees[0])


def _as_meant(tree: exp.Expr) -> exp.Expr:
    """What sqlglot reads otherwise: `delete t`, and `insert values (…)` of a MERGE."""
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

    Raises:
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
    _compare_without_blanks(tree)
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
            query = views.get((table.db.lower(), table.name.lower()))
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
    case_sensitive = session.is_on("enable_case_sensitive_identifier")
    keep_attributes = session.is_on("enable_case_sensitive_super_attribute")
    relations = _relation_names(tree)
    for identifier in list(tree.find_all(exp.Identifier)):
        quoted_as_is = case_sensitive and bool(identifier.args.get("quoted"))
        if quoted_as_is or (keep_attributes and _is_attribute(identifier, relations)):
            continue
        identifier.set("this", identifier.name.lower())


def _relation_names(tree: exp.Expr) -> set[str]:
    names = set()
    for table in tree.find_all(exp.Table):
        names.add((table.alias or table.name).lower())
    for alias in tree.find_all(exp.TableAlias):
        if alias.name:
            names.add(alias.name.lower())
    return names


def _navigation(column: exp.Column, relations: set[str]) -> tuple[list[exp.Expr], int] | None:
    """The parts of `column` and how many of them name the column itself, None for no navigation.

    `alias.column.attribute…` where the first part is a relation of the statement; a target that is
    written out as database.schema.table.column is none, neither is `column.attribute` of one part.
    """
    parts: list[exp.Expr] = list(column.parts)
    if len(parts) < 3 or parts[0].name.lower() not in relations:
        return None
    return parts, 2


def _is_attribute(identifier: exp.Expr, relations: set[str]) -> bool:
    parent = identifier.parent
    if isinstance(parent, exp.Dot) and parent.args.get("expression") is identifier:
        return True
    if isinstance(parent, exp.Column):
        found = _navigation(parent, relations)
        if found is not None:
            parts, own = found
            return any(part is identifier for part in parts[own:])
    return False


def _navigate(tree: exp.Expr) -> exp.Expr:
    relations = _relation_names(tree)

    def step(value: exp.Expr, attribute: str) -> exp.Expr:
        return exp.Anonymous(
            this="redshift.nav", expressions=[value, exp.Literal.string(attribute)]
        )

    for dot in list(tree.find_all(exp.Dot)):
        if isinstance(dot.parent, exp.Dot):
            continue
        parts: list[exp.Expr] = []
        inner: exp.Expr = dot
        while isinstance(inner, exp.Dot):
            parts.insert(0, inner.expression)
            inner = inner.this
        if isinstance(inner, exp.Column) and _navigation(inner, relations):
            column_parts, own = _navigation(inner, relations) or ([], 0)
            value: exp.Expr = _own_column(column_parts)
            for part in [*column_parts[own:], *parts]:
                value = step(value, part.name)
            dot.replace(value)
    for column in list(tree.find_all(exp.Column)):
        found = _navigation(column, relations)
        if found is None:
            continue
        column_parts, own = found
        value = _own_column(column_parts)
        for part in column_parts[own:]:
            value = step(value, part.name)
        if column is tree:
            return value
        # `select t.s.a` is named after its last part
        if isinstance(column.parent, exp.Select) and column.arg_key == "expressions":
            value = exp.alias_(value, column_parts[-1].name, quoted=True)
        column.replace(value)
    return tree


def _own_column(parts: list[exp.Expr]) -> exp.Expr:
    """`relation.column` of a navigation's parts; new ones, because to copy a node costs more."""
    column, table = (
        exp.Identifier(this=part.name, quoted=part.args.get("quoted"))
        for part in (parts[1], parts[0])
    )
    return exp.Column(this=column, table=table)


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
    numbers = count()
    for select in [node for node in tree.find_all(exp.Select) if node.args.get("qualify")]:
        qualify = select.args["qualify"]
        name = f"_qualified_{next(numbers)}"
        outer: list[exp.Expr] = []
        for projection in select.expressions:
            if projection.is_star:
                outer = [exp.Star()]
                break
            outer.append(exp.column(exp.to_identifier(projection.alias_or_name, quoted=True)))
        inner = select.copy()
        inner.set("qualify", None)
        with_ = inner.args.pop("with_", None)
        order = inner.args.pop("order", None)
        limit = inner.args.pop("limit", None)
        inner.append("expressions", exp.alias_(qualify.this.copy(), name))
        wrapped = exp.Select(
            expressions=outer,
            from_=exp.From(
                this=exp.Subquery(
                    this=inner, alias=exp.TableAlias(this=exp.to_identifier(f"_t{name}"))
                )
            ),
            where=exp.Where(this=exp.column(name)),
        )
        for key, part in (("with_", with_), ("order", order), ("limit", limit)):
            if part is not None:
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
                _cast(listed.this, "text"),
                exp.Var(this=f"{to_postgres(separator)} {order}"),
            ],
        )
        group.replace(exp.Anonymous(this="redshift.listagg_result", expressions=[joined]))


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
        if name == "nvl2":
            value, present, absent = (part.copy() for part in call.expressions)
            is_there = exp.Not(this=exp.Is(this=value, expression=exp.Null()))
            call.replace(exp.Case(ifs=[exp.If(this=is_there, true=present)], default=absent))
            continue
        call.set("this", FUNCTIONS[name])
    for now in list(tree.find_all(exp.CurrentTimestamp, exp.CurrentDate)):
        moment = exp.Anonymous(this="redshift.sysdate")
        is_date = isinstance(now, exp.CurrentDate)
        now.replace(_cast(moment, "date") if is_date else moment)


# Operators and functions with a syntax of their own that PostgreSQL answers otherwise.
_COMPUTED = {
    exp.Mul: "multiply", exp.Avg: "avg", exp.Round: "round", exp.Extract: "date_part",
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


def _compare_without_blanks(tree: exp.Expr) -> None:
    """A text that ends in a blank equals the same without it (r_Character_types)."""
    for compared in list(tree.find_all(*BLANKS_COMPARED)):
        sides = (compared.this, compared.expression)
        if any(isinstance(each, exp.Literal) and each.name.endswith(" ") for each in sides):
            for key, side in zip(("this", "expression"), sides, strict=True):
                compared.set(key, exp.Anonymous(this="rtrim", expressions=[side]))


def _cast_by_bytes(tree: exp.Expr) -> None:
    """VARCHAR(n) counts bytes; alone it is VARCHAR(256), as TEXT is; DECIMAL is DECIMAL(18,0)."""
    for cast in list(tree.find_all(exp.Cast)):
        kind = cast.args["to"]
        if isinstance(cast, exp.TryCast):
            text = _cast(cast.this, "varchar")
            name = exp.Literal.string(to_postgres(kind))
            cast.set("this", exp.Anonymous(this="redshift.castable", expressions=[text, name]))
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
    """The relations that a query names, as `schema.name` or `name`."""
    return {
        f"{table.db}.{table.name}" if table.db else table.name
        for table in parse_one(sql).find_all(exp.Table)
    }


def names_without_schema(sql: str) -> set[str]:
    """Names of relations in a query, none of its own CTEs, that say no schema."""
    tree = parse_one(sql)
    own = {each.alias.lower() for each in tree.find_all(exp.CTE)}
    return {
        table.name.lower()
        for table in tree.find_all(exp.Table)
        if not table.db and isinstance(table.this, exp.Identifier)
    } - own


_QUALIFIED = re.compile(r'^\s*(?:"?[\w$-]+"?\.)?"?([\w$-]+)"?\."?([\w$.-]+)"?\s*$')


def schema_and_table(name: str) -> tuple[str, str]:
    """Schema and table of a name written as [database.]schema.table, folded to lower case."""
    match = _QUALIFIED.match(name)
    if match is None:
        return "public", name.strip().strip('"').lower()
    return match[1].lower(), match[2].lower()
