"""Acts on the wire and the decision which act a command gets, as pure values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.lab.personality import FINE, Act, Memory, Personality, Situation, decide, greylisting, unknown_users
from mailtui.model import Stage


def rcpt(address: str, peer: str = "127.0.0.1") -> Situation:
    return Situation(Stage.RCPT, address, "a@shop.example", (), peer, connection=1, message=1, tls=False)


def never() -> float:
    return 1.0


@pytest.mark.parametrize(
    ("reply", "wire", "code"),
    [
        ("250 2.0.0 Ok", b"250 2.0.0 Ok\r\n", 250),
        ("250", b"250\r\n", 250),
        ("250 a\nb\nc", b"250-a\r\n250-b\r\n250 c\r\n", 250),
        ("554 5.7.1 [{peer}] <{address}>", b"554 5.7.1 [127.0.0.9] <x@y>\r\n", 554),
        (b"2_5 odd\r\n", b"2_5 odd\r\n", 0),
        (b"", b"", 0),
        ("", b"", 0),
    ],
)
def test_reply_on_the_wire(reply: str | bytes, wire: bytes, code: int) -> None:
    act = Act(reply)
    assert act.wire("127.0.0.9", "x@y") == wire
    assert act.code == code


@given(st.one_of(st.binary(max_size=20), st.text(max_size=20)))
def test_any_reply_has_a_code_between_0_and_999(reply: str | bytes) -> None:
    assert 0 <= Act(reply).code <= 999


def test_fine_lets_everything_be() -> None:
    assert all(
        decide(FINE, Situation(stage, "", "", (), "", 1, 1, False), Memory(), 0.0, never) is None for stage in Stage
    )


def test_greylisting_is_by_triplet_and_tells_the_time_left() -> None:
    memory, personality = Memory(), greylisting(20)
    first = decide(personality, rcpt("x@grey.test"), memory, 100.0, never)
    later = decide(personality, rcpt("x@grey.test"), memory, 115.0, never)
    other = decide(personality, rcpt("x@grey.test", peer="127.0.0.2"), memory, 121.0, never)
    assert first is not None
    assert first.wire(address="x@grey.test") == b"451 4.7.1 <x@grey.test>: Greylisted, try again in 21 seconds\r\n"
    assert later is not None
    assert b"in 6 seconds" in later.wire()
    assert other is not None
    assert decide(personality, rcpt("x@grey.test"), memory, 120.0, never) is None


def test_rate_is_a_sliding_window() -> None:
    memory = Memory()
    assert [memory.exceeds((2, 10.0), now) for now in (0.0, 1.0, 2.0, 10.5, 10.6, 11.1)] == [
        False,
        False,
        True,
        False,
        True,
        False,
    ]


def test_hook_overrules_policy_and_none_leaves_it_be() -> None:
    personality = unknown_users("*").but(
        hooks={Stage.RCPT: lambda at: Act("250 2.1.5 Ok") if at.address.startswith("known") else None}
    )
    chosen = decide(personality, rcpt("known@x.test"), Memory(), 0.0, never)
    refused = decide(personality, rcpt("other@x.test"), Memory(), 0.0, never)
    assert chosen is not None
    assert refused is not None
    assert (chosen.code, refused.code) == (250, 550)


def test_odds_are_drawn_for_each_act() -> None:
    personality = Personality(hooks={Stage.FINAL_DOT: Act("451 4.3.0 Later", odds=0.3)})
    dot = Situation(Stage.FINAL_DOT, "", "", (), "", 1, 1, False)
    draws = iter((0.29, 0.3))
    assert decide(personality, dot, Memory(), 0.0, lambda: next(draws)) is not None
    assert decide(personality, dot, Memory(), 0.0, lambda: next(draws)) is None
