"""Help: the keys of the table that are valid somewhere, and the filter language in short; pure.

Owned here: those words, and docs/keys.md, which is written from the same table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mailtui.console.actions import ACTIONS, LISTS, Action, Standing

from .frame import KEY_NAMES
from .line import BLANK, Line, fit, line, pad, wrap

#: Groups of actions in the order in which they are told.
GROUPS: Final = {
    "move": "Moving",
    "view": "What is shown",
    "select": "Marks",
    "change": "Changes",
    "out": "Taking something out",
    "app": "The console",
}
#: The language of docs/filter.md, as much of it as fits: what is written, and what it means.
FILTER: Final = (
    ("a b", "both; `a or b` either; `not a` or `-a` without; ( ) together"),
    ("field:value", "matches, with * and ?; field=value is exactly that; field~value contains it"),
    ("field:a,b", 'a or b; "quotes" around blanks, commas and parentheses'),
    (":2h+ :10m-", "at least, at most: age, next, tries, size"),
    ("since:09:00", "taken in since then; a date too"),
    ("word", "without a field: ids, addresses, reply"),
    ("mail", "id state from to domain subject tag msgid size age since next tries rule action group"),
    ("came by", "user client listener"),
    ("last try", "class code reply stage host mx tls site route"),
    ("states", "queued sending deferred held delivered bounced suppressed purged"),
)
_KEYS, _LABEL = 15, 17


def key_names(keys: str) -> str:
    """`escape,h` as `esc h`."""
    return " ".join(KEY_NAMES.get(key, key) for key in keys.split(","))


def page(place: str, keys: Mapping[str, str], now: Standing, room: int) -> list[Line]:
    """Every action of a place by group, with the user's keys and why it cannot be done now; then the filter language."""
    lines: list[Line] = []
    for group, title in GROUPS.items():
        rows = [action for action in ACTIONS if action.group == group and place in action.where]
        rows = [action for action in rows if not action.opens or action.opens in now.screens]
        if rows:
            lines += [line((title, "title")), *(part for row in rows for part in _row(row, keys, now, room)), BLANK]
    lines.append(line(("The filter", "title"), ("  docs/filter.md has all of it", "dim")))
    for written, means in FILTER:
        lines += _told(written, "", means, "", room)
    return lines


def _row(action: Action, keys: Mapping[str, str], now: Standing, room: int) -> list[Line]:
    return _told(key_names(keys.get(action.id, action.keys)), action.label, action.help, action.missing(now), room)


def _told(keys: str, label: str, text: str, missing: str, room: int) -> list[Line]:
    left = _KEYS + (_LABEL if label else 0)
    name = pad(label, _LABEL) if label else ""
    told = [
        line(
            (pad(keys, _KEYS), "key") if not part else pad("", _KEYS),
            name if not part else pad("", len(name)),
            (words, "dim"),
        )
        for part, words in enumerate(wrap(text, room - left))
    ]
    why = wrap(f"not now: {missing}", room - left) if missing else []
    return [*told, *(line(pad("", left), (words, "warn")) for words in why)]


def shown(lines: Sequence[Line], top: int, room: int, height: int) -> tuple[list[Line], int]:
    """The lines that fit from `top` on, each in exactly `room` cells, and the first of them."""
    top = max(0, min(top, len(lines) - height))
    return [fit(whole, room) for whole in lines[top : top + height]], top


def keys_page() -> str:
    """docs/keys.md."""
    lines = [
        "# Keys of the console",
        "",
        "Written from the table of actions (`mailtui keys > docs/keys.md`); `?` in the console shows those that are valid where you are.",
        "`~/.config/mailtui/keys.toml` gives an action other keys by its name ([how](console.md#yours)).",
    ]
    for group, title in GROUPS.items():
        rows = [action for action in ACTIONS if action.group == group]
        lines += (
            ["", f"## {title}", "", "| keys | name | | what it does | where |", "|---|---|---|---|---|"] if rows else []
        )
        lines += [
            f"| {_code(action.keys)} | `{action.id}` | {action.label} | {action.help} | {_where(action)} |"
            for action in rows
        ]
    return "\n".join(lines) + "\n"


def _code(keys: str) -> str:
    return " ".join(f"`{key}`".replace("|", "\\|") for key in key_names(keys).split())


def _where(action: Action) -> str:
    return "everywhere" if action.where == LISTS else ", ".join(sorted(action.where))
