"""Replies without their variable parts, so that failures of one kind can be counted together.

Owned here: the normal form of a reply. It is stored, so a change of the rules splits groups at the time of the change.
"""

from __future__ import annotations

import re
from typing import Final

from mailtui.model import Reply

LENGTH: Final = 200
_LOOKED_AT: Final = 1000

_VARIABLE: Final = re.compile(
    r"(?P<url>\bhttps?://[^\s<>\"']+)"
    r"|(?P<addr><?[^\s<>@:;,()\[\]]{1,64}@[A-Za-z0-9.-]{1,255}>?)"
    r"|(?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F:.]{0,39})"
    r"|(?P<id>\b(?=[A-Za-z0-9+/_-]*\d)[A-Za-z0-9+/_-]{9,}(?:\.[A-Za-z0-9_-]+)*={0,2})"
    r"|(?P<n>\b\d+\b)"
)


def fingerprint(reply: Reply) -> str:
    """Code, enhanced code and text with addresses, ids, IPs, URLs and numbers replaced; at most 200 characters."""
    text = " ".join(_VARIABLE.sub(_placeholder, reply.text[:_LOOKED_AT]).split())
    head = " ".join(part for part in (str(reply.code) if reply.code else "", reply.enhanced) if part)
    return f"{head} {text}".strip()[:LENGTH]


def _placeholder(found: re.Match[str]) -> str:
    kind = found.lastgroup
    if kind == "url":
        return found[0].partition("?")[0].rstrip("/0123456789") + "*" if len(found[0]) > 8 else "*"
    return {"addr": "<address>", "ip": "<ip>", "id": "<id>"}.get(kind or "", "#")
