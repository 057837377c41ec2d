"""Who is at work on the warehouse: statements, open transactions, locks, and what ends them.

SVV_TRANSACTIONS and SYS_QUERY_HISTORY are there on clusters and on Serverless; both show an
ordinary user what is the user's own, a superuser everything. PG_TERMINATE_BACKEND ends one's own
sessions, a superuser's any.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from ingestion.errors import TerminalError
from lakehouse.warehouse.catalog import Connection, exists

_AT_WORK = "('planning', 'queued', 'running', 'returning')"
_STATEMENTS = f"""\
select session_id, user_id, start_time, trim(query_text)
from sys_query_history
where status in {_AT_WORK} and session_id <> pg_backend_pid()
order by start_time"""
_LOCKS = """\
select pid, txn_owner, txn_start, relation, lock_mode, granted
from svv_transactions
where pid <> pg_backend_pid()
order by pid"""
_NAMES = """\
select c.oid, n.nspname || '.' || c.relname
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid"""
# Statements behind the first of a string bear no comment, so this is about sessions. In two pieces,
# because whoever asks must not be found.
_MARKED = """\
select distinct session_id
from sys_query_history
where
    start_time >= dateadd(minute, -5, cast('{started_at}' as timestamp))
    and query_text like '%"invocation_id": "' || '{invocation}' || '"%'"""


@dataclass
class Session:
    """A session with a statement or a transaction; tables that it has locked or waits for.

    `blocked_by` are the sessions that hold what it waits for.
    """

    session: int
    user: str = ""
    since: str = ""
    run: int | None = None
    statement: str = ""
    holds: list[str] = field(default_factory=list)
    waits_for: list[str] = field(default_factory=list)
    blocked_by: list[int] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        """The session as cells of a table for people."""
        text = " ".join(self.statement.partition("*/")[2].split() or self.statement.split())
        waits = [*self.waits_for, *(f"session {each}" for each in self.blocked_by)]
        return (
            str(self.session),
            self.user or "-",
            "-" if self.run is None else str(self.run),
            self.since,
            ", ".join(self.holds) or "-",
            ", ".join(waits) or "-",
            text[:100] or "-",
        )


def is_superuser(warehouse: Connection) -> bool:
    """Whether this user sees what others do."""
    return bool(warehouse.rows("select usesuper from pg_user where usename = current_user")[0][0])


def sessions(warehouse: Connection) -> list[Session]:
    """Every session that has a statement or a transaction, but this one, by number."""
    users = dict(warehouse.rows("select usesysid, usename from pg_user"))
    names = dict(warehouse.rows(_NAMES))
    found: dict[int, Session] = {}
    for number, user, since, statement in warehouse.rows(_STATEMENTS):
        found[number] = Session(number, users.get(user, ""), _moment(since), statement=statement)
    holders: dict[int, list[tuple[int, str]]] = defaultdict(list)
    waiting = []
    for number, user, since, table, mode, granted in warehouse.rows(_LOCKS):
        session = found.setdefault(number, Session(number, user or "", _moment(since)))
        if table is None or table not in names:
            continue
        tables = session.holds if granted else session.waits_for
        if names[table] not in tables:
            tables.append(names[table])
        if granted:
            holders[table].append((number, mode))
        else:
            waiting.append((session, table, mode))
    for session, table, mode in waiting:
        for number, held in holders[table]:
            if number != session.session and _conflict(mode, held):
                session.blocked_by = sorted({*session.blocked_by, number})
    for run, invocation, started_at in running(warehouse):
        for number in _marked(warehouse, invocation, started_at) & found.keys():
            found[number].run = run
    return [found[number] for number in sorted(found)]


def end_session(warehouse: Connection, session: int) -> None:
    """End a session: what its transaction has done is rolled back.

    Raises:
        TerminalError: Redshift refuses, because it is another user's.
    """
    warehouse.rows(f"select pg_terminate_backend({session})")


def end_run(warehouse: Connection, number: int) -> list[int]:
    """Give up a run, so that another may begin, and end its sessions; returns these.

    Its next node finds the run ended, and stops.

    Raises:
        TerminalError: no such run is running, or Redshift refuses.
    """
    runs = {run: (invocation, since) for run, invocation, since in running(warehouse)}
    if number not in runs:
        those = ", ".join(map(str, runs)) or "none"
        raise TerminalError(f"run {number} is not running; running: {those}")
    warehouse.run(
        f"update {_runs(warehouse)} set status = 'abandoned', finished_at = getdate()"
        f" where run_number = {number} and status = 'running'"
    )
    at_work = {each.session for each in sessions(warehouse)}
    own = sorted(_marked(warehouse, *runs[number]) & at_work)
    for session in own:
        end_session(warehouse, session)
    return own


def _runs(warehouse: Connection) -> str:
    return f"{warehouse.settings.schema_prefix}operations.runs"


def running(warehouse: Connection) -> list[tuple[int, str, str]]:
    """Number, invocation and beginning of the runs that have not ended."""
    runs = _runs(warehouse)
    if not exists(warehouse, *runs.split(".")):
        return []
    told = f"select run_number, invocation_id, started_at from {runs} where status = 'running'"
    return [(run, invocation, str(since)) for run, invocation, since in warehouse.rows(told)]


def _marked(warehouse: Connection, invocation: str, started_at: str) -> set[int]:
    """The sessions that sent a statement of the invocation (macro query_comment)."""
    asked = _MARKED.format(invocation=invocation, started_at=started_at)
    return {session for (session,) in warehouse.rows(asked)}


def _conflict(wanted: str, held: str) -> bool:
    """Who reads stands in the way of nobody but who wants a table alone, and the reverse."""
    modes = {wanted, held}
    return "AccessExclusiveLock" in modes or "AccessShareLock" not in modes


def _moment(value: object) -> str:
    return str(value).partition(".")[0]
