"""How a single setting is written: numbers, words, durations, sizes, rates, paths.

Owned here: one pure parser per kind of value, from what TOML gives to what the rooms use, or `Rejected` with the words
that follow "expected" in the error. Hosts and mail addresses have their own module; tables and keys are the reader's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from mailtui import times

Parser: TypeAlias = Callable[[object], object]


class Rejected(ValueError):
    """A value is not what its key takes: `wanted` completes "expected …"; a `secret` value stays out of the message."""

    def __init__(self, wanted: str, *, secret: bool = False) -> None:
        super().__init__(f"expected {wanted}")
        self.wanted = wanted
        self.secret = secret


class Rate(msgspec.Struct, frozen=True):
    """At most `count` messages in `seconds`; written `"100/h"`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = {1: "s", 60: "m", 3600: "h", 86400: "d"}.get(self.seconds, f"{self.seconds}s")
        return f"{self.count}/{unit}"


LARGEST: Final = 2**31 - 1  # what every counter of ours, and of C libraries below, can hold
LONGEST_PATTERN: Final = 200

_RATE_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DECIMAL: Final = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNIT_OCTETS: Final = _DECIMAL | {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE: Final = re.compile(rf"([0-9]{{1,15}})({'|'.join(_UNIT_OCTETS)})")
_RATE: Final = re.compile(r"([1-9][0-9]{0,8})/(s|min|m|h|d)")
_REPEATED: Final = re.compile(r"\([^()]*[*+}][^()]*\)[*+{]")
_SELECTOR: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})*", re.IGNORECASE | re.ASCII)
_ACCOUNT: Final = re.compile(r"@?[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_ARGON2ID: Final = re.compile(
    r"\$argon2id\$v=19\$m=[1-9][0-9]{0,7},t=[1-9][0-9]{0,3},p=[1-9][0-9]{0,2}"
    r"\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,128}"
)


def integer(least: int, most: int = LARGEST) -> Parser:
    """An integer in a range; TOML booleans are not integers."""

    def parse(value: object) -> int:
        if type(value) is int and least <= value <= most:
            return value
        within = f"from {least} to {most}" if most != LARGEST else f"≥ {least}"
        raise Rejected(
            f"an integer ≤ {most}" if type(value) is int and value > most == LARGEST else f"an integer {within}"
        )

    return parse


def fraction(value: object) -> float:
    """A number from 0 to 1."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise Rejected("a number from 0 to 1")


def boolean(value: object) -> bool:
    """`true` or `false`, no other spelling."""
    if not isinstance(value, bool):
        raise Rejected("true or false")
    return value


def choice(words: tuple[str, ...]) -> Parser:
    """One of a closed list of words."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Rejected(f"one of {', '.join(words)}")
        return value

    return parse


def _match(pattern: re.Pattern[str], value: object, wanted: str) -> re.Match[str]:
    found = pattern.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Rejected(wanted)
    return found


def duration(value: object) -> float:
    """Seconds of `"1h20m"`, as `times` has it; never zero."""
    wanted = 'a duration such as "5m"'
    if not isinstance(value, str):
        raise Rejected(wanted)
    try:
        return times.lasting(value)
    except times.TooLong as error:
        raise Rejected(f'a duration of at most "{times.spelled(error.most)}"') from None
    except times.TimeError:
        raise Rejected(wanted) from None


def size(value: object) -> int:
    """Octets of `"25MB"`: KB, MB, GB, TB count in thousands, KiB, MiB, GiB, TiB in 1024s."""
    found = _match(_SIZE, value, 'a size such as "25MB"')
    octets = int(found[1]) * _UNIT_OCTETS[found[2]]
    if octets >= 2**63:
        raise Rejected('a size below "9000000TB"')
    return octets


def positive_size(value: object) -> int:
    """A size above zero."""
    octets = size(value)
    if octets == 0:
        raise Rejected("a size above zero")
    return octets


def rate(value: object) -> Rate:
    """`"100/h"`: messages per second (s), minute (m or min), hour (h) or day (d)."""
    found = _match(_RATE, value, 'a rate such as "100/h"')
    return Rate(int(found[1]), _RATE_SECONDS[found[2].removesuffix("in")])


def pattern(value: object) -> str:
    """A regular expression of Python, short and on one line. It is searched in what strangers write, so that what takes a time
    exponential in the text, like `(a+)+`, is refused."""
    wanted = f"a regular expression of at most {LONGEST_PATTERN} characters, without a repeated repetition"
    if isinstance(value, str) and _REPEATED.search(value):
        raise Rejected(wanted)
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_PATTERN or not value.isprintable():
        raise Rejected(wanted)
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        raise Rejected(wanted) from None
    return value


def path(value: object) -> Path:
    """An absolute path: a relay started elsewhere must not find other files."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise Rejected("an absolute path")
    return Path(value)


def socket_path(value: object) -> Path:
    """An absolute path, or one under `<data_dir>`."""
    if isinstance(value, str) and value.startswith("<data_dir>/") and "\0" not in value:
        return Path(value)
    return path(value)


def optional(parse: Parser) -> Parser:
    """`""` stands for "not set" (None), so that every default can be written down."""
    return lambda value: None if value == "" else parse(value)


def or_empty(parse: Parser) -> Parser:
    """As `optional`, for text whose absence is the empty string."""
    return lambda value: "" if value == "" else parse(value)


def word(value: object) -> str:
    """A short printable name."""
    if not isinstance(value, str) or not 1 <= len(value) <= 64 or not value.isprintable() or value != value.strip():
        raise Rejected("a name of 1 to 64 printable characters")
    return value


def account(value: object) -> str:
    """A system user, or with `@` in front a system group."""
    return _match(_ACCOUNT, value, 'a user such as "root" or a group such as "@wheel"')[0]


def group(value: object) -> str:
    """A system group."""
    found = _match(_ACCOUNT, value, 'a group such as "mailtui"')[0]
    if found.startswith("@"):
        raise Rejected('a group such as "mailtui"')
    return found


def variable(value: object) -> str:
    """The name of an environment variable; what stands here by mistake is a password, so it is never echoed."""
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise Rejected('the name of an environment variable such as "RELAY_PASSWORD"', secret=True)
    return value


def selector(value: object) -> str:
    """A DKIM selector (RFC 6376 3.1), one or more labels."""
    return _match(_SELECTOR, value, 'a selector such as "2025a"')[0].lower()


def password_hash(value: object) -> str:
    """An argon2id hash in PHC form; never echoed, as `variable`."""
    if not isinstance(value, str) or not _ARGON2ID.fullmatch(value):
        raise Rejected('an argon2id hash as printed by "mailtui passwd"', secret=True)
    return value
