"""Giving lanes back: lifetime exactly, turns spread, nothing lost or repeated wherever it is broken off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.queue import actions, rerouting, restraints, resuming, suspension, undo, verbs
from mailtui.queue.actions import Entry
from mailtui.queue.lanes import DueLane, enter_site, settle_due
from mailtui.queue.shape import Restraint
from mailtui.queue.suspension import Halt
from mailtui.queue.undo import Undoing
from mailtui.queue.verbs import Change, Verb

LIFETIME = 432000.0
BEGAN = NOW - 3600.0  # of the suspension


def halt(kind: str = "destination", name: str = "d.test", since: float = BEGAN) -> Halt:
    return Halt(kind, name, since, None, "root", "moving")  # type: ignore[arg-type]


def lives(office: Office, order: str = "id") -> list[float]:
    """How much longer than its lifetime each recipient lives, in seconds."""
    rows = office.db.execute(
        f"SELECT r.expires_at - m.received_at FROM recipient r JOIN message m ON m.id = r.id >> 20 ORDER BY r.{order}"
    )
    return [round(row[0] - LIFETIME, 2) for row in rows]


def turns(office: Office) -> list[float]:
    rows = office.db.execute("SELECT next_attempt FROM recipient WHERE state IN ('queued', 'deferred') ORDER BY id")
    return [row[0] for row in rows]


def give_back(office: Office, most: int = 1000) -> list[DueLane]:
    back: list[DueLane] = []
    for _ in range(most):
        some = resuming.step(office.db, lambda: 0.5)
        if some is None:
            break
        back += some
    return back


def end(office: Office, ended: Halt, now: float = NOW) -> None:
    suspension.remove(office.db, ended)
    resuming.begin(office.db, now)


def test_lifetime_moves_by_the_time_somebody_was_kept(office: Office) -> None:
    office.message("old@d.test", age=7200)
    office.message("young@d.test", age=600)
    office.message("else@e.test", age=7200)
    suspension.put(office.db, halt())
    end(office, halt())

    (back,) = give_back(office)

    assert back.destination == "d.test"
    assert lives(office) == [3600.0, 0.0, 600.0], "old, else, young"
    assert office.db.execute("SELECT count(*) FROM lane WHERE suspended_since IS NOT NULL").fetchone() == (0,)


def test_what_is_planned_for_later_keeps_its_time_and_gains_its_lifetime(office: Office) -> None:
    office.message("later@d.test", age=7200)
    office.db.execute("UPDATE recipient SET state = 'deferred', next_attempt = ?", (NOW + 900,))
    settle_due(office.db, 1)
    suspension.put(office.db, halt())
    end(office, halt())
    give_back(office)

    assert turns(office) == [NOW + 900]
    assert lives(office) == [3600.0]
    assert office.due_at("d.test") == NOW + 900


def test_many_that_are_due_come_back_over_time_the_longest_due_first(office: Office) -> None:
    for n in range(5):
        office.message(*(f"x{n}.{i}@d.test" for i in range(200)), age=7200 - n)
    suspension.put(office.db, halt())
    end(office, halt())
    give_back(office)

    waits = [at - NOW for at in turns(office)]
    assert max(waits) == pytest.approx(1000 / resuming.RATE, abs=1)
    assert waits == sorted(waits), "the oldest first"
    assert sum(wait < 5 for wait in waits) == pytest.approx(5 * resuming.RATE, abs=2)


def test_a_backlog_of_any_size_is_back_within_the_spread(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "SPREAD", 10.0)
    office.message(*(f"{i}@d.test" for i in range(900)), age=7200)
    suspension.put(office.db, halt())
    end(office, halt())
    give_back(office)

    assert max(turns(office)) - NOW == pytest.approx(10.0, abs=0.1)


def test_few_come_back_at_once(office: Office) -> None:
    office.message(*(f"{i}@d.test" for i in range(resuming.BURST)), age=7200)
    suspension.put(office.db, halt())
    end(office, halt())
    give_back(office)

    assert max(turns(office)) - NOW < 0.01


@pytest.mark.parametrize("steps", range(1, 8))
def test_broken_off_anywhere_it_goes_on_where_it_was(
    office: Office, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Each step is a transaction; what is remembered of it is in it."""
    monkeypatch.setattr(resuming, "BATCH", 7)
    monkeypatch.setattr(resuming, "BURST", 5)
    monkeypatch.setattr(resuming, "RATE", 0.1)  # turns fall among what is planned for later
    office.message(*(f"due{i}@d.test" for i in range(20)), age=7200)
    office.message(*(f"later{i}@d.test" for i in range(20)), age=7200)
    office.db.execute(
        "UPDATE recipient SET next_attempt = ? + 60 * (id % 3), state = 'deferred' WHERE address LIKE 'later%'",
        (NOW + 60,),
    )
    suspension.put(office.db, halt())
    end(office, halt())
    for _ in range(steps):
        resuming.step(office.db)
    office.db.execute("BEGIN")
    resuming.step(office.db)
    office.db.execute("ROLLBACK")
    shut = suspension.Gate().shut(office.db, 1, NOW)
    left = office.db.execute("SELECT count(*) FROM resuming").fetchone()[0]
    assert shut == bool(left), "nothing is claimed before the last of them is done"

    resuming.begin(office.db, NOW + 10)
    give_back(office)
    assert lives(office) == [3600.0] * 40
    assert resuming.step(office.db) is None


