"""Signatures verify at dkimpy and at OpenDKIM, break when the message is touched, and stay small on hostile mail."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailtui.errors import ConfigError
from mailtui.trust import keys
from mailtui.trust.header import SigningError
from mailtui.trust.signer import MOST_OF_A_NAME, OVERSIGNED, Signer

from .conftest import ALGORITHMS, Setting

Make = Callable[..., Signer]
Verify = Callable[[Signer, bytes], list[bool]]

#: How opendkim-testmsg ends then (EX_SOFTWARE).
BAD_SIGNATURE = 70
NOW = 1_750_000_000.9
HEADER = (
    b"Received: from app.example.org (app [192.0.2.1])\r\n\tby relay.example.org; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b'From: "Shop, Inc" <news@example.org>\r\n'
    b"To: a@example.net,\r\n\tb@example.net\r\n"
    b"Subject:  Two   words \r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n"
    b"X-Other: not signed\r\n"
)
BODY = b"Hello  world \r\n\r\n.\r\ncaf\xc3\xa9\r\n\r\n"


@pytest.fixture
def signer(make_signer: Make) -> Signer:
    return make_signer(*(("example.org", algorithm) for algorithm in ALGORITHMS))


def signed(signer: Signer, header: bytes = HEADER, body: bytes = BODY) -> bytes:
    return signer.sign(header, [body], NOW) + header + b"\r\n" + body


def signed_names(field: bytes) -> list[bytes]:
    """The entries of `h=` of the first signature."""
    return re.sub(rb"\s", b"", re.findall(rb"\th=([^;]*);", field)[0]).split(b":")


def test_both_algorithms_sign_and_verify(signer: Signer, verify: Verify) -> None:
    message = signed(signer)
    assert re.findall(rb"a=([a-z0-9-]+);", message) == [b"rsa-sha256", b"ed25519-sha256"]
    assert verify(signer, message) == [True, True]


def test_the_field_says_what_it_must_and_no_more(signer: Signer) -> None:
    field = signer.sign(HEADER, [BODY], NOW).partition(b"\r\nDKIM-Signature:")[0]
    plain = field.replace(b"\r\n", b"")
    assert re.findall(rb"[;:]\s*([a-z]+)=", plain) == [b"v", b"a", b"c", b"t", b"d", b"s", b"bh", b"h", b"b"]
    for tag in (b"v=1;", b"c=relaxed/relaxed;", b"t=1750000000;", b"d=example.org;", b"s=rsa;"):
        assert tag in plain
    assert max(map(len, field.split(b"\r\n"))) <= 78


def test_fields_are_signed_once_more_than_present(signer: Signer) -> None:
    field = signer.sign(HEADER + b"Reply-To: c@example.org\r\nSender: s@example.org\r\n", [BODY], NOW)
    names = signed_names(field)
    present = (b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Reply-To")
    expected = {name: 2 if name in present else 1 for name in OVERSIGNED} | {b"Sender": 1}
    assert {name: names.count(name) for name in names} == expected


@pytest.mark.parametrize(
    "added",
    [name for name in OVERSIGNED if name != b"From"],
    ids=lambda name: name.decode(),
)
def test_an_added_field_breaks_the_signature(signer: Signer, verify: Verify, added: bytes) -> None:
    signature = signer.sign(HEADER, [BODY], NOW)
    for header in (added + b": x\r\n" + HEADER, HEADER + added + b": x\r\n"):
        assert verify(signer, signature + header + b"\r\n" + BODY) == [False, False]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello", b"hello"),
        (b".\r\n", b"..\r\n"),
        (b"Two   words", b"Twowords"),
        (b"news@", b"new@"),
        (b"t=17", b"t=16"),
    ],
)
def test_a_change_breaks_the_signature(signer: Signer, verify: Verify, old: bytes, new: bytes) -> None:
    assert verify(signer, signed(signer).replace(old, new)) == [False, False]


def test_what_relaxed_forgives_is_forgiven(signer: Signer, verify: Verify) -> None:
    message = (
        signed(signer).replace(b"Subject:  Two   words ", b"subject: Two\r\n words").replace(b"not signed", b"new")
    )
    assert verify(signer, b"Received: by later.example.net\r\n" + message + b"\r\n\r\n") == [True, True]


def test_appended_text_is_not_forgiven(signer: Signer, verify: Verify) -> None:
    assert verify(signer, signed(signer) + b"more\r\n") == [False, False]


@pytest.mark.parametrize(
    "body",
    [b"", b"\r\n", b"\r\n\r\n", b"x", b"x ", b" \r\n\t\r\n", b" " * 991 + b"\r\n", (b" " * 991 + b"\r\n") * 50,
     b"a\t \tb\r\n", b"\xff\x00\r\n", b"a\r\n \r\nb \t\r\n\r\n"],
)  # fmt: skip
def test_the_blanks_corpus_verifies(signer: Signer, verify: Verify, body: bytes) -> None:
    assert verify(signer, signed(signer, body=body)) == [True, True]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"To", b"Subject", b"Sender", b"List-Id", b"X-Any", b"CC", b"references", b"Received"]),
            st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"a", b"b=", b";", b":", b"\xc3\xa4"])).map(b"".join),
        ),
        max_size=20,
    ),
    st.integers(0, 20),
)
def test_any_well_formed_header_verifies(
    make_signer: Make, verify: Verify, fields: list[tuple[bytes, bytes]], place: int
) -> None:
    signer = make_signer(("example.org", "ed25519-sha256"))
    lines = [name + b":" + value + b"\r\n" for name, value in fields]
    lines.insert(place, b"From: a@example.org\r\n")
    assert verify(signer, signed(signer, b"".join(lines))) == [True]


def test_the_nearest_configured_domain_signs(make_signer: Make, verify: Verify) -> None:
    signer = make_signer(("example.org", "rsa-sha256"), ("mail.example.org", "ed25519-sha256"))
    assert signer.domains == ("example.org", "mail.example.org")
    chosen = {
        "example.org": "example.org",
        "shop.example.org": "example.org",
        "mail.example.org": "mail.example.org",
        "a.b.mail.example.org": "mail.example.org",
    }
    for name, domain in chosen.items():
        assert [key.domain for key in signer.keys_for(name)] == [domain]
    for stranger in ("", "org", "notexample.org", "example.org.evil.example", "a." * 4000 + "example.org"):
        assert signer.keys_for(stranger) == ()
    message = signed(signer, HEADER.replace(b"news@example.org", b"MAILER-DAEMON@Relay.Mail.Example.Org"))
    assert b"d=mail.example.org;" in message and verify(signer, message) == [True]


def test_mail_of_others_is_left_alone_and_its_body_not_read(signer: Signer) -> None:
    def untouchable() -> Iterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    assert signer.sign(b"From: a@elsewhere.example\r\n", untouchable(), NOW) == b""
    assert signer.sign(b"From: root\r\n", untouchable(), NOW) == b""
    assert Signer([]).sign(b"garbage", untouchable(), NOW) == b""


@pytest.mark.parametrize(
    "header",
    [
        HEADER.replace(b"From:", b"X-From:"),
        HEADER + b"From: other@example.org\r\n",
        b"\r\n" + HEADER,
        HEADER + b"garbage\r\n",
        HEADER + b"X: a\rb\r\n",
    ],
    ids=["no From", "two From", "leading empty line", "no field", "bare CR"],
)
def test_malformed_mail_is_refused(signer: Signer, header: bytes) -> None:
    with pytest.raises(SigningError):
        signer.sign(header, [BODY], NOW)


def test_20000_fields_give_a_small_signature_that_verifies(make_signer: Make, verify: Verify) -> None:
    signer = make_signer(("example.org", "ed25519-sha256"))
    header = HEADER + b"To: a@example.net\r\n" * 20_000
    start = time.thread_time()
    signature = signer.sign(header, [BODY], NOW)
    assert time.thread_time() - start < 1
    assert len(signature) < 1000 and signed_names(signature).count(b"To") == MOST_OF_A_NAME
    assert verify(signer, signature + header + b"\r\n" + BODY) == [True]


def test_a_body_of_25_mb_costs_little(signer: Signer) -> None:
    chunks = [(b"Lorem ipsum  dolor sit amet\t\r\n" * 9000)[: 256 * 1024]] * 100
    start = time.thread_time()
    assert signer.sign(HEADER, iter(chunks), NOW)
    assert time.thread_time() - start < 2


def test_two_keys_under_one_name_and_odd_names_are_refused(key_files: dict[str, Path]) -> None:
    file = str(key_files["ed25519-sha256"])
    with pytest.raises(ConfigError, match="two keys under the selector s1"):
        Signer([Setting("example.org", "s1", file), Setting("Example.org.", "S1", file)])
    for domain, selector in (("exa mple.org", "s1"), ("example.org", ""), ("example.org", "a;b"), ("x" * 64, "s1")):
        with pytest.raises(ConfigError, match="no DNS name"):
            Signer([Setting(domain, selector, file)])


def test_a_weak_key_is_named_in_the_warnings(tmp_path: Path, signer: Signer) -> None:
    assert signer.warnings == ()
    pem = tmp_path / "weak.pem"
    private = generate_private_key(public_exponent=65537, key_size=1024)
    pem.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pem.chmod(0o600)
    (warning,) = Signer([Setting("example.org", "s1", str(pem))]).warnings
    assert warning.startswith("dkim s1._domainkey.example.org: 1024-bit RSA is weak")


@pytest.mark.peers
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_opendkim_verifies(make_signer: Make, tmp_path: Path, algorithm: str) -> None:
    signer = make_signer(("example.org", algorithm))
    message = signed(signer, body=BODY + (b" " * 991 + b"\r\n") * 3 + b"a \t b\r\n\r\n")
    assert opendkim(signer, message, tmp_path) == 0
    assert opendkim(signer, message.replace(b"Hello", b"hello"), tmp_path) == BAD_SIGNATURE
    assert opendkim(signer, message.replace(b"\r\nTo:", b"\r\nList-Unsubscribe: <x>\r\nTo:"), tmp_path) == BAD_SIGNATURE


def opendkim(signer: Signer, message: bytes, folder: Path) -> int:
    """The exit code of opendkim-testmsg, in a namespace in which the system's resolver is ours; 0 when all is well."""
    inside = ["unshare", "--mount", "--net"]
    if not shutil.which("opendkim-testmsg"):
        pytest.skip("opendkim-testmsg is not installed (Debian: opendkim-tools)")
    if not shutil.which("unshare") or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("no right to make a network namespace for the resolver of opendkim-testmsg")
    zone = {f"{key.selector}._domainkey.{key.domain}.": keys.record(key.key) for key in signer.keys}
    (folder / "zone.json").write_text(json.dumps(zone))
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    script = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && exec "$2" "$3" "$4"'
    server = Path(__file__).with_name("loopback_dns.py")
    arguments = [folder / "resolv.conf", sys.executable, server, folder / "zone.json"]
    command = [*inside, "sh", "-c", script, "sh", *map(str, arguments)]
    return subprocess.run(command, input=message, capture_output=True, timeout=60).returncode
