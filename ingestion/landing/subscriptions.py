"""Which tables a job lands: the declared ones and the connector's own topics."""

from __future__ import annotations

from collections.abc import Sequence

from ingestion.declarations import Declarations
from ingestion.errors import TerminalError
from ingestion.landing.plan import Subscription
from ingestion.settings import ConnectorName


def subscriptions(
    declarations: Declarations, source: ConnectorName, names: Sequence[str] = ()
) -> tuple[Subscription, ...]:
    """The subscriptions called `names`, by default all: the declared tables and Debezium's topics.

    Raises:
        TerminalError: no such table; the message lists those there are.
    """
    connector = declarations.connectors[source]
    every = (
        *(Subscription(table.name, table.topics[source]) for table in declarations.tables),
        Subscription("debezium_heartbeat", connector.heartbeat_topic),
        Subscription("debezium_transaction", connector.transaction_topic),
        Subscription("debezium_notification", connector.notification_topic),
        Subscription("debezium_schema_changes", connector.schema_change_topic),
    )
    known = {subscription.table: subscription for subscription in every}
    for name in names:
        if name not in known:
            raise TerminalError(f"no table {name!r} to land; there are: {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names)) if names else every
