"""A message of many chunks: byte for byte the same on the other side, dots at every border included (P3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import SENDER, in_state, ledger, letter, net, only, received, rows, running_relay, settled, submit

from mailtui.intake.door import CHUNK

LINE = b"." * 62 + b"\r\n"  # every line must be stuffed, and 64 octets divide the chunk


@pytest.mark.parametrize("shift", [0, 1, 2, 3, 62, 63])
async def test_dots_at_the_borders_of_chunks(tmp_path: Path, shift: int) -> None:
    header = len(letter("one", b"")) % 64
    body = b"a" * (62 - header if header <= 62 else 126 - header) + b"\r\n" + b"b" * shift + b"\r\n" * bool(shift)
    content = letter("one", body + LINE * (3 * CHUNK // 64 + 5) + b".\r\n..\r\n")
    async with net("big.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@big.test", content=content)

        await in_state(relay, "one@big.test", "delivered")

        assert rows(relay, "SELECT count(*) n FROM content")[0]["n"] in (0, 4)
        assert only(around["big.test"]).content.endswith(content)
        assert only(around["big.test"]).content.removesuffix(content).count(b"\r\n") <= 4, (
            "a Received field and nothing else"
        )
        assert ledger(relay) == {"delivered": 1}


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
async def test_exactly_at_the_border(tmp_path: Path, size: int) -> None:
    start = letter("one", b"")
    content = start + b"x" * 70 + b"\r\n"
    while len(content) < size - 200:
        content += b"." * 98 + b"\r\n"
    content += b"y" * (size - len(content) - 2) + b"\r\n"
    assert len(content) == size
    async with net("big.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@big.test", content=content)
        await in_state(relay, "one@big.test", "delivered")

        assert only(around["big.test"]).content.endswith(content)
        assert ledger(relay) == {"delivered": 1}


async def test_twenty_megabytes_for_several_sites(tmp_path: Path) -> None:
    content = letter("one", (b"z" * 898 + b"\r\n") * 22_000)
    async with net("a.test", "b.test", "c.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@a.test", "one@b.test", "one@c.test", content=content)

        await settled(relay, timeout=30)

        for domain in ("a.test", "b.test", "c.test"):
            assert received(around[domain]) == {"one": 1}
            assert only(around[domain]).content.endswith(content)
        assert ledger(relay) == {"delivered": 3}


async def test_an_empty_body_and_no_header_at_all(tmp_path: Path) -> None:
    async with net("big.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@big.test", content=letter("one", b""))
        await submit(relay, "two@big.test", content=b"\r\nno header\r\n", sender=SENDER)

        await settled(relay)

        assert sorted(item.test_id for item in around["big.test"].mailbox) == ["", "one"]
        assert ledger(relay) == {"delivered": 2}
