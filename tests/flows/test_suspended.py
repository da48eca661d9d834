"""An operator suspends a destination, a site, a sender, a user, all intake or all deliveries: it stands still, the rest flows, and it
comes back a little at a time, with its lifetime."""

from __future__ import annotations

import asyncio
import getpass
import smtplib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.kit.relays import (
    Net,
    attempts,
    in_state,
    ledger,
    letter,
    net,
    received,
    recipient,
    rows,
    running_relay,
    said,
    settled,
    submit,
    until,
)  # fmt: skip

from mailtui.control import api
from mailtui.control.api_suspend import Resume, Suspend, Suspensions
from mailtui.delivery.transcript import unpack
from mailtui.errors import ControlError
from mailtui.lab.personality import FINE, Act, Personality
from mailtui.model import Stage
from mailtui.queue.operate import Operator
from mailtui.queue.reader import Reader
from mailtui.queue.suspender import NotSuspended
from mailtui.relay import Relay
from mailtui.service import Desk
from mailtui.suspensions import Kind, Suspended

ME = getpass.getuser()
HOUR = 3600.0


@asynccontextmanager
async def desk(relay: Relay) -> AsyncIterator[Desk]:
    """What answers operators, on that relay."""
    reader = await Reader.open(relay.store.path, unpack)
    operator = Operator(
        relay.store, reader, relay.runner.unblock, relay.journal.publish, inverses=relay.suspender.inverses
    )
    try:
        yield Desk(relay, reader, operator)
    finally:
        await reader.close()


async def suspend(relay: Relay, kind: Kind, name: str = "", seconds: float | None = HOUR) -> Suspended:
    end = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    async with desk(relay) as operators:
        return await operators.suspend(Suspend(kind, "they are moving house", name, end), ME)


async def resume(relay: Relay, kind: Kind, name: str = "") -> Suspended:
    async with desk(relay) as operators:
        return await operators.resume(Resume(kind, name), ME)


async def passed(relay: Relay, around: Net) -> None:
    """Long enough for anything that was going to leave: mail elsewhere has come and gone, and the runner has looked twice."""
    for _ in range(2):
        name = f"passes{time.monotonic_ns()}"
        await submit(relay, f"{name}@other.test", content=letter(name))
        await until(lambda name=name: name in received(around["other.test"]), "mail elsewhere")


def connections(around: Net, domain: str) -> int:
    return len(around[domain].connections)


async def test_a_suspended_destination_gets_no_connection_and_the_others_flow(tmp_path: Path) -> None:
    async with net("shut.test", "other.test") as around, running_relay(tmp_path, around) as relay:
        answer = await suspend(relay, "destination", "Shut.test")
        assert (answer.name, answer.waiting, answer.known, answer.former) == ("shut.test", 0, False, None)
        await submit(relay, "one@shut.test", "two@other.test")
        await submit(relay, "three@shut.test")
        await passed(relay, around)

        assert connections(around, "shut.test") == 0
        assert [(row["state"], row["attempts"]) for row in (recipient(relay, "one@shut.test"),)] == [("queued", 0)]
        assert rows(relay, "SELECT 1 FROM lane WHERE due_at IS NOT NULL AND suspended_since IS NULL") == [], (
            "no spinning"
        )
        async with desk(relay) as operators:
            (line,) = [row for row in await operators.queue_domains(api.QueueDomains()) if row.waiting]
            assert line.destination == "shut.test" and line.suspended_until == answer.until
            waiting = (await operators.queue_list(api.QueueList("domain:shut.test"))).rows
            assert {row.next_attempt for row in waiting} == {answer.until}, "not now"
            (told,) = await operators.suspensions(Suspensions())
            assert (told.kind, told.name, told.actor, told.reason, told.waiting) == (
                "destination", "shut.test", ME, "they are moving house", 2,
            )  # fmt: skip
            (trouble,) = (await operators.status(api.Status())).trouble
            assert trouble.startswith("destination shut.test is suspended until ") and "moving house" in trouble

        assert (await resume(relay, "destination", "shut.test")).waiting == 2
        await settled(relay)
        assert received(around["shut.test"]) == {"one": 1, "three": 1}


