"""Roles, grants and masks.

`loader` looks after streams and landing, `transformer` is what dbt runs as, `analyst` reads the
marts and nothing else. Roles are created, never dropped; only what is missing is granted, so a mart
that was made anew is found.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from ingestion.declarations import SOURCES_FILE, Declarations
from lakehouse.warehouse.catalog import Connection, names, relations
from lakehouse.warehouse.plan import Statement
from lakehouse.warehouse.streams import ROLES

_MARTS = SOURCES_FILE.parents[2] / "marts"
# A text becomes three stars, a date nothing.
_MASK = """\
create masking policy {policy}
with (value {data_type})
using (cast({shown} as {data_type}))"""


def access_statements(warehouse: Connection, declarations: Declarations) -> list[Statement]:
    """What is missing of roles, grants and masks."""
    prefix = warehouse.settings.schema_prefix
    roles = names(warehouse, "select role_name from svv_roles")
    there = relations(warehouse, "streaming", f"{prefix}marts")
    return [
        *(Statement(f"role {role}", f"create role {role}") for role in ROLES if role not in roles),
        *_on_schemas(warehouse, prefix),
        *_on_relations(warehouse, f"{prefix}marts", there, roles),
        *_masks(warehouse, f"{prefix}marts", there, declarations),
    ]


def _on_schemas(warehouse: Connection, prefix: str) -> Iterator[Statement]:
    """The schemas that dbt builds, and what each role may do in which schema."""
    there = names(warehouse, "select nspname from pg_namespace")
    built = [f"{prefix}{layer}" for layer in ("staging", "history", "marts", "operations")]
    for schema in built:
        if schema not in there:
            yield Statement("dbt builds here", f"create schema if not exists {schema}")
    granted = {
        (schema, role, privilege.lower())
        for schema, role, privilege in warehouse.rows(
            "select namespace_name, identity_name, privilege_type from svv_schema_privileges"
            " where identity_type = 'role'"
        )
    }
    wanted = [(schema, "transformer", ["create", "usage"], "dbt builds here") for schema in built]
    for schema in ("kafka", "landing", "streaming"):
        wanted.append((schema, "loader", ["usage"], "loader looks after streams and landing"))
        wanted.append((schema, "transformer", ["usage"], "dbt reads them"))
    wanted.append((f"{prefix}marts", "analyst", ["usage"], "people read the marts"))
    for schema, role, privileges, why in wanted:
        missing = [each for each in privileges if (schema, role, each) not in granted]
        if missing:
            grant = f"grant {', '.join(missing)} on schema {schema} to role {role}"
            yield Statement(why, grant)


def _on_relations(
    warehouse: Connection, marts: str, there: frozenset[str], roles: frozenset[str]
) -> Iterator[Statement]:
    """Whose role reads all relations of which schema."""
    readable = names(
        warehouse,
        "select namespace_name || '.' || relation_name || ' ' || identity_name"
        " from svv_relation_privileges"
        " where identity_type = 'role' and privilege_type = 'SELECT'",
    )
    for schema, role, why in (
        ("streaming", "loader", "loader looks after streams and landing"),
        ("streaming", "transformer", "dbt reads them"),
        (marts, "analyst", "people read the marts"),
    ):
        own = {f"{relation} {role}" for relation in there if relation.startswith(f"{schema}.")}
        if role not in roles or own - readable:
            grant = f"grant select on all tables in schema {schema} to role {role}"
            yield Statement(why, grant)
    if "analyst" not in roles:
        grant = f"alter default privileges in schema {marts} grant select on tables to role analyst"
        yield Statement("also what this user builds there later", grant)


def _masks(
    warehouse: Connection, marts: str, there: frozenset[str], declarations: Declarations
) -> Iterator[Statement]:
    """The masking policy of each type, and its columns."""
    policies = set(names(warehouse, "select policy_name from svv_masking_policy"))
    attached = {
        (policy, relation, listed.strip('[]"'))
        for policy, relation, listed in warehouse.rows(
            "select policy_name, schema_name || '.' || table_name, output_columns"
            " from svv_attached_masking_policy where grantee = 'analyst'"
        )
    }
    for mart, column, data_type in _personal_columns(declarations):
        policy = f"mask_{data_type.replace('(', '_').replace(')', '')}"
        relation = f"{marts}.{mart}"
        if policy not in policies:
            policies.add(policy)
            shown = "'***'" if data_type.startswith("varchar") else "null"
            mask = _MASK.format(policy=policy, data_type=data_type, shown=shown)
            yield Statement(f"what analyst sees of a {data_type}", mask)
        if relation in there and (policy, relation, column) not in attached:
            attach = f"attach masking policy {policy} on {relation} ({column}) to role analyst"
            yield Statement(f"{relation}.{column} is personal", attach)


def _personal_columns(declarations: Declarations) -> Iterator[tuple[str, str, str]]:
    """Mart, name and type of the columns of marts that hold personal data.

    A mart's column is personal when it has the name of a declared column with `pii`, whatever table
    it comes from (to mask too much is a question, to mask too little a breach), or has `pii` in its
    own meta, as a column with another name must.
    """
    declared = {
        column.name: str(column.type)
        for table in declarations.tables
        for column in table.landed_columns
        if column.pii
    }
    for file in sorted(_MARTS.rglob("*.yml"), key=lambda file: file.name):
        for mart in yaml.safe_load(file.read_text("utf-8")).get("models", ()):
            for column in mart.get("columns", ()):
                name, meta = column["name"], column.get("config", {}).get("meta", {})
                if name in declared or meta.get("pii"):
                    yield mart["name"], name, (column.get("data_type") or declared[name]).lower()
