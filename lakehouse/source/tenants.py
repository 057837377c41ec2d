"""The tenants of a source: several databases with the same tables, declared once."""

from __future__ import annotations

from ingestion.declarations import TENANT, Declarations
from ingestion.errors import TerminalError
from ingestion.settings import ConnectorName


def of_tenant(declared: Declarations, name: str) -> Declarations:
    """The source as the tenant has it, with topics and connectors; itself for an empty name.

    Raises:
        TerminalError: no such tenant; the message lists those there are.
    """
    if name and name not in declared.tenants:
        raise TerminalError(
            f"tenant {name!r} is not declared; declared tenants: {', '.join(declared.tenants)}"
            if declared.tenants
            else f"the source has no tenants: leave --tenant {name} out (`tenants` names them, "
            "docs/declarations.md)"
        )
    return declared.tenants[name] if name else declared


def read_together(
    declared: Declarations, connector: ConnectorName, tenant: str
) -> tuple[Declarations, ...]:
    """The tenants whose databases the connector of `tenant` reads, having one topic prefix."""
    prefix = of_tenant(declared, tenant).connectors[connector].topic_prefix
    parts = declared.parts
    return tuple(part for part in parts if part.connectors[connector].topic_prefix == prefix)


def rows_of(tenant: str) -> str:
    """SQL on rows of the warehouse: they are of `tenant`, where there are any."""
    return f"{TENANT} = '{tenant}'" if tenant else "true"


def row_key(declared: Declarations, key: tuple[str, ...]) -> tuple[str, ...]:
    """A table's key as its rows in the warehouse have it: the tenant first, where there are any."""
    return (TENANT, *key) if declared.tenants else key
