"""The filter language on events: what each field means there, what it cannot mean, and wildcards that take no time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.events import Accepted, AnyEvent, Attempted, Changed, Notice, Notified, Ready, Refused, SiteChanged
from mailtui.queue.filter import FilterError, parse
from mailtui.queue.hearing import heard, matches

NOW = 1_790_000_000.0
EVENTS: dict[str, AnyEvent] = {
    "ready": Ready(NOW, ["127.0.0.1:25"], 1),
    "refused": Refused(NOW, "192.0.2.9", 550, "5.7.1 relaying denied", "eve@bad.example", "x@far.example"),
    "accepted": Accepted(NOW, "1QHQZRES", "app@shop.example", 2, 5000, "10.0.4.7", "shop", "<1@shop.example>"),
    "delivered": Attempted(
        NOW, "1QHQZRES.1", "Ana@one.example", "delivered", "", "final-dot", 250, "2.0.0", "ok", "mx1.one.example", "192.0.2.1",
        "TLSv1.3", 1.0,
    ),
    "deferred": Attempted(
        NOW - 7200, "1QHQZRES.2", "bob@two.example", "deferred", "throttled", "rcpt", 421, "4.7.1", "slow down", "mx.two.example",
    ),
    "changed": Changed(NOW, "hold", "anna", 1, ["1QHQZRES.2"]),
    "notified": Notified(NOW, "1QHQZREZ", "1QHQZRES", "failed", "app@shop.example"),
    "site": SiteChanged(NOW, "mx.two.example", "broken", "refused"),
    "notice": Notice(NOW, "info", "reloaded: dkim"),
}  # fmt: skip


def found(text: str) -> set[str]:
    wanted = heard(parse(text, now=NOW))
    return {name for name, event in EVENTS.items() if wanted(event)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set(EVENTS)),
        ("id:1QHQZRES", {"accepted", "delivered", "deferred", "changed", "notified"}),
        ("id:1QHQZRES.2", {"deferred", "changed"}),
        ("id:1QHQZRE*", {"accepted", "delivered", "deferred", "changed", "notified"}),
        ("from:*@shop.example", {"accepted"}),
        ("to:ana@ONE.example,app@shop.example", {"delivered", "notified"}),
        ("domain:*.example not domain:far.example", {"delivered", "deferred", "notified"}),
        ("client:10.0.4.* or client=192.0.2.9", {"accepted", "refused"}),
        ("user:shop", {"accepted"}),
        ("msgid:1@shop.example", {"accepted"}),
        ("state:de*", {"delivered", "deferred"}),
        ("class:throttled stage:rcpt", {"deferred"}),
        ("code:4", {"deferred"}),
        ("code:5,4.7", {"refused", "deferred"}),
        ("reply~SLOW", {"deferred"}),
        ("host:mx?.one.example mx:192.0.2.1", {"delivered"}),
        ("tls:no", {"deferred"}),
        ("tls:yes", {"delivered"}),
        ("tls:TLSv1.3", {"delivered"}),
        ("size:4k+", {"accepted"}),
        ("size>1MB", set()),
        ("site:mx.two.example", {"site"}),
        ("dkim", {"notice"}),
        ("anna or broken", {"changed", "site"}),
        ("-1QHQZRES -two.example -127.0.0.1", {"refused", "notice"}),
    ],
)
def test_what_a_filter_means(text: str, names: set[str]) -> None:
    assert found(text) == names


def test_since_is_when_it_happened() -> None:
    local = time.strftime("%Y-%m-%dT%H:%M", time.localtime(NOW - 3600))
    assert found(f"since:{local}") == set(EVENTS) - {"deferred"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("code:4 subject:x", "subject says nothing of events, which have class, client, code"),
        ("age:2h+", "age says nothing"), ("next:5m-", "next says nothing"), ("route:mx", "route says nothing"),
        ("tries:5+", "tries says nothing"), ("state:held", "events have the states delivered, deferred, bounced"),
    ],
)  # fmt: skip
def test_what_events_cannot_know_is_an_error(text: str, reason: str) -> None:
    with pytest.raises(FilterError, match=reason) as error:
        heard(parse(text, now=NOW))
    assert text[error.value.at :].startswith(text.split()[-1].partition(":")[0])


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_wildcards(pattern: str, text: str) -> None:
    expected = re.fullmatch(re.sub(r"\*+", "*", pattern).replace("*", ".*").replace("?", "."), text) is not None
    assert matches(text, ":", pattern) == expected


def test_no_pattern_takes_long() -> None:
    began = time.process_time()
    assert not matches("a" * 2000, ":", "*a" * 400 + "b")
    assert time.process_time() - began < 2
