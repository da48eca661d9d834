"""The names of the lab as values: records, wildcards, and how a name misbehaves when it is asked for.

Owned here: the zone data and the answer a resolver would give from it (RFC 1034 4.3.2, wildcards as RFC 4592, CNAME
chains followed). No sockets and no message format; `dns.py` puts the answers on the wire.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MAX_CHAIN: Final = 32  # more than dnspython follows (16), so that "chain too long" can be shown; then SERVFAIL


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record: owner (lower case, no final dot), type, data in presentation form, seconds to live."""

    name: str
    type: str
    value: str
    ttl: int = 300


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server treats a name, beyond its records.

    `rcode` answers with that code and no records ("NOERROR" is NODATA); `silent` never answers; `truncate` sets TC
    over UDP and leaves the answer to TCP; `junk_first` sends a datagram of rubbish before the answer; `wrong_id`
    answers under another id; `delay` is seconds before the answer; `authentic` sets AD, as a validating resolver does
    (RFC 4035 3.2.3).
    """

    rcode: str = ""
    silent: bool = False
    truncate: bool = False
    junk_first: bool = False
    wrong_id: bool = False
    delay: float = 0.0
    authentic: bool = False


NORMAL: Final = Behaviour()
NXDOMAIN: Final = Behaviour(rcode="NXDOMAIN")
NODATA: Final = Behaviour(rcode="NOERROR")
SERVFAIL: Final = Behaviour(rcode="SERVFAIL")
REFUSED: Final = Behaviour(rcode="REFUSED")
SILENT: Final = Behaviour(silent=True)
TRUNCATED: Final = Behaviour(truncate=True)
JUNK_FIRST: Final = Behaviour(junk_first=True)
WRONG_ID: Final = Behaviour(wrong_id=True)
AUTHENTIC: Final = Behaviour(authentic=True)


def slow(seconds: float) -> Behaviour:
    """Answers, but only after `seconds`."""
    return Behaviour(delay=seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question gets: response code word, records (a CNAME before its target), the manner of answering."""

    rcode: str
    records: tuple[Record, ...]
    behaviour: Behaviour = NORMAL


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


class Zone:
    """Every name the lab knows; unknown ones do not exist. `version` grows with each change, for caches of answers."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.version = 0
        self._records: dict[str, list[Record]] = {}
        self._behaviours: dict[tuple[str, str], Behaviour] = {}
        self._existing: set[str] = set()
        for record in records:
            self.add(record.name, record.type, record.value, ttl=record.ttl)

    def add(self, name: str, type: str, *values: str, ttl: int = 300) -> None:
        """Adds records in presentation form: `add("a.test", "MX", "10 mx.a.test")`; `*.a.test` is a wildcard.

        Names in `values` are absolute, with or without their final dot. Data of the wrong form answers SERVFAIL.
        """
        owner = _plain(name)
        self._records.setdefault(owner, []).extend(Record(owner, type.upper(), value, ttl) for value in values)
        self._exists(owner)
        self.version += 1

    def mx(self, domain: str, *hosts: str, ttl: int = 300) -> None:
        """Mail exchangers in order of preference, ten apart."""
        self.add(domain, "MX", *(f"{10 * place} {_plain(host)}." for place, host in enumerate(hosts, 1)), ttl=ttl)

    def host(self, name: str, *addresses: str, ttl: int = 300) -> None:
        """A host: A or AAAA for each address, and the PTR that leads back."""
        for address in addresses:
            ip = ipaddress.ip_address(address)
            self.add(name, "A" if ip.version == 4 else "AAAA", address, ttl=ttl)
            self.add(ip.reverse_pointer, "PTR", f"{_plain(name)}.", ttl=ttl)

    def null_mx(self, domain: str, ttl: int = 300) -> None:
        """The domain takes no mail (RFC 7505)."""
        self.add(domain, "MX", "0 .", ttl=ttl)

    def txt(self, name: str, text: str, ttl: int = 300) -> None:
        """One TXT record of ASCII text of any length, quoted and cut into strings of 255 octets."""
        parts = [text[start : start + 255] for start in range(0, len(text), 255)] or [""]
        escaped = (part.replace("\\", "\\\\").replace('"', '\\"') for part in parts)
        self.add(name, "TXT", " ".join(f'"{part}"' for part in escaped), ttl=ttl)

    def remove(self, name: str, type: str = "") -> None:
        """Forgets the records of a name, all or of one type, and how it behaved."""
        owner, kind = _plain(name), type.upper()
        left = [record for record in self._records.pop(owner, []) if kind and record.type != kind]
        if left:
            self._records[owner] = left
        for key in [key for key in self._behaviours if key[0] == owner and kind in ("", key[1])]:
            del self._behaviours[key]
        self._existing = set()
        for known in self._records:
            self._exists(known)
        self.version += 1

    def behave(self, name: str, behaviour: Behaviour, type: str = "") -> None:
        """From now on the name (only when asked for `type`, if given) is answered in this manner; NORMAL ends it.

        A wildcard name covers everything below its parent that has no behaviour of its own.
        """
        self._behaviours[_plain(name), type.upper()] = behaviour
        self.version += 1

    def answer(self, name: str, type: str) -> Answer:
        """The answer to one question of class IN."""
        owner, kind = _plain(name), type.upper()
        behaviour = self._behaviour(owner, kind)
        if behaviour.rcode:
            return Answer(behaviour.rcode, (), behaviour)
        found: list[Record] = []
        for _ in range(MAX_CHAIN):
            records = self._owned(owner)
            if records is None:
                return Answer("NXDOMAIN", tuple(found), behaviour)
            matching = [record for record in records if kind in (record.type, "ANY")]
            alias = next((record for record in records if record.type == "CNAME"), None)
            if matching or alias is None:
                return Answer("NOERROR", (*found, *matching), behaviour)
            found.append(alias)
            owner = _plain(alias.value)
            target = self._behaviour(owner, kind)
            if target.rcode:
                return Answer(target.rcode, tuple(found), behaviour)
        return Answer("SERVFAIL", (), behaviour)

    def _exists(self, owner: str) -> None:
        """A name exists when anything at or below it does (an empty non-terminal is NODATA, RFC 8020)."""
        while owner and owner not in self._existing:
            self._existing.add(owner)
            owner = owner.partition(".")[2]

    def _owned(self, name: str) -> list[Record] | None:
        """The records at a name, by wildcard of the closest encloser if need be; None when it does not exist."""
        if name in self._existing:
            return self._records.get(name, [])
        encloser = name.partition(".")[2]
        while encloser and encloser not in self._existing:
            encloser = encloser.partition(".")[2]
        wild = self._records.get(f"*.{encloser}")
        return None if wild is None else [Record(name, r.type, r.value, r.ttl) for r in wild]

    def _behaviour(self, name: str, kind: str) -> Behaviour:
        candidates = [name]
        parent = name.partition(".")[2]
        while parent:
            candidates.append(f"*.{parent}")
            parent = parent.partition(".")[2]
        for candidate in candidates:
            for key in ((candidate, kind), (candidate, "")):
                if key in self._behaviours:
                    return self._behaviours[key]
        return NORMAL
