"""Every change there is, from cursor, marks and filter, over a relay that runs and over one that is our child: what the queue file says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest
from tests.kit.relay import Relay

from mailtui.console.actions import ACTIONS
from mailtui.console.place import Place
from mailtui.console.screens.confirm import Confirm
from mailtui.control.api import ACTIONS as VERBS

from .conftest import Opened, Screen, embedded, put, rows, settings, settled
from .hands import agree, fill

MANY = 12
EVERY = range(1, MANY + 1)


@pytest.fixture(scope="module", params=["attached", "embedded"])
def relay(request: pytest.FixtureRequest) -> Iterator[Relay]:
    with Relay(settings()) if request.param == "attached" else embedded() as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> str:
    """A dozen recipients that were tried in vain."""
    queue_id = put(relay, *(f"r{n}@every.test" for n in range(MANY)))
    relay.post("retry", ids=[queue_id])
    settled(relay, f"id:{queue_id}", "deferred")
    return queue_id


def states(relay: Relay) -> dict[str, set[int]]:
    """Of each state, which recipients of the dozen."""
    found: dict[str, set[int]] = {}
    for n, state in of_each(relay, "r.state"):
        found.setdefault(str(state), set()).add(n)
    return found


def of_each(relay: Relay, value: str) -> list[tuple[int, object]]:
    """Their numbers, each with a value of its row or its lane's."""
    return rows(
        relay,
        f"SELECT r.id & 0xfffff, {value} FROM recipient r JOIN lane l ON l.id = r.lane"
        " WHERE r.address LIKE '%@every.test' ORDER BY r.id",
    )


def last(relay: Relay) -> tuple[object, ...]:
    """The last action there was: verb, matched, done, and where it was made."""
    return rows(relay, "SELECT verb, matched, done FROM action ORDER BY id DESC LIMIT 1")[0]


# --- recipients: cursor, marks, filter

#: The state in which those are that a verb changed.
BECOME = {"hold": "held", "release": "deferred", "purge": "purged", "bounce": "bounced"}
FINAL = ("purge", "bounce")
#: How they are chosen, which they are then, and how dangerous that is.
CHOSEN = ((("g",), {1}, 0), (("g", "j", "space", "space"), {2, 3}, 1), (("asterisk",), set(EVERY), 2))


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
async def test_what_is_chosen_is_changed_and_nothing_else(console: Opened, relay: Relay, mail: str, verb: str) -> None:
    (action,) = (action for action in ACTIONS if action.verb is not None and action.verb.name == verb)
    if verb == "release":
        relay.post("hold", ids=[mail])
    async with console() as screen:
        screen.app.open(Place("queue", "domain:every.test"))
        await screen.sees(f"{mail}.9")
        for choose, chosen, danger in CHOSEN:
            await screen.press(*choose)
            before = dict(of_each(relay, "r.attempts"))
            await screen.press(action.keys)
            if verb == "reroute":
                await fill(screen, "mx", plans=True)
            level = 2 if verb in FINAL else max(danger, 1) if verb == "reroute" else danger
            if level:
                await refused(screen, relay, len(chosen) if level == 2 else 0)
            await screen.until(lambda chosen=chosen: last(relay) == (verb, len(chosen), len(chosen)), "the action")
            await CHANGED[verb](screen, relay, chosen, before)
            if verb != "retry":
                await screen.press("u")
                await screen.sees(f"undone {len(chosen)} of {len(chosen)}")
                assert last(relay) == ("undo", len(chosen), len(chosen))
                assert states(relay) == {"held" if verb == "release" else "deferred": set(EVERY)}
    relay.post("release", ids=[mail])


async def refused(screen: Screen, relay: Relay, number: int) -> None:
    """Nothing happens before the right answer; then that is given."""
    before = rows(relay, "SELECT count(*) FROM action")
    await agree(screen)  # without the number a mere `y` does nothing
    if number:
        assert isinstance(screen.app.screen, Confirm) and rows(relay, "SELECT count(*) FROM action") == before
        await agree(screen, number)


async def _moved(screen: Screen, relay: Relay, chosen: set[int], before: dict[int, object]) -> None:
    verb = str(last(relay)[0])
    rest = {"held" if verb == "release" else "deferred": set(EVERY) - chosen}
    assert states(relay) == {state: found for state, found in ({BECOME[verb]: chosen} | rest).items() if found}


