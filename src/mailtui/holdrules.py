"""Hold rules as values: what a rule is and how it stands.

Owned here: that shape, which is exactly the JSON that scripts rely on. How rules are kept and matched is `queue.hold_rules`. The reason
is an operator's text: escape it before a terminal sees it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Standing = Literal["standing", "ended", "removed"]


class HoldRule(msgspec.Struct, frozen=True):
    """A rule for new mail. `filter` is the selection as it was understood, `ends` None until it is removed; `held` is how many
    recipients it has held so far, the last of them at `last_held`; `action` what `undo` wants to know of its last change. With `dry_run`
    it is a rule that would be, and `waiting` how many recipients in the queue it speaks of, or one that would be removed, and `waiting`
    how many it still holds: either would stay as they are."""

    rule: int
    filter: str
    reason: str
    actor: str
    created: datetime
    ends: datetime | None
    state: Standing
    held: int
    last_held: datetime | None
    action: int
    dry_run: bool = False
    waiting: int = 0
