"""Help and docs/keys.md: complete, from the one table, and true about the filter language."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailtui.console.actions import ACTIONS, LISTS, Standing
from mailtui.console.present import help as helps
from mailtui.console.present.line import cells
from mailtui.model import State
from mailtui.queue.fields import FIELDS

DOCS = Path(__file__).parents[4] / "docs"


def text(place: str, room: int = 74, now: Standing | None = None, **keys: str) -> str:
    lines = helps.page(place, keys, now or Standing(place, screens=LISTS), room)
    assert max(cells(whole) for whole in lines) <= room
    return "\n".join("".join(part.text for part in whole) for whole in lines)


@pytest.mark.parametrize("place", sorted(LISTS))
@pytest.mark.parametrize("room", [74, 106])
def test_every_key_of_a_place_is_there_and_no_other(place: str, room: int) -> None:
    said = text(place, room)
    for action in ACTIONS:
        keys = helps.key_names(action.keys)
        there = any(
            line.startswith(f"{keys} ") and line[15:32].strip() == action.label and action.help[:20] in line
            for line in said.splitlines()
        )
        assert there == (place in action.where), action.id


def test_the_user_s_keys_and_why_something_cannot_be_done_now() -> None:
    said = text("queue", now=Standing("queue", read_only=True, screens=LISTS), **{"msg.retry": "R,f5"})
    assert "\nR f5 " in said
    assert said.count("not now: this console is read-only") == sum(
        action.group == "change" and "queue" in action.where for action in ACTIONS
    )


def test_every_field_and_state_of_the_filter_is_named() -> None:
    words = set(" ".join(part for row in helps.FILTER for part in row).replace(":", " ").split())
    assert set(FIELDS) - words == set()
    assert {state.value for state in State} - words == set()


def test_the_page_shows_what_fits_and_stops_at_its_ends() -> None:
    lines = helps.page("queue", {}, Standing("queue"), 74)
    assert helps.shown(lines, -9, 74, 20)[1] == 0
    seen, top = helps.shown(lines, 1_000_000, 74, 20)
    assert len(seen) == 20 and top == len(lines) - 20
    assert helps.shown(lines[:3], 5, 74, 20)[1] == 0


def test_the_document_is_what_the_table_says() -> None:
    assert (DOCS / "keys.md").read_text(encoding="utf-8") == helps.keys_page(), (
        "write it anew: mailtui keys > docs/keys.md"
    )
