"""Keys on disk, a signer, and dkimpy as an independent verifier with DNS in a dictionary."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mailtui.trust import keys
from mailtui.trust.signer import Signer

ALGORITHMS: tuple[keys.Algorithm, ...] = ("rsa-sha256", "ed25519-sha256")


@dataclass(frozen=True)
class Setting:
    """One `[[dkim]]` table."""

    domain: str
    selector: str
    key_file: str
    algorithm: str | None = None


@pytest.fixture(scope="session")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    files = {}
    for algorithm in ALGORITHMS:
        files[algorithm] = folder / f"{algorithm}.pem"
        files[algorithm].write_bytes(keys.keygen(algorithm)[0])
        files[algorithm].chmod(0o600)
    return files


@pytest.fixture
def make_signer(key_files: dict[str, Path]) -> Callable[..., Signer]:
    """A signer with one key per (domain, algorithm); the selector is the kind of the key."""

    def make(*pairs: tuple[str, str]) -> Signer:
        return Signer([Setting(domain, kind.partition("-")[0], str(key_files[kind]), kind) for domain, kind in pairs])

    return make


class _VerifyKey:
    """What dkimpy asks of PyNaCl to check ed25519, on `cryptography`, so that PyNaCl need not be installed."""

    def __init__(self, public: bytes, encoder: object) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public))

    def verify(self, message: bytes, signature: bytes) -> None:
        self._key.verify(signature, message)


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch) -> Callable[[Signer, bytes], list[bool]]:
    """dkimpy's verdict on each DKIM-Signature of a message, topmost first."""
    nacl = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=_VerifyKey),
        encoding=SimpleNamespace(Base64Encoder=None),
        exceptions=SimpleNamespace(ValueError=ValueError, BadSignatureError=InvalidSignature),
    )
    monkeypatch.setattr(dkim, "nacl", nacl, raising=False)

    def verdicts(signer: Signer, message: bytes) -> list[bool]:
        zone = {f"{k.selector}._domainkey.{k.domain}.".encode(): keys.record(k.key).encode() for k in signer.keys}
        count = message.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
        found = []
        for index in range(count):
            try:
                found.append(dkim.DKIM(message).verify(index, dnsfunc=lambda name, timeout: zone.get(name)))
            except dkim.ValidationError:  # how dkimpy says that the body hash differs
                found.append(False)
        return found

    return verdicts
