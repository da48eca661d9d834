"""A host takes fewer recipients at once than we named: the rest follow at once, and that is no attempt."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import attempts, in_state, ledger, net, received, recipient, running_relay, settled, submit, told

from mailtui.lab.personality import Act, Personality, mailbox_full
from mailtui.model import Stage

ADDRESSES = [f"m{n}@few.test" for n in range(7)]


@pytest.mark.parametrize(
    "refusal", ["452 4.5.3 Too many recipients", "552 5.5.3 Too many recipients", "452 Too many recipients"]
)
async def test_the_rest_follow_at_once(tmp_path: Path, refusal: str) -> None:
    act = Act(refusal)
    few = Personality(hooks={Stage.RCPT: lambda at: act if len(at.recipients) >= 3 else None})
    async with net("few.test") as around, running_relay(tmp_path, around, retry={"schedule": (30.0,)}) as relay:
        remote = around.behave("few.test", few)
        await submit(relay, *ADDRESSES)

        await settled(relay)

        assert [len(item.recipients) for item in remote.mailbox] == [3, 3, 1]
        assert [len(attempts(relay, address)) for address in ADDRESSES] == [1] * len(ADDRESSES)
        assert [recipient(relay, address)["attempts"] for address in ADDRESSES] == [1] * len(ADDRESSES)
        assert len(remote.connections) == 1
        assert received(remote) == {"m0": 3}
        assert ledger(relay) == {"delivered": len(ADDRESSES)}


async def test_our_own_limit_cuts_a_message_into_transactions(tmp_path: Path) -> None:
    async with net("few.test") as around, running_relay(tmp_path, around, delivery={"max_recipients": 3}) as relay:
        await submit(relay, *ADDRESSES)

        await settled(relay)

        assert sorted(len(item.recipients) for item in around["few.test"].mailbox) == [1, 3, 3]
        assert ledger(relay) == {"delivered": len(ADDRESSES)}


async def test_too_many_already_for_the_first_is_an_ordinary_deferral(tmp_path: Path) -> None:
    """Nobody was accepted, so sending the rest at once would spin."""
    stubborn = Personality(hooks={Stage.RCPT: Act("452 4.5.3 Too many recipients")})
    async with net("few.test") as around, running_relay(tmp_path, around, retry={"schedule": (30.0,)}) as relay:
        around.behave("few.test", stubborn)
        await submit(relay, "one@few.test")

        await in_state(relay, "one@few.test", "deferred")

        assert len(attempts(relay, "one@few.test")) == 1
        assert ledger(relay) == {"deferred": 1}


async def test_a_full_mailbox_is_the_matter_of_its_owner(tmp_path: Path) -> None:
    async with net("full.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("full.test", mailbox_full("full@*"))
        await submit(relay, "full@full.test", "empty@full.test")
        await in_state(relay, "full@full.test", "deferred")
        assert recipient(relay, "empty@full.test")["state"] == "delivered"
        assert recipient(relay, "full@full.test")["site_failures"] == 0

        around.behave("full.test", Personality())
        await in_state(relay, "full@full.test", "delivered")
        assert set(told(relay, "full@full.test")[:-1]) == {("deferred", "mailbox-full")}
        assert ledger(relay) == {"delivered": 2}
