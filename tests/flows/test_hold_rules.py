"""A campaign that must stop: a hold rule keeps its new mail in the queue while all else flows, over a restart; then it is let go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.kit.relays import (
    attempts,
    dsn,
    in_state,
    ledger,
    letter,
    net,
    received,
    recipient,
    running,
    running_relay,
    settings,
    settled,
    submit,
)  # fmt: skip

from mailtui.control import api
from mailtui.control.api_holdrules import HoldRuleAdd, HoldRuleList, HoldRuleRemove
from mailtui.delivery.transcript import unpack
from mailtui.lab.personality import unknown_users
from mailtui.queue.filter import FilterError
from mailtui.queue.operate import Operator
from mailtui.queue.reader import Reader
from mailtui.relay import Relay
from mailtui.service import Desk
from mailtui.views import Affected

NEWS = "news@sender.test"


@asynccontextmanager
async def desk(relay: Relay) -> AsyncIterator[Desk]:
    """What answers operators, on that relay."""
    reader = await Reader.open(relay.store.path, unpack)
    inverses = relay.store.hold_rules.inverses()
    operator = Operator(relay.store, reader, relay.runner.unblock, relay.journal.publish, inverses=inverses)
    try:
        yield Desk(relay, reader, operator)
    finally:
        await reader.close()


async def done(answer: object) -> Affected:
    assert isinstance(answer, Affected)
    return answer


async def test_a_campaign_is_held_over_a_restart_and_released(tmp_path: Path) -> None:
    async with net("one.test", "two.test") as around:
        before = settings(tmp_path, around)
        async with running(Relay(before)) as relay:
            await submit(relay, "early@one.test", sender=NEWS)
            await settled(relay)
            async with desk(relay) as operators:
                rule = await operators.holdrule_add(
                    HoldRuleAdd('from:news@* subject~"winter sale" not domain:two.test', lasts="1h", reason="ticket 7"),
                    "ana",
                )
                with pytest.raises(FilterError, match="code is not known"):
                    await operators.holdrule_add(HoldRuleAdd("code:421"), "ana")
            sale = letter("sale", sender=NEWS).replace(b"Subject: sale", b"Subject: Our Winter Sale")
            sent = await submit(relay, "sale@one.test", "sale@two.test", sender=NEWS, content=sale)
            await submit(relay, "other@one.test", sender=NEWS)
            await in_state(relay, "sale@one.test", "held")
            await in_state(relay, "sale@two.test", "delivered")
            await in_state(relay, "other@one.test", "delivered")

            async with desk(relay) as operators:
                told = await operators.why(api.Why(f"{sent}.1"))
                assert f"hold rule {rule.rule} of ana" in told.answer and "ticket 7" in told.answer
                events = (await operators.show(api.Show(f"{sent}.1"))).events
                assert [(event.kind, event.actor) for event in events] == [("held", "relay")]
                (standing,) = await operators.holdrule_list(HoldRuleList())
                assert (standing.held, standing.state) == (1, "standing")

        async with running(Relay(before)) as relay:
            again = letter("again", sender=NEWS).replace(b"Subject: again", b"Subject: Winter SALE, last day")
            await submit(relay, "again@one.test", sender=NEWS, content=again)
            await in_state(relay, "again@one.test", "held")
            assert attempts(relay, "again@one.test") == attempts(relay, "sale@one.test") == []
            async with desk(relay) as operators:
                removed = await operators.holdrule_remove(HoldRuleRemove(rule.rule), "ben")
                assert (removed.state, removed.held) == ("removed", 2)
                after = letter("after", sender=NEWS).replace(b"Subject: after", b"Subject: winter sale")
                await submit(relay, "after@one.test", sender=NEWS, content=after)
                await in_state(relay, "after@one.test", "delivered")
                assert recipient(relay, "sale@one.test")["state"] == "held", "removing a rule releases nothing"

                released = await done(await operators.release(api.Release(filter=f"rule:{rule.rule}"), "ben"))
                assert released.done == 2
                await settled(relay)
                assert received(around["one.test"]) == {"early": 1, "other": 1, "after": 1, "sale": 1, "again": 1}
                assert received(around["two.test"]) == {"sale": 1}
                undone = await operators.undo(api.Undo(removed.action), "ana")
                assert undone.done == 1
                assert [row.rule for row in await operators.holdrule_list(HoldRuleList())] == [rule.rule]
            assert ledger(relay) == {"delivered": 6}


async def test_our_reports_go_out_past_every_rule(tmp_path: Path) -> None:
    async with net("gone.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("gone.test", unknown_users("*"))
        async with desk(relay) as operators:
            await operators.holdrule_add(HoldRuleAdd("domain:sender.test or from:<>"), "ana")
        await submit(relay, "nobody@gone.test")
        assert "Final-Recipient: rfc822; nobody@gone.test" in await dsn(around)
        await settled(relay)
        assert ledger(relay) == {"bounced": 1, "delivered": 1}