async def test_what_is_under_way_is_finished(tmp_path: Path) -> None:
    async with net("slow.test", "other.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("slow.test", Personality(hooks={Stage.FINAL_DOT: lambda at: Act("250 2.0.0 taken", delay=0.5)}))
        await submit(relay, "first@slow.test")
        await in_state(relay, "first@slow.test", "sending")
        await suspend(relay, "destination", "slow.test")
        await submit(relay, "second@slow.test")

        await in_state(relay, "first@slow.test", "delivered")
        await passed(relay, around)
        assert recipient(relay, "second@slow.test")["state"] == "queued"
        await resume(relay, "destination", "slow.test")
        await settled(relay)


async def test_a_suspended_site_stops_every_destination_behind_it(tmp_path: Path) -> None:
    async with net("a.test", "other.test") as around, running_relay(tmp_path, around) as relay:
        around.zone.mx("b.test", "mx.a.test")
        await submit(relay, "before@a.test")
        await settled(relay)
        ((site,),) = rows(relay, "SELECT name FROM site")
        await suspend(relay, "site", site)
        served = len(said(around["a.test"], "MAIL"))
        await submit(relay, "one@a.test")
        await submit(relay, "two@b.test")
        await passed(relay, around)

        assert len(said(around["a.test"], "MAIL")) == served
        async with desk(relay) as operators:
            (told,) = await operators.suspensions(Suspensions())
            assert told.waiting == 2
            ends = {row.destination: row.suspended_until for row in await operators.queue_domains(api.QueueDomains())}
            assert ends["a.test"] == ends["b.test"] == told.until and ends["other.test"] is None
        await resume(relay, "site", site)
        await settled(relay)
        assert received(around["a.test"]) == {"before": 1, "one": 1, "two": 1}


async def test_all_deliveries_stand_still_while_mail_is_taken(tmp_path: Path) -> None:
    async with net("a.test", "b.test") as around, running_relay(tmp_path, around) as relay:
        await suspend(relay, "delivery", seconds=None)
        for n in range(5):
            await submit(relay, f"x{n}@a.test", f"x{n}@b.test")
        await until(lambda: relay.runner.live("").slots == 0)
        assert connections(around, "a.test") == connections(around, "b.test") == 0
        async with desk(relay) as operators:
            (row, *_) = (await operators.queue_list(api.QueueList())).rows
            found = await operators.why(api.Why(row.id))
            assert found.next_attempt is None and found.causes[0].kind == "suspended"
            assert found.answer.startswith(f"All deliveries are suspended by {ME} since ")
            assert "until it is resumed (they are moving house); nothing is tried meanwhile" in found.answer
            assert (
                found.causes[-1].text == "Its lifetime stands still while it is suspended."
                or found.causes[-1].kind == "expiry"
            )
        await resume(relay, "delivery")
        await settled(relay)
        assert sum(received(around["a.test"]).values()) == sum(received(around["b.test"]).values()) == 5


async def test_after_a_restart_it_is_still_suspended_and_can_be_undone(tmp_path: Path) -> None:
    async with net("shut.test", "other.test") as around:
        async with running_relay(tmp_path, around) as relay:
            action = (await suspend(relay, "destination", "shut.test")).action
            await suspend(relay, "sender", "*@news.test")
            await submit(relay, "one@shut.test")
        async with running_relay(tmp_path, around) as relay:
            await submit(relay, "two@shut.test")
            await passed(relay, around)
            assert connections(around, "shut.test") == 0
            with pytest.raises(AssertionError, match=r"450.*4\.3\.2 mail from this sender is suspended until"):
                await submit(relay, "x@other.test", sender="a@NEWS.test")
            async with desk(relay) as operators:
                undone = await operators.undo(api.Undo(action, "not needed"), ME)
                assert (undone.done, undone.failed) == (1, 0)
            await settled(relay)
            assert set(received(around["shut.test"])) == {"one", "two"}
            async with desk(relay) as operators:
                latest, _, first = await operators.audit(api.Audit())
                assert (latest.verb, latest.undoes) == ("undo", action)
                assert (first.verb, first.filter, first.reason, first.undone) == (
                    "suspend", "destination:shut.test", "they are moving house", True,
                )  # fmt: skip


async def test_it_ends_by_itself_and_says_so(tmp_path: Path) -> None:
    async with net("shut.test", "other.test") as around, running_relay(tmp_path, around) as relay:
        await suspend(relay, "destination", "shut.test", seconds=0.5)
        await submit(relay, "one@shut.test")
        await in_state(relay, "one@shut.test", "delivered")
        assert time.time() > recipient(relay, "one@shut.test")["changed_at"] - 1
        async with desk(relay) as operators:
            assert await operators.suspensions(Suspensions()) == ()
            latest = (await operators.audit(api.Audit()))[0]
            assert (latest.verb, latest.actor, latest.reason) == ("resume", "relay", "its end had come")
        texts = [getattr(event, "text", "") for _, event in relay.journal.since(0)]
        assert "destination shut.test resumed by relay: its end had come" in texts


async def test_an_end_that_came_while_the_relay_was_down_is_kept_at_the_start(tmp_path: Path) -> None:
    async with net("shut.test", "other.test") as around:
        async with running_relay(tmp_path, around) as relay:
            await suspend(relay, "destination", "shut.test", seconds=0.2)
            await submit(relay, "one@shut.test")
        async with running_relay(tmp_path, around) as relay:
            await settled(relay)
            assert received(around["shut.test"]) == {"one": 1}


async def test_what_waited_comes_back_a_little_at_a_time_over_few_connections(tmp_path: Path) -> None:
    async with net("shut.test", "other.test") as around, running_relay(tmp_path, around) as relay:
        await suspend(relay, "destination", "shut.test")
        for n in range(3):
            await submit(relay, *(f"r{n}x{i}@shut.test" for i in range(100)), content=letter(f"m{n}"))
        began = time.time()
        await resume(relay, "destination", "shut.test")
        await until(
            lambda: rows(relay, "SELECT 1 FROM lane WHERE destination = 'shut.test' AND suspended_since IS NULL"),
            "its return",
        )
        due = [
            row["next_attempt"] - began
            for row in rows(relay, "SELECT next_attempt FROM recipient WHERE state = 'queued'")
        ]

        assert len(due) >= 250 and max(due) > 12, "300 at 20 a second"
        assert sum(at > 5 for at in due) > 150
        async with desk(relay) as operators:
            row = (await operators.queue_list(api.QueueList("state:queued"))).rows[-1]
            found = await operators.why(api.Why(row.id))
            assert found.causes[0].kind == "spread" and "comes back over 15s" in found.answer
        most = max((site.limit for site in relay.runner._sites.values()), default=0)
        assert most <= 20
        async with desk(relay) as operators:
            await operators.retry(api.Retry(everything=True), ME)
        await settled(relay, 30)


async def test_the_time_of_a_suspension_is_no_lifetime_and_no_attempt(tmp_path: Path) -> None:
    async with (
        net("shut.test", "other.test") as around,
        running_relay(tmp_path, around, queue={"lifetime": 2.0}) as relay,
    ):
        await suspend(relay, "destination", "shut.test")
        await submit(relay, "one@shut.test")
        given = recipient(relay, "one@shut.test")["expires_at"]
        around.behave("shut.test", Personality(hooks={Stage.RCPT: lambda at: Act("451 4.2.1 later")}))
        await until(lambda: time.time() > given + 0.3, "its lifetime to be over by the clock")
        assert recipient(relay, "one@shut.test")["state"] == "queued"
        await resume(relay, "destination", "shut.test")
        row = await in_state(relay, "one@shut.test", "deferred")

        assert row["expires_at"] - given == pytest.approx(2.3, abs=1.0) and row["attempts"] >= 1
        around.behave("shut.test", FINE)
        await in_state(relay, "one@shut.test", "delivered")


async def test_one_recipient_may_be_tried_to_see_whether_it_works_again(tmp_path: Path) -> None:
    async with net("shut.test", "other.test") as around, running_relay(tmp_path, around) as relay:
        await suspend(relay, "destination", "shut.test", seconds=None)
        first = await submit(relay, "probe@shut.test", "probe2@shut.test", content=letter("probe"))
        await submit(relay, "other@shut.test")
        async with desk(relay) as operators:
            assert (await operators.retry(api.Retry((f"{first}.1",)), ME)).done == 1
            await in_state(relay, "probe@shut.test", "delivered")
            assert (await operators.retry(api.Retry((first,)), ME)).done == 1, "the other one"
            await in_state(relay, "probe2@shut.test", "delivered")
            await operators.retry(api.Retry(everything=True), ME)
        await passed(relay, around)

        assert [line.partition(" NOTIFY")[0] for line in said(around["shut.test"], "RCPT")] == [
            "RCPT TO:<probe@shut.test>",
            "RCPT TO:<probe2@shut.test>",
        ]
        assert attempts(relay, "other@shut.test") == []
        await resume(relay, "destination", "shut.test")
        await settled(relay)


async def test_a_try_that_fails_says_what_they_answer_and_the_rest_waits_on(tmp_path: Path) -> None:
    async with net("shut.test", "other.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("shut.test", Personality(hooks={Stage.GREETING: lambda at: Act("554 5.3.2 moving")}))
        await suspend(relay, "delivery", seconds=None)
        first = await submit(relay, "probe@shut.test")
        await submit(relay, "nowhere@no-such.test")
        await submit(relay, "rest@shut.test")
        async with desk(relay) as operators:
            await operators.retry(api.Retry((first,)), ME)
            (attempt,) = await until(lambda: attempts(relay, "probe@shut.test"), "the attempt")
            assert (attempt["disposition"], attempt["code"]) == ("deferred", 554)
            (row,) = (await operators.queue_list(api.QueueList("domain:no-such.test"))).rows
            await operators.retry(api.Retry((row.id,)), ME)
            await in_state(relay, "nowhere@no-such.test", "bounced")
        await until(lambda: recipient(relay, "probe@shut.test")["state"] == "deferred")
        assert connections(around, "shut.test") == 1
        assert attempts(relay, "rest@shut.test") == []
        around.behave("shut.test", FINE)
        await resume(relay, "delivery")
        await settled(relay)


async def test_a_suspended_sender_is_told_to_come_back(tmp_path: Path) -> None:
    async with net("other.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "before@other.test", sender="bulk@news.test")
        await settled(relay)
        await suspend(relay, "sender", "@news.test", seconds=None)
        with pytest.raises(AssertionError, match=r"450.*4\.3\.2 mail from this sender is suspended, try again later"):
            await submit(relay, "two@other.test", sender="bulk@news.test")
        await submit(relay, "three@other.test", sender="a@sub.news.test")
        await resume(relay, "sender", "@news.test")
        await submit(relay, "four@other.test", sender="bulk@news.test")
        await settled(relay)
        assert set(received(around["other.test"])) == {"before", "three", "four"}


async def test_while_intake_is_suspended_nothing_is_taken_and_deliveries_go_on(tmp_path: Path) -> None:
    async with net("other.test") as around, running_relay(tmp_path, around) as relay:
        host, port = relay.listeners.addresses[0].rsplit(":", 1)

        def before_and_after() -> tuple[int, bytes]:
            with smtplib.SMTP(host, int(port), timeout=10) as client:
                client.ehlo()
                asyncio.run_coroutine_threadsafe(suspend(relay, "intake"), loop).result(10)
                return client.mail("a@b.test")

        loop = asyncio.get_running_loop()
        code, text = await asyncio.to_thread(before_and_after)
        assert (code, text.decode()) == (421, "4.3.2 no mail is taken for now, try again later")
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            await submit(relay, "two@other.test")
        assert refused.value.smtp_code == 421
        async with desk(relay) as operators:
            assert (
                (await operators.status(api.Status())).trouble[0].startswith("the intake of mail is suspended until ")
            )
        await resume(relay, "intake")
        await submit(relay, "three@other.test")
        await settled(relay)
        assert ledger(relay) == {"delivered": 1}


async def test_suspending_again_changes_the_end_and_a_mistyped_name_is_told(tmp_path: Path) -> None:
    async with net("shut.test", "other.test") as around, running_relay(tmp_path, around) as relay:
        first = await suspend(relay, "destination", "shut.test")
        again = await suspend(relay, "destination", "shut.test", seconds=2 * HOUR)
        assert again.former is not None and again.former.until == first.until and again.until != first.until
        async with desk(relay) as operators:
            assert (await operators.undo(api.Undo(first.action), ME)).skipped == 1, "it has changed since"
            assert (await operators.undo(api.Undo(again.action), ME)).done == 1
            (told,) = await operators.suspensions(Suspensions())
            assert told.until == first.until and told.action == first.action
            for name in ("", "not a domain", "a" * 300):
                with pytest.raises(ControlError, match="is no destination"):
                    await operators.suspend(Suspend("destination", "x", name), ME)
            with pytest.raises(ControlError, match="is past; nothing was suspended"):
                await operators.suspend(Suspend("delivery", "x", "", datetime(2026, 1, 1, tzinfo=UTC)), ME)
            with pytest.raises(NotSuspended, match=r"destination sut\.test: not suspended"):
                await operators.resume(Resume("destination", "sut.test"), ME)
        assert not (await suspend(relay, "destination", "sut.test")).known


async def test_a_resume_is_taken_back_too(tmp_path: Path) -> None:
    async with net("shut.test", "other.test") as around, running_relay(tmp_path, around) as relay:
        await suspend(relay, "destination", "shut.test")
        action = (await resume(relay, "destination", "shut.test")).action
        async with desk(relay) as operators:
            assert (await operators.undo(api.Undo(action), ME)).done == 1
        await submit(relay, "one@shut.test")
        await passed(relay, around)
        assert connections(around, "shut.test") == 0
        await resume(relay, "destination", "shut.test")
        await settled(relay)
