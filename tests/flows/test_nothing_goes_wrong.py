"""Nothing goes wrong: a message is delivered, the receipt is kept, both sides agree."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import attempts, in_state, ledger, net, only, received, running_relay, submit, transcript


async def test_a_message_is_delivered_and_the_receipt_kept(tmp_path: Path) -> None:
    async with net("good.test") as around, running_relay(tmp_path, around) as relay:
        queue_id = await submit(relay, "one@good.test")

        row = await in_state(relay, "one@good.test", "delivered")

        (attempt,) = attempts(relay, "one@good.test")
        assert (row["code"], row["host"], row["attempts"]) == (250, "mx.good.test", 1)
        assert attempt["text"].startswith("Ok: queued as")
        assert "> RCPT TO:<one@good.test>" in transcript(relay, attempt["dialogue"])
        assert "> EHLO relay.test" in transcript(relay, attempt["preamble"])
        assert received(around["good.test"]) == {"one": 1}
        assert f"id {queue_id}" in only(around["good.test"]).content.decode()
        assert ledger(relay) == {"delivered": 1}


async def test_two_recipients_at_one_site_travel_in_one_transaction(tmp_path: Path) -> None:
    async with net("good.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "a@good.test", "b@good.test")

        await in_state(relay, "b@good.test", "delivered")

        assert only(around["good.test"]).recipients == ("a@good.test", "b@good.test")
        assert ledger(relay) == {"delivered": 2}
