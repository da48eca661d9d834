"""Postfix hands us mail, and takes mail from us; between them nothing is lost, changed or spoilt."""

from __future__ import annotations

import re
import smtplib
from pathlib import Path

import dkim
import pytest
from tests.kit import postfix
from tests.kit.mail import AWKWARD, body, crlf, message
from tests.kit.postfix import Postfix
from tests.kit.processes import wait_until
from tests.kit.relay import Relay

from mailtui.lab.personality import mailbox_full, unknown_users
from mailtui.lab.remote import RemoteServer

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(postfix.missing()), reason=postfix.missing())]

EIGHT_BIT = ["-B", "8BITMIME"]


def through(port: int) -> dict[str, list[dict[str, object]]]:
    """Settings that send everything to that port."""
    return {"route": [{"to": f"127.0.0.1:{port}"}]}


def send(port: int, content: bytes, *recipients: str, sender: str = "app@shop.test") -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.sendmail(sender, recipients or ("user@dst.test",), content, mail_options=["BODY=8BITMIME"])


# --- Postfix as our client


def test_mail_queued_in_postfix_arrives_through_us(remote: RemoteServer) -> None:
    with Relay(through(remote.address[1])) as relay, Postfix(next_hop=relay.port) as client:
        for number in range(20):
            client.send_with(
                EIGHT_BIT, message(f"number {number}", *AWKWARD), "app@shop.test", f"user{number}@dst.test"
            )
        client.wait_until_empty()
        relay.wait_until_empty()
        assert relay.totals()["delivered"] == 20
        assert relay.ledger_holds()
    assert {received.recipients for received in remote.mailbox} == {(f"user{number}@dst.test",) for number in range(20)}
    assert {body(received.content) for received in remote.mailbox} == {body(message("", *AWKWARD))}
    assert not remote.violations


def test_postfix_keeps_its_mail_while_we_are_away(remote: RemoteServer) -> None:
    relay = Relay(through(remote.address[1]))
    with Postfix(next_hop=relay.port) as client:
        client.send(message("early"), "app@shop.test", "user@dst.test")
        wait_until(lambda: "status=deferred" in client.log(), "Postfix to defer")
        with relay:
            client.flush()
            client.wait_until_empty()
            relay.wait_until_empty()
    assert [received.subject for received in remote.mailbox] == ["early"]


def test_postfix_hears_of_a_refused_recipient(remote: RemoteServer) -> None:
    with (
        Relay({**through(remote.address[1]), "intake": {"max_size": "10KB"}}) as relay,
        Postfix(next_hop=relay.port) as client,
    ):
        client.send(message("too large", "x" * 900, *["y" * 900] * 20), "app@shop.test", "user@dst.test")
        log = wait_until(lambda: log if "status=bounced" in (log := client.log()) else "", "Postfix to bounce")
    assert "5.3.4" in log


def test_dsn_wishes_of_postfix_reach_the_next_hop(remote: RemoteServer) -> None:
    with Relay(through(remote.address[1])) as relay, Postfix(next_hop=relay.port) as client:
        client.send_with(
            ["-N", "success,failure", "-V", "case#Kept", "-R", "hdrs"],
            message("receipt"),
            "app@shop.test",
            "user@dst.test",
        )
        client.wait_until_empty()
        wait_until(lambda: remote.mailbox, "the message")
    (received,) = remote.mailbox
    assert "RET=HDRS" in received.mail_params
    assert any(parameter == "ENVID=case#Kept" for parameter in received.mail_params), received.mail_params
    assert set(received.rcpt_params[0]) >= {"NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;user@dst.test"}


# --- Postfix as our next hop


