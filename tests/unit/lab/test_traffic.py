"""The traffic against lab servers that stand in for the relay: the two ledgers must agree."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Callable
from itertools import islice

import pytest

from mailtui.lab.client import SmtpClient
from mailtui.lab.personality import (
    FINE,
    REFUSING,
    Act,
    Personality,
    Then,
    blocklisted,
    drops_after_dot,
    throttling,
    unavailable,
    unknown_users,
)
from mailtui.lab.remote import RemoteServer
from mailtui.lab.traffic import FLOWS, Tally, Traffic, compose
from mailtui.model import Stage

DOMAINS = {"bigmail.test": 8.0, "grey.test": 1.0, "dead.test": 1.0}
FAST = 10_000.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - any predicate, not one event
            await asyncio.sleep(0.001)


def test_equal_seeds_compose_equal_mail() -> None:
    first, second, other = (list(islice(compose(seed, DOMAINS), 50)) for seed in (1, 1, 2))
    assert first == second
    assert first != other
    assert len({mail.test_id for mail in first}) == 50


def test_mail_is_well_formed_and_spread_by_weight() -> None:
    mails = list(islice(compose(3, DOMAINS), 2000))
    domains = [address.partition("@")[2] for mail in mails for address in mail.recipients]
    assert 0.75 < domains.count("bigmail.test") / len(domains) < 0.85
    assert {mail.sender for mail in mails} == {flow.sender for flow in FLOWS}
    assert max(len(mail.recipients) for mail in mails) > 1
    for mail in mails[:100]:
        parsed = email.message_from_bytes(mail.content, policy=email.policy.default)
        assert parsed["X-Test-ID"] == mail.test_id
        assert parsed["From"].addresses[0].addr_spec == mail.sender
        assert not parsed.defects
        assert mail.content.isascii()
        assert mail.content.replace(b"\r\n", b"").count(b"\n") == 0
        assert max(map(len, mail.content.split(b"\r\n"))) < 998


@pytest.mark.parametrize("personality", [FINE, FINE.but(extensions=())])
async def test_both_ledgers_agree(personality: Personality) -> None:
    async with RemoteServer(personality) as relay:
        traffic = Traffic(relay.address, DOMAINS, rate=FAST, seed=5, connections=3)
        tally = await traffic.run(limit=60)
        assert tally == Tally(accepted=60, accepted_recipients=relay.records.total_recipients)
        taken = {message.test_id: (message.sender, message.recipients, message.content) for message in relay.mailbox}
        assert taken == {mail.test_id: mail[1:] for mail in islice(compose(5, DOMAINS), 60)}
        assert {sent.test_id: sent.accepted for sent in traffic.sent} == {k: v[1] for k, v in taken.items()}
        assert relay.records.total_connections == 3
        assert list(relay.violations) == []


async def test_refusals_are_counted_by_message_and_by_recipient() -> None:
    async with RemoteServer(unknown_users("*@dead.test")) as relay:
        traffic = Traffic(relay.address, {"a.test": 1.0, "dead.test": 1.0}, rate=FAST, seed=2)
        tally = await traffic.run(limit=40)
        assert tally.accepted == relay.records.total_received > 0
        assert tally.refused == 40 - tally.accepted > 0
        assert tally.accepted_recipients == relay.records.total_recipients
        for sent in traffic.sent:
            assert sent.accepted == (
                tuple(address for address in sent.recipients if "dead" not in address) if sent.outcome else ()
            )
        assert list(relay.violations) == []


async def test_4yz_is_counted_as_deferred() -> None:
    async with RemoteServer(FINE.but(hooks={Stage.FINAL_DOT: Act("451 4.3.0 Later")})) as relay:
        assert await Traffic(relay.address, DOMAINS, rate=FAST).run(limit=5) == Tally(deferred=5)


@pytest.mark.parametrize("personality", [drops_after_dot(), drops_after_dot(Then.RESET), unavailable(Stage.RCPT)])
async def test_broken_dialogue_is_unanswered_and_the_next_message_gets_a_new_connection(
    personality: Personality,
) -> None:
    async with RemoteServer(personality) as relay:
        traffic = Traffic(relay.address, DOMAINS, rate=FAST, connections=2)
        assert await traffic.run(limit=6) == Tally(unanswered=6)
        assert relay.records.total_connections == 6


async def test_a_throttled_connection_is_replaced() -> None:
    async with RemoteServer(throttling(per_connection=2)) as relay:
        tally = await Traffic(relay.address, DOMAINS, rate=FAST, connections=1).run(limit=9)
        assert (tally.accepted, tally.unanswered) == (6, 3)


async def test_a_relay_that_is_away_is_waited_for() -> None:
    async with RemoteServer() as relay:
        await relay.down()
        traffic = Traffic(relay.address, DOMAINS, rate=FAST)
        running = asyncio.create_task(traffic.run(limit=4))
        await asyncio.sleep(0)
        await relay.up()
        assert await running == Tally(accepted=4, accepted_recipients=relay.records.total_recipients)


async def test_the_pace_is_the_rate() -> None:
    loop = asyncio.get_running_loop()
    async with RemoteServer() as relay:
        begun = loop.time()
        await Traffic(relay.address, DOMAINS, rate=200.0, seed=1).run(limit=40)
        assert 0.1 < loop.time() - begun < 2.0


async def test_cancelling_leaves_nothing_behind() -> None:
    async with RemoteServer() as relay:
        running = asyncio.create_task(Traffic(relay.address, DOMAINS, rate=FAST).run())
        await until(lambda: relay.records.total_received >= 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: relay.records.open == 0)
        assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("personality", [REFUSING, blocklisted(Stage.GREETING), unavailable(Stage.HELO)])
async def test_client_raises_when_it_is_not_wanted(personality: Personality) -> None:
    async with RemoteServer(personality) as relay:
        with pytest.raises(ConnectionError, match=r"^[45]\d\d "):
            await SmtpClient(relay.address).connect()


@pytest.mark.parametrize(
    "act",
    [
        Act(b"250 " + b"x" * 200_000 + b"\r\n"),
        Act(b"250-more\r\n", endless=True),
        Act(b"nonsense\r\n"),
        Act(then=Then.HANG),
    ],
)
async def test_client_is_bounded_against_bad_replies(act: Act) -> None:
    async with RemoteServer(FINE.but(hooks={Stage.HELO: act})) as relay:
        with pytest.raises(OSError):
            await SmtpClient(relay.address, timeout=0.3).connect()
