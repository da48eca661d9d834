"""Programs people send mail with, against a relay with TLS and logins: swaks, msmtp, the standard library."""

from __future__ import annotations

import smtplib
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from tests.kit.certificates import self_signed, trusting
from tests.kit.mail import AWKWARD, body, message
from tests.kit.processes import free_port, program, wait_until
from tests.kit.relay import Relay

from mailtui.lab.remote import RemoteServer

pytestmark = pytest.mark.peers

USER, PASSWORD = "app", "correct horse battery"


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not program(name), reason=f"{name} is not installed (Debian package {name})")


class Doors:
    """The relay with its three kinds of listener, and the ports of the other two."""

    def __init__(self, relay: Relay, submission: int, submissions: int) -> None:
        self.relay, self.submission, self.submissions = relay, submission, submissions


@pytest.fixture
def doors(remote: RemoteServer, tmp_path: Path) -> Iterator[Doors]:
    cert, key = self_signed(tmp_path, "relay.test")
    relay = Relay()
    digest = relay.cli("passwd", input=f"{PASSWORD}\n").stdout.strip()
    submission, submissions = free_port(), free_port()
    tls = {"tls_cert": cert, "tls_key": key}
    relay.configure(
        {
            "listener": [
                {"bind": f"127.0.0.1:{relay.port}", **tls},
                {"bind": f"127.0.0.1:{submission}", "kind": "submission", **tls},
                {"bind": f"127.0.0.1:{submissions}", "kind": "submissions", **tls},
            ],
            "user": [{"name": USER, "password_hash": digest, "senders": ["*@shop.test"]}],
            "route": [{"to": f"127.0.0.1:{remote.address[1]}"}],
        }
    )
    with relay:
        yield Doors(relay, submission, submissions)


def run(*command: str, content: bytes = b"") -> subprocess.CompletedProcess[str]:
    ran = subprocess.run([program(command[0]), *command[1:]], input=content, capture_output=True, timeout=60)
    return subprocess.CompletedProcess(ran.args, ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def swaks(
    port: int, *options: str, sender: str = "app@shop.test", to: str = "user@dst.test"
) -> subprocess.CompletedProcess[str]:
    return run(
        "swaks", "--server", f"127.0.0.1:{port}", "--helo", "client.test", "--from", sender, "--to", to, *options
    )


# --- swaks


@needs("swaks")
@pytest.mark.parametrize("method", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["--tls", "--tls-on-connect"])
def test_swaks_logs_in_over_tls(doors: Doors, remote: RemoteServer, method: str, tls: str) -> None:
    port = doors.submission if tls == "--tls" else doors.submissions
    ran = swaks(
        port, tls, "--auth", method, "--auth-user", USER, "--auth-password", PASSWORD, "--header", "Subject: by swaks"
    )
    assert ran.returncode == 0, ran.stdout
    assert "250 2.0.0 queued as " in ran.stdout
    wait_until(lambda: remote.mailbox, "the message")
    (received,) = remote.mailbox
    assert (received.sender, received.recipients, received.subject) == ("app@shop.test", ("user@dst.test",), "by swaks")
    assert b"with ESMTPSA" in received.content


@needs("swaks")
def test_swaks_with_a_wrong_password_is_turned_away(doors: Doors) -> None:
    ran = swaks(doors.submission, "--tls", "--auth", "PLAIN", "--auth-user", USER, "--auth-password", "wrong")
    assert ran.returncode == 28, ran.stdout  # swaks: error in authentication
    assert "535 5.7.8" in ran.stdout


@needs("swaks")
def test_swaks_is_offered_no_login_in_clear(doors: Doors) -> None:
    ran = swaks(doors.submission, "--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD)
    assert ran.returncode != 0
    assert "AUTH PLAIN" not in ran.stdout
    assert PASSWORD not in doors.relay.said()


@needs("swaks")
def test_swaks_cannot_send_as_somebody_else(doors: Doors) -> None:
    login = ["--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD]
    ran = swaks(doors.submission, "--tls", *login, sender="boss@other.test")
    assert ran.returncode != 0
    assert "553 5.7.1" in ran.stdout or "550 5.7.1" in ran.stdout, ran.stdout


@needs("swaks")
def test_swaks_pipelines(doors: Doors, remote: RemoteServer) -> None:
    ran = swaks(doors.relay.port, "--pipeline", "--tls", to="one@dst.test,two@dst.test")
    assert ran.returncode == 0, ran.stdout
    wait_until(lambda: remote.mailbox, "the message")
    assert remote.mailbox[0].recipients == ("one@dst.test", "two@dst.test")


# --- msmtp


@needs("msmtp")
@pytest.mark.parametrize("starttls", ["on", "off"])
def test_msmtp_logs_in_and_sends(doors: Doors, remote: RemoteServer, starttls: str) -> None:
    port = doors.submission if starttls == "on" else doors.submissions
    content = message("by msmtp", *AWKWARD)
    options = ["--file=/dev/null", "--host=127.0.0.1", f"--port={port}", "--auth=plain", f"--user={USER}", "--tls=on"]
    options += [
        f"--passwordeval=printf '%s' '{PASSWORD}'",
        "--tls-certcheck=off",
        f"--tls-starttls={starttls}",
        "--from=app@shop.test",
    ]
    ran = run("msmtp", *options, "user@dst.test", content=content.replace(b"\r\n", b"\n"))
    assert ran.returncode == 0, ran.stderr
    wait_until(lambda: remote.mailbox, "the message")
    assert body(remote.mailbox[0].content) == body(content)


# --- the standard library


def test_smtplib_logs_in_over_starttls(doors: Doors, remote: RemoteServer) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "app@shop.test", "user@dst.test", "by smtplib"
    mail.set_content("Grüße\n.\n..dots\n")
    with smtplib.SMTP("127.0.0.1", doors.submission, timeout=30) as client:
        client.starttls(context=trusting())
        client.login(USER, PASSWORD)
        assert client.send_message(mail) == {}
    wait_until(lambda: remote.mailbox, "the message")
    assert remote.mailbox[0].subject == "by smtplib"
    assert b"\r\nDate: " in remote.mailbox[0].content


def test_smtplib_over_implicit_tls(doors: Doors, remote: RemoteServer) -> None:
    content = message("implicit", *AWKWARD)
    with smtplib.SMTP_SSL("127.0.0.1", doors.submissions, timeout=30, context=trusting()) as client:
        client.login(USER, PASSWORD)
        client.sendmail("app@shop.test", ["user@dst.test"], content, mail_options=["BODY=8BITMIME"])
    wait_until(lambda: remote.mailbox, "the message")
    assert body(remote.mailbox[0].content) == body(content)


def test_smtplib_hears_of_each_refused_recipient(doors: Doors) -> None:
    with smtplib.SMTP("127.0.0.1", doors.relay.port, timeout=30) as client:
        refused = client.sendmail("app@shop.test", ["user@dst.test", "no domain"], message("half"))
    assert list(refused) == ["no domain"]


def test_smtplib_sends_a_thousand_over_one_connection(doors: Doors) -> None:
    content = message("one of many", "short")
    with smtplib.SMTP("127.0.0.1", doors.relay.port, timeout=30) as client:
        for number in range(1000):
            client.sendmail("app@shop.test", [f"user{number}@dst.test"], content)
    doors.relay.wait_until_empty()
    assert doors.relay.totals()["delivered"] == 1000
    assert doors.relay.ledger_holds()
