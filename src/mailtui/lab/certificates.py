"""Certificates for the lab, made in memory: an authority of its own and server certificates good and bad.

Owned here: keys, certificates and the server-side TLS contexts of each `Tls` kind. Nothing here protects anything: keys
are made anew each time and touch the disk only for the moment `ssl` needs to read them.
"""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
import warnings
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailtui.lab.personality import Tls

_DAY = dt.timedelta(days=1)


class Certificates:
    """One authority and the contexts made under it, cached by kind and name."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[tuple[Tls, str], ssl.SSLContext] = {}

    @cached_property
    def authority(self) -> x509.Certificate:
        """The root certificate a verifying client must trust."""
        builder = _builder("Lab Authority", "Lab Authority", self._key.public_key(), expired=False)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def write_authority(self, path: Path) -> Path:
        """The root certificate as a PEM file, for `tls.ca_file`."""
        path.write_bytes(self.authority.public_bytes(Encoding.PEM))
        return path

    def issue(self, name: str, kind: Tls = Tls.TRUSTED) -> tuple[bytes, bytes]:
        """Certificate and key in PEM for a host name, with the flaw its kind names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = "elsewhere.invalid" if kind is Tls.WRONG_NAME else name
        self_signed = kind is Tls.SELF_SIGNED
        issuer, signer = (subject, key) if self_signed else ("Lab Authority", self._key)
        certificate = (
            _builder(subject, issuer, key.public_key(), expired=kind is Tls.EXPIRED)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return certificate.public_bytes(Encoding.PEM), private

    def context(self, kind: Tls, name: str) -> ssl.SSLContext:
        """The server-side context for STARTTLS under that host name."""
        if (kind, name) not in self._contexts:
            self._contexts[kind, name] = self._make(kind, name)
        return self._contexts[kind, name]

    def _make(self, kind: Tls, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = self.issue(name, kind)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(certificate + key)
            file.flush()
            context.load_cert_chain(file.name)
        if kind is Tls.OUTDATED:
            with warnings.catch_warnings():  # old on purpose
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = ssl.TLSVersion.TLSv1
            context.set_ciphers("ALL:@SECLEVEL=0")
        return context


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey, *, expired: bool) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    start, end = (now - 60 * _DAY, now - 30 * _DAY) if expired else (now - _DAY, now + 365 * _DAY)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
