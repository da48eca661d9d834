"""The TLS policy, exhaustively, and both contexts in handshakes held in memory."""

from __future__ import annotations

import datetime
import itertools
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mailtui.delivery.tls import Level, describe, opportunistic, plan, verified

LEVELS: tuple[Level, ...] = ("opportunistic", "required", "verified", "off")
FLAGS = (False, True)


@pytest.mark.parametrize(
    ("level", "offered", "broken_before", "expected"),
    [
        ("opportunistic", True, False, "use"),
        ("opportunistic", True, True, "skip"),
        ("opportunistic", False, False, "skip"),
        ("opportunistic", False, True, "skip"),
        ("off", True, False, "skip"),
        ("off", False, False, "skip"),
        ("required", True, False, "use"),
        ("required", True, True, "use"),
        ("required", False, False, "refuse"),
        ("verified", True, True, "use"),
        ("verified", False, True, "refuse"),
    ],
)
def test_plan_without_credentials(level: Level, offered: bool, broken_before: bool, expected: str) -> None:
    assert plan(level, offered, broken_before, has_credentials=False) == expected


@pytest.mark.parametrize(("level", "offered", "broken_before"), list(itertools.product(LEVELS, FLAGS, FLAGS)))
def test_credentials_never_travel_in_clear(level: Level, offered: bool, broken_before: bool) -> None:
    assert plan(level, offered, broken_before, has_credentials=True) != "skip"


@pytest.mark.parametrize(("offered", "broken_before", "credentials"), list(itertools.product(FLAGS, FLAGS, FLAGS)))
def test_tls_is_never_started_where_it_is_off_or_not_offered(
    offered: bool, broken_before: bool, credentials: bool
) -> None:
    assert plan("off", offered, broken_before, credentials) != "use"
    assert {plan(level, False, broken_before, credentials) for level in LEVELS} <= {"skip", "refuse"}


class Server:
    """A self-signed server for `name`, and the file a client would trust it by."""

    def __init__(self, directory: Path, name: str, *, days: int = 30, bits: int = 0) -> None:
        key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=60))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.ca_file = directory / "cert.pem"
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file = directory / "key.pem"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if bits:
            self.context.set_ciphers("DEFAULT:@SECLEVEL=0")
        self.context.load_cert_chain(self.ca_file, key_file)


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Both ends in memory; raises what the client meets."""
    towards, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, towards, server_hostname=name)
    theirs = server.wrap_bio(towards, back, server_side=True)
    for _ in range(10):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                if end is ours:
                    raise
        if ours.version() and ours.cipher():
            return ours
    raise AssertionError("the handshake does not end")


def test_opportunistic_encrypts_whoever_answers(tmp_path: Path) -> None:
    server = Server(tmp_path, "other.test", days=-1)
    session = handshake(opportunistic(), server.context, "mx.test")
    assert describe(session) == "TLSv1.3 TLS_AES_256_GCM_SHA384 unverified"


def test_opportunistic_puts_up_with_old_ciphers_and_short_keys(tmp_path: Path) -> None:
    server = Server(tmp_path, "mx.test", bits=1024)
    server.context.maximum_version = ssl.TLSVersion.TLSv1_2
    server.context.set_ciphers("AES256-SHA:@SECLEVEL=0")
    assert describe(handshake(opportunistic(), server.context, "mx.test")) == "TLSv1.2 AES256-SHA unverified"
    with pytest.raises(ssl.SSLError):
        handshake(verified(str(server.ca_file)), server.context, "mx.test")


def test_verified_takes_the_right_name_from_the_right_authority(tmp_path: Path) -> None:
    server = Server(tmp_path, "mx.test")
    server.context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = handshake(verified(str(server.ca_file)), server.context, "mx.test")
    assert describe(session).startswith("TLSv1.2 ECDHE-ECDSA-")
    assert describe(session).endswith(" verified")


@pytest.mark.parametrize(
    ("name", "days", "trusted", "reason"),
    [
        ("mx.test", 30, False, "self-signed"),
        ("other.test", 30, True, "mismatch"),
        ("mx.test", -1, True, "expired"),
    ],
)
def test_verified_refuses(tmp_path: Path, name: str, days: int, trusted: bool, reason: str) -> None:
    server = Server(tmp_path, name, days=days)
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        handshake(verified(str(server.ca_file) if trusted else ""), server.context, "mx.test")


@pytest.mark.parametrize("make", [opportunistic, lambda least: verified("", least)])
def test_minimum_version_is_kept(tmp_path: Path, make: Callable[[str], ssl.SSLContext]) -> None:
    server = Server(tmp_path, "mx.test")
    server.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        handshake(make("1.3"), server.context, "mx.test")


def test_contexts_are_built_once() -> None:
    assert opportunistic("1.2") is opportunistic("1.2")
    assert opportunistic("1.2") is not opportunistic("1.3")
    assert verified("", "1.2") is verified("", "1.2")


def test_changed_ca_file_is_read_again(tmp_path: Path) -> None:
    server = Server(tmp_path, "mx.test")
    before = verified(str(server.ca_file))
    assert verified(str(server.ca_file)) is before
    renewed = Server(tmp_path, "mx.test")
    os.utime(renewed.ca_file, (1, 1))
    assert describe(handshake(verified(str(renewed.ca_file)), renewed.context, "mx.test")).endswith(" verified")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(before, renewed.context, "mx.test")


def test_missing_ca_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        verified(str(tmp_path / "missing.pem"))
