"""Who a client says is behind it: what the kernel cannot know, such as the person behind root or behind a shared account over ssh.

Owned here: how that is found out at the client's end and how it is written beside the name the kernel vouches for. It is a claim:
nothing is ever permitted by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mailtui.text import safe_text

HEADER: Final = "Mailtui-Claims"
#: Longest claim kept, in characters.
LONGEST: Final = 100
_MARK: Final = " (claims "


def own(environ: Mapping[str, str]) -> str:
    """What this process claims: MAILTUI_OPERATOR (a forced command of ssh may set it), who called sudo, where ssh came from."""
    told = (
        ("", environ.get("MAILTUI_OPERATOR", "")),
        ("sudo by ", environ.get("SUDO_USER", "")),
        ("ssh from ", environ.get("SSH_CONNECTION", "").partition(" ")[0]),
    )
    return _plain(", ".join(f"{word}{value}" for word, value in told if value))


def described(name: str, claim: str) -> str:
    """The actor that is noted: the user's name, and behind it the claim when there is one."""
    plain = _plain(claim)
    return f"{name}{_MARK}{plain})" if plain else name


def account(actor: str) -> str:
    """The user's name of such an actor."""
    return actor.partition(_MARK)[0]


def _plain(text: str) -> str:
    """Bounded, one line, harmless on a terminal and in a header, without the brackets that set it off."""
    shown = safe_text(text[:LONGEST].encode("ascii", "backslashreplace").decode())
    return shown.replace("(", "[").replace(")", "]").strip()[:LONGEST]
