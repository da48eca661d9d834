"""How a dialogue reads: the order of the wire, what a pipelined reply answers, folds, and where it went wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailtui.console.present import transcript
from mailtui.console.present.line import cells
from mailtui.model import TranscriptLine
from mailtui.views import AttemptView

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
OPENING = (
    (0, "*", "connected to mx.a.test[192.0.2.1]:25"),
    (41, "<", "220 mx.a.test ESMTP"),
    (41, ">", "EHLO relay.test"),
    (83, "<", "250-mx.a.test"),
    (83, "<", "250-PIPELINING"),
    (83, "<", "250 SIZE 1000"),
)
PIPELINED = (
    (0, ">", "MAIL FROM:<news@shop.example> SIZE=12"),
    (0, ">", "RCPT TO:<ana@a.test>"),
    (0, ">", "RCPT TO:<bob@a.test> NOTIFY=NEVER"),
    (0, ">", "DATA"),
    (655, "<", "250 2.1.0 Ok"),
    (655, "<", "250 2.1.5 Ok"),
    (656, "<", "451-4.7.1 <bob@a.test>: Greylisted,"),
    (656, "<", "451 4.7.1 try again"),
    (656, "<", "354 End data"),
    (656, "*", "12 octets of content, then the dot"),
    (700, "<", "250 2.0.0 queued"),
)


def attempt(lines: tuple[tuple[int, str, str], ...], disposition: str = "deferred") -> AttemptView:
    said = tuple(TranscriptLine(*one) for one in lines)
    return AttemptView(NOW, "mx.a.test", "192.0.2.1", "", 451, "4.7.1", "no", "x", disposition, "rcpt", {}, said)


def text(one: AttemptView, folded: bool = True, room: int = 60) -> list[str]:
    drawn = [transcript.spoken(said, room + transcript.SPOKEN) for said in transcript.dialogue([one], 0, room, folded)]
    assert all(cells(whole) <= room + transcript.SPOKEN for whole in drawn)
    return ["".join(part.text for part in whole).strip() for whole in drawn]


def test_replies_to_commands_sent_at_once_say_what_they_answer_in_the_order_of_the_wire() -> None:
    assert text(attempt(PIPELINED)) == [
        "0.000 > MAIL FROM:<news@shop.example> SIZE=12",
        "0.000 > RCPT TO:<ana@a.test>",
        "0.000 > RCPT TO:<bob@a.test> NOTIFY=NEVER",
        "0.000 > DATA",
        "0.655 < 250 2.1.0 Ok  (MAIL)",
        "0.655 < 250 2.1.5 Ok  (RCPT ana@a.test)",
        "0.656 < 451-4.7.1 <bob@a.test>: Greylisted,",
        "0.656 < 451 4.7.1 try again  (RCPT bob@a.test)",
        "0.656 < 354 End data  (DATA)",
        "0.656 = 12 octets of content, then the dot",
        "0.700 < 250 2.0.0 queued",
    ]


def test_where_the_clock_begins_again_is_said() -> None:
    assert text(attempt((*OPENING, *PIPELINED)))[4:6] == [
        "0.000 = connected; the transaction, on a clock of its own",
        "0.000 > MAIL FROM:<news@shop.example> SIZE=12",
    ]


def test_a_long_reply_is_folded_and_unfolded_and_a_refusal_never_is() -> None:
    folded = text(attempt(OPENING))
    assert folded[2:] == ["0.041 > EHLO relay.test", "0.083 < 250-mx.a.test (+2 lines, Z unfolds)"]
    assert text(attempt(OPENING), folded=False)[3:] == [
        "0.083 < 250-mx.a.test",
        "0.083 < 250-PIPELINING",
        "0.083 < 250 SIZE 1000",
    ]
    assert len(text(attempt(PIPELINED), folded=False)) == len(text(attempt(PIPELINED)))


@pytest.mark.parametrize("room", range(20, 61))
def test_any_room_is_enough(room: int) -> None:
    assert "".join(text(attempt(PIPELINED), room=room)).count("(DATA)") == 1
    text(attempt(OPENING), room=room)


def test_the_next_failing_line_from_anywhere() -> None:
    lines = transcript.dialogue([attempt(PIPELINED)], 0, 60)
    assert [one.number for one in lines if one.failing] == [6, 7]
    assert [transcript.next_failure(lines, at) for at in (-1, 6, 7)] == [6, 7, 6]
    assert transcript.next_failure([], -1) is None


def test_without_a_refusal_the_last_line_of_what_failed_is_where_it_failed() -> None:
    lost = transcript.dialogue([attempt((*OPENING, (90, "*", "connection lost: reset")))], 0, 60)
    assert [one.text for one in lost if one.failing] == ["connection lost: reset"]
    assert transcript.next_failure(transcript.dialogue([attempt(OPENING, "delivered")], 0, 60), -1) is None
    gone = transcript.dialogue([attempt(())], 0, 60)
    assert "no transcript kept" in gone[0].text and gone[0].failing


def test_no_attempt_yet() -> None:
    assert transcript.dialogue([], 0, 60) == []
    assert transcript.attempt_title([], 0, NOW) == "No attempt yet"
