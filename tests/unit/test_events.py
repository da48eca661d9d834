"""The journal: numbered, bounded, and never held up by who listens."""

from __future__ import annotations

import asyncio
from typing import get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mailtui import events
from mailtui.events import AnyEvent, Event, Journal, Notice


def notice(text: str) -> Notice:
    return Notice(1.0, "info", text)


def drain(queue: asyncio.Queue[tuple[int, AnyEvent]]) -> list[int]:
    return [queue.get_nowait()[0] for _ in range(queue.qsize())]


@given(st.integers(1, 20), st.integers(0, 50), st.integers(0, 60))
def test_since_gives_what_the_ring_still_has_in_order(keep: int, published: int, seq: int) -> None:
    journal = Journal(keep)
    for n in range(1, published + 1):
        journal.publish(notice(str(n)))

    assert journal.seq == published
    assert journal.since(seq) == [(n, notice(str(n))) for n in range(max(seq, published - keep) + 1, published + 1)]


def test_sinks_hear_every_event_from_now_on() -> None:
    journal, heard = Journal(), []
    journal.publish(notice("before"))
    journal.add_sink(heard.append)

    journal.publish(notice("after"))

    assert heard == [notice("after")]


async def test_a_subscriber_that_does_not_read_loses_the_oldest_and_sees_the_gap() -> None:
    journal = Journal()
    slow, quick = journal.subscribe(3), journal.subscribe()

    for n in range(5):
        journal.publish(notice(str(n)))

    assert drain(slow) == [3, 4, 5]
    assert drain(quick) == [1, 2, 3, 4, 5]


async def test_who_has_left_hears_nothing_and_may_leave_twice() -> None:
    journal = Journal()
    queue = journal.subscribe()
    journal.unsubscribe(queue)
    journal.unsubscribe(queue)

    journal.publish(notice("late"))

    assert queue.empty()


def test_every_kind_of_event_can_be_told_apart_on_the_wire() -> None:
    kinds = [
        kind
        for kind in vars(events).values()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    ]

    assert set(get_args(AnyEvent)) == set(kinds)
    assert len({kind.__struct_config__.tag for kind in kinds}) == len(kinds)


def test_an_event_survives_the_codec() -> None:
    event = events.Attempted(
        1.5, "00000001", "a@b.test", "deferred", "greylisted", "rcpt", 450, "4.7.1", "later\nplease", next_attempt=9.0
    )

    assert msgspec.json.decode(msgspec.json.encode(event), type=AnyEvent) == event
