"""DSNs in the transaction that makes them true, with the real reporter on a real file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec
import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.config import Config, Dsn, Rate
from mailtui.events import Notified
from mailtui.feedback.reporter import Reporter
from mailtui.model import (
    CONTENT_BITS,
    Address,
    Attempt,
    Claim,
    Delivery,
    Disposition,
    Reply,
    Stage,
    State,
    Verdict,
    encode_id,
    recipient_row,
)
from mailtui.queue import lanes, reports
from mailtui.queue.outcomes import Outcome
from mailtui.queue.reports import EXPIRE_BATCH
from mailtui.queue.schedule import Move
from mailtui.report import Kind


@dataclass
class Keeper:
    """What a store gives to reports, with the feedback room's own reporter."""

    reporter: Reporter = field(default_factory=lambda: Reporter(Config()))
    number: int = 1 << 39

    def new_number(self) -> int:
        self.number += 1
        return self.number

    def lifetime(self, sender: Address) -> float:
        return 1000.0 if sender else 500.0

    def route_of(self, sender: Address, destination: str, attempts: int) -> str:
        return f"to {destination}"


def finished(
    office: Office,
    states: Iterable[State],
    notify: str = "",
    sender: str = "app@example.org",
    now: float = NOW,
    relayed: bool = False,
) -> Outcome:
    """A message to as many recipients as states, claimed and attempted."""
    states = tuple(states)
    number = office.message(*(f"u{n}@d.test" for n in range(len(states))), sender=sender)
    office.db.execute("UPDATE recipient SET notify = ? WHERE id >> 20 = ?", (notify, number))
    return again(office, states, now, relayed)


def again(office: Office, states: tuple[State, ...], now: float, relayed: bool = False) -> Outcome:
    claim = office.claim(office.db.execute("SELECT id FROM lane WHERE destination = 'd.test'").fetchone()[0], now)
    assert isinstance(claim, Claim)
    moves = tuple(
        _move(recipient.id, state, now, relayed) for recipient, state in zip(claim.recipients, states, strict=True)
    )
    return Outcome(
        claim, Delivery(tuple(item.attempt for item in moves)), moves, ("x",) * len(moves), ("mx",) * len(moves)
    )


def _move(recipient: int, state: State, now: float, relayed: bool) -> Move:
    disposition = {
        State.DELIVERED: Disposition.DELIVERED,
        State.DEFERRED: Disposition.DEFERRED,
        State.BOUNCED: Disposition.BOUNCED,
    }[state]
    reply = {
        State.DELIVERED: Reply(250, "", "ok"),
        State.DEFERRED: Reply(451, "4.2.0", "later"),
        State.BOUNCED: Reply(550, "5.1.1", "unknown"),
    }[state]
    verdict = Verdict("no-such-user", "recipient", disposition, "There is no such mailbox.")
    attempt = Attempt(
        recipient, now - 1, now, Stage.RCPT, verdict, reply, "mx.d.test", relayed=relayed and state is State.DELIVERED
    )
    return Move(attempt, state, now + 300)


def tell(office: Office, outcome: Outcome, keeper: Keeper | None = None, now: float = NOW) -> list[Notified]:
    news, touched = reports.after_attempts(office.db, keeper or Keeper(), office.lanes, outcome, now)
    assert len(touched) == len(news)
    return news


def dsns(office: Office) -> list[str]:
    return [
        chunk.decode()
        for (chunk,) in office.db.execute(
            "SELECT chunk FROM content c JOIN message m ON m.id = c.id >> 12 WHERE about IS NOT NULL ORDER BY m.id"
        )
    ]


def test_one_report_for_all_that_failed_together(office: Office) -> None:
    outcome = finished(office, [State.BOUNCED, State.DELIVERED, State.BOUNCED, State.DEFERRED])

    (notice,) = tell(office, outcome)

    assert (notice.kind, notice.about, notice.to) == ("failed", encode_id(outcome.claim.message), "app@example.org")
    (text,) = dsns(office)
    assert all(address in text for address in ("u0@d.test", "u2@d.test"))
    assert not any(address in text for address in ("u1@d.test", "u3@d.test"))
    assert "550 5.1.1 unknown" in text.replace("\r\n ", " ")
    assert office.balanced()


