"""Mail that cannot go by MX is sent through a smarthost by an operator: past the rules, over retries and restarts, and back again."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flows.test_hold_rules import desk, done
from tests.kit.relays import (
    Net,
    attempts,
    in_state,
    ledger,
    net,
    received,
    recipient,
    running,
    running_relay,
    settings,
    settled,
    submit,
    until,
)  # fmt: skip

from mailtui.config import Config, Route
from mailtui.control import api
from mailtui.delivery.naming import UnknownRoute
from mailtui.lab.personality import Act, Personality
from mailtui.model import Stage
from mailtui.relay import Relay
from mailtui.views import Preview

#: A route is configured for other mail: an operator may use it for any.
UNUSED = "nothing.test"


def busy(code: str) -> Personality:
    """Says no for now to every recipient."""
    return Personality(hooks={Stage.RCPT: lambda at: Act(code)})


def configured(folder: Path, around: Net, *more: Route, schedule: tuple[float, ...] = (0.1,)) -> Config:
    smart = Route(match=UNUSED, to=f"smart.example:{around.port}")
    return settings(folder, around, retry={"schedule": schedule}, route=(smart, *more))


async def test_what_waits_goes_through_the_smarthost_and_stays_there(tmp_path: Path) -> None:
    async with net("busy.test", hosts=("smart.example",)) as around:
        around.behave("busy.test", busy("451 4.7.1 not from you"))
        around.behave("smart.example", busy("450 4.2.0 later"))
        async with running(Relay(configured(tmp_path, around))) as relay:
            ids = [await submit(relay, f"{name}@busy.test") for name in ("one", "two")]
            for name in ("one", "two"):
                await in_state(relay, f"{name}@busy.test", "deferred")
            async with desk(relay) as operators:
                with pytest.raises(UnknownRoute, match=r"there are: smart\.example:\d+, mx$"):
                    await operators.reroute(api.Reroute(filter="domain:busy.test", to="other.example"), "ana")
                seen = await operators.reroute(
                    api.Reroute(filter="domain:busy.test", to="smart.example", dry_run=True), "ana"
                )
                assert isinstance(seen, Preview) and str(seen.to).startswith("smarthost smart.example:") and seen.plan

                async def rerouted(id: str) -> bool:
                    """A recipient that is being sent at that moment is skipped."""
                    answer = await done(
                        await operators.reroute(api.Reroute((id,), to="smart.example", reason="blocked"), "ana")
                    )
                    return answer.done == 1

                for _ in range(200):
                    if await rerouted(ids[0]):
                        break
                else:
                    pytest.fail("always being sent")
                told = await operators.why(api.Why(ids[0]))
                (cause,) = [cause for cause in told.causes if cause.kind == "rerouted"]
                assert cause.text.startswith("Rerouted by ana at ") and "to smarthost smart.example" in cause.text
                assert "blocked" in cause.text
            tried = len(attempts(relay, "one@busy.test"))
            await until(lambda: len(attempts(relay, "one@busy.test")) >= tried + 2, "two more attempts")
            assert {row["host"] for row in attempts(relay, "one@busy.test")[tried:]} == {"smart.example"}
            assert {row["host"] for row in attempts(relay, "two@busy.test")} == {"mx.busy.test"}

        other = Route(match="other.test", to="smart.example")  # the rules have changed: all that waits is filed anew
        async with running(Relay(configured(tmp_path, around, other))) as relay:
            around.behave("smart.example", Personality())
            await in_state(relay, "one@busy.test", "delivered")
            assert received(around["smart.example"]) == {"one": 1}
            assert recipient(relay, "two@busy.test")["route"] == "mx"
            around.behave("busy.test", Personality())
            await settled(relay)
            assert received(around["busy.test"]) == {"two": 1}
            assert ledger(relay) == {"delivered": 2}


async def test_what_is_due_goes_at_once_and_an_undo_leads_back(tmp_path: Path) -> None:
    async with net("dead.test", hosts=("smart.example",)) as around:
        await around["dead.test"].down()
        async with running(Relay(configured(tmp_path, around, schedule=(3600.0,)))) as relay:
            first = await submit(relay, "one@dead.test")
            await in_state(relay, "one@dead.test", "deferred")
            second = await submit(relay, "two@dead.test")  # its site is known to be broken: it waits though it is due
            assert recipient(relay, "two@dead.test")["state"] == "queued"
            async with desk(relay) as operators:
                answer = await done(await operators.reroute(api.Reroute(everything=True, to="smart.example"), "ana"))
                assert answer.done == 2
                await in_state(relay, "two@dead.test", "delivered")
                assert received(around["smart.example"]) == {"two": 1}
                assert recipient(relay, "one@dead.test")["state"] == "deferred", "its time has not come"

                undone = await operators.undo(api.Undo(answer.action), "ben")
                assert (undone.done, undone.skipped) == (1, 1), "what has arrived has arrived"
                assert recipient(relay, "one@dead.test")["route"] == "mx"
                await around["dead.test"].up()
                await operators.retry(api.Retry((first,)), "ben")
                await settled(relay)
                assert received(around["dead.test"]) == {"one": 1}
                kinds = [event.kind for event in (await operators.show(api.Show(second))).events]
                assert kinds == ["reroute"]
            assert ledger(relay) == {"delivered": 2}


async def test_back_to_mx_past_a_rule(tmp_path: Path) -> None:
    async with net("real.test", hosts=("smart.example",)) as around:
        all_by = Route(match="*", to=f"smart.example:{around.port}")
        async with running_relay(tmp_path, around, route=(all_by,), retry={"schedule": (3600.0,)}) as relay:
            around.behave("smart.example", busy("451 4.3.0 no"))
            await submit(relay, "one@real.test")
            await in_state(relay, "one@real.test", "deferred")
            async with desk(relay) as operators:
                await operators.reroute(api.Reroute(filter="domain:real.test", to="mx"), "ana")
                await operators.retry(api.Retry(filter="domain:real.test"), "ana")
            await settled(relay)
            assert received(around["real.test"]) == {"one": 1}
            assert ledger(relay) == {"delivered": 1}
