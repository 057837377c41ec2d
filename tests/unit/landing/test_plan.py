from __future__ import annotations

from dataclasses import replace

from ingestion.kafka.brokers import Offsets, Topic
from ingestion.landing.layout import Partition
from ingestion.landing.ledger import Progress, fold
from ingestion.landing.plan import Plan, Subscription, anew, digest, plan, shown
from tests.kit.ledger import entry

ORDERS = Subscription("orders", "retail.public.orders")
NOW = "2026-03-01T00:00:00+00:00"


def topic(*offsets: tuple[int, int], topic_id: str = "A") -> dict[str, Topic]:
    partitions = {number: Offsets(*pair) for number, pair in enumerate(offsets)}
    return {ORDERS.topic: Topic(ORDERS.topic, topic_id, partitions)}


def decide(progress: Progress, topics: dict[str, Topic]) -> Plan:
    return plan(progress, [ORDERS], topics, NOW)


def accept(progress: Progress, decided: Plan) -> Progress:
    return fold(decided.stops[0].records, progress)


def starts(decided: Plan) -> dict[int, tuple[int, int]]:
    return {s.partition.number: (s.partition.incarnation, s.from_offset) for s in decided.starts}


def test_a_topic_is_landed_from_its_beginning_and_opened_first() -> None:
    decided = decide(Progress(), topic((0, 10), (0, 0)))
    assert starts(decided) == {0: (1, 0), 1: (1, 0)}
    assert [(e.from_offset, e.until_offset, e.topic_id) for e in decided.openings] == [
        (0, 0, "A"),
        (0, 0, "A"),
    ]


def test_what_was_gone_before_the_first_landing_is_recorded_as_lost() -> None:
    decided = decide(Progress(), topic((70, 100)))
    assert starts(decided) == {0: (1, 70)}
    assert [(e.kind, e.from_offset, e.until_offset) for e in decided.openings] == [("lost", 0, 70)]
    assert "offsets 0 to 70 were deleted before the first landing" in decided.notices[0]


def test_it_goes_on_where_the_ledger_ends() -> None:
    decided = decide(fold([entry(0, 5)]), topic((3, 10)))
    assert (starts(decided), decided.stops, decided.openings) == ({0: (1, 5)}, (), ())


def test_retention_up_to_the_ledgers_end_is_harmless() -> None:
    assert decide(fold([entry(0, 5)]), topic((5, 5))).stops == ()


def test_retention_past_the_ledger_stops_and_is_accepted_by_its_range() -> None:
    progress = fold([entry(0, 5)])
    decided = decide(progress, topic((8, 10)))
    assert "topic retail.public.orders partition 0: offsets 5 to 8" in shown(decided.stops)
    command = f"lakehouse landing accept-loss orders --partition 0 --topic {ORDERS.topic} "
    command += "--from 5 --until 8"
    assert shown(decided.stops).endswith(command)
    assert starts(decide(accept(progress, decided), topic((8, 10)))) == {0: (1, 8)}


def test_a_new_partition_is_read_from_its_beginning() -> None:
    decided = decide(fold([entry(0, 5)]), topic((0, 5), (0, 3)))
    assert starts(decided) == {0: (1, 5), 1: (1, 0)}
    assert [e.kafka_partition for e in decided.openings] == [1]


def test_a_new_partition_that_already_lost_records_stops() -> None:
    progress = fold([entry(0, 5)])
    decided = decide(progress, topic((0, 5), (2, 3)))
    assert "partition 1: offsets 0 to 2" in shown(decided.stops)
    assert starts(decide(accept(progress, decided), topic((0, 5), (2, 3)))) == {
        0: (1, 5),
        1: (1, 2),
    }


def test_a_recreated_topic_stops_whatever_its_offsets() -> None:
    progress = fold([entry(0, 5)])
    for latest in (3, 5, 9):
        decided = decide(progress, topic((0, latest), topic_id="B"))
        assert "topic id A became B" in shown(decided.stops)
        assert "partition 0 from offset 5" in shown(decided.stops)
        assert decided.stops[0].arguments == ("orders", "--topic-id", "B")
        after = decide(accept(progress, decided), topic((0, latest), topic_id="B"))
        assert (starts(after), after.stops) == ({0: (2, 0)}, ())