def test_a_report_is_a_message_like_any_other(office: Office) -> None:
    outcome = finished(office, [State.BOUNCED])
    (notice,) = tell(office, outcome)

    row = office.db.execute(
        "SELECT id, phase, sender, kind, about, unfinished FROM message WHERE about IS NOT NULL"
    ).fetchone()
    assert row == ((1 << 39) + 1, "stored", "", "dsn", outcome.claim.message, 1)
    assert notice.id == encode_id(row[0])
    found = office.db.execute(
        "SELECT address, state, expires_at, notify, route, due_at, size = (SELECT length(chunk) FROM content WHERE id = ?) FROM recipient r"
        " JOIN lane ON lane.id = r.lane JOIN message m ON m.id = r.id >> 20 WHERE r.id = ?",
        (row[0] << CONTENT_BITS, recipient_row(row[0], 1)),
    ).fetchone()
    assert found == ("app@example.org", "queued", NOW + 500, "NEVER", "to example.org", NOW, 1)
    assert office.db.execute("SELECT text FROM event WHERE kind = 'dsn'").fetchall() == [
        (f"failed: {notice.id} to app@example.org",)
    ]


@pytest.mark.parametrize(
    ("states", "notify", "sender", "relayed", "kinds"),
    [
        ([State.BOUNCED], "NEVER", "app@example.org", False, []),
        ([State.BOUNCED], "SUCCESS", "app@example.org", False, []),
        ([State.BOUNCED], "", "", False, []),
        ([State.DELIVERED], "SUCCESS", "app@example.org", True, ["relayed"]),
        ([State.DELIVERED], "SUCCESS", "app@example.org", False, []),
        ([State.DELIVERED], "", "app@example.org", True, []),
        ([State.DEFERRED], "", "app@example.org", False, []),
        ([State.BOUNCED, State.DELIVERED], "SUCCESS,FAILURE", "app@example.org", True, ["failed", "relayed"]),
    ],
)
def test_who_is_told_what(
    office: Office, states: list[State], notify: str, sender: str, relayed: bool, kinds: list[str]
) -> None:
    assert [notice.kind for notice in tell(office, finished(office, states, notify, sender, relayed=relayed))] == kinds


def test_a_delay_is_told_once_for_each_age(office: Office) -> None:
    keeper = Keeper(Reporter(Config(dsn=Dsn(delay_notice=(3600.0, 7200.0)))))
    told = []
    outcome = finished(office, [State.DEFERRED])
    number = outcome.claim.message
    for age in (0, 3599, 3600, 3700, 20_000, 30_000):
        told.append([notice.kind for notice in tell(office, outcome, keeper, NOW + age)])
        office.db.execute(
            "UPDATE recipient SET state = 'deferred', next_attempt = 0 WHERE id = ?", (recipient_row(number, 1),)
        )
        outcome = again(office, (State.DEFERRED,), NOW + age + 1)

    assert told == [[], [], ["delayed"], [], ["delayed"], []]
    assert office.recipient(number, 1, "notices") == (2,)


def test_a_long_stop_is_not_made_up_for_by_several_notices(office: Office) -> None:
    keeper = Keeper(Reporter(Config(dsn=Dsn(delay_notice=(10.0, 20.0, 30.0)))))

    assert len(tell(office, finished(office, [State.DEFERRED]), keeper, NOW + 1000)) == 1
    assert office.db.execute("SELECT notices FROM recipient WHERE state = 'sending'").fetchall() == [(3,)]


