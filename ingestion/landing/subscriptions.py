"""Which tables a job lands: the declared ones and the connector's own topics."""

from __future__ import annotations

from collections.abc import Sequence

from ingestion.declarations import Declarations
from ingestion.errors import TerminalError
from ingestion.landing.plan import Subscription
from ingestion.settings import ConnectorName


def named(tables: str) -> list[str]:
    """The tables that a list with commas names; none for no list at all, which means every table.

    Raises:
        TerminalError: it is no list, and would not mean every table.
    """
    names = [name.strip() for name in tables.split(",") if name.strip()]
    if tables and not names:
        raise TerminalError(f"{tables!r} names no table; leave it out to mean all of them")
    return names


def subscriptions(
    declarations: Declarations, source: ConnectorName, names: Sequence[str] = ()
) -> tuple[Subscription, ...]:
    """The subscriptions called `names`, by default all: the declared tables and Debezium's topics.

    Raises:
        TerminalError: no such table; the message lists those there are.
    """
    every = dict.fromkeys(
        subscription
        for part in declarations.parts
        for connector in [part.connectors[source]]
        for subscription in (
            *(Subscription(table.name, table.topics[source]) for table in part.tables),
            Subscription("debezium_heartbeat", connector.heartbeat_topic),
            Subscription("debezium_transaction", connector.transaction_topic),
            Subscription("debezium_notification", connector.notification_topic),
            Subscription("debezium_schema_changes", connector.schema_change_topic),
        )
    )
    known = dict.fromkeys(subscription.table for subscription in every)
    for name in names:
        if name not in known:
            raise TerminalError(f"no table {name!r} to land; there are: {', '.join(known)}")
    return tuple(
        each for name in dict.fromkeys(names or known) for each in every if each.table == name
    )