def test_the_body_survives_to_the_byte(last_hop: Postfix) -> None:
    content = message("awkward", *AWKWARD)
    with Relay(through(last_hop.port)) as relay:
        send(relay.port, content)
        (stored,) = last_hop.wait_for_messages(1)
        relay.wait_until_empty()
    assert body(stored) == body(content)
    for line in content.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        assert line in crlf(stored).split(b"\r\n")


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_a_signature_verifies_behind_postfix(last_hop: Postfix, tmp_path: Path, algorithm: str) -> None:
    if algorithm == "ed25519":
        pytest.importorskip("nacl", reason="dkimpy verifies ed25519 with PyNaCl, which is not installed")
    key = tmp_path / "shop.pem"
    tables = {"domain": "shop.test", "selector": "now", "key_file": key, "algorithm": f"{algorithm}-sha256"}
    relay = Relay(through(last_hop.port))
    keygen = ["dkim", "keygen", "--domain", "shop.test", "--selector", "now"]
    keygen += ["--algorithm", algorithm, "--out", str(key)]
    published = relay.cli(*keygen).stdout
    assert published.startswith("now._domainkey.shop.test")
    record = "".join(re.findall('"([^"]*)"', published)).encode()
    relay.configure({**through(last_hop.port), "dkim": [tables]})
    with relay:
        send(relay.port, message("signed", *AWKWARD))
        (stored,) = last_hop.wait_for_messages(1)
    assert dkim.verify(
        crlf(stored), dnsfunc=lambda name, timeout=5: record if name == b"now._domainkey.shop.test." else None
    )


def test_one_transaction_for_many_recipients_of_a_domain(last_hop: Postfix) -> None:
    with Relay(through(last_hop.port)) as relay:
        send(relay.port, message("to many"), *(f"user{number}@dst.test" for number in range(30)))
        stored = last_hop.wait_for_messages(30)
        relay.wait_until_empty()
        assert relay.totals()["delivered"] == 30
    assert len({part for part in last_hop.log().split() if part.startswith("message-id=")}) == 1
    assert len(stored) == 30


def test_what_postfix_refuses_is_bounced_to_the_sender() -> None:
    refusing = {"smtpd_recipient_restrictions": "check_recipient_access inline:{nobody@dst.test=REJECT}, permit"}
    with Postfix(settings=refusing) as last, Relay(through(last.port)) as relay:
        send(relay.port, message("half of it"), "user@dst.test", "nobody@dst.test")
        stored = last.wait_for_messages(2)
        relay.wait_until_empty()
        totals = relay.totals()
        assert (totals["accepted"], totals["delivered"], totals["bounced"]) == (3, 2, 1)
        assert relay.ledger_holds()
    (dsn,) = [part for part in stored if b"multipart/report" in part]
    assert b"nobody@dst.test" in dsn
    assert b"Return-Path: <>" in dsn


def test_a_postfix_that_restarts_gets_everything_once() -> None:
    count = 60
    with Postfix() as last, Relay({**through(last.port), "retry": {"schedule": ["1s"]}}) as relay:
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as client:
            for number in range(count):
                client.sendmail("app@shop.test", ["user@dst.test"], message(f"number {number}"))
                if number == count // 2:
                    last.stop()
        last.start()
        relay.wait_until_empty(60)
        subjects = sorted(part["Subject"] for part in last.parsed())
    assert set(subjects) == {f"number {number}" for number in range(count)}


# --- Postfix on both sides


def test_postfix_to_us_to_postfix(last_hop: Postfix) -> None:
    with Relay(through(last_hop.port)) as relay, Postfix(next_hop=relay.port, hostname="first.test") as client:
        client.send(message("all the way", *AWKWARD), "app@shop.test", "user@dst.test")
        (stored,) = last_hop.wait_for_messages(1)
        (parsed,) = last_hop.parsed()
    assert body(stored) == body(message("", *AWKWARD))
    hops = parsed.get_all("Received") or []
    assert ["by postfix.test" in hops[0], "by relay.test" in hops[1], "by first.test" in hops[2]] == [True] * 3


def test_a_full_mailbox_behind_us_is_tried_again_not_given_back(remote: RemoteServer) -> None:
    remote.personality = mailbox_full("full@*")
    with Relay(through(remote.address[1])) as relay, Postfix(next_hop=relay.port) as client:
        client.send(message("full"), "app@shop.test", "full@dst.test", "user@dst.test")
        client.wait_until_empty()
        wait_until(lambda: relay.status()["queue"]["deferred"] == 1, "the deferral")
        assert relay.totals()["delivered"] == 1


def test_an_unknown_user_behind_us_comes_back_as_a_dsn(remote: RemoteServer) -> None:
    remote.personality = unknown_users("unknown@*")
    with Relay(through(remote.address[1])) as relay, Postfix(next_hop=relay.port) as client:
        client.send(message("to nobody"), "app@shop.test", "unknown@dst.test")
        client.wait_until_empty()
        relay.wait_until_empty()
        assert relay.totals()["bounced"] == 1
    (dsn,) = remote.mailbox
    assert (dsn.sender, dsn.recipients) == ("", ("app@shop.test",))