def test_two_suspensions_at_once_are_one_time(office: Office) -> None:
    office.message("one@d.test", age=7200)
    suspension.put(office.db, halt())
    suspension.put(office.db, halt("delivery", "", NOW - 1800))
    end(office, halt(), NOW - 900)
    assert give_back(office) == [] and suspension.Gate().shut(office.db, 1, NOW)
    end(office, halt("delivery", "", NOW - 1800))

    assert len(give_back(office)) == 1
    assert lives(office) == [3600.0]


def test_suspended_again_while_it_came_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "BATCH", 5)
    office.message(*(f"{i}@d.test" for i in range(12)), age=7200)
    suspension.put(office.db, halt())
    end(office, halt(), NOW - 1000)
    resuming.step(office.db)
    suspension.put(office.db, halt(since=NOW - 900))

    assert give_back(office) == []
    assert suspension.Gate().shut(office.db, 1, NOW)
    end(office, halt(since=NOW - 900))
    give_back(office)
    assert lives(office) == [3600.0] * 12


def test_what_was_held_meanwhile_has_not_aged_either(office: Office) -> None:
    message = office.message("one@d.test", age=7200)
    row = message << 20 | 1
    suspension.put(office.db, halt())
    verbs.apply(office.db, Change(Verb.HOLD, [row], NOW - 1800, "root"))
    end(office, halt(), NOW - 600)
    give_back(office)
    assert lives(office) == [1800.0]
    verbs.apply(office.db, Change(Verb.RELEASE, [row], NOW, "root"))
    assert lives(office) == [3600.0]


def test_a_lane_made_while_it_was_suspended_comes_back_too(office: Office) -> None:
    suspension.put(office.db, halt())
    office.message("new@d.test", age=60)
    end(office, halt())

    assert len(give_back(office)) == 1
    assert lives(office) == [60.0]


def test_many_lanes_are_given_back_in_small_transactions(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "LANES", 4)
    for n in range(10):
        office.message(f"a@d{n}.test", age=7200)
    everything = halt("delivery", "")
    suspension.put(office.db, everything)
    end(office, everything)

    counts = []
    while (back := resuming.step(office.db)) is not None:
        counts.append(len(back))
    assert counts == [4, 4, 2]
    assert lives(office) == [3600.0] * 10


# ---------------------------------------------------------------------- nothing is given back twice


@pytest.mark.parametrize("hold", (-5400.0, -1800.0))
@pytest.mark.parametrize("release", (-1200.0, -300.0, 0.0))
def test_held_and_suspended_at_once_are_one_time(office: Office, hold: float, release: float) -> None:
    """Held before or during the suspension, released before or behind its end (at -600)."""
    row = office.message("one@d.test", age=7200) << 20 | 1
    for at, step in sorted([(hold, Verb.HOLD), (-3600.0, "suspend"), (-600.0, "resume"), (release, Verb.RELEASE)]):
        if step == "suspend":
            suspension.put(office.db, halt())
        elif step == "resume":
            end(office, halt(), NOW + at)
            give_back(office)
        else:
            verbs.apply(office.db, Change(Verb(step), [row], NOW + at, "root"))

    assert lives(office) == [max(release, -600.0) - min(hold, -3600.0)]


