"""A subscriber's view of the journal: complete, or with a gap that says so."""

from __future__ import annotations

from contextlib import aclosing

from hypothesis import given
from hypothesis import strategies as st

from mailtui.control.api import Entry, Gap, Log
from mailtui.control.stream import entries, joined, replay
from mailtui.events import AnyEvent, Journal, Notice


def journal(count: int, keep: int = 5000) -> Journal:
    made = Journal(keep)
    for number in range(1, count + 1):
        made.publish(Notice(float(number), "info", str(number)))
    return made


def shape(told: list[Entry]) -> list[int | str]:
    return [f"gap {e.event.missed}" if isinstance(e.event, Gap) else e.seq for e in told]


def replayed(made: Journal, log: Log) -> list[int | str]:
    return shape(replay(made.since(0), made.seq, log, 0.0))


def test_the_latest_events_are_replayed() -> None:
    assert replayed(journal(5), Log(limit=3)) == [3, 4, 5]
    assert replayed(journal(5), Log(after_seq=3)) == [4, 5]
    assert replayed(journal(5), Log(after_seq=5)) == []
    assert replayed(journal(5), Log(limit=0)) == []
    assert replayed(journal(0), Log()) == []


def test_what_the_ring_has_lost_is_a_gap_for_those_who_follow_on() -> None:
    assert replayed(journal(10, keep=3), Log(after_seq=2)) == ["gap 5", 8, 9, 10]
    assert replayed(journal(10, keep=3), Log()) == [8, 9, 10]
    assert replayed(journal(10), Log(after_seq=2, limit=2)) == ["gap 6", 9, 10]
    assert replayed(journal(10), Log(after_seq=2, limit=0)) == ["gap 8"]


def test_a_restarted_relay_is_a_gap_and_tells_all_again() -> None:
    assert replayed(journal(2), Log(after_seq=900)) == ["gap 0", 1, 2]


@given(st.lists(st.integers(1, 200), unique=True).map(sorted), st.integers(0, 200))
def test_every_number_is_told_or_counted_as_missed(numbers: list[int], last: int) -> None:
    items: list[tuple[int, AnyEvent]] = [(n, Notice(0.0, "info", "")) for n in numbers if n > last]
    told = joined(last, items, 0.0)
    at = last
    for entry in told:
        at += entry.event.missed if isinstance(entry.event, Gap) else 1
        assert entry.seq == at
    assert at == (items[-1][0] if items else last)


async def test_following_joins_the_replay_without_loss_or_repetition() -> None:
    made = journal(3)
    async with aclosing(entries(made, Log(follow=True, limit=2), 0.0)) as batches:
        assert shape(await anext(batches)) == [2, 3]
        made.publish(Notice(4.0, "info", "4"))
        made.publish(Notice(5.0, "info", "5"))
        assert shape(await anext(batches)) == [4, 5]


async def test_a_subscriber_that_does_not_read_is_told_what_it_missed() -> None:
    made = journal(0)
    async with aclosing(entries(made, Log(follow=True), 0.0)) as batches:
        made.publish(Notice(1.0, "info", "1"))
        assert shape(await anext(batches)) == [1]
        for number in range(2, 1203):
            made.publish(Notice(float(number), "info", str(number)))
        told: list[int | str] = []
        while not told or told[-1] != 1202:
            told += shape(await anext(batches))
        assert told == ["gap 201", *range(203, 1203)]


async def test_a_subscriber_that_leaves_is_forgotten() -> None:
    made = journal(1)
    async with aclosing(entries(made, Log(follow=True), 0.0)) as batches:
        await anext(batches)
        assert made._queues
    assert not made._queues


async def test_only_what_is_meant_is_heard_and_nothing_of_it_is_missed() -> None:
    made = Journal(keep=6)
    for n in range(8):
        made.publish(Notice(float(n), "info", "even" if n % 2 == 0 else "odd"))

    def heard(event: AnyEvent) -> bool:
        return isinstance(event, Notice) and event.text == "odd"

    async with aclosing(entries(made, Log(follow=True, limit=2), 0.0, heard)) as batches:
        assert [entry.seq for entry in await anext(batches)] == [6, 8]
        made.publish(Notice(9.0, "info", "even"))
        made.publish(Notice(9.0, "info", "odd"))
        assert [entry.seq for entry in await anext(batches)] == [10]
    (gap, *rest) = replay(made.since(0), made.seq, Log(after_seq=2), 0.0, heard)
    assert isinstance(gap.event, Gap) and gap.event.missed == 2  # two that the ring no longer holds
    assert [entry.seq for entry in rest] == [6, 8, 10]
    assert [entry.seq for entry in replay(made.since(0), made.seq, Log(after_seq=6), 0.0, heard)] == [8, 10]
