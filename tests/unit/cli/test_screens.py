"""What the answers look like to a person, and that nothing hostile comes through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from mailtui.cli.context import _harmless
from mailtui.cli.message import message_screen
from mailtui.cli.screens import list_screen, screen
from mailtui.cli.status import Limits, headline, judge, status_screen
from mailtui.control.results import Disk, Draining, Flushed, Pruned, Rate, Rates, Reloaded, StatusView
from mailtui.display import width
from mailtui.findings import CauseView, ForecastRow, IncidentRow, MomentRow, OtherRecipient, WhyView
from mailtui.holdrules import HoldRule
from mailtui.model import TranscriptLine
from mailtui.views import (
    Affected,
    AgeRow,
    Ages,
    AttemptView,
    AuditRow,
    Counts,
    Depth,
    DestinationRow,
    EnvelopeView,
    EventView,
    MessageView,
    Preview,
    QueuePage,
    QueueRow,
    ReasonRow,
    RecipientView,
    Share,
    StateCounts,
    Totals,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVIL = "x\x1b[2J\u202e\n\x9b"

STATUS = StatusView(
    ready=True,
    pid=7,
    version="0.1.0",
    started=NOW - timedelta(hours=2, minutes=13),
    hostname="mail.example.org",
    environment="",
    listeners=("127.0.0.1:2525",),
    queue=Depth(10, 1, 4, 0),
    totals=Totals(100, 80, 3, 1, 1),
    oldest_seconds=7980,
    rates=Rates(accepted=Rate(12, 11), delivered=Rate(10, 9)),
    disk=Disk(2**33, 2**35, 2**20, 4096),
)


def changed(**values: object) -> StatusView:
    return msgspec.structs.replace(STATUS, **values)


def test_status_fits_one_screen_and_balances() -> None:
    lines = list(status_screen(STATUS, NOW))
    assert len(lines) < 24
    text = "\n".join(lines)
    assert "mail flows: 12 in and 10 out a minute; 15 recipients wait, the oldest for 2h13m" in text
    assert "up 2h13m" in text and "pid 7" in text
    assert "accepted 100 = waiting 15 + delivered 80 + bounced 3 + suppressed 1 + purged 1" in text
    assert "OFF BY" not in text
    assert "OFF BY -1" in "\n".join(status_screen(changed(totals=Totals(99, 80, 3, 1, 1)), NOW))


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (changed(ready=False), "not taking mail"),
        (changed(queue=Depth(0, 0, 0, 0), oldest_seconds=0), "nothing waits"),
        (changed(queue=Depth(0, 0, 0, 3)), "3 recipients held"),
        (changed(rates=Rates(deferred=Rate(5, 5))), "nothing was delivered"),
        (changed(rates=Rates()), "quiet"),
    ],
)
def test_the_headline_says_how_it_is(status: StatusView, part: str) -> None:
    assert part in headline(status)


@pytest.mark.parametrize(
    ("status", "limits", "level"),
    [
        (STATUS, Limits(), 0),
        (STATUS, Limits(warn_queued=15), 1),
        (STATUS, Limits(warn_queued=16, crit_oldest=7981), 0),
        (STATUS, Limits(warn_queued=1, crit_queued=15), 2),
        (STATUS, Limits(crit_queued=15), 2),
        (STATUS, Limits(warn_oldest=7980), 1),
        (STATUS, Limits(warn_oldest=1, crit_oldest=7980), 2),
        (changed(ready=False), Limits(), 2),
        (changed(trouble=("disk",)), Limits(), 1),
    ],
)
def test_the_verdict_for_monitoring(status: StatusView, limits: Limits, level: int) -> None:
    found, line = judge(status, limits)
    assert found == level
    assert line.startswith(("OK: ", "WARNING: ", "CRITICAL: ")[level])
    assert line.endswith("| queued=15 oldest=7980s")


ROW = QueueRow(
    id="1QHQZRES.1",
    recipient=EVIL,
    sender="",
    subject=EVIL,
    message_id=EVIL,
    state="deferred",
    destination=EVIL,
    site=EVIL,
    attempts=3,
    next_attempt=NOW,
    age_seconds=7980,
    size=4200,
    last_code=421,
    last_enhanced="4.7.0",
    last_text=EVIL,
    class_="throttled",
)
ATTEMPT = AttemptView(
    started=NOW,
    host=EVIL,
    address="192.0.2.1",
    tls="TLSv1.3",
    code=421,
    enhanced="4.7.0",
    text=EVIL,
    class_="throttled",
    disposition="deferred",
    stage="rcpt",
    timings={"connect": 12, "rcpt": 30},
    transcript=(
        TranscriptLine(0, "<", "220 mx ESMTP"),
        TranscriptLine(1, ">", "EHLO relay.test"),
        TranscriptLine(2, "<", "250-mx"),
        TranscriptLine(3, "<", "250 DSN"),
        TranscriptLine(0, ">", "MAIL FROM:<a@b>"),
        TranscriptLine(5, "<", "421 4.7.0 " + EVIL),
    ),
)
MESSAGE = MessageView(
    id="1QHQZRES",
    envelope=EnvelopeView(
        sender=EVIL,
        recipients=(EVIL,),
        ret="",
        envid="",
        eight_bit=False,
        smtputf8=False,
        size=4200,
        received=NOW,
        client="192.0.2.9",
        helo=EVIL,
        user="",
        listener="127.0.0.1:2525",
        protocol="ESMTP",
        tls="",
        subject=EVIL,
        from_=EVIL,
        message_id=EVIL,
        signed="",
    ),
    recipients=(
        RecipientView(
            id="1QHQZRES.1",
            recipient=EVIL,
            state="deferred",
            destination=EVIL,
            site=EVIL,
            attempts=(ATTEMPT,),
            next_attempt=NOW,
            expires=NOW,
            notify="",
            orcpt="",
            last_code=421,
            last_enhanced="4.7.0",
            last_text=EVIL,
            class_="throttled",
        ),
    ),
    events=(EventView(NOW, "hold", EVIL, EVIL, "1QHQZRES.1"),),
)
_SHARES = (Share(EVIL, 2), Share("", 1))
PREVIEW = Preview(
    "bounce", EVIL, 5, 3, 1, 1, 2, 4096, *((_SHARES,) * 6), irreversible=("2 DSNs will be sent after 60 s",), plan="p-0"
)
AUDIT = AuditRow(7, NOW, EVIL, "hold", EVIL, EVIL, 5, 3, 1, 1, 2, "done", False)


def changed_row(**values: object) -> AuditRow:
    return msgspec.structs.replace(AUDIT, **values)


REASON = ReasonRow(
    site=EVIL,
    destinations=1,
    fingerprint=EVIL,
    count=3,
    class_="throttled",
    sentence="Slow down.",
    first_seen=NOW,
    last_seen=NOW,
    oldest_seconds=60,
    next_attempt=NOW,
    sample_id="1QHQZRES.1",
)
WHY = WhyView(
    "1QHQZRES.1",
    EVIL,
    "deferred",
    EVIL,
    NOW,
    (CauseView("back-off", EVIL),),
    (OtherRecipient("1QHQZRES.2", EVIL, "queued", NOW),),
)
INCIDENTS = (
    IncidentRow("OURS", "", "ip-reputation", 9, 0.0, 0, 2, "", EVIL, EVIL, NOW, NOW),
    IncidentRow("NEW", EVIL, "throttled", 9, 0.5, 0, 2, EVIL, EVIL, EVIL, NOW, NOW),
)
RESULTS = (
    STATUS,
    changed(trouble=(EVIL,), hostname=EVIL, environment=EVIL),
    QueuePage((ROW, ROW), "1QHQZRES.1"),
    QueuePage(()),
    Counts(3, 2, StateCounts(deferred=3)),
    (DestinationRow(EVIL, EVIL, 5, 1, 60, 1, 2, 3, "throttled"),),
    (REASON,),
    (msgspec.structs.replace(REASON, behind=9999),),
    INCIDENTS[1:],
    (MomentRow(NOW, 1, 2, 3, 4, 5, 6, 7, 8, 0.5, None),),
    (ForecastRow(EVIL, 5, 9, 7, NOW, True, 0.5, None, None, (0,) * 59 + (9,)),),
    (AgeRow(EVIL, "", 3, Ages(m5=1, older=2)),),
    (AgeRow(EVIL, "", 3, Ages(m5=1, older=2), as_of=NOW),),
    (),
    MESSAGE,
    WHY,
    INCIDENTS,
    Affected(7, "hold", 5, 3, 1, 1, 2, (Share("being sent", 1), Share(EVIL, 1))),
    Affected(7, "hold", 0, 0, 0, 0, 0),
    PREVIEW,
    (AUDIT, changed_row(state="open"), changed_row(state="stopped", undone=True, undone_by=9, undoes=2)),
    AUDIT,
    Reloaded(("log.level",), ("listener",)),
    Draining(2),
    Flushed(1),
    Pruned(1, 2, 4096),
)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
@pytest.mark.parametrize("cells", [None, 80])
def test_nothing_but_text_reaches_the_terminal(result: object, cells: int | None) -> None:
    lines = list(screen(result, cells, NOW))
    assert lines
    assert all(line.isprintable() for line in lines)


def test_tables_fit_eighty_columns() -> None:
    for result in RESULTS[2:11]:
        assert all(width(line) <= 80 for line in screen(result, 80, NOW))


def test_json_lines_are_harmless_and_the_same() -> None:
    line = _harmless(msgspec.json.encode(ROW).decode())
    assert line.isprintable()
    assert msgspec.json.decode(line.encode(), type=QueueRow) == ROW
    assert msgspec.json.decode(_harmless('"\U000e0041"').encode()) == "\U000e0041"


def test_the_dialogue_is_told_with_milliseconds_and_stage() -> None:
    short, whole = list(message_screen(MESSAGE, NOW)), list(message_screen(MESSAGE, NOW, transcript=True))
    assert len(whole) == len(short) + 6
    dialogue = [line.split() for line in whole if " ms  " in line]
    assert dialogue[0] == ["0", "ms", "greeting", "<", "220", "mx", "ESMTP"]
    assert dialogue[1] == ["1", "ms", "helo", ">", "EHLO", "relay.test"]
    assert dialogue[2] == ["2", "ms", "<", "250-mx"]
    assert dialogue[4] == ["0", "ms", "mail", ">", "MAIL", "FROM:<a@b>"]


RULE = HoldRule(
    rule=4,
    filter="domain:one.example",
    reason="ticket 7",
    actor="ana",
    created=NOW - timedelta(hours=1),
    ends=None,
    state="standing",
    held=1204,
    last_held=NOW - timedelta(minutes=1),
    action=9,
)


def test_hold_rules_say_what_they_hold_and_how_to_end_it() -> None:
    assert list(screen(RULE, None, NOW)) == [
        "hold rule 4: new mail of domain:one.example is held until the rule is removed",
        "to take it back: mailtui undo 9",
    ]
    removed = msgspec.structs.replace(RULE, state="removed", filter=f"subject:{EVIL}")
    lines = list(screen(removed, None, NOW))
    assert lines[1] == "it held 1,204 recipients; to give back what still is: mailtui release rule:4"
    table = list(screen((RULE, msgspec.structs.replace(removed, reason=EVIL)), 100, NOW))
    assert table[0].split() == ["RULE", "SINCE", "WHO", "UNTIL", "HELD", "LAST", "NEW", "MAIL", "OF", "REASON"]
    assert "removed" in table[1] and "(removed)" in table[2]
    assert all(width(line) <= 100 for line in table)
    assert all(line.isprintable() for line in (*lines, *table))


@pytest.mark.parametrize("row", [REASON, AgeRow("mx.example", "", 3, Ages(m5=3))])
def test_numbers_that_were_not_counted_just_now_say_so(row: ReasonRow | AgeRow) -> None:
    fresh = [*list_screen((row,), 100, NOW)]
    dated = [*list_screen((msgspec.structs.replace(row, as_of=NOW),), 100, NOW)]
    assert dated == [*fresh, f"as of {NOW.astimezone():%H:%M:%S}"]
