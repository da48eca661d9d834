"""How the values of filter words are written: ids, sizes, bounds, reply codes; and which rows an age means.

Owned here: those spellings as pure functions from text to numbers, ValueError when they are wrong. Durations and moments are `times`';
which field takes which is in `fields`; nothing here knows SQL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final, Literal, cast

from mailtui.model import ID_EPOCH, ID_LENGTH, RECIPIENT_BITS, decode_id, parse_item_id

Relation = Literal["=", ">", "<", ">=", "<="]
Measure = Callable[[str], int]

#: What SQLite can compare with.
LARGEST: Final = 2**63 - 1

_SCALE: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,3}))?([kmgt]?)(ib|b)?", re.IGNORECASE | re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_CODE: Final = re.compile(r"[0-9*?]{1,4}|[0-9*?]{1,3}(\.[0-9*?]{1,4}){1,2}", re.ASCII)


def number(text: str) -> int:
    """A count: `5`."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    return int(text)


def size(text: str) -> int:
    """Octets of `512`, `10k`, `1.5M`, `1MB`, `1MiB`: KB, MB, GB, TB count in thousands, all others in 1024s."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("not a size")
    whole, part, unit, octets = found.groups("")
    scale: int = (1000 if octets.lower() == "b" else 1024) ** _SCALE[unit.lower()]
    return min(int(whole) * scale + int(f"{part:0<3}") * scale // 1000, LARGEST)


def bound(operator: str, text: str, measure: Measure) -> tuple[Relation, int]:
    """What a field is compared with: `5` is equal, `5+` at least, `5-` at most; behind `>` and `<` there is no sign."""
    if operator in (">", "<"):
        return cast("Relation", operator), measure(text)
    if operator == ":" and text[-1:] in ("+", "-"):
        return ">=" if text[-1] == "+" else "<=", measure(text[:-1])
    return "=", measure(text)


def wrong_id(value: str) -> str:
    """What is wrong with an id (a trailing wildcard is allowed), "" when nothing is."""
    try:
        id_range(value)
    except ValueError:
        return f'"{value}" is not a queue id'
    return ""


def id_range(value: str) -> tuple[int, int]:
    """First and last recipient row of an id, of a message's id, or of ids that begin like `value*`. ValueError otherwise."""
    if value.endswith("*"):
        first, last = decode_id(value[:-1].ljust(ID_LENGTH, "0")), decode_id(value[:-1].ljust(ID_LENGTH, "Z"))
        return first << RECIPIENT_BITS, (last + 1 << RECIPIENT_BITS) - 1
    message, n = parse_item_id(value)
    row = message << RECIPIENT_BITS | n
    return (row, row) if n else (row, (message + 1 << RECIPIENT_BITS) - 1)


def first_row(moment: float) -> int:
    """The lowest row a recipient taken in at `moment` (POSIX seconds) can have: message ids count milliseconds."""
    return _row(math.ceil((moment - ID_EPOCH) * 1000))


def age_bound(relation: Relation, age: int, now: float) -> tuple[Relation, int]:
    """What a recipient row is compared with to be of such an age in milliseconds: the older, the lower."""
    at = int((now - ID_EPOCH) * 1000) - age
    row = _row(at + (relation in (">=", "<")))
    return ("<" if relation in (">", ">=") else ">="), row


def _row(milliseconds: int) -> int:
    return max(0, min(milliseconds, 1 << 40)) << RECIPIENT_BITS


def code_pattern(value: str) -> str:
    """A reply code or its beginning as a wildcard pattern: `4` and `42` stand for any such code, `4.7` for `4.7.*`. 0 is none."""
    if not _CODE.fullmatch(value):
        raise ValueError("not a code")
    if "." in value:
        return value if value.count(".") == 2 or "*" in value else f"{value}.*"
    return value if value == "0" or "*" in value else value.ljust(3, "?")
