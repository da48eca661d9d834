"""Mail is signed once: what arrives verifies, a retry carries the very same signature, DSNs and other domains are left alone (K1)."""

from __future__ import annotations

import base64
from pathlib import Path

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.kit.relays import (
    attempted,
    in_state,
    ledger,
    letter,
    net,
    only,
    received,
    recipient,
    running_relay,
    settled,
    submit,
)

from mailtui.config import Dkim
from mailtui.lab.personality import Personality, drops_after_dot, unknown_users


def key(directory: Path) -> tuple[Dkim, bytes]:
    """A key for sender.test and the TXT record it is published with."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = directory / "dkim.pem"
    file.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    file.chmod(0o600)
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Dkim(domain="sender.test", selector="s1", key_file=file), b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def verifies(content: bytes, record: bytes) -> bool:
    def lookup(name: bytes, timeout: float = 5) -> bytes | None:
        return record if name == b"s1._domainkey.sender.test." else None

    return bool(dkim.verify(content, dnsfunc=lookup))


async def test_what_arrives_verifies(tmp_path: Path) -> None:
    (settings, record) = key(tmp_path)
    big = letter("big", b"\r\n" * 50 + (b"Line  with \t spaces \r\n" * 30_000) + b"\r\n\r\n")
    async with net("good.test") as around, running_relay(tmp_path, around, dkim=(settings,)) as relay:
        await submit(relay, "one@good.test")
        await submit(relay, "big@good.test", content=big)
        await settled(relay)

        for item in around["good.test"].mailbox:
            assert item.content.startswith(b"DKIM-Signature:")
            assert verifies(item.content, record)
        assert recipient(relay, "one@good.test")["signature"].startswith(b"DKIM-Signature:")
        assert ledger(relay) == {"delivered": 2}


async def test_a_retry_carries_the_same_signature(tmp_path: Path) -> None:
    (settings, record) = key(tmp_path)
    async with net("drop.test") as around, running_relay(tmp_path, around, dkim=(settings,)) as relay:
        around.behave("drop.test", drops_after_dot())
        await submit(relay, "one@drop.test")
        await attempted(relay, "one@drop.test")
        around.behave("drop.test", Personality())
        await in_state(relay, "one@drop.test", "delivered")

        first, second = around["drop.test"].mailbox
        assert first.content == second.content
        assert verifies(second.content, record)
        assert ledger(relay) == {"delivered": 1}


async def test_another_domain_is_not_signed(tmp_path: Path) -> None:
    (settings, _) = key(tmp_path)
    async with net("unknown.test", "good.test") as around, running_relay(tmp_path, around, dkim=(settings,)) as relay:
        around.behave("unknown.test", unknown_users("*"))
        await submit(relay, "one@good.test", sender="other@elsewhere.test")
        await submit(relay, "two@unknown.test")
        await settled(relay)

        assert b"DKIM-Signature" not in only(around["good.test"]).content
        assert received(around["sender.test"]) == {"DSN to app@sender.test": 1}
        assert ledger(relay) == {"delivered": 2, "bounced": 1}
