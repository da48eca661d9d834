"""What is taken out of texts before strangers read them: our secrets always, other people's addresses unless it stays in the house.

Owned here: those replacements, pure. Which addresses and secrets there are is known to whoever makes a `Mask`; making text harmless
for a terminal is `text`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from mailtui.model import TranscriptLine, parse_address

MASK: Final = "***"
#: A RCPT of ours: the mailbox (which may hold quoted ">" signs) and the parameters behind it.
_RCPT: Final = re.compile(r"(RCPT TO:)<(.*)>([^>]*)", re.IGNORECASE | re.DOTALL)
_ORCPT: Final = re.compile(r"ORCPT=\S+", re.IGNORECASE)
_NEVER: Final = re.compile(r"(?!)")


class Mask:
    """Takes out `secrets` (in any text) and the addresses `others` (without case); `shown` is the recipient that may be read. With
    `internal` only secrets go."""

    def __init__(
        self, *, secrets: Iterable[str] = (), others: Iterable[str] = (), shown: str = "", internal: bool = False
    ) -> None:
        self._internal = internal
        self._shown = shown
        self._secrets = _any_of(re.escape(secret) for secret in secrets if secret)
        mailboxes = {other for other in others if other.casefold() != shown.casefold()} if not internal else set()
        locals_ = {parse_address(other).local for other in mailboxes} - {parse_address(shown).local, ""}
        self._others = _any_of((rf"(?<![\w.+-]){re.escape(other)}" for other in mailboxes), re.IGNORECASE)
        self._locals = _any_of((rf"(?<=[<\"'(\[]){re.escape(local)}(?=[>\"')\]])" for local in locals_), re.IGNORECASE)

    def text(self, text: str) -> str:
        """A text of either side."""
        text = self._secrets.sub(MASK, text)
        text = self._others.sub(lambda found: without_local(found[0]), text)
        return self._locals.sub(MASK, text)

    def line(self, line: TranscriptLine) -> TranscriptLine:
        """A line of a dialogue; of ours the mailboxes of other recipients go by their place, known or not."""
        text = line.line
        if line.dir == ">" and not self._internal:
            text = _RCPT.sub(self._rcpt, text)
        return TranscriptLine(line.ms, line.dir, self.text(text))

    def _rcpt(self, found: re.Match[str]) -> str:
        verb, mailbox, parameters = found.groups()
        if mailbox.casefold() != self._shown.casefold():
            mailbox = without_local(mailbox)
        own = f"orcpt=rfc822;{self._shown}".casefold()
        parameters = _ORCPT.sub(lambda given: given[0] if given[0].casefold() == own else f"ORCPT={MASK}", parameters)
        return f"{verb}<{mailbox}>{parameters}"


def without_local(address: str) -> str:
    """A mailbox without its local part: `***@example.org`."""
    return f"{MASK}@{parse_address(address).domain}" if "@" in address else MASK


def _any_of(patterns: Iterable[str], flags: int = 0) -> re.Pattern[str]:
    """One pattern for all, longer ones first; one that fits nothing for none."""
    parts = sorted(patterns, key=lambda pattern: (-len(pattern), pattern))
    return re.compile("|".join(parts), flags) if parts else _NEVER
