"""Addresses that are legal and seldom: they arrive as they were given, at the host they mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import in_state, ledger, letter, net, only, running_relay, submit

ODD = [
    '"John Smith"@odd.test',
    '"with\\"quote"@odd.test',
    "user+tag=x@odd.test",
    "!#$%&'*/?^_`{|}~@odd.test",
    "Case.Kept@odd.test",
    "-dash@odd.test",
]


@pytest.mark.parametrize("address", ODD)
async def test_the_local_part_arrives_as_it_was_given(tmp_path: Path, address: str) -> None:
    async with net("odd.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, address, content=letter("one"))

        await in_state(relay, address, "delivered")
        assert only(around["odd.test"]).recipients == (address,)
        assert ledger(relay) == {"delivered": 1}


async def test_an_address_literal_is_dialled_without_dns(tmp_path: Path) -> None:
    async with net("odd.test") as around, running_relay(tmp_path, around) as relay:
        asked = around.dns.asked
        await submit(relay, "one@[127.0.0.11]")

        row = await in_state(relay, "one@[127.0.0.11]", "delivered")
        assert row["site"] == "[127.0.0.11]"
        assert around.dns.asked == asked
        assert only(around["odd.test"]).recipients == ("one@[127.0.0.11]",)
        assert ledger(relay) == {"delivered": 1}


async def test_the_domain_is_found_in_any_case(tmp_path: Path) -> None:
    async with net("odd.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@ODD.Test")

        await in_state(relay, "one@odd.test", "delivered")
        assert ledger(relay) == {"delivered": 1}