@pytest.mark.parametrize("verb", (Verb.HOLD, Verb.PURGE))
@pytest.mark.parametrize("later", (0.0, 86400.0))
@pytest.mark.parametrize("undone", (-1200.0, -300.0))
def test_what_is_undone_in_or_after_a_suspension_has_lived_through_it_once(
    office: Office, verb: Verb, later: float, undone: float
) -> None:
    """Suspended from -3600 to -600, set aside at -1800; it ages while it is set aside, as long as it has a day left."""
    row = office.message("one@d.test", age=7200) << 20 | 1
    office.db.execute("UPDATE recipient SET next_attempt = next_attempt + ?", (later,))
    suspension.put(office.db, halt())
    action = actions.begin(office.db, Entry(NOW - 1800, "root", verb.value), 1)
    verbs.apply(office.db, Change(verb, [row], NOW - 1800, "root", action=action))
    back = Undoing(action, verb, action + 1, row, row, NOW + undone, "root")
    if undone < -600:
        undo.restore(office.db, back)
    end(office, halt(), NOW - 600)
    give_back(office)
    if undone > -600:
        undo.restore(office.db, back)

    given = 3000.0 if undone < -600 else 1800.0
    assert lives(office) == [given]


def test_sent_another_way_out_of_a_suspension_it_keeps_what_that_took(office: Office) -> None:
    """And it is given nothing for the time in which it was not there."""
    row = office.message("one@d.test", age=7200) << 20 | 1
    office.db.execute("BEGIN")
    suspension.put(office.db, halt())
    rerouting.move(office.db, [row], "smarthost s.example:25", NOW - 1800)
    assert suspension.Gate().shut(office.db, 2, NOW)
    end(office, halt(), NOW - 600)
    give_back(office)
    assert lives(office) == [3000.0]

    enter_site(office.db, 1, "mx")
    suspension.put(office.db, halt("site", "mx", NOW - 500))
    rerouting.move(office.db, [row], "mx", NOW - 300)
    rerouting.move(office.db, [row], "smarthost s.example:25", NOW - 100)
    end(office, halt("site", "mx", NOW - 500))
    give_back(office)
    assert lives(office) == [3200.0]
    office.db.execute("COMMIT")


PAUSES = (
    (-7000.0, -300.0),
    (-7000.0, -2000.0),
    (-2000.0, -300.0),
    (-3000.0, -1000.0),
    (-3000.0, -600.0),
    (-7000.0, -600.0),
)


def paused(office: Office, began: float, until: float) -> None:
    enter_site(office.db, 1, "mx")
    restraints.save(
        office.db, Restraint("mx", "rule", began, until, 2, "421 busy", "throttled", "mx", paused=True), began
    )


def pause_over(office: Office) -> Iterator[None]:
    """The two transactions of `Throttle` after the time of the pause."""
    while restraints.credit(office.db, "mx", "rule", (LIFETIME, LIFETIME)):
        yield
    yield
    assert restraints.end(office.db, "mx", "rule", NOW)


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("order", ("pause first", "resume first"))
def test_a_pause_of_its_site_and_a_suspension_at_once_are_one_time(
    office: Office, pause: tuple[float, float], order: str
) -> None:
    """Suspended from -3600 to -600, and paused by a rule; what ends in the same moment is ended in one order or the other."""
    office.message("one@d.test", age=7200)
    paused(office, NOW + pause[0], NOW + pause[1])
    ends = [(-600.0, order == "pause first", "resume"), (pause[1], order == "resume first", "pause over")]
    for _, _, step in sorted([(-3600.0, False, "suspend"), *ends]):
        if step == "suspend":
            suspension.put(office.db, halt())
        elif step == "resume":
            end(office, halt(), NOW - 600)
            give_back(office)
        else:
            list(pause_over(office))
    give_back(office)

    assert lives(office) == [max(pause[1], -600.0) - min(pause[0], -3600.0)]


def test_however_the_ends_of_a_pause_and_a_suspension_fall_into_each_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R: it is resumed; S: some recipients are given back; P: a transaction of the end of the pause, all of them late."""
    monkeypatch.setattr(restraints, "BATCH", 3)
    monkeypatch.setattr(resuming, "BATCH", 1)
    office.message("one@d.test", "two@d.test", age=7200)
    for pause, order in product(PAUSES, sorted(set(permutations("RSSPP")))):
        office.db.execute("SAVEPOINT before")
        told = f"{pause}, {''.join(order)}"
        paused(office, NOW + pause[0], NOW + pause[1])
        suspension.put(office.db, halt())
        over = pause_over(office)
        for step in order:
            if step == "R":
                end(office, halt(), NOW - 600)
            elif step == "S":
                resuming.step(office.db, lambda: 0.5)
            elif pause[1] <= -600.0 or suspension.find(office.db, "destination", "d.test") is None:
                next(over, None)  # what ends after the resume is not ended before it
        list(over)
        give_back(office)

        assert lives(office) == [max(pause[1], -600.0) - min(pause[0], -3600.0)] * 2, told
        assert not resuming.waits(office.db), told
        office.db.execute("ROLLBACK TO before")
        office.db.execute("RELEASE before")
