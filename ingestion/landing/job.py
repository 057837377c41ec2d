"""The landing job: sessions of Spark, each begun where the ledger ends, until told to stop."""

from __future__ import annotations

import errno
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING

from ingestion.errors import (
    LakehouseError,
    OutageError,
    RefusedError,
    TerminalError,
    TransientError,
)
from ingestion.kafka.brokers import Brokers, Topic
from ingestion.landing import commit, layout, spark
from ingestion.landing.attempts import Attempt, Attempts, next_attempt
from ingestion.landing.crash_points import reach
from ingestion.landing.lag import Lag, measure
from ingestion.landing.ledger import Ledger
from ingestion.landing.plan import Plan, Start, Subscription, plan, shown
from ingestion.landing.records import StagedFile, empty_file
from ingestion.landing.storage import AT_ONCE, Storage, of_system, open_storage
from ingestion.landing.writers import (
    Registration,
    checkpoint_folder,
    register,
    remove_orphans,
    staging_folder,
)
from ingestion.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

_POLL_SECONDS = 0.2
# Between two looks whether what is away is back.
_LOOK_SECONDS = 1.0
_LONGEST_PAUSE = 30.0
# So long a job that is to end waits for what is away, and so often it tries.
_PATIENCE_SECONDS = 30.0
_PATIENCE = 5
# What Java gives on of the system's errors, as text.
_SYSTEM_SAYS = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "Read-only file system": errno.EROFS,
}
# After an unclean restart a broker may report its end too low for a moment.
_TRUNCATION_PATIENCE = 4


@dataclass(frozen=True)
class Job:
    """What to land and how.

    `subscriptions` is asked again at each refresh, so that new declarations are picked up.
    `interval`, `refresh`, `takeover_after` and `observe_every` are seconds; `max_offsets` bounds a
    batch. `observe` is told the lag while landing goes on.
    """

    settings: Settings
    subscriptions: Callable[[], Sequence[Subscription]]
    once: bool
    interval: float = 5.0
    max_offsets: int = 1_000_000
    refresh: float = 10.0
    takeover_after: float = 60.0
    observe: Callable[[Lag], None] | None = None
    observe_every: float = 60.0


class Landing:
    """One run of a job: it holds the landing zone's registration, ledger and Spark session."""

    def __init__(
        self,
        job: Job,
        start_spark: Callable[[], SparkSession],
        notice: Callable[[str], None],
        stopping: threading.Event,
    ) -> None:
        self._job = job
        self._start_spark = start_spark
        self._notice = notice
        self._stopping = stopping
        self._brokers = Brokers(job.settings)
        self.landed_rows = 0

    def run(self) -> None:
        """Land until stopped, or with `once` until everything that was there is landed.

        Raises:
            TerminalError: landing has stopped, and a person must decide; the message says what.
            TransientError: the brokers could not be reached at the start.
        """
        self._brokers.topic_ids({s.topic for s in self._job.subscriptions()})
        storage = open_storage(self._job.settings.landing)
        checkpoints = open_storage(self._job.settings.checkpoints)
        if bind(storage, checkpoints) and storage.list_files(layout.LEDGER):
            self._notice(
                f"the checkpoints in {checkpoints.uri} are new: "
                "landing goes on where the ledger ends"
            )
        java = _Java(self._start_spark)
        try:
            while not self._stopping.is_set():
                try:
                    self._work(storage, checkpoints, java)
                except TransientError as error:
                    self._recover(error, 1, lambda: storage.list_files(layout.WRITERS))
                    continue
                if self._job.once:
                    break
        finally:
            java.close()
        self._notice(f"stopped; {self.landed_rows:,} records landed")

    def _work(self, storage: Storage, checkpoints: Storage, java: _Java) -> None:
        """Land the subscriptions of now until stopped, done (`once`) or they have changed."""
        subscriptions = tuple(self._job.subscriptions())
        tables = {subscription.table for subscription in subscriptions}
        registration = register(
            storage, tables, self._job.takeover_after, self._notice, self._stopping
        )
        if registration is None:
            return

        def look() -> None:
            self._brokers.topic_ids({s.topic for s in subscriptions})
            registration.check()
            registration.beat()
            checkpoints.list_files(layout.WRITERS)

        attempts, failures = Attempts(checkpoints, tables), 0
        try:
            for number in itertools.count(1):
                if self._stopping.is_set() or tuple(self._job.subscriptions()) != subscriptions:
                    return
                session = _Session(
                    self._job,
                    subscriptions,
                    storage,
                    checkpoints,
                    registration,
                    self._brokers,
                    self._notice,
                    number,
                )
                try:
                    if session.run(java.session, attempts, self._stopping):
                        return
                    failures = 0
                except TransientError as error:
                    failures = 1 if session.landed_rows else failures + 1
                    if isinstance(error, JavaGoneError):
                        java.start_anew()
                    # What has begun to read is tried with less each time, until it is one offset.
                    ends = session.has_begun and not isinstance(error, OutageError)
                    if self._recover(error, 1 if ends else failures, look):
                        # It was not the batch's doing.
                        session.take_back(attempts)
                    elif session.cannot_land is not None and not session.landed_rows:
                        raise RefusedError(f"{session.cannot_land} ({error})") from error
                finally:
                    self.landed_rows += session.landed_rows
                    session.remove_checkpoint()
        finally:
            registration.release()

    def _recover(self, error: TransientError, failures: int, look: Callable[[], object]) -> bool:
        """Return when it is worth trying again; True if something was away.

        `look` raises what is away now. An endless job waits for it however long it takes.

        Raises:
            TerminalError: the job is to end (`once`), and has waited or tried long enough.
        """
        problem, told, was_away = error, "", isinstance(error, OutageError)
        began, pause = time.monotonic(), min(2.0 ** (failures - 1), _LONGEST_PAUSE)
        while True:
            away = False
            try:
                look()
            except TransientError as found:
                problem, away, was_away = found, True, True
            waited = time.monotonic() - began
            if not away and waited >= pause:
                return was_away
            if self._job.once and (waited >= _PATIENCE_SECONDS or failures >= _PATIENCE):
                raise TerminalError(
                    f"landing stops after {failures} attempts: {problem}"
                ) from error
            if told != str(problem):
                told = str(problem)
                how = "waits for it and goes on by itself" if away else "tries again"
                self._notice(f"{problem}; landing {how}")
            if self._stopping.wait(min(pause, _LOOK_SECONDS)):
                return was_away


