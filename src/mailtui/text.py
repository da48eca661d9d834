"""Text from the network on its way to a terminal: one function between the two.

Owned here: `safe_text`, which leaves nothing a terminal would obey or hide, and `decoded` for what stands in headers. Widths, cutting
and colours belong to whoever draws; text on its way into a message is escaped by the room that writes it.
"""

from __future__ import annotations

import unicodedata
from typing import Final

#: Letters and symbols by category that are drawn as nothing: fillers, joiners, variation selectors.
_INVISIBLE: Final = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10)))
) | frozenset(map(chr, range(0xE0100, 0xE01F0)))
#: Marks that may stand on one letter: enough for every script in use, too few to paint over the lines above.
_MARKS: Final = 4


def decoded(text: str) -> str:
    """A header's text with its encoded words (RFC 2047) read; as it is where they are none or wrong. Not safe: see `safe_text`."""
    if "=?" not in text:
        return text
    from email.errors import MessageError  # not at the start of every command
    from email.header import decode_header, make_header

    try:
        return str(make_header(decode_header(text))) or text
    except (MessageError, ValueError, LookupError):
        return text


def safe_text(text: str) -> str:
    r"""`text` with every character a terminal might act on or not show written out as `\xNN`, `\uNNNN` or `\UNNNNNNNN`.

    That is: controls (C0, DEL, C1, line feed and tab too), bidirectional and zero-width format characters, surrogates, private
    and unassigned code points, invisible fillers, and combining marks with no letter under them or too many on one. The result is
    one line; printable text of any script is unchanged.
    """
    if text.isascii() and text.isprintable():
        return text
    pieces: list[str] = []
    marks = _MARKS  # nothing to stand on yet
    for character in text:
        mark = unicodedata.category(character) in ("Mn", "Me")
        marks = marks + 1 if mark else 0
        hidden = (not character.isprintable() and unicodedata.category(character) != "Zs") or character in _INVISIBLE
        if hidden or marks > _MARKS:
            pieces.append(_escape(character))
            marks = _MARKS
        else:
            pieces.append(character)
    return "".join(pieces)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
