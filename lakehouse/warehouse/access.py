"""Users, roles, grants and masks; docs/redshift.md, "Who is who", has them as a table.

`transformer` is what dbt runs as, `loader` looks into streams and landing, `analyst` reads the
marts and nothing else. Roles and users are made, never dropped; only what is missing is granted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from ingestion.declarations import SOURCES_FILE
from ingestion.errors import TerminalError
from lakehouse.warehouse.catalog import Connection, names, relations
from lakehouse.warehouse.plan import Plan, Statement
from lakehouse.warehouse.streams import ROLES

_BUILT = ("staging", "history", "marts", "operations")
_MARTS = SOURCES_FILE.parents[2] / "marts"
# A text becomes three stars, a date nothing.
_MASK = """\
create masking policy {policy}
with (value {data_type})
using (cast({shown} as {data_type}))"""


def deploy_access(plan: Plan) -> None:
    """Give users and roles what they lack: a mart to analysts behind its masks, table by table.

    A view shows what the masks of its tables show (t_ddm-considerations), so those with personal
    columns come last, and not before every table with such columns has its masks.

    Raises:
        TerminalError: Redshift refuses a statement. Where it refuses a mask, analysts do not read
            that table nor the views on personal columns, and all else is done.
    """
    warehouse = plan.warehouse
    prefix = warehouse.settings.schema_prefix
    plan.carry_out(*_roles_and_members(warehouse), *_on_schemas(warehouse, prefix))
    plan.carry_out(*_on_streams(warehouse))
    marts = _Marts(warehouse, f"{prefix}marts")
    refused = []
    for table in sorted(marts.tables):
        try:
            plan.carry_out(*marts.of_table(table))
        except TerminalError as error:
            marts.unmasked.add(table)
            refused.append(str(error))
    plan.carry_out(*marts.of_views(), *_of_dbts_user(warehouse, prefix))
    if refused:
        unread = ", ".join(sorted(marts.unmasked))
        raise TerminalError(
            f"analysts do not read {unread}, nor views on personal columns, until `lakehouse "
            "warehouse access` can attach the masks:\n" + "\n".join(refused)
        )


def _roles_and_members(warehouse: Connection) -> Iterator[Statement]:
    """Roles, and the users of dbt's and the operations' IAM roles as their members.

    Redshift makes the user of an IAM role at its first login, with no rights; it is `IAMR:<role>`
    on clusters and Serverless alike, and can be made before that (Amazon Bedrock User Guide, "Set
    up your query engine and permissions": `CREATE USER "IAMR:<role>" WITH PASSWORD DISABLE`).
    """
    own = warehouse.settings
    roles = names(warehouse, "select role_name from svv_roles")
    users = names(warehouse, "select usename from pg_user")
    granted = set(warehouse.rows("select role_name, user_name from svv_user_grants"))
    for role in ROLES:
        if role not in roles:
            yield Statement(f"role {role}", f"create role {role}")
    for role, user in (("transformer", own.transformer), ("loader", own.loader)):
        if user and user not in users:
            why = "a user that logs in with its IAM role"
            yield Statement(why, f"create user {_quoted(user)} password disable")
        if user and (role, user) not in granted:
            yield Statement(f"who is {role}", f"grant role {role} to {_quoted(user)}")


def _on_schemas(warehouse: Connection, prefix: str) -> Iterator[Statement]:
    """The schemas that dbt builds, and what each role may do in which schema."""
    there = names(warehouse, "select nspname from pg_namespace")
    built = [f"{prefix}{layer}" for layer in _BUILT]
    for schema in built:
        if schema not in there:
            yield Statement("dbt builds here", f"create schema if not exists {schema}")
    database = warehouse.settings.database
    may_create = names(
        warehouse,
        "select identity_name from svv_database_privileges where identity_type = 'role'"
        f" and privilege_type = 'CREATE' and database_name = '{database}'",
    )
    if "transformer" not in may_create:
        why = "each run asks for its schemas, a rebuild for schemas of its own"
        yield Statement(why, f"grant create on database {database} to role transformer")
    granted = {
        (schema, role, privilege.lower())
        for schema, role, privilege in warehouse.rows(
            "select namespace_name, identity_name, privilege_type from svv_schema_privileges"
            " where identity_type = 'role'"
        )
    }
    wanted = [(schema, "transformer", ["create", "usage"], "dbt builds here") for schema in built]
    for schema in ("landing", "streaming"):
        wanted.append((schema, "loader", ["usage"], "loader looks into streams and landing"))
        wanted.append((schema, "transformer", ["usage"], "dbt reads them"))
    wanted.append((f"{prefix}marts", "analyst", ["usage"], "people read the marts"))
    for schema, role, privileges, why in wanted:
        missing = [each for each in privileges if (schema, role, each) not in granted]
        if missing:
            grant = f"grant {', '.join(missing)} on schema {schema} to role {role}"
            yield Statement(why, grant)
    owner, user = _owner_of_landing(warehouse), warehouse.settings.transformer
    if user and owner != user:
        # an owner is a user, and CREATE cannot be granted on an external schema (r_GRANT)
        why = "each build adds partitions, which the schema's owner may"
        yield Statement(why, f"alter schema landing owner to {_quoted(user)}")


def _of_dbts_user(warehouse: Connection, prefix: str) -> Iterator[Statement]:
    """What an administrator's build has made or replaced: dbt's user could not read or replace it.

    Only an owner may alter or drop a relation, and who makes it anew has granted nothing. What
    others own stays theirs: a tool's table, an engineer's own. A materialized view has no OWNER TO
    (r_ALTER_MATERIALIZED_VIEW), and dbt makes none here.
    """
    user = warehouse.settings.transformer
    if not user:
        return
    schemas = ", ".join(f"'{prefix}{layer}'" for layer in _BUILT)
    for schema, relation, owner in warehouse.rows(
        "select n.nspname, c.relname, u.usename from pg_class as c"
        " inner join pg_namespace as n on c.relnamespace = n.oid"
        " inner join pg_user as u on c.relowner = u.usesysid"
        f" where c.relkind in ('r', 'v') and n.nspname in ({schemas}) and u.usesuper"
        " and left(c.relname, 8) <> 'mv_tbl__' and trim(n.nspname) || '.' || trim(c.relname) not in"
        " (select trim(schema_name) || '.' || trim(name) from svv_mv_info) order by 1, 2"
    ):
        if owner != user:
            why = f"{owner} has built it, dbt's user builds it next; waits for whoever reads it"
            yield Statement(why, f'alter table {schema}."{relation}" owner to {_quoted(user)}')


def _owner_of_landing(warehouse: Connection) -> str:
    owners = warehouse.rows(
        "select users.usename from pg_namespace as schemas"
        " inner join pg_user as users on schemas.nspowner = users.usesysid"
        " where schemas.nspname = 'landing'"
    )
    return str(owners[0][0]) if owners else ""


def _on_streams(warehouse: Connection) -> Iterator[Statement]:
    there = relations(warehouse, "streaming")
    roles = names(warehouse, "select role_name from svv_roles")
    for role, why in (
        ("loader", "loader looks into streams and landing"),
        ("transformer", "dbt reads them"),
    ):
        if role not in roles or there - _readable(warehouse, role):
            yield Statement(why, f"grant select on all tables in schema streaming to role {role}")


def _readable(warehouse: Connection, role: str) -> frozenset[str]:
    """The relations on which `role` has SELECT, as `schema.name`."""
    return names(
        warehouse,
        "select namespace_name || '.' || relation_name from svv_relation_privileges"
        f" where identity_type = 'role' and privilege_type = 'SELECT' and identity_name = '{role}'",
    )


class _Marts:
    """What analysts lack of the marts that are there."""

    def __init__(self, warehouse: Connection, schema: str) -> None:
        described = {f"{schema}.{mart}": columns for mart, columns in personal_columns().items()}
        # what else lies there, such as what a killed build left, nobody has looked at
        kinds = {
            name: kind
            for name, kind in warehouse.rows(
                "select table_schema || '.' || table_name, table_type"
                f" from information_schema.tables where table_schema = '{schema}'"
            )
            if name in described
        }
        self._views = {name for name, kind in kinds.items() if kind == "VIEW"}
        self.tables = kinds.keys() - self._views
        self._personal = {name: columns for name, columns in described.items() if columns}
        self._readable = set(_readable(warehouse, "analyst"))
        self._policies = set(names(warehouse, "select policy_name from svv_masking_policy"))
        self._attached = {
            (policy, relation, listed.strip('[]"'))
            for policy, relation, listed in warehouse.rows(
                "select policy_name, schema_name || '.' || table_name, output_columns"
                " from svv_attached_masking_policy where grantee = 'analyst'"
            )
        }
        self.unmasked: set[str] = set()

    def of_table(self, table: str) -> Iterator[Statement]:
        """Its masks, then its grant; without a mask it is first of all no longer readable."""
        masks = list(self._masks(table))
        if masks:
            for relation in sorted(self._readable & {table, *self._personal_views}):
                self._readable.remove(relation)
                why = f"until {table} has its masks"
                yield Statement(why, f"revoke select on {relation} from role analyst")
        yield from masks
        yield from self._grant(table)

    def of_views(self) -> Iterator[Statement]:
        """Grants on the views that are safe to read."""
        for view in sorted(self._views - (self._personal_views if self.unmasked else set())):
            yield from self._grant(view)

    @property
    def _personal_views(self) -> set[str]:
        return self._views & self._personal.keys()

    def _grant(self, relation: str) -> Iterator[Statement]:
        if relation not in self._readable:
            grant = f"grant select on {relation} to role analyst"
            yield Statement("people read the marts", grant)

    def _masks(self, table: str) -> Iterator[Statement]:
        """The masking policies that it lacks, with those of their types."""
        for column, data_type in self._personal.get(table, {}).items():
            policy = f"mask_{data_type.replace('(', '_').replace(')', '')}"
            if policy not in self._policies:
                self._policies.add(policy)
                shown = "'***'" if data_type.startswith("varchar") else "null"
                mask = _MASK.format(policy=policy, data_type=data_type, shown=shown)
                yield Statement(f"what analyst sees of a {data_type}", mask)
            if (policy, table, column) not in self._attached:
                attach = f"attach masking policy {policy} on {table} ({column}) to role analyst"
                yield Statement(f"{table}.{column} is personal", attach)


def personal_columns() -> dict[str, Mapping[str, str]]:
    """Each mart's columns with `pii` in their meta, with their types."""
    return {
        mart["name"]: {
            column["name"]: column["data_type"].lower()
            for column in mart["columns"]
            if column.get("config", {}).get("meta", {}).get("pii")
        }
        for file in sorted(_MARTS.rglob("*.yml"))
        for mart in yaml.safe_load(file.read_text("utf-8")).get("models", ())
    }


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
