"""What the list does to recipients, and what an outcome must be to put an address there: on a real file."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import NOW, Office
from tests.unit.queue.test_reports import Keeper, dsns

from mailtui import config
from mailtui.events import Changed, Notified
from mailtui.model import Attempt, Claim, Delivery, Disposition, Reply, Stage, State, Verdict, recipient_row
from mailtui.queue import actions, claims, suppressing, verbs
from mailtui.queue.actions import Entry
from mailtui.queue.lanes import enter_site
from mailtui.queue.outcomes import Outcome
from mailtui.queue.schedule import Move
from mailtui.queue.suppressing import CONFIRM, stop_listed
from mailtui.queue.suppression import Suppressions
from mailtui.queue.undo import Undoing, restore
from mailtui.queue.verbs import Change, Verb
from mailtui.suppressions import RELAY, Suppression
from mailtui.views import moment

SETTINGS = config.Suppression()
GONE = Reply(550, "5.1.1", "User unknown")


def stop(office: Office, message: int, *addresses: str, entry: str = "a@d.test", **facts: str) -> suppressing.Told:
    suppressions = Suppressions()
    suppressions.put(
        office.db,
        Suppression(entry, facts.get("reason", "no-such-user"), facts.get("source", RELAY), moment(NOW), None,
                    facts.get("evidence", ""), facts.get("host", "")),
    )  # fmt: skip
    rows = [(recipient_row(message, n), address) for n, address in enumerate(addresses, 1)]
    office.db.execute("BEGIN")
    stopped, told = stop_listed(office.db, Keeper(), office.lanes, suppressions, rows, NOW + 5)
    office.db.execute("COMMIT")
    assert office.balanced()
    assert len(stopped) == sum(isinstance(item, Changed) and item.recipients for item in told[0])
    return told


def test_the_listed_recipient_stops_with_a_dsn_and_the_others_go_on(office: Office) -> None:
    message = office.message("A@d.test", "b@d.test")
    news, touched = stop(office, message, "A@d.test", "b@d.test", evidence="550 5.1.1 User unknown", host="mx.d.test")

    assert [office.state(message, n) for n in (1, 2)] == ["suppressed", "queued"]
    columns = "former_state, former_next, class, code, enhanced, changed_at, attempts"
    assert office.recipient(message, 1, columns) == ("queued", NOW, "suppressed", 0, "5.1.1", NOW + 5, 0)
    assert [type(item) for item in news] == [Changed, Notified] and len(touched) == 1
    (dsn,) = dsns(office)
    assert "Final-Recipient: rfc822; A@d.test" in dsn and "Action: failed" in dsn and "Status: 5.1.1" in dsn
    assert "mx.d.test answered 550 5.1.1 User unknown" in dsn.replace("=\r\n", "").replace("\r\n    ", " ").replace(
        "\r\n ", " "
    )
    assert "Remote-MTA" not in dsn
    assert office.due_at("d.test") == NOW, "b is still to be sent"
    assert office.has_body(message)


def test_when_nothing_is_left_the_lane_is_idle(office: Office) -> None:
    message = office.message("a@d.test")
    stop(office, message, "a@d.test")
    assert office.due_at("d.test") is None
    assert suppressing.idle(office.db, office.lanes.id(office.db, "d.test", "mx"))


def test_a_dsn_goes_by_the_usual_rules(office: Office) -> None:
    bounce = office.message("a@d.test", sender="")
    assert [type(item) for item in stop(office, bounce, "a@d.test")[0]] == [Changed]
    silent = office.message("a@d.test")
    office.db.execute("UPDATE recipient SET notify = 'NEVER' WHERE id >> 20 = ?", (silent,))
    assert [type(item) for item in stop(office, silent, "a@d.test")[0]] == [Changed]
    assert dsns(office) == []


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"source": "root", "reason": "manual"}, "(manual): an operator put it there"),
        (
            {"reason": "no-such-domain", "evidence": "the domain does not exist"},
            "(no-such-domain): the domain does not exist",
        ),
        ({"evidence": "550 no", "host": "mx"}, "(no-such-user): mx answered 550 no"),
        ({}, "(no-such-user)"),
    ],
)
def test_the_reason_is_one_sentence(office: Office, facts: dict[str, str], text: str) -> None:
    message = office.message("a@d.test")
    stop(office, message, "a@d.test", entry="@d.test", **facts)
    (said,) = office.recipient(message, 1, "text")
    assert str(said).startswith("@d.test is on the suppression list since 20") and str(said).endswith(text)


def test_release_brings_back_schedule_and_last_reply_and_goes_past_the_list(office: Office) -> None:
    message = office.message("a@d.test", age=100)
    office.try_all("d.test")
    before = office.recipient(message, 1, "state, next_attempt, code, enhanced, text, class, fingerprint")
    stop(office, message, "a@d.test")
    office.db.execute("BEGIN")
    step = verbs.apply(office.db, Change(Verb.RELEASE, [recipient_row(message, 1)], NOW + 20, "root"))
    office.db.execute("COMMIT")

    assert len(step.changed) == 1 and office.balanced()
    assert office.recipient(message, 1, "state, next_attempt, code, enhanced, text, class, fingerprint") == before
    assert office.recipient(message, 1, "unsuppress") == (1,)
    assert office.due_at("d.test") is not None


def test_an_undone_release_stands_as_before_and_is_not_let_past_the_list_again(office: Office) -> None:
    message = office.message("a@d.test", age=100)
    office.try_all("d.test")
    stop(office, message, "a@d.test", evidence="550 5.1.1 User unknown", host="mx.d.test")
    row = recipient_row(message, 1)
    before = office.recipient(message, 1, "*")
    office.db.execute("BEGIN")
    action = actions.begin(office.db, Entry(NOW + 20, "root", "release"), 1)
    step = verbs.apply(office.db, Change(Verb.RELEASE, [row], NOW + 20, "root", action=action))
    actions.count(office.db, action, (len(step.changed), 0, 0, 1))
    actions.finish(office.db, action, NOW + 20)
    undoing = actions.begin(office.db, Entry(NOW + 30, "root", actions.UNDO, undoes=action), 1)
    back = restore(office.db, Undoing(action, Verb.RELEASE, undoing, row, row, NOW + 30, "root"))
    office.db.execute("COMMIT")

    assert step.changed == back.changed == (row,) and office.balanced()
    assert office.recipient(message, 1, "*") == before
    assert office.due_at("d.test") is None


def test_without_its_body_it_cannot_be_released(office: Office) -> None:
    message = office.message("a@d.test")
    stop(office, message, "a@d.test")
    office.db.execute("UPDATE message SET body = 0 WHERE id = ?", (message,))
    step = verbs.apply(office.db, Change(Verb.RELEASE, [recipient_row(message, 1)], NOW + 20, "root"))
    assert (step.changed, step.failed, step.reasons) == ((), 1, ((verbs.NO_BODY, 1),))
    assert office.state(message) == "suppressed"


# ---------------------------------------------------------------------- at the claim


def test_a_claim_passes_over_what_is_screened(office: Office) -> None:
    office.message("a@d.test", age=30)
    second = office.message("a@d.test", "b@d.test", "c@d.test", age=20)
    office.db.execute("UPDATE recipient SET unsuppress = 1 WHERE id = ?", (recipient_row(second, 3),))
    seen: list[str] = []

    def screen(db: object, recipients: list[tuple[int, str]]) -> set[int]:
        seen.extend(address for _, address in recipients)
        rows = {row for row, address in recipients if address == "a@d.test"}
        for row in rows:
            office.db.execute("UPDATE recipient SET state = 'suppressed' WHERE id = ?", (row,))
        return rows

    lane = (office.lanes.id(office.db, "d.test", "mx"), "d.test", "mx")
    ask = claims.Ask(lane, NOW, 50, lambda attempts: 300.0, screen=screen)
    (claim,) = claims.claim(office.db, [ask], "1")
    assert claim is not None and claim.message == second
    assert [recipient.address.local for recipient in claim.recipients] == ["b", "c"]
    assert seen == ["a@d.test", "a@d.test", "b@d.test"], "a released recipient is not looked up"
    assert claims.claim(office.db, [ask], "1") == [None]


def test_a_long_backlog_of_stopped_mail_is_passed_over_in_parts(office: Office) -> None:
    for n in range(claims.PASSED_OVER + 5):
        office.message(f"u{n}@d.test", age=1000 - n)
    lane = (office.lanes.id(office.db, "d.test", "mx"), "d.test", "mx")

    def screen(db: object, recipients: list[tuple[int, str]]) -> list[int]:
        office.db.executemany(
            "UPDATE recipient SET state = 'suppressed' WHERE id = ?", [(row,) for row, _ in recipients]
        )
        return [row for row, _ in recipients]

    ask = claims.Ask(lane, NOW, 50, lambda attempts: 300.0, screen=screen)
    for left in (5, 0):
        assert claims.claim(office.db, [ask], "1") == [None]
        assert office.db.execute("SELECT count(*) FROM recipient WHERE state = 'queued'").fetchone() == (left,)


# ---------------------------------------------------------------------- facts


def outcome(
    office: Office, *local: str, stage: Stage = Stage.RCPT, reply: Reply = GONE, class_: str = "no-such-user",
    suppress: bool = True, expired: bool = False, domain: str = "d.test",
) -> Outcome:  # fmt: skip
    office.message(*(f"{name}@{domain}" for name in local))
    claim = office.claim(office.lanes.id(office.db, domain, "mx"))
    assert isinstance(claim, Claim)
    disposition = Disposition.DEFERRED if expired else Disposition.BOUNCED
    verdict = Verdict(class_, "recipient", disposition, "A sentence.", suppress=suppress)
    attempts = [Attempt(item.id, NOW, NOW + 1, stage, verdict, reply, "mx.d.test") for item in claim.recipients]
    moves = tuple(Move(attempt, State.BOUNCED, NOW, expired) for attempt in attempts)
    return Outcome(claim, Delivery(tuple(attempts)), moves, ("x",) * len(moves), ("mx",) * len(moves))


def learn(office: Office, what: Outcome, now: float = NOW + 2, settings: config.Suppression = SETTINGS) -> list[str]:
    before = len(office.db.execute("SELECT id FROM suppression").fetchall())
    told = suppressing.after_attempts(office.db, Suppressions(), settings, what, now)
    after = office.db.execute("SELECT entry FROM suppression ORDER BY id").fetchall()
    assert len(told) == len(after) - before
    return [entry for (entry,) in after[before:]]


def test_a_fact_about_a_recipient_makes_an_entry_with_its_evidence(office: Office) -> None:
    what = outcome(office, "One", "two")
    assert learn(office, what) == ["one@d.test", "two@d.test"]
    hit = Suppressions().find(office.db, "ONE@d.test", NOW + 2)
    assert hit == Suppression(
        "one@d.test", "no-such-user", RELAY, moment(NOW + 2), moment(NOW + 2 + 90 * 86400), "550 5.1.1 User unknown", "mx.d.test",
        moment(NOW + 1), f"{what.claim.queue_id}.1",
    )  # fmt: skip
    assert (
        office.db.execute("SELECT kind FROM event WHERE message = ?", (what.claim.message,)).fetchall()
        == [("listed",)] * 2
    )


@pytest.mark.parametrize("stage", [Stage.DATA, Stage.FINAL_DOT])
def test_what_was_said_of_several_proves_nothing_about_one(office: Office, stage: Stage) -> None:
    assert learn(office, outcome(office, "one", "two", stage=stage)) == []
    assert learn(office, outcome(office, "three", stage=stage)) == ["three@d.test"]


def test_what_is_no_fact_makes_no_entry(office: Office) -> None:
    assert learn(office, outcome(office, "a", suppress=False)) == []
    assert learn(office, outcome(office, "b", expired=True)) == []
    assert learn(office, outcome(office, "c", reply=Reply(0, "5.1.1", "we think so"))) == []
    assert learn(office, outcome(office, "d", reply=Reply(450, "4.1.1", "later"))) == []
    assert learn(office, outcome(office, "e", class_="mailbox-full")) == []
    only_moved = config.Suppression(on=("moved",))
    assert learn(office, outcome(office, "f"), settings=only_moved) == []


@pytest.mark.parametrize("class_", ["no-such-domain", "null-mx"])
def test_dns_must_say_so_twice_an_hour_apart(office: Office, class_: str) -> None:
    def again(now: float, class_: str = class_) -> list[str]:
        reply = Reply(0, "5.1.2", "the domain does not exist")
        return learn(office, outcome(office, "a", "b", stage=Stage.DNS, reply=reply, class_=class_), now)

    assert again(NOW) == []
    assert again(NOW + CONFIRM - 1) == []
    assert again(NOW + CONFIRM) == ["@d.test"]


def test_another_word_of_dns_or_a_mail_host_starts_anew(office: Office) -> None:
    reply = Reply(0, "5.1.2", "the domain does not exist")

    def again(now: float, class_: str = "no-such-domain") -> list[str]:
        return learn(office, outcome(office, "a", stage=Stage.DNS, reply=reply, class_=class_), now)

    lane = office.lanes.id(office.db, "d.test", "mx")
    enter_site(office.db, lane, "s")
    assert again(NOW) == []
    assert again(NOW + CONFIRM, "null-mx") == []
    assert again(NOW + 2 * CONFIRM) == []
    enter_site(office.db, lane, "s")
    assert again(NOW + 3 * CONFIRM) == [], "it had a host meanwhile"
    assert again(NOW + 4 * CONFIRM) == ["@d.test"]
