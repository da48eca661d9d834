"""A tag: what its sender calls a kind of mail finds it, and does not leave the house."""

from pathlib import Path

from tests.kit.relays import in_state, letter, net, only, rows, running_relay, submit


async def test_a_tag_is_kept_and_taken_out(tmp_path: Path) -> None:
    async with net("one.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@one.test", content=b"X-Mailtui-Tag: invoices\r\n" + letter("one", b"body\r\n"))
        await in_state(relay, "one@one.test", "delivered")

        assert rows(relay, "SELECT tag FROM message WHERE about IS NULL")[0]["tag"] == "invoices"
        assert b"tag" not in only(around["one.test"]).content.lower()