class JavaGoneError(TransientError):
    """Spark's Java process has ended."""


class _Java:
    """Spark, started ahead of its first use, and anew when its Java process has ended."""

    def __init__(self, start: Callable[[], SparkSession]) -> None:
        self._start = start
        self._pool = ThreadPoolExecutor(1)
        self._gone: SparkSession | None = None
        self._started = self._pool.submit(start)

    def session(self) -> SparkSession:
        """The session, once it is there.

        Raises:
            TerminalError: there can be no other than the one that has ended (on Glue).
        """
        session = self._started.result()
        if session is self._gone:
            raise TerminalError("Spark's Java process has ended, and the job ends with it")
        return session

    def start_anew(self) -> None:
        """Start another Java process in the place of the one that has ended."""
        self._gone = self.session()
        self._started = self._pool.submit(self._start)

    def close(self) -> None:
        """Wait for what is being started."""
        self._pool.shutdown()


class _Session:
    """One streaming query: from a plan until it fails, is stopped, or the world has changed."""

    def __init__(  # noqa: PLR0913, PLR0917 - everything that outlives the session
        self,
        job: Job,
        subscriptions: tuple[Subscription, ...],
        storage: Storage,
        checkpoints: Storage,
        registration: Registration,
        brokers: Brokers,
        notice: Callable[[str], None],
        number: int,
    ) -> None:
        self._job = job
        self._storage = storage
        self._checkpoints = checkpoints
        self._registration = registration
        self._brokers = brokers
        self._notice = notice
        self._number = number
        self._checkpoint = checkpoint_folder(registration.writer.session, number)
        self._staging = f"{staging_folder(registration.writer.session)}/{number}"
        self._starts: dict[commit.Place, Start] = {}
        self._subscriptions = subscriptions
        self._in_batch = threading.Lock()
        self._refused = False
        self._failure: LakehouseError | None = None
        self._tried: dict[commit.Place, tuple[int, int]] = {}
        self.cannot_land: str | None = None
        self.landed_rows = 0

    def run(
        self,
        spark_session: Callable[[], SparkSession],
        attempts: Attempts,
        stopping: threading.Event,
    ) -> bool:
        """Land; True when there is nothing more to do, False when a new plan is due.

        Raises:
            TerminalError: a person must decide.
            TransientError: it may work again later.
        """
        first = self._plan()
        self._tried = attempts.tried()
        attempt = next_attempt(
            first.starts,
            self._tried,
            self._job.max_offsets,
            suspects_wait=self._number % 2 == 1,
        )
        if not attempt.starts:
            if not self._job.once:
                stopping.wait(self._job.refresh)
            return self._job.once
        attempts.begin(self._tried, attempt)
        self._starts = {(s.topic, s.partition.number): s for s in attempt.starts}
        if attempt.number > 2:
            self._announce(attempt)
        try:
            self._query(spark_session(), attempt, first, stopping)
        except LakehouseError:
            raise
        except Exception as error:
            raise _explain(error) from error
        attempts.keep({p: t for p, t in self._tried.items() if p not in self._starts})
        return self._job.once and len(attempt.starts) == len(first.starts)

    def _announce(self, attempt: Attempt) -> None:
        begun = f"begun {attempt.number - 1} times, and not ended in order (a kill, or a failure)"
        size = f"{attempt.size.max_offsets:,} offsets at a time"
        if not attempt.size.is_alone:
            self._notice(f"partitions landed apart: {len(attempt.starts)}, {begun}; {size}")
            return
        (start,) = attempt.starts
        place = f"topic {start.topic} partition {start.partition.number}"
        self._notice(f"{place}, offset {start.from_offset}: {begun}; landed alone, {size}")
        if attempt.is_last:
            self.cannot_land = (
                f"{place}: the record at offset {start.from_offset} cannot be landed, though it "
                "was tried alone. Nothing of the partition was landed past it.\n  Land it as it "
                "is, without Spark, and start landing again:\n  lakehouse landing land-record "
                f"{start.partition.table} --partition {start.partition.number} "
                f"--offset {start.from_offset}\n "
            )

    def _query(
        self, session: SparkSession, attempt: Attempt, first: Plan, stopping: threading.Event
    ) -> None:
        """Run the query until it ends, or should."""
        stream = spark.read_stream(session, self._job.settings, attempt.starts, attempt.size)
        # What takes less than usual ends with what is there: then the usual goes on.
        ends = self._job.once or attempt.number > 1 or len(attempt.starts) < len(first.starts)
        query = spark.start_query(
            stream,
            self._land,
            f"{self._checkpoints.uri}/{self._checkpoint}",
            None if ends else self._job.interval,
        )
        try:
            self._watch(query, stopping, {s.topic for s in first.absent}, ends=ends)
        finally:
            with self._in_batch:  # it stops between two batches
                query.stop()
        if self._failure is not None:
            raise self._failure
        error = query.exception()
        if error is not None and not self._refused:
            raise _explain(error)

    @property
    def has_begun(self) -> bool:
        """Whether it has come so far as to read something."""
        return any(start.until > start.from_offset for start in self._starts.values())

    def take_back(self, attempts: Attempts) -> None:
        """The session has failed by something else than what it was to land."""
        with suppress(TransientError):
            attempts.keep(self._tried)

    def remove_checkpoint(self) -> None:
        """Remove Spark's checkpoint of this session: the next one starts where the ledger ends."""
        with suppress(LakehouseError):  # the next start does
            self._checkpoints.delete_folder(self._checkpoint)

    def _plan(self) -> Plan:
        self._registration.check()
        if self._number == 1:
            remove_orphans(self._storage, self._checkpoints)
        self._ledger = Ledger(self._storage)
        tables = {s.table for s in self._subscriptions}
        # What was landed before has it: a store is not asked for each of hundreds of tables.
        new = tables - {partition.table for partition in self._ledger.progress.positions}
        with ThreadPool(AT_ONCE) as pool:
            pool.map(
                lambda table: self._storage.put_if_absent(layout.schema_file(table), empty_file()),
                new,
            )
        commit.check_ledger_is_there(self._storage, self._ledger, tables)
        adopted = commit.adopt(self._storage, self._ledger, tables, _now())
        for entry in adopted:
            self._notice(
                f"topic {entry.topic} partition {entry.kafka_partition}: {entry.file} was landed "
                "by a job that was killed before it could say so; entered into the ledger"
            )
        decided = decide(self._ledger, self._subscriptions, self._brokers)
        for notice in decided.notices:
            self._notice(notice)
        if decided.stops:
            evidence = [entry for stop in decided.stops for entry in stop.evidence]
            if evidence:
                self._ledger.append(evidence)
            raise RefusedError(shown(decided.stops))
        if decided.openings:
            self._ledger.append(decided.openings)
            reach("partition_opened")
        return decided

    def _watch(
        self, query: StreamingQuery, stopping: threading.Event, absent: set[str], *, ends: bool
    ) -> None:
        """Return when the query has ended, or should."""
        known = set(self._starts)
        ids = {start.topic: start.topic_id for start in self._starts.values()}
        refreshed = observed = time.monotonic()
        while query.isActive:
            if stopping.wait(_POLL_SECONDS):
                return
            if time.monotonic() - observed >= self._job.observe_every:
                observed = time.monotonic()
                self._observe()
            if ends or time.monotonic() - refreshed < self._job.refresh:
                continue
            refreshed = time.monotonic()
            self._registration.check()
            if tuple(self._job.subscriptions()) != self._subscriptions:
                self._notice("the declarations have changed: planning again")
                return
            try:
                found = self._brokers.topic_ids({topic for topic, _ in known} | absent)
            except TransientError as error:
                self._notice(f"{error}; the query waits for it")
                continue
            now = {(name, n) for name, (_, numbers) in found.items() for n in numbers}
            if now - known:
                self._notice("new topics or partitions: planning again")
                return
            for topic, topic_id in ids.items():
                if topic in found and found[topic][0] != topic_id:
                    self._notice(f"topic {topic} was deleted and created again: planning again")
                    return

    def _observe(self) -> None:
        """Tell the lag to whoever watches; that it cannot be told now stops nothing."""
        if self._job.observe is None:
            return
        landed = {place: start.from_offset for place, start in self._starts.items()}
        try:
            self._job.observe(measure(self._brokers, landed, time.time()))
        except TransientError as error:
            self._notice(f"the lag is not reported this time: {error}")

    def _land(self, batch: DataFrame, batch_id: int) -> None:
        """What Spark calls for each batch, on a thread of its own."""
        if not self._in_batch.acquire(blocking=False):
            self._refused = True
            raise TransientError("landing is being stopped")
        try:
            self._land_batch(batch, batch_id)
        except LakehouseError as error:
            self._failure = error
            raise
        except Exception as error:
            self._failure = _explain(error)
            raise
        finally:
            self._in_batch.release()

    def _land_batch(self, batch: DataFrame, batch_id: int) -> None:
        if batch_id > 0:
            reach("checkpoint_written")
        reach("batch_planned")
        began = time.monotonic()
        ends = self._planned_ends(batch_id)
        folder = f"{self._staging}/{batch_id}"
        staged = self._stage(batch, folder, ends)
        reach("batch_staged")
        topics = self._brokers.topics({topic for topic, _ in self._starts})
        commit.check_complete(self._starts, ends, staged, topics)
        files = commit.plan_files(self._starts, ends, staged, datetime.now(UTC).date())
        committed = commit.entries(self._starts, ends, files, _now())
        commit.publish(self._storage, self._ledger, self._registration, files.values(), committed)
        self._storage.delete_folder(folder)
        self._advance(ends, files)
        rows = sum(file.staged.rows for file in files.values())
        self.landed_rows += rows
        self._report(rows, time.monotonic() - began, topics)

    def _stage(
        self, batch: DataFrame, folder: str, ends: dict[commit.Place, int]
    ) -> dict[commit.Place, StagedFile]:
        """The batch's files, staged below `folder`.

        When they are not what Spark has counted they are staged again, in a new folder.

        Raises:
            FencedError: another job has taken over, and removed what was staged.
            TerminalError: the second time is no better. This is no stop for ever, even if Spark
                should count a repeated task twice: each start stages and counts the batch anew.
        """
        found = ""
        for attempt in (1, 2):
            part = f"{folder}/{attempt}"
            written = spark.stage(batch, f"{self._storage.uri}/{part}")
            try:
                return commit.staged_files(self._storage, part, written)
            except commit.IncompleteError as error:
                self._registration.check()
                found = str(error)
                self._notice(f"{found} (attempt {attempt} of 2)")
        ranges = (
            f"topic {topic} partition {number} offsets {start.from_offset} to {ends[topic, number]}"
            for (topic, number), start in sorted(self._starts.items())
            if ends[topic, number] > start.from_offset
        )
        raise TerminalError(
            f"{found}, the second time for this batch: {'; '.join(ranges)}. Nothing of it was "
            "landed and nothing is lost: Kafka still has it. See whether LAKEHOUSE_LANDING means "
            "the same folder to Spark's Java as to this process, and whether lifecycle rules of "
            f"the bucket or somebody remove files below {layout.STAGING}; then start landing again."
        )

    def _planned_ends(self, batch_id: int) -> dict[commit.Place, int]:
        """Where the batch ends in each partition, from Spark's offset log.

        The records alone do not tell: behind the last one there may be transaction markers, which
        would look like a loss when retention has removed them. No page describes the file; but
        what Spark tells of a batch otherwise (its progress) comes when the batch is over, and a
        file of another form stops landing before anything of it is visible.
        """
        log = self._checkpoints.read(f"{self._checkpoint}/offsets/{batch_id}").decode()
        ends = json.loads(log.splitlines()[-1])
        return {
            (topic, int(number)): offset
            for topic, numbers in ends.items()
            for number, offset in numbers.items()
        }

    def _advance(
        self, ends: dict[commit.Place, int], files: dict[commit.Place, commit.PlannedFile]
    ) -> None:
        for place, start in self._starts.items():
            file = files.get(place)
            self._starts[place] = replace(
                start,
                from_offset=ends[place],
                landing_date=file.target.landing_date if file else start.landing_date,
            )

    def _report(self, rows: int, seconds: float, topics: dict[str, Topic]) -> None:
        lag = sum(
            max(0, topics[topic].partitions[number].latest - start.from_offset)
            for (topic, number), start in self._starts.items()
        )
        self._notice(f"landed {rows:,} records ({rows / seconds:,.0f}/s), lag {lag:,}")


