"""DKIM signatures for outgoing mail (RFC 6376, RFC 8463): which keys sign a message, which fields, and the header line.

Owned here: the choice of keys by the From domain, the fields covered, and the DKIM-Signature field itself. Stateless
after the start and safe to call from any thread. What happens to mail that cannot be signed is decided by the caller,
by `trust.on_error`; publishing and checking records is not done here.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from mailtui.errors import ConfigError
from mailtui.trust.canonical import body_hash, relaxed_field
from mailtui.trust.header import from_domain, split_header
from mailtui.trust.keys import SigningKey, load_key

#: Signed once more often than present, absent ones too, so that none can be added on the way (RFC 6376 5.4).
OVERSIGNED: Final = (
    b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"Reply-To", b"MIME-Version", b"Content-Type",
    b"List-Unsubscribe", b"List-Unsubscribe-Post",
)  # fmt: skip

#: Signed as often as present: the rest of RFC 6376 5.4.1, what says that mail is automatic, and Gmail's feedback label.
SIGNED: Final = (
    b"Sender", b"Content-Transfer-Encoding", b"Content-ID", b"Content-Description", b"In-Reply-To", b"References",
    b"List-Id", b"List-Help", b"List-Subscribe", b"List-Post", b"List-Owner", b"List-Archive",
    b"Resent-Date", b"Resent-From", b"Resent-Sender", b"Resent-To", b"Resent-Cc", b"Resent-Message-ID",
    b"Auto-Submitted", b"Feedback-ID",
)  # fmt: skip

#: Most entries of one name in `h=`, so that 20,000 To fields do not make a 100 KB signature.
MOST_OF_A_NAME: Final = 8

_LINE: Final = 68
_LONGEST_NAME: Final = 253
_DNS_NAME: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*", re.IGNORECASE
)


class DkimSettings(Protocol):
    """One `[[dkim]]` table of the configuration; an empty or absent algorithm means whatever the key is."""

    @property
    def domain(self) -> str: ...
    @property
    def selector(self) -> str: ...
    @property
    def key_file(self) -> str | Path: ...
    @property
    def algorithm(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class DomainKey:
    """A key with the place where it is published: `<selector>._domainkey.<domain>`, both lower-case A-labels."""

    domain: str
    selector: str
    key: SigningKey


class Signer:
    """Signs for the configured domains and everything below them."""

    def __init__(self, settings: Iterable[DkimSettings]) -> None:
        """Loads every key; raises ConfigError on the first one that cannot be used (see `keys.load_key`)."""
        self._keys: dict[str, tuple[DomainKey, ...]] = {}
        for setting in settings:
            key = _domain_key(setting)
            others = self._keys.get(key.domain, ())
            if any(other.selector == key.selector for other in others):
                raise ConfigError(f"dkim: {key.domain} has two keys under the selector {key.selector}; expected one")
            self._keys[key.domain] = (*others, key)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that have keys, in the order of the configuration."""
        return tuple(self._keys)

    @property
    def keys(self) -> tuple[DomainKey, ...]:
        """Every key, by domain."""
        return tuple(key for keys in self._keys.values() for key in keys)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each key that works but should be replaced."""
        return tuple(
            f"dkim {key.selector}._domainkey.{key.domain}: {key.key.weakness}" for key in self.keys if key.key.weakness
        )

    def keys_for(self, from_domain: str) -> tuple[DomainKey, ...]:
        """The keys of the nearest configured domain that is `from_domain` (lower-case A-labels) or a parent of it, so
        that DMARC finds them aligned (RFC 7489 3.1.1); () when there is none."""
        name = from_domain if len(from_domain) <= _LONGEST_NAME else ""
        while name:
            if name in self._keys:
                return self._keys[name]
            name = name.partition(".")[2]
        return ()

    def sign(self, header: bytes, chunks: Iterable[bytes], now: float) -> bytes:
        """The DKIM-Signature fields to put in front, one per key, CRLF-terminated; b"" when no key matches.

        `header` is the whole header section as it will be sent, lines added by the relay included, with or without the
        empty line; `chunks` the body behind the empty line, cut anywhere; `now` POSIX seconds. The body is read only
        when there is something to sign. Raises SigningError when the message is malformed.
        """
        if not self._keys:
            return b""
        fields = split_header(header)
        keys = self.keys_for(from_domain(fields))
        if not keys:
            return b""
        names, covered = _cover(fields)
        digest = body_hash(chunks)
        return b"".join(_signature(key, names, covered, digest, int(now)) for key in keys)


def _domain_key(setting: DkimSettings) -> DomainKey:
    domain, selector = setting.domain.lower().rstrip("."), setting.selector.lower()
    if not _DNS_NAME.fullmatch(f"{selector}._domainkey.{domain}"):
        raise ConfigError(
            f"dkim: {selector}._domainkey.{domain} is no DNS name; expected a domain and a selector in ASCII"
        )
    return DomainKey(domain, selector, load_key(Path(setting.key_file), setting.algorithm))


def _cover(fields: list[tuple[bytes, bytes]]) -> tuple[list[bytes], bytes]:
    """The entries of `h=`, and the canonical fields in that order: the last of a name first (RFC 6376 5.4.2)."""
    present: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        present.setdefault(name, []).append(value)
    names: list[bytes] = []
    canonical: list[bytes] = []
    for name in (*OVERSIGNED, *SIGNED):
        values = present.get(name.lower(), [])[: -MOST_OF_A_NAME - 1 : -1]
        names += [name] * min(len(values) + (name in OVERSIGNED), MOST_OF_A_NAME)
        canonical += [relaxed_field(name, value) for value in values]
    return names, b"".join(canonical)


def _signature(key: DomainKey, names: list[bytes], covered: bytes, digest: bytes, now: int) -> bytes:
    """One DKIM-Signature field (RFC 6376 3.5): no `l=`, so nothing can be appended; `b=` empty while hashed (3.7)."""
    value = (
        f" v=1; a={key.key.algorithm}; c=relaxed/relaxed; t={now};\r\n"
        f"\td={key.domain}; s={key.selector};\r\n"
        f"\tbh={b64encode(digest).decode()};\r\n"
    ).encode() + b"\th=%b;\r\n\tb=" % _fold_names(names)
    hashed = covered + relaxed_field(b"DKIM-Signature", value).removesuffix(b"\r\n")
    signature = b64encode(key.key.sign(hashlib.sha256(hashed).digest()))
    lines = b"\r\n\t ".join(signature[start : start + _LINE] for start in range(0, len(signature), _LINE))
    return b"DKIM-Signature:" + value + lines + b"\r\n"


def _fold_names(names: list[bytes]) -> bytes:
    lines = [names[0]]
    for name in names[1:]:
        if len(lines[-1]) + len(name) > _LINE:
            lines[-1] += b":"
            lines.append(name)
        else:
            lines[-1] += b":" + name
    return b"\r\n\t ".join(lines)
