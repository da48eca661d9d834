"""Log lines: one per fact, one line each, nothing in them that a terminal would obey."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.config import Log
from mailtui.events import (
    Accepted,
    AnyEvent,
    Attempted,
    Changed,
    Notice,
    Notified,
    Ready,
    Refused,
    SiteChanged,
    Stopping,
)
from mailtui.log import level_of, sentence, sink

AT = 1_790_000_000.25
LINES = [
    (Ready(AT, ["127.0.0.1:25", "[::1]:25"], 7), "info", "ready listeners=127.0.0.1:25,[::1]:25 pid=7"),
    (Stopping(AT, "SIGTERM"), "info", "stopping: SIGTERM"),
    (Refused(AT, "192.0.2.1", 554, "no", "a@b", "c@d"), "warning", "refused client=192.0.2.1 from=<a@b> to=<c@d> reply=554 no"),
    (Accepted(AT, "0AAAAAAA", "a@b", 2, 100, "192.0.2.1"), "info", "0AAAAAAA accepted from=<a@b> recipients=2 size=100 client=192.0.2.1"),
    (Accepted(AT, "0AAAAAAA", "", 1, 9, "::1", "app"), "info", "0AAAAAAA accepted from=<> recipients=1 size=9 client=::1 user=app"),
    (
        Attempted(AT, "0AAAAAAA", "c@d", "deferred", "greylisted", "rcpt", 450, "4.7.1", "wait\na bit", "mx", "192.0.2.9",
                  delay=1.234, next_attempt=AT),
        "warning",
        "0AAAAAAA deferred to=<c@d> host=mx[192.0.2.9] class=greylisted stage=rcpt delay=1.23 next=2026-09-21T14:13:20Z"
        " reply=450 4.7.1 wait / a bit",
    ),
    (
        Attempted(AT, "0AAAAAAA", "c@d", "delivered", "success", "final-dot", 250, "", "ok"),
        "info",
        "0AAAAAAA delivered to=<c@d> class=success stage=final-dot delay=0.00 reply=250 ok",
    ),
    (
        Attempted(AT, "0AAAAAAA", "c@d", "bounced", "dns", "dns", 0, "5.1.2", "no such domain"),
        "warning",
        "0AAAAAAA bounced to=<c@d> class=dns stage=dns delay=0.00 reply=5.1.2 no such domain",
    ),
    (Changed(AT, "hold", "root", 2, ["X.1", "X.2"]), "info", "hold by=root recipients=2 ids=X.1,X.2"),
    (Notified(AT, "NEW", "OLD", "failed", "a@b"), "info", "NEW dsn kind=failed about=OLD to=<a@b>"),
    (SiteChanged(AT, "mx.test", "broken", "refused", AT), "warning", "site mx.test broken until=2026-09-21T14:13:20Z refused"),
    (SiteChanged(AT, "mx.test", "alive", ""), "info", "site mx.test alive"),
    (Notice(AT, "error", "disk low"), "error", "disk low"),
    (Notice(AT, "warning", "held", "0AAAAAAA"), "warning", "0AAAAAAA held"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "level", "text"), LINES, ids=lambda value: type(value).__name__)
def test_a_fact_in_words(event: AnyEvent, level: str, text: str) -> None:
    assert (level_of(event), sentence(event)) == (level, text)


def test_a_long_list_of_ids_is_cut() -> None:
    assert sentence(Changed(AT, "hold", "root", 1000, [str(n) for n in range(1000)])).endswith(",19")


def test_a_text_line_has_time_and_level() -> None:
    stream = io.StringIO()
    sink(Log(format="text", level="info"), stream)(Notice(AT, "info", "hello"))

    assert stream.getvalue() == "2026-09-21T14:13:20.250Z info hello\n"


@given(st.text(), st.text())
def test_a_hostile_text_stays_one_printable_line(sender: str, text: str) -> None:
    stream = io.StringIO()
    sink(Log(format="text", level="info"), stream)(Refused(AT, "192.0.2.1", 550, text, sender))

    line = stream.getvalue()
    assert line.endswith("\n")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]", line[:-1])


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_a_json_line_is_one_line_and_the_whole_event(text: str) -> None:
    stream = io.StringIO()
    sink(Log(format="json", level="info"), stream)(Notice(AT, "warning", text, "0AAAAAAA"))

    (line,) = stream.getvalue().split("\n")[:-1]
    assert json.loads(line) == {"event": "notice", "at": AT, "level": "warning", "text": text, "id": "0AAAAAAA"}


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize(("level", "kept"), [("debug", 3), ("info", 3), ("warning", 2), ("error", 1)])
def test_less_than_the_level_is_left_out(format: str, level: str, kept: int) -> None:
    stream = io.StringIO()
    write = sink(Log(format=format, level=level), stream)  # type: ignore[arg-type]

    for event in (Stopping(AT, "x"), Notice(AT, "warning", "x"), Notice(AT, "error", "x")):
        write(event)

    assert len(stream.getvalue().splitlines()) == kept


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_log_that_cannot_be_written_stops_nothing(format: str, tmp_path: Path) -> None:
    closed = (tmp_path / "log").open("w")
    closed.close()
    full = open("/dev/full", "w")  # noqa: SIM115  (closing it fails too)
    for stream in (closed, full):
        sink(Log(format=format), stream)(Notice(AT, "error", "x"))  # type: ignore[arg-type]

    with pytest.raises(OSError, match="No space"):  # the proof that this stream refuses
        full.close()