def test_a_truncated_topic_stops_and_is_landed_anew_as_a_new_incarnation() -> None:
    progress = fold([entry(0, 5), entry(0, 7, number=1)])
    decided = decide(progress, topic((0, 3), (2, 9)))
    assert "ends at offset 3, but offsets up to 5 are landed" in shown(decided.stops)
    assert decided.stops[0].may_pass
    after = decide(accept(progress, decided), topic((0, 4), (2, 9)))
    assert (starts(after), after.stops) == ({0: (2, 0), 1: (2, 2)}, ())


def test_a_truncated_topic_that_has_grown_again_still_stops() -> None:
    progress = fold([entry(0, 5)])
    first = decide(progress, topic((0, 3)))
    remembered = fold(first.stops[0].evidence, progress)
    grown = decide(remembered, topic((0, 9)))
    assert "ended before offset 5" in shown(grown.stops)
    assert grown.stops[0].arguments == first.stops[0].arguments
    assert (grown.stops[0].may_pass, grown.stops[0].evidence) == (False, ())
    after = decide(accept(remembered, grown), topic((0, 9)))
    assert (starts(after), after.stops) == ({0: (2, 0)}, ())


def test_a_topic_is_landed_again_from_what_the_brokers_hold() -> None:
    progress, held = fold([entry(0, 9)]), topic((3, 12), (0, 4))
    opened = fold(anew(progress, "orders", held[ORDERS.topic], NOW), progress)
    decided = decide(opened, held)
    assert (starts(decided), decided.stops) == ({0: (2, 3), 1: (2, 0)}, ())
    assert opened.positions[Partition("orders", 1, 0)].until_offset == 9


def test_a_topic_that_does_not_exist_yet_is_waited_for_silently() -> None:
    assert decide(Progress(), {}) == Plan(absent=(ORDERS,))


def test_a_topic_that_vanished_is_mentioned() -> None:
    decided = decide(fold([entry(0, 5)]), {})
    assert (decided.stops, decided.absent) == ((), (ORDERS,))
    assert "was landed before and does not exist now" in decided.notices[0]


def test_the_other_connectors_topic_of_a_table_is_another_incarnation() -> None:
    progress = fold([entry(0, 5)])
    other = Subscription("orders", "retail.retail.dbo.Orders")
    decided = plan(
        progress, [other], {other.topic: Topic(other.topic, "Z", {0: Offsets(0, 9)})}, NOW
    )
    assert [(s.partition, s.from_offset) for s in decided.starts] == [
        (Partition("orders", 2, 0), 0)
    ]


def test_several_losses_are_accepted_by_one_command_that_names_them_all() -> None:
    payments = Subscription("payments", "retail.public.payments")
    progress = fold([entry(0, 5), entry(0, 5, "payments")])
    held = {s.topic: Topic(s.topic, "A", {0: Offsets(8, 9)}) for s in (ORDERS, payments)}
    both = plan(progress, [ORDERS, payments], held, NOW).stops
    message = shown(both)
    assert all(
        f"topic {s.topic} partition 0: offsets 5 to 8" in message for s in (ORDERS, payments)
    )
    assert message.count("lakehouse landing") == 1
    assert message.endswith(f"accept-loss orders,payments --all-shown {digest(both)}")
    assert digest(both) == digest(both[::-1]) != digest(both[:1])


def test_truncated_partitions_of_a_topic_are_accepted_together() -> None:
    progress = fold([entry(0, 5), entry(0, 5, number=1)])
    held = {ORDERS.topic: Topic(ORDERS.topic, "A", {n: Offsets(0, 3) for n in (0, 1)})}
    stops = plan(progress, [ORDERS], held, NOW).stops
    assert len(stops) == 2
    records = dict.fromkeys(record for stop in stops for record in stop.records)
    opened = fold(records, progress).positions
    assert {p.number for p in opened if p.incarnation == 2} == {0, 1}


def test_equal_losses_of_two_topics_of_a_table_are_two() -> None:
    """Tenants: each has a topic, and who accepts the loss of one has not accepted the other's."""
    other = Subscription("orders", "globex.public.orders")
    landed = [entry(0, 5), replace(entry(0, 5), topic=other.topic, topic_id="B", incarnation=2)]
    for held in (Offsets(8, 10), Offsets(0, 3)):
        topics = {
            s.topic: Topic(s.topic, topic_id, {0: held})
            for s, topic_id in ((ORDERS, "A"), (other, "B"))
        }
        first, second = plan(fold(landed), [ORDERS, other], topics, NOW).stops
        assert first.arguments != second.arguments
