"""Exim takes mail from us, and hands us mail: the other mail server most of our next hops run, and stricter than Postfix."""

from __future__ import annotations

import smtplib
from email.message import Message
from pathlib import Path

import dkim
import pytest
from tests.kit import exim
from tests.kit.certificates import self_signed
from tests.kit.exim import Exim
from tests.kit.mail import AWKWARD, body, crlf, message
from tests.kit.postfix import Postfix
from tests.kit.processes import wait_until
from tests.kit.relay import Relay

from mailtui.lab.personality import mailbox_full, unknown_users
from mailtui.lab.remote import RemoteServer

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(exim.missing()), reason=exim.missing())]


def through(port: int, **route: object) -> dict[str, list[dict[str, object]]]:
    """Settings that send everything to that port."""
    return {"route": [{"to": f"127.0.0.1:{port}", **route}]}


def send(
    port: int,
    content: bytes,
    *recipients: str,
    sender: str = "app@shop.test",
    mail: tuple[str, ...] = ("BODY=8BITMIME",),
    rcpt: tuple[str, ...] = (),
) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        assert client.sendmail(sender, recipients or ("user@dst.test",), content, list(mail), list(rcpt)) == {}


def offered(port: int) -> set[str]:
    """The extensions a server offers."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo()
        return set(client.esmtp_features)


def part(report: Message, kind: str) -> str:
    """The text of the part of a report that has this type."""
    (found,) = [part for part in report.walk() if part.get_content_type() == kind]
    return found.as_string()


# --- Exim as our next hop


def test_the_body_survives_to_the_byte() -> None:
    content = message("awkward", *AWKWARD)
    with Exim() as last, Relay(through(last.port)) as relay:
        assert offered(last.port) >= {"pipelining", "chunking", "pipeconnect", "prdr", "8bitmime", "size", "dsn"}
        send(relay.port, content)
        (stored,) = last.wait_for_messages(1)
        relay.wait_until_empty()
        assert relay.ledger_holds()
    assert body(stored) == body(content)
    for line in content.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        assert line in crlf(stored).split(b"\r\n")


@pytest.mark.parametrize("silent", ["pipelining", "chunking"])
def test_what_exim_does_not_offer_is_not_used(silent: str) -> None:
    """Exim answers 554 and hangs up when somebody speaks before it was their turn."""
    with Exim(settings={f"{silent}_advertise_hosts": ""}) as last, Relay(through(last.port)) as relay:
        assert silent not in offered(last.port)
        send(relay.port, message("one by one", *AWKWARD), *(f"user{number}@dst.test" for number in range(5)))
        relay.wait_until_empty()
        assert relay.totals()["delivered"] == 5
        assert "synchronization" not in last.log()


def test_what_exim_refuses_is_bounced_to_the_sender() -> None:
    refusing = ("deny local_parts = nobody", "message = no such user here")
    with Exim(rcpt=refusing) as last, Relay(through(last.port)) as relay:
        send(relay.port, message("half of it"), "user@dst.test", "nobody@dst.test")
        last.wait_for_messages(2)
        relay.wait_until_empty()
        totals = relay.totals()
        assert (totals["accepted"], totals["delivered"], totals["bounced"]) == (3, 2, 1)
        assert relay.ledger_holds()
        (dsn,) = [mail for mail in last.parsed() if mail.get_content_type() == "multipart/report"]
    assert dsn["Return-path"] == "<>"
    status = part(dsn, "message/delivery-status")
    assert "Final-Recipient: rfc822; nobody@dst.test" in status
    assert "no such user here" in status


def test_a_message_larger_than_exim_takes_is_bounced_without_being_sent() -> None:
    with Exim(settings={"message_size_limit": "20K"}) as last, Relay(through(last.port)) as relay:
        send(relay.port, message("too large", *["y" * 900] * 30))
        relay.wait_until_empty()
        totals = relay.totals()
        assert (totals["delivered"], totals["bounced"]) == (1, 1)
        last.wait_for_messages(1)
        (dsn,) = last.parsed()
        assert "message too big" not in last.log()
    assert "Status: 5.3.4" in part(dsn, "message/delivery-status")


def test_what_exim_defers_is_tried_again() -> None:
    once = ("defer local_parts = later", "condition = ${if !exists{$spool_directory/open}}")
    with (
        Exim(rcpt=once) as last,
        Relay({**through(last.port), "retry": {"schedule": ["1s"], "jitter": 0}}) as relay,
    ):
        send(relay.port, message("patience"), "now@dst.test", "later@dst.test")
        wait_until(lambda: relay.status()["queue"]["deferred"] == 1, "the deferral")
        (last.root / "spool" / "open").touch()
        relay.wait_until_empty()
        assert relay.totals()["delivered"] == 2
        assert len(last.wait_for_messages(2)) == 2


def test_exims_limit_of_messages_in_a_connection_costs_no_attempt() -> None:
    count = 30
    with Exim(settings={"smtp_accept_max_per_connection": 3}) as last, Relay(through(last.port)) as relay:
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as client:
            for number in range(count):
                client.sendmail("app@shop.test", [f"user{number}@dst.test"], message(f"number {number}"))
        relay.wait_until_empty(10)  # the first step of the retry schedule is longer
        last.wait_for_messages(count)
        assert relay.totals()["delivered"] == count
        assert "too many messages in one connection" in last.log()
        subjects = sorted(str(mail["Subject"]) for mail in last.parsed())
    assert subjects == sorted(f"number {number}" for number in range(count))


def test_a_connection_exim_has_no_room_for_costs_no_mail() -> None:
    with (
        Exim(settings={"smtp_accept_max_per_host": 1, "smtp_accept_max": 20}) as last,
        Relay({**through(last.port), "retry": {"schedule": ["1s"], "jitter": 0}}) as relay,
    ):
        with smtplib.SMTP("127.0.0.1", last.port, timeout=30):
            send(relay.port, message("patience"))
            wait_until(lambda: relay.status()["queue"]["deferred"] == 1, "the deferral")
            assert "refused: too many connections from that IP address" in last.log()
        relay.wait_until_empty()
        assert relay.totals()["delivered"] == 1
        last.wait_for_messages(1)


def test_an_exim_that_restarts_gets_everything() -> None:
    count = 40
    with Exim() as last, Relay({**through(last.port), "retry": {"schedule": ["1s"]}}) as relay:
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as client:
            for number in range(count):
                client.sendmail("app@shop.test", ["user@dst.test"], message(f"number {number}"))
                if number == count // 2:
                    last.stop()
        last.start()
        relay.wait_until_empty(60)
        last.flush()
        last.wait_until_empty()
        subjects = {str(mail["Subject"]) for mail in last.parsed()}
    assert subjects == {f"number {number}" for number in range(count)}


def test_an_internationalised_address_arrives() -> None:
    content = message("grüezi", "Grüße", to="björn@dst.test")
    with Exim(settings={"print_topbitchars": "true"}) as last, Relay(through(last.port)) as relay:
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as client:
            client.ehlo()
            client.command_encoding = "utf-8"
            client.mail("app@shop.test", ["SMTPUTF8", "BODY=8BITMIME"])
            client.rcpt("björn@dst.test")
            assert client.data(content)[0] == 250
        (stored,) = last.wait_for_messages(1)
        assert "RCPT TO:<björn@dst.test>" in last.log()
    assert body(stored) == body(content)


def test_a_signature_verifies_behind_exim(tmp_path: Path) -> None:
    key = tmp_path / "shop.pem"
    with Exim() as last:
        relay = Relay(through(last.port))
        keygen = ["dkim", "keygen", "--domain", "shop.test", "--selector", "now", "--algorithm", "rsa"]
        record = "".join(relay.cli(*keygen, "--out", str(key)).stdout.split('"')[1::2]).encode()
        relay.configure({**through(last.port), "dkim": [{"domain": "shop.test", "selector": "now", "key_file": key}]})
        with relay:
            send(relay.port, message("signed", *AWKWARD))
            (stored,) = last.wait_for_messages(1)
    assert dkim.verify(crlf(stored), dnsfunc=lambda name, timeout=5: record)


@pytest.mark.parametrize("tls", ["opportunistic", "verified"])
def test_exim_is_spoken_to_under_tls(tmp_path: Path, tls: str) -> None:
    cert, key = self_signed(tmp_path, "exim.test")
    with Exim(certificate=(cert, key)) as last:
        with Relay({**through(last.port, tls=tls), "tls": {"ca_file": cert}}) as relay:
            send(relay.port, message("private", *AWKWARD))
            (stored,) = last.wait_for_messages(1)
            relay.wait_until_empty()
        log = last.log()
    assert " P=esmtps " in log
    assert " X=TLS1.3:" in log
    assert body(stored) == body(message("", *AWKWARD))


def test_dsn_wishes_reach_exim_and_it_grants_them() -> None:
    with Exim() as last, Relay(through(last.port)) as relay:
        wishes = ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;First+2BUser@old.test")
        send(relay.port, message("receipt"), mail=("RET=HDRS", "ENVID=case#Kept"), rcpt=wishes)
        last.wait_for_messages(2)
        relay.wait_until_empty()
        assert f"HEARD: RCPT TO:<user@dst.test> {' '.join(wishes)}" in last.log()
        (receipt,) = [mail for mail in last.parsed() if mail.get_content_type() == "multipart/report"]
        assert relay.totals()["delivered"] == 1, "the receipt is Exim's alone to give"
    status = part(receipt, "message/delivery-status")
    assert "Original-Envelope-ID: case#Kept" in status
    assert "Original-Recipient: rfc822;First+2BUser@old.test" in status
    assert "Action: delivered" in status


# --- Exim as our client


def test_mail_queued_in_exim_arrives_through_us(remote: RemoteServer) -> None:
    with Relay(through(remote.address[1])) as relay, Exim(next_hop=relay.port) as client:
        for number in range(20):
            send(client.port, message(f"number {number}", *AWKWARD), f"user{number}@dst.test")
        client.wait_until_empty()
        relay.wait_until_empty()
        assert relay.totals()["delivered"] == 20
        assert relay.ledger_holds()
    assert {received.recipients for received in remote.mailbox} == {(f"user{number}@dst.test",) for number in range(20)}
    assert {body(received.content) for received in remote.mailbox} == {body(message("", *AWKWARD))}
    assert not remote.violations


def test_exim_to_us_to_postfix(last_hop: Postfix) -> None:
    content = message("all the way", *AWKWARD)
    with Relay(through(last_hop.port)) as relay, Exim(next_hop=relay.port) as client:
        send(client.port, content)
        (stored,) = last_hop.wait_for_messages(1)
        (parsed,) = last_hop.parsed()
    assert body(stored) == body(content)
    hops = parsed.get_all("Received") or []
    assert ["by postfix.test" in hops[0], "by relay.test" in hops[1], "by exim.test" in hops[2]] == [True] * 3


def test_exim_keeps_its_mail_while_we_are_away(remote: RemoteServer) -> None:
    relay = Relay(through(remote.address[1]))
    with Exim(next_hop=relay.port) as client:
        send(client.port, message("early"))
        wait_until(lambda: " == user@dst.test " in client.log(), "Exim to defer")
        with relay:
            client.flush()
            client.wait_until_empty()
            relay.wait_until_empty()
    assert [received.subject for received in remote.mailbox] == ["early"]


def test_exim_verifies_us_and_hands_in_under_tls(remote: RemoteServer, tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path, "relay.test")
    relay = Relay(through(remote.address[1]))
    relay.configure(
        {
            **through(remote.address[1]),
            "listener": [{"bind": f"127.0.0.1:{relay.port}", "tls_cert": cert, "tls_key": key}],
        }
    )
    with relay, Exim(next_hop=relay.port, authorities=cert) as client:
        for number in range(3):
            send(client.port, message(f"number {number}", *AWKWARD))
        client.wait_until_empty()
        relay.wait_until_empty()
        assert client.log().count(" CV=yes ") == 3, client.log()
    assert len(remote.mailbox) == 3
    for received in remote.mailbox:
        assert body(received.content) == body(message("", *AWKWARD))
        assert b"with ESMTPS" in received.content


def test_exim_hears_of_a_size_that_is_too_large(remote: RemoteServer) -> None:
    limited = {**through(remote.address[1]), "intake": {"max_size": "10KB"}}
    with Relay(limited) as relay, Exim(next_hop=relay.port, settings={"bounce_return_body": "false"}) as client:
        send(client.port, message("too large", *["y" * 900] * 20))
        log = wait_until(lambda: log if " ** user@dst.test " in (log := client.log()) else "", "Exim to give up")
        wait_until(lambda: remote.mailbox, "Exim's bounce")
    assert "message is too big" in log or "5.3.4" in log
    assert remote.mailbox[0].sender == ""


def test_dsn_wishes_of_exim_reach_the_next_hop(remote: RemoteServer) -> None:
    wishes = ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;First+2BUser@old.test")
    with Relay(through(remote.address[1])) as relay, Exim(next_hop=relay.port) as client:
        send(client.port, message("receipt"), mail=("RET=HDRS", "ENVID=case#Kept"), rcpt=wishes)
        client.wait_until_empty()
        wait_until(lambda: remote.mailbox, "the message")
    (received,) = remote.mailbox
    assert {"RET=HDRS", "ENVID=case#Kept"} <= set(received.mail_params)
    assert set(received.rcpt_params[0]) >= set(wishes)


def test_one_of_two_that_fails_behind_us_comes_back_to_the_sender(remote: RemoteServer) -> None:
    remote.personality = unknown_users("unknown@*")
    with Relay(through(remote.address[1])) as relay, Exim(next_hop=relay.port) as client:
        send(client.port, message("to nobody"), "unknown@dst.test", "user@dst.test")
        client.wait_until_empty()
        relay.wait_until_empty()
        assert (relay.totals()["delivered"], relay.totals()["bounced"]) == (2, 1)
    assert {(mail.sender, mail.recipients) for mail in remote.mailbox} == {
        ("app@shop.test", ("user@dst.test",)),
        ("", ("app@shop.test",)),
    }


def test_a_full_mailbox_behind_us_is_tried_again_not_given_back(remote: RemoteServer) -> None:
    remote.personality = mailbox_full("full@*")
    with Relay(through(remote.address[1])) as relay, Exim(next_hop=relay.port) as client:
        send(client.port, message("full"), "full@dst.test", "user@dst.test")
        client.wait_until_empty()
        wait_until(lambda: relay.status()["queue"]["deferred"] == 1, "the deferral")
        assert relay.totals()["delivered"] == 1