async def _tried(screen: Screen, relay: Relay, chosen: set[int], before: dict[int, object]) -> None:
    wanted = {n: int(str(before[n])) + (n in chosen) for n in EVERY}
    await screen.until(lambda: dict(of_each(relay, "r.attempts")) == wanted, "one more attempt of each")
    await screen.until(lambda: states(relay) == {"deferred": set(EVERY)}, "their failure")


async def _rerouted(screen: Screen, relay: Relay, chosen: set[int], before: dict[int, object]) -> None:
    assert {n for n, route in of_each(relay, "l.route") if route == "mx"} == chosen


CHANGED: dict[str, Callable[[Screen, Relay, set[int], dict[int, object]], Awaitable[None]]] = {
    **dict.fromkeys(BECOME, _moved),
    "retry": _tried,
    "reroute": _rerouted,
}


# --- what needs words


async def _suppress(screen: Screen, relay: Relay) -> None:
    await screen.press("X")
    await fill(screen, "@every.test", "complaint", "30d", "a word")
    await screen.until(lambda: _list(relay) == [("@every.test", "complaint", "a word")], "the entry")
    await screen.sees("@every.test gets no more mail")
    await screen.press("u")
    await screen.until(lambda: _list(relay) == [], "no entry")


async def _suspend(screen: Screen, relay: Relay) -> None:
    await screen.press("P")
    await fill(screen, "they asked")
    await screen.until(lambda: _stopped(relay) == [("every.test", "they asked")], "the suspension")
    await screen.sees("suspended until")
    await screen.press("P")
    await screen.sees("Resume destination every.test")
    await fill(screen, "")
    await screen.until(lambda: _stopped(relay) == [], "no suspension")


async def _add(screen: Screen, relay: Relay) -> None:
    await screen.press("6")
    await screen.sees("the list is empty")
    await screen.press("a")
    await fill(screen, "one@every.test", "manual", "", "")
    await screen.until(lambda: _list(relay) == [("one@every.test", "manual", "")], "the entry")
    await screen.sees("one@every.test gets no more mail")


async def _remove(screen: Screen, relay: Relay) -> None:
    await _add(screen, relay)
    await screen.sees("Suppression list (1)")
    await screen.press("D")
    await screen.sees("Remove from the suppression list")
    await fill(screen, "again")
    await screen.until(lambda: _list(relay) == [], "no entry")
    await screen.sees("one@every.test gets mail again")


async def _undo(screen: Screen, relay: Relay) -> None:
    await screen.press("H")
    await screen.sees("held 1 of 1")
    await screen.press("u")
    await screen.sees("undone 1 of 1")
    assert states(relay) == {"deferred": set(EVERY)}


async def _undo_of_another(screen: Screen, relay: Relay) -> None:
    held = relay.post("hold", filter="domain:every.test", reason="by somebody")["action"]
    await screen.press("7")
    await screen.sees(f" {held} ")
    await screen.press("u")
    await screen.sees(f"Undo action {held}")
    await fill(screen, "")
    await screen.sees(f"undone {MANY} of {MANY}")
    assert rows(relay, "SELECT undoes FROM action ORDER BY id DESC LIMIT 1") == [(held,)]
    assert states(relay) == {"deferred": set(EVERY)}


def _list(relay: Relay) -> list[tuple[object, ...]]:
    return rows(relay, "SELECT entry, reason, note FROM suppression")


def _stopped(relay: Relay) -> list[tuple[object, ...]]:
    return rows(relay, "SELECT name, reason FROM suspension")


WORDS: dict[str, Callable[[Screen, Relay], Awaitable[None]]] = {
    "rcpt.suppress": _suppress,
    "dest.suspend": _suspend,
    "list.add": _add,
    "list.remove": _remove,
    "app.undo": _undo,
    "audit.undo": _undo_of_another,
}


@pytest.mark.parametrize("name", WORDS)
async def test_what_needs_words_is_done_and_taken_back(console: Opened, relay: Relay, mail: str, name: str) -> None:
    async with console() as screen:
        screen.app.open(Place("queue", "domain:every.test"))
        await screen.sees(f"{mail}.9")
        await WORDS[name](screen, relay)
    for entry, *_ in _list(relay):
        relay.post("suppress.remove", entries=[entry])


def test_no_change_is_forgotten() -> None:
    tested = {action.id for action in ACTIONS if action.verb is not None and action.verb.name in CHANGED} | WORDS.keys()
    assert tested == {action.id for action in ACTIONS if action.group == "change"}
    assert {action.verb for action in ACTIONS if action.verb is not None} == set(VERBS)