def test_more_than_a_report_holds_makes_several(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The composer says how many it took; the rest get another one, nobody is left out or told twice."""

    class Brief(Reporter):
        def compose(self, report, original, number, now):  # type: ignore[no-untyped-def]
            return super().compose(
                msgspec.structs.replace(report, recipients=report.recipients[:3]), original, number, now
            )

    news = tell(office, finished(office, [State.BOUNCED] * 8), Keeper(Brief(Config())))

    assert len(news) == 3
    texts = dsns(office)
    assert [sum(f"rfc822; u{n}@d.test" in text for text in texts) for n in range(8)] == [1] * 8


def test_the_original_comes_back_as_asked(office: Office) -> None:
    keeper = Keeper()
    for ret, whole in (("HDRS", False), ("FULL", True), ("", False)):
        number = office.message("u@d.test", body=b"Subject: s\r\n\r\nsecret body\r\n", subject="s")
        office.db.execute("UPDATE message SET ret = ? WHERE id = ?", (ret, number))
        tell(office, again(office, (State.BOUNCED,), NOW), keeper)
        text = dsns(office)[-1]
        assert "Received: x" in text
        assert "Subject: s" in text
        assert ("secret body" in text) == whole


def test_reports_leave_no_faster_than_their_rate(office: Office) -> None:
    keeper = Keeper(Reporter(Config(dsn=Dsn(rate=Rate(2, 60)))))
    for _ in range(5):
        tell(office, finished(office, [State.BOUNCED]), keeper)

    due = [at for (at,) in office.db.execute("SELECT next_attempt FROM recipient WHERE notify = 'NEVER' ORDER BY id")]
    assert due == [NOW, NOW, NOW + 30, NOW + 60, NOW + 90]


# ---------------------------------------------------------------------- given up otherwise than by an attempt


def test_a_bounce_by_an_operator_leaves_after_the_time_to_take_it_back(office: Office) -> None:
    first, second = office.message("a@d.test", "b@d.test"), office.message("c@d.test")
    rows = [recipient_row(first, 1), recipient_row(first, 2), recipient_row(second, 1)]
    office.db.execute("UPDATE recipient SET state = 'bounced', changed_at = ?", (NOW,))

    news, due = reports.for_bounced(office.db, Keeper(), office.lanes, rows, NOW, 60.0)

    assert [notice.about for notice in news] == [encode_id(first), encode_id(second)], "one for each message"
    assert {lane.destination for lane in due} == {"example.org"}
    assert {at for (at,) in office.db.execute("SELECT next_attempt FROM recipient WHERE notify = 'NEVER'")} == {
        NOW + 60
    }


def test_nobody_is_told_of_what_has_no_sender(office: Office) -> None:
    number = office.message("a@d.test", sender="")

    assert reports.for_bounced(office.db, Keeper(), office.lanes, [recipient_row(number, 1)], NOW) == ([], [])


def lane_of(office: Office, destination: str = "d.test") -> int:
    return int(office.db.execute("SELECT id FROM lane WHERE destination = ?", (destination,)).fetchone()[0])


def test_what_is_past_its_lifetime_is_given_up(office: Office) -> None:
    old, held, young = (
        office.message(f"{name}@d.test", lifetime=life)
        for name, life in (("old", -1.0), ("held", -1.0), ("young", 1.0))
    )
    elsewhere = office.message("x@other.test", lifetime=-1.0)
    office.db.execute("UPDATE recipient SET state = 'held' WHERE id >> 20 = ?", (held,))

    (news, _), more = reports.expire(office.db, Keeper(), office.lanes, [lane_of(office)], NOW)

    assert not more
    assert [notice.about for notice in news] == [encode_id(old)]
    assert [office.state(number) for number in (old, held, young, elsewhere)] == ["bounced", "held", "queued", "queued"]
    assert office.recipient(old, 1, "class, enhanced, text") == (
        "expired",
        "4.4.7",
        "not delivered within its lifetime",
    )
    assert office.db.execute("SELECT message, recipient FROM event WHERE kind = 'expired'").fetchall() == [(old, 1)]
    assert "old@d.test" in dsns(office)[0]
    assert office.balanced()


def test_the_last_reply_is_kept_when_there_was_one(office: Office) -> None:
    number = office.message("a@d.test", lifetime=1.0)
    office.try_all("d.test", Disposition.DEFERRED, Reply(451, "4.7.1", "slow down"))

    reports.expire(office.db, Keeper(), office.lanes, [lane_of(office)], NOW + 5)

    assert office.recipient(number, 1, "state, class, enhanced, text, code") == (
        "bounced",
        "expired",
        "4.7.1",
        "slow down",
        451,
    )
    assert "slow down" in dsns(office)[0]


def test_a_backlog_expires_in_small_steps(office: Office) -> None:
    count = EXPIRE_BATCH + 5
    office.message(*(f"u{n}@d.test" for n in range(count)), lifetime=-1.0)
    office.message("x@other.test", lifetime=-1.0)
    numbers = [lane_of(office), lane_of(office, "other.test")]

    keeper, steps, more = Keeper(), [], True
    while more:
        _, more = reports.expire(office.db, keeper, office.lanes, numbers, NOW)
        steps.append(office.db.execute("SELECT count(*) FROM recipient WHERE state = 'bounced'").fetchone()[0])

    assert steps == [EXPIRE_BATCH, count + 1]
    assert office.balanced()


def test_the_lanes_of_a_site(office: Office) -> None:
    for name in ("a.test", "b.test", "c.test"):
        number = office.lanes.id(office.db, name, "mx")
        lanes.enter_site(office.db, number, "s" if name != "c.test" else "t")

    assert reports.lanes_of_site(office.db, "s") == [lane_of(office, "a.test"), lane_of(office, "b.test")]
    assert reports.lanes_of_site(office.db, "nowhere") == []


def test_kinds_are_those_of_the_standard() -> None:
    named: Callable[[State, bool], Kind] = reports._kind_of
    assert [named(state, relayed) for state in (State.BOUNCED, State.DEFERRED, State.DELIVERED) for relayed in (False, True)] == [
        Kind.FAILED, Kind.FAILED, Kind.DELAYED, Kind.DELAYED, Kind.DELIVERED, Kind.RELAYED,
    ]  # fmt: skip
