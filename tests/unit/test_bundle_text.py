"""The files of a bundle: nothing strangers said gets out of its place, whatever it is."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailtui import bundle_text
from mailtui.bundles import (
    Bundle,
    DnsRow,
    DoneRow,
    FailureGroup,
    HourRow,
    Numbers,
    OneRecipient,
    Ourselves,
    Sample,
    Setting,
    TimelineRow,
    TlsRow,
)
from mailtui.model import TranscriptLine

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SAMPLE = Sample(
    name="1QHQZRES.1-2", started=AT, sender="app@example.org", recipient="ana@remote.example", message_id="<1@example.org>",
    received=AT, size=900, signed="d=example.org s=s1", host="mx.remote.example", address="192.0.2.1",
    tls="TLSv1.3 X verified", stage="rcpt", disposition="deferred", class_="throttled", code=450, enhanced="4.7.1",
    text="4.7.1 slow down", timings={"rcpt": 5}, transcript=(TranscriptLine(3, "<", "450 4.7.1 slow down"),),
)  # fmt: skip
BUNDLE = Bundle(
    subject="remote.example", destination="remote.example", site="mx.remote.example", made=AT, since=AT, internal=False,
    masked=("passwords",), summary="All is well.",
    ours=Ourselves("relay.example.org", ("192.0.2.9",), True, "postmaster@example.org", ("d=example.org s=s1",)),
    numbers=Numbers(3, 1, 2, 4, 0), hours=(HourRow(AT, 2, 4, 0),),
    groups=(FailureGroup("throttled", "They are busy.", 4, 3, AT, AT, ("1QHQZRES.1-2",)),), samples=(SAMPLE,),
    dns=(DnsRow("remote.example", "MX", ("10 mx.remote.example",), "", 300, AT), DnsRow("remote.example", "A", (), "no such record")),
    tls=(TlsRow("mx.remote.example", "192.0.2.1", "", 4, AT),), settings=(Setting("route", "by MX, port 25"),),
    done=(DoneRow(AT, "hold", 1, AT),), timeline=(TimelineRow(AT, "deferred", 4, "throttled"),),
)  # fmt: skip


def hostile(text: str) -> Bundle:
    """A bundle in which everybody says `text` wherever they can."""
    sample = replace(
        SAMPLE, sender=text, recipient=text, message_id=text, host=text, address=text, tls=text, text=text, signed=text,
        header_from=text, subject=text, client=text, user=text, transcript=(TranscriptLine(1, "<", text),), name=SAMPLE.name,
    )  # fmt: skip
    one = OneRecipient("1QHQZRES.1", text, "held", text, text, AT, 9, 1, AT, text, (text, "x"), (text,), 2)
    return replace(
        BUNDLE, samples=(sample,), one=one, dns=(DnsRow(text, "MX", (text,), text),), tls=(TlsRow(text, text, text, 1, AT),),
        done=(DoneRow(AT, "hold", 1, None, text, text, text),), settings=(Setting("route", text),),
        timeline=(TimelineRow(AT, "action", 1, "", text),),
        groups=(replace(BUNDLE.groups[0], fingerprint=text),), ours=replace(BUNDLE.ours, signed=(text,), contact=text),
    )  # fmt: skip


def prose(report: str) -> str:
    """What is neither in a fence nor in a code span, by CommonMark 4.5 and 6.1: where Markdown would obey it."""
    lines, fence = [], ""
    for line in report.split("\n"):
        ticks = re.match("`{3,}(?=[^`]*$)", line)
        if fence:
            fence = "" if re.fullmatch("`+", line) and len(line) >= len(fence) else fence
        elif ticks:
            fence = ticks[0]
        else:
            rest = line
            while found := re.search(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", rest):
                rest = rest[: found.start()] + rest[found.end() :]
            lines.append(rest)
    assert not fence, "a block that is never closed"
    return "\n".join(lines)


def test_it_tells_what_a_postmaster_asks_for() -> None:
    report = bundle_text.markdown(BUNDLE)
    for fact in (
        *("relay.example.org", "192.0.2.9", "d=example.org s=s1", "postmaster@example.org", "<1@example.org>"),
        *(
            "\n450 4.7.1 slow down\n",
            "      3 ms < 450 4.7.1 slow down",
            "2026-11-22 09:30:00Z",
            "`10 mx.remote.example`",
        ),
        *(
            "| 2026-11-22 09:00 | 2 | 4 | 0 |",
            "4 attempts, 3 recipients waiting",
            "- passwords",
            "`hold`: 1 recipient, taken back",
        ),
        *("| `mx.remote.example` | `192.0.2.1` | none | 4 |", "no such record", "by MX, port 25"),
    ):
        assert fact in report, fact
    assert "INTERNAL" not in report and "INTERNAL" in bundle_text.markdown(replace(BUNDLE, internal=True))


@pytest.mark.parametrize(
    "text",
    [
        "```",
        "`````` x `",
        "a | b",
        "\n# heading",
        "\x1b[2J",
        "<script>",
        "[x](http://y)",
        "` `",
        "``` \n```\n",
        "|`|``|",
    ],
)
def test_what_strangers_say_is_never_prose(text: str) -> None:
    plain = prose(bundle_text.markdown(hostile("zyx")))
    assert "zyx" not in plain
    assert prose(bundle_text.markdown(hostile(text))).replace("\\|", "|") == plain


@given(st.text(alphabet=st.one_of(st.sampled_from("`|\\<>[]#*_~- \n"), st.characters()), min_size=1, max_size=40))
def test_whatever_strangers_say_is_never_prose(text: str) -> None:
    report = bundle_text.markdown(hostile(text))
    plain = prose(bundle_text.markdown(hostile("zyx")))
    assert prose(report) == plain
    for name, content in bundle_text.files(hostile(text)):
        assert all(sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in content if sign != "\n"), name


@given(st.text(max_size=40))
def test_the_timeline_is_a_table_no_spreadsheet_runs(text: str) -> None:
    bundle = replace(BUNDLE, timeline=(TimelineRow(AT, "action", 2, "", text),))
    heading, row = csv.reader(io.StringIO(bundle_text.timeline(bundle)))
    assert heading == ["at", "kind", "count", "class", "text"] and row[:4] == [
        "2026-11-22 09:30:00Z",
        "action",
        "2",
        "",
    ]
    assert row[4][:1] not in ("=", "+", "-", "@")


def test_names_of_files_stay_below_the_directory() -> None:
    assert bundle_text.directory(BUNDLE) == "mailtui-report-remote.example-20261122T093000Z"
    name = bundle_text.directory(replace(BUNDLE, subject="../../[IPv6:::1]"))
    assert re.fullmatch(r"mailtui-report-[A-Za-z0-9._-]+", name) and "/" not in name
    assert [name for name, _ in bundle_text.files(BUNDLE)] == [
        *("report.md", "timeline.csv"), "transcripts/1QHQZRES.1-2.txt",
    ]  # fmt: skip


def test_a_long_dialogue_is_whole_beside_the_report() -> None:
    lines = tuple(TranscriptLine(n, "<", f"250-line {n}") for n in range(100))
    bundle = replace(BUNDLE, samples=(replace(SAMPLE, transcript=lines, cut=7),))
    report = bundle_text.markdown(bundle)
    assert (
        "line 59" in report and "line 60" not in report and "(41 more lines in transcripts/1QHQZRES.1-2.txt)" in report
    )
    beside = bundle_text.transcript(bundle.samples[0])
    assert "line 99" in beside and "(7 more lines are left out)" in beside


def test_a_reply_has_its_code_once_and_no_reply_says_so() -> None:
    assert bundle_text.reply(SAMPLE) == ["450 4.7.1 slow down"]
    assert bundle_text.reply(replace(SAMPLE, text="slow\ndown")) == ["450 4.7.1 slow", "down"]
    assert bundle_text.reply(replace(SAMPLE, code=0, enhanced="", text="")) == ["no reply"]
