"""The next host can do less than the message needs: it is refused here, with the code of the RFC, and the host is not even asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import (
    dsn,
    in_state,
    ledger,
    letter,
    net,
    only,
    received,
    running_relay,
    said,
    settled,
    submit,
    told,
)  # fmt: skip

from mailtui.lab.personality import EXTENSIONS, HELO_ONLY, Personality


def without(*words: str) -> Personality:
    return Personality(extensions=tuple(word for word in EXTENSIONS if word.split()[0] not in words))


async def test_larger_than_the_peer_takes(tmp_path: Path) -> None:
    async with net("small.test") as around, running_relay(tmp_path, around) as relay:
        remote = around.behave("small.test", Personality(extensions=("SIZE 2000", "DSN")))
        await submit(
            relay,
            "one@small.test",
            content=letter("one", b"x" * 70 + b"\r\n" + b"y" * 900 + b"\r\n" + b"z" * 990 + b"\r\n"),
        )

        assert "Status: 5.3.4" in await dsn(around)
        await settled(relay)
        assert told(relay, "one@small.test") == [("bounced", "too-large")]
        assert not said(remote, "MAIL") and not said(remote, "DATA")
        assert ledger(relay) == {"bounced": 1, "delivered": 1}


async def test_exactly_as_large_as_the_peer_takes(tmp_path: Path) -> None:
    async with net("small.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@small.test", content=letter("one", b"x" * 900 + b"\r\n"))
        await in_state(relay, "one@small.test", "delivered")
        size = only(around["small.test"]).size
        around.behave("small.test", Personality(extensions=(f"SIZE {size}",)))

        await submit(relay, "two@small.test", content=letter("two", b"x" * 900 + b"\r\n"))
        await in_state(relay, "two@small.test", "delivered")

        assert around["small.test"].mailbox[-1].size == size
        assert ledger(relay) == {"delivered": 2}


async def test_eight_bit_content_never_goes_to_a_seven_bit_host(tmp_path: Path) -> None:
    content = letter("one", "Grüße\r\n".encode(), header=b"Content-Type: text/plain; charset=utf-8\r\n")
    async with net("seven.test", "eight.test") as around, running_relay(tmp_path, around) as relay:
        remote = around.behave("seven.test", without("8BITMIME", "SMTPUTF8"))
        await submit(relay, "one@seven.test", content=content, options=["BODY=8BITMIME"])
        await submit(relay, "one@eight.test", content=content, options=["BODY=8BITMIME"])
        await submit(relay, "plain@seven.test", options=["BODY=8BITMIME"])

        assert "Status: 5.6.3" in await dsn(around)
        await settled(relay)
        assert received(remote) == {"plain": 1}
        assert "BODY=8BITMIME" in only(around["eight.test"]).mail_params
        assert only(around["eight.test"]).content.endswith(content)
        assert ledger(relay) == {"bounced": 1, "delivered": 3}


@pytest.mark.parametrize("octets", [100, 600_000], ids=["one chunk", "many chunks"])
async def test_eight_bit_content_that_its_client_did_not_declare(tmp_path: Path, octets: int) -> None:
    """Many programs do that; the next host must not be told less than the truth (RFC 6152 3)."""
    content = letter("one", "Grüße, Welt\r\n".encode() * (octets // 14))
    async with net("seven.test", "eight.test") as around, running_relay(tmp_path, around) as relay:
        remote = around.behave("seven.test", without("8BITMIME", "SMTPUTF8"))
        await submit(relay, "one@seven.test", content=content)
        await submit(relay, "one@eight.test", content=content)

        assert "Status: 5.6.3" in await dsn(around)
        await settled(relay)
        assert received(remote) == {}
        assert "BODY=8BITMIME" in only(around["eight.test"]).mail_params
        assert ledger(relay) == {"bounced": 1, "delivered": 2}


async def test_an_international_address_needs_a_host_that_knows_them(tmp_path: Path) -> None:
    async with net("plain.test", "modern.test") as around, running_relay(tmp_path, around) as relay:
        remote = around.behave("plain.test", without("SMTPUTF8"))
        content = letter("one")
        await submit(relay, "jürgen@plain.test", options=["SMTPUTF8"], content=content)
        await submit(relay, "jürgen@modern.test", options=["SMTPUTF8"], content=content)
        await submit(relay, "ascii@plain.test", options=["SMTPUTF8"], content=letter("ascii"))

        await settled(relay)

        assert told(relay, "jürgen@plain.test")[0][0] == "bounced"
        assert received(remote) == {"ascii": 1}
        assert only(around["modern.test"]).recipients == ("jürgen@modern.test",)
        (report,) = around["sender.test"].mailbox
        assert b"5.6.7" in report.content
        assert ledger(relay) == {"bounced": 1, "delivered": 3}


async def test_a_host_that_knows_only_helo(tmp_path: Path) -> None:
    async with net("old.test") as around, running_relay(tmp_path, around) as relay:
        remote = around.behave("old.test", HELO_ONLY)
        await submit(relay, "one@old.test", "two@old.test", options=["BODY=8BITMIME"])

        await in_state(relay, "two@old.test", "delivered")

        assert said(remote, "HELO") == ["HELO relay.test"]
        assert only(remote).recipients == ("one@old.test", "two@old.test")
        assert only(remote).mail_params == ()
        assert ledger(relay) == {"delivered": 2}
