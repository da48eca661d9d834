"""What comes from the terminal: octets made into characters, and what is pasted kept from being keys.

Owned here: the one thread that reads. Textual ends on the first octet that is no UTF-8, and takes what follows an escape character in
pasted text for keys: both are kept from its parser. What a key means is the application's.
"""

from __future__ import annotations

import os
import selectors
import time
from codecs import getincrementaldecoder
from contextlib import suppress
from typing import Final

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_ESCAPE: Final = "\x1b"
_BEGINS, _ENDS = "\x1b[200~", "\x1b[201~"
_OCTETS: Final = 4096
#: Seconds between two looks whether the console ends, and after which a paste that was cut off is over.
_LOOK, _CUT_OFF = 0.1, 2.0


class Pasted:
    """Pasted text without escape characters, however it comes in pieces; everything else as it is."""

    def __init__(self) -> None:
        self.inside = False
        self._tail = ""  # outside: the last characters, which may begin a paste; inside: what may end it

    def clean(self, text: str) -> str:
        """The next piece."""
        done = []
        while text:
            piece, text = self._within(text) if self.inside else self._before(text)
            done.append(piece)
        return "".join(done)

    def over(self) -> str:
        """The end of a paste that never came."""
        self.inside, self._tail = False, ""
        return _ENDS

    def _before(self, text: str) -> tuple[str, str]:
        seen = self._tail + text
        _, begins, rest = seen.partition(_BEGINS)
        self.inside, self._tail = bool(begins), "" if begins else seen[1 - len(_BEGINS) :]
        return text[: len(text) - len(rest)] if begins else text, rest

    def _within(self, text: str) -> tuple[str, str]:
        pasted, ends, rest = (self._tail + text).partition(_ENDS)
        self.inside, self._tail = not ends, ""
        if not ends:
            kept = next((n for n in range(len(_ENDS) - 1, 0, -1) if pasted.endswith(_ENDS[:n])), 0)
            pasted, self._tail = pasted[: len(pasted) - kept], pasted[len(pasted) - kept :]
        return pasted.replace(_ESCAPE, "") + ends, rest


class Terminal(LinuxDriver):
    """Textual's driver, but for reading."""

    def run_input_thread(self) -> None:
        """Read until the end. An octet that is no UTF-8 is a character that nobody types."""
        parser, pasted = XTermParser(self._debug), Pasted()
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        heard = time.monotonic()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                text = ""
                if selector.select(_LOOK):
                    octets = self._read()
                    if not octets:
                        return
                    text, heard = pasted.clean(decode(octets)), time.monotonic()
                elif pasted.inside and time.monotonic() - heard > _CUT_OFF:
                    text = pasted.over()
                for event in (*(parser.feed(text) if text else ()), *parser.tick()):
                    self.process_message(event)

    def _read(self) -> bytes:
        """What is there; b"" when the terminal went away, of which a signal tells the application."""
        with suppress(OSError):
            return os.read(self.fileno, _OCTETS)
        return b""
