"""Work beside the keys: one piece at a time in a group, the latest.

Owned here: that one way to begin it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual.dom import DOMNode
from textual.worker import Worker


def alone(node: DOMNode, work: Callable[[], Coroutine[Any, Any, None]], group: str) -> None:
    """Do this in place of what is under way in the group. It is called when it begins: of what never began nothing is left."""
    _: Worker[None] = node.run_worker(work, group=group, exclusive=True)