def decide(ledger: Ledger, subscriptions: Sequence[Subscription], brokers: Brokers) -> Plan:
    """The plan for `subscriptions` by what the ledger and the brokers say now."""
    decided = Plan()
    for attempt in range(_TRUNCATION_PATIENCE):
        topics = brokers.topics({s.topic for s in subscriptions})
        decided = plan(ledger.progress, subscriptions, topics, _now())
        if not any(stop.may_pass for stop in decided.stops):
            break
        if attempt + 1 < _TRUNCATION_PATIENCE:
            time.sleep(1.5)
    return decided


def bind(landing: Storage, checkpoints: Storage) -> bool:
    """Tie the checkpoint folder to the landing zone; True at its first use.

    Raises:
        TerminalError: it belongs to another landing zone, so one of the two settings is wrong, or
            the landing zone was emptied.
    """
    landing.put_if_absent(layout.IDENTITY, json.dumps({"id": str(uuid.uuid4())}).encode())
    try:
        identity = json.loads(landing.read(layout.IDENTITY))["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise TerminalError(
            f"{landing.uri}/{layout.IDENTITY} cannot be read: restore it from its backup or its "
            "earlier object version; the checkpoints' landing.json has the same id"
        ) from error
    belongs = json.dumps({"id": identity, "landing": landing.uri})
    if checkpoints.put_if_absent("landing.json", belongs.encode()):
        return True
    try:
        bound = json.loads(checkpoints.read("landing.json"))
        known = bound["id"], bound["landing"]
    except (ValueError, KeyError, TypeError) as error:
        raise TerminalError(
            f"{checkpoints.uri}/landing.json cannot be read: the checkpoint folder is damaged, or "
            "is none of ours. Remove it, or choose another: nothing is lost by it, since landing "
            "resumes from the ledger."
        ) from error
    if known[0] != identity:
        raise RefusedError(
            f"the checkpoints in {checkpoints.uri} belong to another landing zone "
            f"({known[1]}, id {known[0]}), not to {landing.uri} (id {identity}): "
            "LAKEHOUSE_LANDING or LAKEHOUSE_CHECKPOINTS is wrong, or the landing zone was "
            "emptied. For a new landing zone choose a new checkpoint folder; nothing is lost by "
            "it, since landing resumes from the ledger."
        )
    return False


def _explain(error: Exception) -> LakehouseError:
    """Spark's error as ours: its first telling line, and whether it passes."""
    from py4j.protocol import Py4JError, Py4JJavaError

    if isinstance(error, ConnectionError) or (
        isinstance(error, Py4JError) and not isinstance(error, Py4JJavaError)
    ):
        return JavaGoneError(
            "Spark's Java process has ended (killed, or out of memory: LAKEHOUSE_SPARK_MEMORY)"
        )
    lines = str(error).strip().splitlines() or [type(error).__name__]
    for line in lines:
        for system, number in _SYSTEM_SAYS.items():
            if system in line:
                return of_system(OSError(number, system), "the landing zone or the checkpoints")
    telling = [line.strip() for line in lines if "Caused by" in line]
    reason = telling[-1] if telling else lines[0]
    return TransientError(f"Spark could not land the batch: {reason[:500]}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
