"""What changed between two configurations, and what of it a running relay can take over.

Owned here: the comparison and the table of keys that need a restart. Applying a change is the rooms' work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from .reader import keys
from .settings import Config

#: Keys (a table's name: entries added or removed) that only a restart applies; `reload` takes over the rest.
NEEDS_RESTART: Final = frozenset(
    {"relay.data_dir", "relay.socket", "relay.socket_group", "listener", "listener.bind", "listener.kind"}
)


def changed(old: Config, new: Config) -> tuple[list[str], list[str]]:
    """Dotted keys that differ, in file order: those `reload` applies, and those that need a restart.

    Entries of array tables are compared by position (`listener[0].auth`); if their number differs, the table is named.
    """
    names = [name for table in keys(Config) for name in _differences(table, getattr(old, table), getattr(new, table))]
    restart = [name for name in names if re.sub(r"\[\d+\]", "", name) in NEEDS_RESTART]
    return [name for name in names if name not in restart], restart


def _differences(table: str, old: object, new: object) -> Iterator[str]:
    if isinstance(old, tuple) and isinstance(new, tuple):
        if len(old) != len(new):
            yield table
            return
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{table}[{index}]", before, after)
    elif isinstance(old, msgspec.Struct):
        yield from (f"{table}.{key}" for key in keys(type(old)) if getattr(old, key) != getattr(new, key))
