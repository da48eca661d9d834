"""A smarthost with credentials: they are never said in clear and never written down; a refused login waits and never bounces."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.kit.relays import (
    Net,
    attempted,
    in_state,
    ledger,
    net,
    received,
    recipient,
    running_relay,
    said,
    settled,
    submit,
    told,
    transcripts,
    until,
)  # fmt: skip

from mailtui.config import Route
from mailtui.lab.personality import FINE, Personality, Tls, with_auth

PASSWORD = "correct horse battery staple"
HOST = "smart.relay.example"


def route(tmp_path: Path, around: Net, password: str = PASSWORD, tls: str = "required") -> tuple[Route, ...]:
    file = tmp_path / "password"
    file.write_text(password + "\n")
    file.chmod(0o600)
    return (Route(match="*", to=f"{HOST}:{around.port}", username="relay", password_file=file, tls=tls),)  # type: ignore[arg-type]


async def test_the_login_happens_under_tls_and_is_masked(tmp_path: Path) -> None:
    async with net(hosts=(HOST,)) as around, running_relay(tmp_path, around, route=route(tmp_path, around)) as relay:
        remote = around.behave(HOST, with_auth("relay", PASSWORD))
        await submit(relay, "one@anywhere.example", "two@elsewhere.example")
        await settled(relay)

        assert [connection.login for connection in remote.connections] == ["relay"] * len(remote.connections)
        assert not any(connection.login_in_clear for connection in remote.connections)
        assert recipient(relay, "one@anywhere.example")["site"] == f"{HOST}:{around.port}"
        kept = transcripts(relay)
        assert "> AUTH PLAIN ***" in kept
        assert PASSWORD not in kept
        assert base64.b64encode(b"\0relay\0" + PASSWORD.encode()).decode() not in kept
        assert received(remote) == {"one": 2}
        assert ledger(relay) == {"delivered": 2}


@pytest.mark.parametrize("tls", [Tls.OFF, Tls.BROKEN], ids=["stripped", "broken"])
async def test_credentials_never_travel_in_clear(tmp_path: Path, tls: Tls) -> None:
    around_with = with_auth("relay", PASSWORD, tls=tls)
    async with net(hosts=(HOST,)) as around, running_relay(tmp_path, around, route=route(tmp_path, around)) as relay:
        remote = around.behave(HOST, around_with)
        await submit(relay, "one@anywhere.example")

        await attempted(relay, "one@anywhere.example", 3)

        assert not said(remote, "AUTH")
        assert not said(remote, "MAIL")
        assert {disposition for disposition, _ in told(relay, "one@anywhere.example")} == {"deferred"}
        assert ledger(relay).keys() <= {"deferred", "sending"}


async def test_a_wrong_password_defers_everything_and_bounces_nothing(tmp_path: Path) -> None:
    wrong = "not the password"
    async with (
        net(hosts=(HOST,)) as around,
        running_relay(tmp_path, around, route=route(tmp_path, around, wrong)) as relay,
    ):
        remote = around.behave(HOST, with_auth("relay", PASSWORD))
        await submit(relay, "one@anywhere.example")

        (first, *_) = await attempted(relay, "one@anywhere.example")
        assert (first["disposition"], first["class"], first["stage"], first["code"]) == (
            "deferred",
            "auth-failed",
            "auth",
            535,
        )
        assert wrong not in transcripts(relay)

        remote.personality = with_auth("relay", wrong)
        await in_state(relay, "one@anywhere.example", "delivered")
        assert received(remote) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


async def test_a_login_that_is_not_offered_defers(tmp_path: Path) -> None:
    async with net(hosts=(HOST,)) as around, running_relay(tmp_path, around, route=route(tmp_path, around)) as relay:
        remote = around.behave(HOST, Personality(tls=Tls.TRUSTED))
        await submit(relay, "one@anywhere.example")

        (first, *_) = await attempted(relay, "one@anywhere.example")
        assert (first["disposition"], first["stage"]) == ("deferred", "auth")
        assert not remote.mailbox
        assert ledger(relay).keys() <= {"deferred", "sending"}


async def test_a_dead_smarthost_is_one_site_for_all_destinations(tmp_path: Path) -> None:
    async with net(hosts=(HOST,)) as around:
        plain = (Route(match="*", to=f"{HOST}:{around.port}"),)
        async with running_relay(tmp_path, around, route=plain, retry={"schedule": (0.4,)}) as relay:
            await around[HOST].down()
            addresses = [f"m{n}@d{n}.example" for n in range(8)]
            for address in addresses:
                await submit(relay, address)
            await until(lambda: recipient(relay, addresses[0])["site_failures"], "the breaker")

            await around[HOST].up()
            await settled(relay)
            assert received(around.behave(HOST, FINE)) == {f"m{n}": 1 for n in range(8)}
            assert sum(len(told(relay, address)) - 1 for address in addresses) < 8, (
                "not every message tried the dead host"
            )
            assert {recipient(relay, address)["site"] for address in addresses} == {f"{HOST}:{around.port}"}
            assert ledger(relay) == {"delivered": 8}
