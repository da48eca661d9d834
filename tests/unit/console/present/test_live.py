"""Events as lines: every kind has its letter and word, so that nothing hangs on a colour."""

from __future__ import annotations

import pytest

from mailtui.console.present import live
from mailtui.console.present.line import Line
from mailtui.control.api import Entry, Gap
from mailtui.events import (
    Accepted,
    AnyEvent,
    Attempted,
    Changed,
    Draining,
    Notice,
    Notified,
    Ready,
    Refused,
    SiteChanged,
    Stopping,
)

EVENTS: list[tuple[AnyEvent | Gap, str, str]] = [
    (Accepted(1, "Q1", "a@b.test", 2, 100, "192.0.2.1", "shop"), "A", "2 recipients, by 192.0.2.1 as shop"),
    (Attempted(1, "Q1", "x@y.test", "delivered", "success", "final-dot", 250, "2.0.0", "Ok"), "✓", "x@y.test"),
    (Attempted(1, "Q1", "x@y.test", "deferred", "greylisted", "rcpt", 451, "4.7.1", "later"), "D", "451 4.7.1 later"),
    (Attempted(1, "Q1", "x@y.test", "bounced", "timeout", "rcpt", 0, "", ""), "B", "timeout"),
    (Refused(1, "192.0.2.1", 554, "relay denied", "a@b.test", "x@y.test"), "R", "554 relay denied"),
    (Changed(1, "hold", "kim", 1204, ["Q1.1", "Q2.1"]), "C", "1,204 recipients, by kim"),
    (Notified(1, "Q2", "Q1", "failed", "a@b.test"), "N", "failed notice about Q1"),
    (SiteChanged(1, "mx.y.test", "broken", "refused"), "!", "broken: mx.y.test refused"),
    (SiteChanged(1, "mx.y.test", "alive", ""), "+", "alive: mx.y.test"),
    (Ready(1, ["127.0.0.1:25"], 1), "+", "ready: listens on 127.0.0.1:25"),
    (Stopping(1, "signal"), "!", "stopping: signal"),
    (Draining(1, "asked"), "!", "draining: asked"),
    (Notice(1, "info", "reloaded"), "-", "info: reloaded"),
    (Notice(1, "error", "disk low"), "!", "error: disk low"),
    (Gap(1, 1204), "!", "gap: 1,204 events are missing here"),
    (Gap(1, 0), "!", "the relay was started anew"),
]


def text(whole: Line) -> str:
    return "".join(part.text for part in whole)


@pytest.mark.parametrize(("event", "letter", "words"), EVENTS)
@pytest.mark.parametrize("room", [78, 118])
def test_every_event_has_a_letter_and_words(event: AnyEvent | Gap, letter: str, words: str, room: int) -> None:
    moment = live.told(Entry(7, event), 1)
    drawn = text(live.row(moment, room))
    assert drawn[9] == letter and words in drawn
    assert moment.word in text(live.whole(moment, False, room, 3)[0])


def test_what_is_kept_of_an_event_is_bounded() -> None:
    moment = live.told(Entry(1, Changed(1, "hold", "x" * 10**6, 9, ["Q" * 10**6])), 1)
    assert len(moment.text) + len(moment.id) + len(moment.word) < 2000


def test_the_note_says_in_words_how_it_stands() -> None:
    assert text(live.note(True, False, 0, "", 0)) == "following"
    assert text(live.note(False, False, 1204, "", 0)) == "stopped, 1,204 newer, G goes on"
    assert "frozen, 3 newer" in text(live.note(True, True, 3, "", 0))
    assert text(live.note(True, False, 0, "gone", 12)) == "no stream (12s): trying again"
