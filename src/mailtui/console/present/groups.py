"""Groups of failures: the filter that finds the recipients of one, and how what changed is called.

Owned here: words shared by the screens that show such groups; pure. A filter made here is never empty by accident: "" means that there
is none, not that everything is meant.
"""

from __future__ import annotations

import re
from typing import Final

from mailtui.console.offers import word as written
from mailtui.findings import IncidentRow
from mailtui.text import safe_text

from .line import Tone

#: What is said of a change, and its tone.
CHANGES: Final[dict[str, tuple[str, Tone]]] = {
    "OURS": ("OURS", "bad"),
    "NEW": ("NEW", "bad"),
    "UP": ("UP", "warn"),
    "GONE": ("GONE", "dim"),
    "RECOVERED": ("OK", "ok"),
}
#: Trouble of ours that is no class of replies, and the classes it shows in.
_CLASSES: Final = {"outage": "connection,timeout,dns", "connection": "connection,timeout"}
#: How a fingerprint begins: a code, an enhanced code, both or none.
_CODES: Final = re.compile(r"(?:([245]\d\d)(?: |$))?(?:([245]\.\d{1,3}\.\d{1,3})(?: |$))?")
#: What stands in a fingerprint for what varies.
_VARIES: Final = re.compile(r"\{\w+\}|#")
_PLAIN: Final = re.compile(r'[^\s"(),]+')
#: Least characters of a text worth looking for.
_TELLS: Final = 4


def word(field: str, value: str) -> str:
    """`field:value` as the filter language wants it: exact where a wildcard would be read."""
    return written(field, value, exact=re.search(r"[*?]", value) is not None)


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else '"' + value.replace('"', '""') + '"'


def kind(class_: str, fingerprint: str, sample: str) -> str:
    """The filter for one kind of reply: its class, its code and the longest text in it that does not vary."""
    words = [word("class", class_)] if class_ else []
    codes = _CODES.match(fingerprint)
    code, enhanced = codes.groups() if codes else (None, None)
    if enhanced or code:
        words.append(f"code:{enhanced or code}")
    text = _constant(fingerprint[codes.end() if codes else 0 :], sample)
    if text:
        words.append("reply~" + _quoted(text))
    return " ".join(words)


def _constant(pattern: str, sample: str) -> str:
    """The longest part of a pattern that stands in the reply as it was received; "" when none tells anything."""
    parts = [part.strip() for part in _VARIES.split(pattern)]
    told = [part for part in parts if len(part) >= _TELLS and part in sample and safe_text(part) == part]
    return max(told, key=len, default="")


def site(name: str) -> str:
    """The filter for a site; a destination whose hosts are not known stands in the place of one."""
    return f"({word('site', name)} or {word('domain', name)})"


def incident(row: IncidentRow) -> str:
    """The filter for what an incident is about; "" when it is about none in particular."""
    if row.change == "OURS":
        return (
            f"class:{_CLASSES[row.class_]}"
            if row.class_ in _CLASSES
            else word("class", row.class_)
            if row.class_
            else ""
        )
    words = [site(row.site) if row.site else "", kind(row.class_, row.fingerprint, row.sample)]
    return " ".join(part for part in words if part)
