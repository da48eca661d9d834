"""Filing what waits by the routes of a changed configuration, in batches, beside claims."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.model import Address, Disposition
from mailtui.queue import relane


def by_domain(sender: Address, destination: str, attempts: int) -> str:
    return "smarthost" if destination == "a.test" else "mx"


def routes(office: Office) -> dict[str, tuple[str, str]]:
    rows = office.db.execute("SELECT address, destination, route FROM recipient r JOIN lane ON lane.id = r.lane")
    return {address: (destination, route) for address, destination, route in rows}


def test_rules_are_new_until_they_are_remembered(office: Office) -> None:
    assert relane.changed(office.db, "rules")
    relane.remember(office.db, "rules")
    assert not relane.changed(office.db, "rules")
    relane.remember(office.db, "others")
    assert relane.changed(office.db, "rules")


def test_what_waits_moves_and_its_new_lane_is_due(office: Office) -> None:
    office.message("u@a.test", "u@b.test")

    assert relane.refile(office.db, office.lanes, by_domain, 0) == (None, 1)

    assert routes(office) == {"u@a.test": ("a.test", "smarthost"), "u@b.test": ("b.test", "mx")}
    assert office.db.execute("SELECT due_at FROM lane WHERE route = 'smarthost'").fetchone() == (NOW,)
    assert relane.refile(office.db, office.lanes, by_domain, 0) == (None, 0), "twice is once"
    assert office.balanced()


def test_every_waiting_state_and_no_finished_one(office: Office) -> None:
    states = ("queued", "sending", "deferred", "held", "delivered", "bounced", "suppressed", "purged")
    number = office.message(*(f"{state}@a.test" for state in states))
    for n, state in enumerate(states, 1):
        office.db.execute("UPDATE recipient SET state = ? WHERE id = ? << 20 | ?", (state, number, n))

    assert relane.refile(office.db, office.lanes, by_domain, 0) == (None, 4)

    assert {address for address, (_, route) in routes(office).items() if route == "smarthost"} == {
        f"{state}@a.test" for state in states[:4]
    }
    assert office.balanced()


def test_the_rules_see_sender_and_attempts(office: Office) -> None:
    office.message("u@a.test", sender="shop@example.org")
    office.try_all("a.test", Disposition.DEFERRED)
    asked = []

    def route_of(sender: Address, destination: str, attempts: int) -> str:
        asked.append((str(sender), destination, attempts))
        return "mx"

    relane.refile(office.db, office.lanes, route_of, 0)

    assert asked == [("shop@example.org", "a.test", 1)]


def test_batches_end_where_the_next_begins(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relane, "BATCH", 3)
    for n in range(4):
        office.message(f"x{n}@a.test", f"y{n}@a.test")
    after, steps = 0, []
    while True:
        last, moved = relane.refile(office.db, office.lanes, by_domain, after)
        steps.append(moved)
        if last is None:
            break
        after = last

    assert steps == [3, 3, 2]
    assert {route for _, route in routes(office).values()} == {"smarthost"}
