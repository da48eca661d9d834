"""Every screen's words from hostile values: nothing a terminal would obey, in every field, at any width."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from mailtui.console import orders
from mailtui.console.actions import Scope
from mailtui.console.forms import Form, Typing
from mailtui.console.orders import About
from mailtui.console.present import (
    audit,
    confirm,
    domain,
    domains,
    form,
    frame,
    groups,
    incident,
    live,
    message,
    overview,
    papers,
    queue,
    suppress,
    transcript,
)
from mailtui.console.present.line import Line, cells, line
from mailtui.control.api import Entry
from mailtui.control.results import Disk, Rates, StatusView
from mailtui.events import Accepted, Attempted, Changed, Draining, Event, Notice, Notified, Ready, Refused, SiteChanged
from mailtui.findings import (
    DestinationFlow,
    DestinationMoment,
    FailureRow,
    ForecastRow,
    IncidentRow,
    MomentRow,
    WhyView,
)
from mailtui.holdrules import HoldRule
from mailtui.model import TranscriptLine
from mailtui.queue.filter import parse
from mailtui.shapes import RestraintRow, SiteShape
from mailtui.suppressions import ListChange, Suppression
from mailtui.suspensions import Suspended, Suspension
from mailtui.text import safe_text
from mailtui.views import (
    Affected,
    AgeRow,
    Ages,
    AttemptView,
    AuditRow,
    Depth,
    DestinationRow,
    EnvelopeView,
    EventView,
    MessageView,
    Preview,
    QueueRow,
    ReasonRow,
    RecipientView,
    Share,
    Totals,
)

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
EVIL = (
    "\x1b]52;c;aGk=\x07",
    "\x9b31m",
    "\u202etxet",
    "[/foo]",
    "[@click=app.quit]x[/]",
    "a\r\nb\tc",
    "👩\u200d💻漢字",
    "x" * 500,
    "z\u0300\u0301\u0302\u0303\u0304\u0305\u0306",
    "",
)
T = TypeVar("T", bound=msgspec.Struct)


def made(struct: type[T], evil: str, /, **given: object) -> T:
    """A value of which every text is evil, every number one and every moment now."""
    return struct(
        **{field.name: given.get(field.name, _plain(field.type, evil)) for field in msgspec.structs.fields(struct)}
    )


def _plain(kind: object, evil: str) -> object:
    if "datetime" in str(kind):
        return NOW
    return {str: evil, bool: True, float: 1.0, dict[str, int | str | bool]: {}}.get(kind, 1)  # type: ignore[call-overload]


def harmless(lines: list[Line]) -> None:
    for whole in lines:
        for part in whole:
            assert safe_text(part.text) == part.text


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("room", [80, 120])
def test_the_overview(evil: str, room: int) -> None:
    status = made(
        StatusView,
        evil,
        queue=Depth(1, 1, 1, 1),
        totals=Totals(1, 1, 1, 1, 1),
        rates=Rates(),
        disk=Disk(1, 2, 1, 1),
        listeners=(evil,),
        trouble=(evil,),
    )
    ahead = made(ForecastRow, evil, minutes=(1, 2))
    samples = [made(MomentRow, evil, p50=1.0, p95=2.0)] * 9
    past = overview.Range(samples, NOW)
    drawn = overview.counts(status, past, ahead, room // 2, 7)
    drawn += overview.flow(status.rates, past, "last 1h", room // 2, 7) + overview.health(
        status, ahead, NOW, room // 2, 7
    )
    assert {cells(whole) for whole in drawn} == {room // 2}
    drawn.append(overview.ages_row(made(AgeRow, evil, ages=Ages(m5=1_234_567)), room - 6))
    drawn.append(overview.ages_heading(room - 6))
    drawn.append(overview.change_row(made(IncidentRow, evil, change="NEW"), room - 6))
    assert {cells(whole) for whole in drawn[-3:]} == {room - 6}
    told = overview.alerts(replace(status, trouble=(evil, "b" * 70), notes=(evil,)), room)
    assert cells(told) <= room
    harmless([*drawn, told])


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("room", [80, 120, 200])
def test_the_queue(evil: str, room: int) -> None:
    row = made(QueueRow, evil, id="0Z.1", state="deferred", next_attempt=NOW)
    assert cells(queue.row(row, room - 2, NOW)) == room - 2
    assert cells(queue.heading(room - 2)) <= room - 2
    harmless([queue.row(row, room - 2, NOW), *queue.preview(row, room, 5, NOW), *queue.error(evil, room)])


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_a_message(evil: str) -> None:
    envelope = made(EnvelopeView, evil, recipients=(evil,))
    whole = MessageView("0Z", envelope, (), ())
    attempt = made(AttemptView, evil, timings={"connect": 20}, transcript=(TranscriptLine(41, "<", evil),))
    harmless(message.envelope(whole, made(WhyView, evil, causes=()), NOW, 80, 6))
    harmless([transcript.spoken(spoken, 76) for spoken in transcript.dialogue([attempt], 0, 60)])
    harmless([message.recipient(made(QueueRow, evil, state="held"), 76)])
    harmless([frame.crumb([transcript.attempt_title([attempt], 0, NOW)], (), 80)])


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("room", [80, 120])
def test_the_papers_of_a_message(evil: str, room: int) -> None:
    attempt = made(AttemptView, evil, timings={}, transcript=())
    recipient = made(RecipientView, evil, attempts=(attempt,))
    envelope = made(EnvelopeView, evil, recipients=(evil,))
    whole = MessageView("0Z", envelope, (recipient,), (made(EventView, evil),))
    octets = f"{evil}: {evil}\r\n\r\n{evil}\r\n".encode("utf-8", "surrogatepass")
    drawn = [papers.row(written, room) for written in papers.history(whole, NOW, room - 7)]
    drawn += [papers.row(written, room) for written in papers.content("headers", octets, room - 7)]
    drawn += [papers.row(written, room) for written in papers.content("body", octets, room - 7)]
    assert max(cells(line) for line in drawn) <= room
    harmless(drawn)


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize(
    "kind", [Accepted, Attempted, Changed, Draining, Notice, Notified, Ready, Refused, SiteChanged]
)
def test_what_happens(evil: str, kind: type[Event]) -> None:
    event = made(kind, evil, ids=[evil], listeners=[evil])
    moment = live.told(Entry(1, event), 1)  # type: ignore[arg-type]
    harmless([live.row(moment, 78), live.row(moment, 118), *live.whole(moment, False, 80, 3)])
    harmless([live.row(live.remark(evil, 1, 1.0), 78), live.note(False, False, 1, evil, 1.0)])


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("room", [80, 120])
def test_destinations(evil: str, room: int) -> None:
    row = made(DestinationRow, evil)
    assert cells(domains.row(row, (1,) * 12, room - 2, NOW)) == room - 2
    shape = made(SiteShape, evil, sources=(evil,), restraints=(made(RestraintRow, evil),))
    halt = made(Suspension, evil, kind="destination")
    flow = domains.of_flow(made(DestinationFlow, evil))
    then = domains.row(flow, (), room - 2, NOW, domains.Tries("6h", False))
    assert cells(then) == room - 2
    harmless(
        [then, *(whole for block in domain.boxes(domain.Facts(evil, flow, past=True), NOW, room, 9) for whole in block)]
    )
    facts = domain.Facts(evil, row, None, (made(DestinationMoment, evil),), shape, (halt,))
    drawn = [whole for block in domain.boxes(facts, NOW, room, 9) for whole in block]
    failed, waiting = made(FailureRow, evil), made(ReasonRow, evil, sender=evil, top_destinations=())
    for one in domain.responses(facts, [failed], [waiting], [made(IncidentRow, evil)]):
        drawn.append(domain.response(one, room - 6, NOW))
        assert cells(drawn[-1]) == room - 6
        parse(domain.found_by("a.test", one))
    for sender in domain.senders([waiting]):
        drawn.append(domain.sender(sender, room - 6))
        assert cells(drawn[-1]) == room - 6
    harmless([*drawn, domain.note(facts), domains.row(row, (1,) * 12, room - 2, NOW)])


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("room", [80, 120])
@pytest.mark.parametrize("change", ["NEW", "RECOVERED", "OURS", "\x1b[31m"])
def test_incidents(evil: str, room: int, change: str) -> None:
    row = made(IncidentRow, evil, change=change)
    assert cells(incident.row(row, room - 2, NOW)) == room - 2
    drawn = incident.detail(row, NOW, room, 8)
    assert {cells(whole) for whole in drawn} == {room}
    assert len(drawn) == 8
    harmless([incident.row(row, room - 2, NOW), *drawn, incident.note([row], True)])


@pytest.mark.parametrize("evil", [evil for evil in EVIL if safe_text(evil) == evil and evil], ids=str)
def test_filters_of_hostile_names(evil: str) -> None:
    parse(groups.site(evil))
    parse(groups.kind(evil, evil, evil))


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("room", [74, 76, 116, 200])
def test_the_lists_of_what_gets_nothing_and_the_audit(evil: str, room: int) -> None:
    entry, stop = made(Suppression, evil), made(Suspension, evil, kind="sender")
    rule, action = made(HoldRule, evil, state="standing"), made(AuditRow, evil, args={evil: evil})
    drawn = [
        *(suppress.entry(entry, room, NOW), suppress.entry_heading(room)),
        *(suppress.suspension(stop, room, NOW), suppress.suspension_heading(room)),
        *(suppress.rule(rule, room, NOW), suppress.rule_heading(room)),
        *(audit.row(action, room, NOW), audit.heading(room)),
    ]
    assert {cells(whole) for whole in drawn} == {room}
    for detail in (*(suppress.detail(row, NOW) for row in (entry, stop, rule)), audit.detail(action, NOW)):
        assert {cells(whole) for whole in detail} == {74} and len(detail) <= 24
        drawn += detail
    harmless(drawn)


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_a_form(evil: str) -> None:
    lists = made(Suspension, evil, kind="destination"), made(HoldRule, evil, state="standing"), made(Suppression, evil)
    asked = [orders.remove(About(row=row)) for row in lists]
    asked += [
        orders.suppress(About(evil)),
        orders.suspend(evil),
        orders.hold_rule(About()),
        orders.reroute(evil, (evil,)),
    ]
    asked.append(orders.undo(About(row=made(AuditRow, evil, undone=False, state="done"))))
    for one in asked:
        assert isinstance(one, Form)
        typing = Typing(one, {field.name: evil for field in one.fields})
        for confirming in (False, True):
            drawn = form.dialog(one, typing, confirming, form.Said(evil, evil))
            assert {cells(whole) for whole in drawn} == {form.WIDTH}
            harmless(drawn)
    told = [
        confirm.ordered(made(ListChange, evil, entries=(lists[2],)), NOW),
        confirm.ordered(made(Suspended, evil, former=None), NOW),
        confirm.ordered(lists[1], NOW),
    ]
    harmless([line(text) for text in told])


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_a_dialog(evil: str) -> None:
    shares = (Share(evil, 3),) * 4
    plan = made(
        Preview,
        evil,
        irreversible=(evil,),
        done=38114,
        **{name: shares for name in ("by_site", "by_destination", "by_sender", "by_state", "by_class", "by_age")},
    )
    drawn = confirm.dialog("purge", Scope("filter", filter=evil), plan, 2, "38114", evil, confirm.WIDTH)
    assert {cells(whole) for whole in drawn} == {confirm.WIDTH}
    assert "38,114" in "".join(part.text for whole in drawn for part in whole)
    harmless(drawn)


def test_a_result_tells_what_was_counted() -> None:
    assert (
        confirm.result(Affected(7, "hold", 5, 3, 1, 1, 2))
        == "held 3 of 5 recipients   1 being sent   1 did not apply   u undoes"
    )
    assert confirm.result(Affected(8, "undo", 5, 4, 1, 0, 2)) == "undone 4 of 5 recipients   1 moved on since"
    assert "2 untouched: stopped" in confirm.result(Affected(9, "purge", 5, 3, 0, 0, 2))
    row = made(AuditRow, "", verb="hold", matched=38114, done=2500, skipped=0, failed=0)
    assert confirm.progress(row) == "hold 2,500 of 38,114   esc stops"


def test_a_refusal_in_a_dialogue_is_told_apart() -> None:
    attempt = made(
        AttemptView,
        "",
        timings={},
        transcript=(TranscriptLine(1, "<", "550 5.1.1 no"), TranscriptLine(2, "<", "421 later")),
    )
    tones = [transcript.spoken(spoken, 70)[-1].tone for spoken in transcript.dialogue([attempt], 0, 60)]
    assert tones == ["bad", "warn"]


def test_the_footer_keeps_what_matters_most() -> None:
    keys = [("enter", "open", 10), ("v", "range", 1), ("q", "quit", 2)]
    assert "".join(part.text for part in frame.footer(keys, 20)).split() == ["enter", "open", "q", "quit"]
