"""TLS at the next hop is bad, broken, missing or taken away: what is delivered all the same, what waits, what is never said in clear."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import (
    attempted,
    attempts,
    in_state,
    ledger,
    net,
    only,
    received,
    running_relay,
    said,
    submit,
    told,
)  # fmt: skip

from mailtui.config import Route, Tls
from mailtui.lab.personality import Act, Personality, Then, with_tls
from mailtui.lab.personality import Tls as Kind
from mailtui.model import Stage

VERIFIED = (Route(match="*", tls="verified"),)


@pytest.mark.parametrize("kind", [Kind.TRUSTED, Kind.SELF_SIGNED, Kind.EXPIRED, Kind.WRONG_NAME])
async def test_opportunistic_takes_any_certificate(tmp_path: Path, kind: Kind) -> None:
    async with net("tls.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("tls.test", with_tls(kind))
        await submit(relay, "one@tls.test")

        await in_state(relay, "one@tls.test", "delivered")

        (attempt,) = attempts(relay, "one@tls.test")
        assert attempt["tls"].startswith("TLSv1.3") and attempt["tls"].endswith("unverified")
        assert only(around["tls.test"]).tls == "TLSv1.3"
        assert ledger(relay) == {"delivered": 1}


@pytest.mark.parametrize("kind", [Kind.BROKEN, Kind.OUTDATED, Kind.STALLED])
async def test_a_failed_handshake_falls_back_on_the_next_attempt_only(tmp_path: Path, kind: Kind) -> None:
    async with net("tls.test") as around, running_relay(tmp_path, around, timeouts={"helo": 0.5}) as relay:
        remote = around.behave("tls.test", with_tls(kind))
        await submit(relay, "one@tls.test")

        await in_state(relay, "one@tls.test", "delivered")

        first, second = attempts(relay, "one@tls.test")
        assert (first["disposition"], first["stage"]) == ("deferred", "starttls")
        assert first["class"] in ("tls", "connection", "timeout")
        assert (second["disposition"], second["tls"]) == ("delivered", "")
        assert [command.connection for command in remote.commands if command.line == "STARTTLS"] == [1]
        assert ledger(relay) == {"delivered": 1}


async def test_starttls_that_is_declined_falls_back_as_well(tmp_path: Path) -> None:
    async with net("tls.test") as around, running_relay(tmp_path, around) as relay:
        declining = Personality(
            tls=Kind.TRUSTED, hooks={Stage.STARTTLS: Act("454 4.7.0 TLS not available due to local problem")}
        )
        around.behave("tls.test", declining)
        await submit(relay, "one@tls.test")

        await in_state(relay, "one@tls.test", "delivered")

        assert only(around["tls.test"]).tls == ""
        assert told(relay, "one@tls.test")[-1] == ("delivered", "success")
        assert ledger(relay) == {"delivered": 1}


@pytest.mark.parametrize("kind", [Kind.SELF_SIGNED, Kind.EXPIRED, Kind.WRONG_NAME, Kind.OFF, Kind.BROKEN])
async def test_a_verified_route_refuses_it_and_waits(tmp_path: Path, kind: Kind) -> None:
    async with net("tls.test") as around:
        authority = around.certificates.write_authority(tmp_path / "authority.pem")
        async with running_relay(tmp_path, around, route=VERIFIED, tls=Tls(ca_file=authority)) as relay:
            remote = around.behave("tls.test", with_tls(kind))
            await submit(relay, "one@tls.test")

            (first, second, *_) = await attempted(relay, "one@tls.test", 2)
            assert first["disposition"] == second["disposition"] == "deferred"
            assert first["stage"] == second["stage"] == "starttls"
            assert first["class"] == ("connection" if kind is Kind.BROKEN else "tls")
            assert not said(remote, "MAIL")

            around.behave("tls.test", with_tls(Kind.TRUSTED))
            row = await in_state(relay, "one@tls.test", "delivered")
            assert attempts(relay, "one@tls.test")[-1]["tls"].endswith(" verified")
            assert row["host"] == "mx.tls.test"
            assert received(remote) == {"one": 1}
            assert ledger(relay) == {"delivered": 1}


async def test_what_was_injected_before_the_handshake_is_not_believed(tmp_path: Path) -> None:
    """STARTTLS injection: octets behind the 220 in clear text must not answer what is asked under TLS (RFC 3207 6)."""
    injected = Act(b"220 2.0.0 Ready\r\n250-evil.test\r\n250 SIZE 1\r\n", Then.TLS)
    async with net("tls.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("tls.test", Personality(tls=Kind.TRUSTED, hooks={Stage.STARTTLS: injected}))
        await submit(relay, "one@tls.test")

        row = await in_state(relay, "one@tls.test", "delivered")

        assert row["attempts"] == 1
        assert only(around["tls.test"]).mail_params[0].startswith("SIZE="), "it went by what was said under TLS"
        assert ledger(relay) == {"delivered": 1}
