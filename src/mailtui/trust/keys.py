"""DKIM keys: loading a private key from its file, making one, and the DNS record that publishes it.

Owned here: what counts as a usable key (RFC 6376 3.3, RFC 8301, RFC 8463) and the text of its TXT record (RFC 6376
3.6.1). Which domain and selector a key belongs to, and what it signs, is the signer's.
"""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from mailtui.errors import ConfigError

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]

#: RFC 8301 3.2: signers use at least 1024 bits and should use at least 2048.
SMALLEST_RSA: Final = 1024
SOUND_RSA: Final = 2048

_LARGEST_FILE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that is fit to sign; its repr names algorithm and size, never the key."""

    private: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> Algorithm:
        """The value of `a=`."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    @property
    def bits(self) -> int:
        """Size of the key; 256 for ed25519."""
        return self.private.key_size if isinstance(self.private, RSAPrivateKey) else 256

    @property
    def weakness(self) -> str:
        """One line for the operator when the key works but should be replaced, else ""."""
        if isinstance(self.private, RSAPrivateKey) and self.bits < SOUND_RSA:
            return f"{self.bits}-bit RSA is weak: some receivers do not count it; make a {SOUND_RSA}-bit key"
        return ""

    def sign(self, digest: bytes) -> bytes:
        """The raw signature over a SHA-256 digest (RFC 8017 8.2 for RSA; RFC 8463 3 for ed25519)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        return self.private.sign(digest)

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm}, {self.bits} bits)"


def load_key(path: Path, algorithm: str | None = None) -> SigningKey:
    """The key in the PEM file `path`; `algorithm` is what it must be, None or "" takes what is there.

    Raises ConfigError with one line (file, what is wrong, what would be right) when the file cannot be read or is open
    to others, or when the key is encrypted, of another kind, or RSA of fewer than 1024 bits.
    """
    key = SigningKey(_parse(path, _read(path)))
    if algorithm and algorithm != key.algorithm:
        raise ConfigError(f"{path}: expected a key for {algorithm}, found one for {key.algorithm}")
    if key.algorithm == "rsa-sha256" and key.bits < SMALLEST_RSA:
        raise _too_small(path, key.bits)
    return key


def keygen(algorithm: Algorithm) -> tuple[bytes, str]:
    """A new key: PEM (PKCS #8, no passphrase) to keep at mode 0600, and its TXT record. RSA has 2048 bits."""
    rsa = algorithm == "rsa-sha256"
    private: RSAPrivateKey | Ed25519PrivateKey = (
        generate_private_key(public_exponent=65537, key_size=SOUND_RSA) if rsa else Ed25519PrivateKey.generate()
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, record(SigningKey(private))


def record(key: SigningKey) -> str:
    """The TXT record of `key`: SubjectPublicKeyInfo for RSA, the 32 raw octets for ed25519 (RFC 8463 4)."""
    public = key.private.public_key()
    if key.algorithm == "rsa-sha256":
        data = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={base64.b64encode(data).decode()}"
    data = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(data).decode()}"


def zone_line(domain: str, selector: str, text: str) -> str:
    """`text` as a line for a zone file, in character-strings of at most 255 octets (RFC 1035 3.3)."""
    strings = " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))
    return f"{selector}._domainkey.{domain}. IN TXT ( {strings} )"


def _read(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a FIFO put in place of the file must not stall the start.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{path}: not a regular file; expected a PEM private key")
            if status.st_mode & stat.S_IRWXO:
                mode = stat.S_IMODE(status.st_mode)
                raise ConfigError(f"{path}: a private key open to every user (mode {mode:04o}); expected 0600 or 0640")
            return file.read(_LARGEST_FILE)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the private key: {error.strerror}") from error


def _parse(path: Path, pem: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    # PKCS #8 says it in its first line, the traditional form in a Proc-Type line.
    if b"ENCRYPTED" in pem:
        raise ConfigError(f"{path}: an encrypted private key; expected one without a passphrase, protected by its mode")
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: not a usable private key; expected RSA or ed25519 in PEM") from error
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise ConfigError(f"{path}: a private key of another kind; expected RSA or ed25519")
    return private


def _too_small(path: Path, bits: int) -> ConfigError:
    return ConfigError(f"{path}: {bits}-bit RSA key; expected at least {SMALLEST_RSA} bits, better {SOUND_RSA}")
