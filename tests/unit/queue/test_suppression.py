"""The rows of the suppression list: what matches, what ends, who replaces whom, and that an empty list costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.queue.office import NOW, Office

from mailtui.config import SuppressionExpiry
from mailtui.model import Disposition
from mailtui.queue import suppression
from mailtui.queue.prune import Keep, drop_old_rows
from mailtui.queue.reader import Reader
from mailtui.queue.suppression import Suppressions, key
from mailtui.suppressions import RELAY, Suppression, Wanted
from mailtui.views import moment

DAY = 86400.0
EXPIRY = SuppressionExpiry()


def entry(name: str, source: str = "root", reason: str = "manual", days: float | None = 1.0) -> Suppression:
    expires = None if days is None else moment(NOW + days * DAY)
    return Suppression(
        name, reason, source, moment(NOW), expires, "550 no", "mx.d.test", moment(NOW), "1QHQZRES.2", "why"
    )


@pytest.fixture
def db(office: Office) -> Iterator[Office]:
    office.db.execute("BEGIN")
    yield office
    office.db.execute("ROLLBACK")


def put(office: Office, *entries: Suppression) -> Suppressions:
    suppressions = Suppressions()
    assert all(suppressions.put(office.db, item) for item in entries)
    return suppressions


def test_what_is_put_is_what_is_found(db: Office) -> None:
    for days in (1.0, None):
        wanted = entry("a@d.test", days=days)
        assert put(db, wanted).find(db.db, "a@d.test", NOW) == wanted


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("Bob.Smith@d.test", "bob.smith@d.test"),
        ("BOB.SMITH@D.TEST", "bob.smith@d.test"),
        ("bobsmith@d.test", None),
        ("bob.smith+x@d.test", None),
        ("anybody@all.test", "@all.test"),
        ("bob@all.test", "bob@all.test"),
        ("x@sub.all.test", None),
        ("x@notall.test", None),
        ("JOSÉ@d.test", None),
        ("José@D.test", "josé@d.test"),
        ('"a@b"@d.test', '"a@b"@d.test'),
        ('"x@all.test"@d.test', None),
        ("postmaster", None),
    ],
)
def test_an_entry_matches_its_address_or_its_whole_domain(db: Office, address: str, found: str | None) -> None:
    names = ("bob.smith@d.test", "@all.test", "bob@all.test", "josé@d.test", '"a@b"@d.test')
    hit = put(db, *map(entry, names)).find(db.db, address, NOW)
    assert (hit and hit.entry) == found


@given(st.text(min_size=1, max_size=30))
def test_a_key_is_stable_and_changes_only_ascii_capitals(text: str) -> None:
    assert key(key(text)) == key(text)
    assert key(text) == "".join(c.lower() if c.isascii() else c for c in text)


def test_what_has_ended_does_not_match_and_is_pruned(db: Office) -> None:
    suppressions = put(db, entry("a@d.test", days=1), entry("@d.test", days=2), entry("b@d.test", days=None))
    hit = suppressions.find(db.db, "a@d.test", NOW + DAY)
    assert hit is not None and hit.entry == "@d.test"
    assert suppressions.find(db.db, "a@d.test", NOW + 2 * DAY) is None

    assert drop_old_rows(db.db, Keep(DAY, 0, DAY), NOW + 2 * DAY).rows == 2
    assert db.db.execute("SELECT entry FROM suppression").fetchall() == [("b@d.test",)]


def test_the_relay_does_not_replace_what_an_operator_decided(db: Office) -> None:
    suppressions = put(db, entry("a@d.test", "root", days=1))
    fact = entry("a@d.test", RELAY, "no-such-user", days=90)
    assert not suppressions.put(db.db, fact)
    hit = suppressions.find(db.db, "a@d.test", NOW)
    assert hit is not None and hit.source == "root"

    later = Suppression("a@d.test", "moved", RELAY, moment(NOW + 2 * DAY), None)
    assert suppressions.put(db.db, later), "what has ended was decided for a time that is over"
    assert suppressions.put(db.db, Suppression("a@d.test", "manual", "root", moment(NOW), None)), "an operator may"


def test_a_rollback_is_forgotten(office: Office) -> None:
    suppressions = Suppressions()
    assert suppressions.empty(office.db)
    office.db.execute("BEGIN")
    suppressions.put(office.db, entry("a@d.test"))
    assert not suppressions.empty(office.db)
    office.db.execute("ROLLBACK")
    suppressions.forget()
    assert suppressions.empty(office.db)


def test_the_look_up_uses_its_index_and_an_empty_list_is_not_asked(office: Office) -> None:
    plan = office.db.execute(f"EXPLAIN QUERY PLAN {suppression._FIND}", ("a", "b", NOW)).fetchall()
    assert all("SEARCH suppression USING INDEX" in row[3] for row in plan)
    asked: list[str] = []
    suppressions = Suppressions()
    suppressions.empty(office.db)
    office.db.set_trace_callback(asked.append)
    for n in range(1000):
        suppressions.find(office.db, f"u{n}@d.test", NOW)
    office.db.set_trace_callback(None)
    assert asked == []


# ---------------------------------------------------------------------- making entries stand as they are wanted


def merge(office: Office, *wanted: Wanted, dry_run: bool = False, now: float = NOW) -> list[str]:
    found = Suppressions().merge(office.db, wanted, EXPIRY, "root", now, dry_run)
    return [f"{difference.change} {difference.entry}" for difference in found]


def stands(office: Office, name: str, now: float = NOW) -> Suppression:
    hit = Suppressions().find(office.db, name, now)
    assert hit is not None
    return hit


def test_a_new_entry_ends_by_its_reason(db: Office) -> None:
    assert merge(db, Wanted("a@d.test"), Wanted("b@d.test", "moved"), Wanted("c@d.test", "complaint")) == [
        "add a@d.test", "add b@d.test", "add c@d.test",
    ]  # fmt: skip
    assert [stands(db, f"{name}@d.test").expires for name in "abc"] == [None, moment(NOW + 90 * DAY), None]
    assert (stands(db, "a@d.test").reason, stands(db, "a@d.test").source) == ("manual", "root")


def test_what_is_left_out_stays_as_it_is(db: Office) -> None:
    was = entry("a@d.test", RELAY, "no-such-user", 5)
    put(db, was)
    assert merge(db, Wanted("a@d.test")) == ["same a@d.test"]
    assert stands(db, "a@d.test") == was
    assert merge(db, Wanted("a@d.test", note="really"), now=NOW + DAY) == ["change a@d.test"]
    now = stands(db, "a@d.test", NOW + DAY)
    assert (now.reason, now.expires, now.evidence, now.host, now.id) == (
        was.reason, was.expires, was.evidence, was.host, was.id,
    )  # fmt: skip
    assert (now.source, now.note, now.created) == ("root", "really", moment(NOW + DAY))


def test_another_reason_brings_its_own_end(db: Office) -> None:
    put(db, entry("a@d.test", RELAY, "no-such-user", 5))
    assert merge(db, Wanted("a@d.test", "null-mx")) == ["change a@d.test"]
    assert stands(db, "a@d.test").expires == moment(NOW + 30 * DAY)


def test_ends_that_are_given_count(db: Office) -> None:
    soon = moment(NOW) + timedelta(hours=1)
    wanted = (
        Wanted("a@d.test", "moved", soon),
        Wanted("b@d.test", "moved", None),
        Wanted("c@d.test", expires=moment(NOW)),
    )
    assert merge(db, *wanted) == ["add a@d.test", "add b@d.test", "past c@d.test"]
    assert (stands(db, "a@d.test").expires, stands(db, "b@d.test").expires) == (soon, None)
    assert merge(db, *wanted) == ["same a@d.test", "same b@d.test", "past c@d.test"]


def test_a_dry_run_changes_nothing(db: Office) -> None:
    put(db, entry("a@d.test"))
    assert merge(db, Wanted("a@d.test", "moved"), Wanted("b@d.test"), dry_run=True) == [
        "change a@d.test",
        "add b@d.test",
    ]
    assert db.db.execute("SELECT entry, reason FROM suppression").fetchall() == [("a@d.test", "manual")]


def test_the_last_of_several_counts(db: Office) -> None:
    assert merge(db, Wanted("a@d.test", "moved"), Wanted("a@d.test", "null-mx")) == ["add a@d.test"]
    assert stands(db, "a@d.test").reason == "null-mx"


def test_removing_tells_what_stood_there(db: Office) -> None:
    put(db, entry("a@d.test"), entry("@d.test"), entry("old@d.test", days=0.5))
    gone = suppression.remove(db.db, ["a@d.test", "old@d.test", "never@d.test"], NOW + DAY / 2)
    assert [row.entry for row in gone] == ["a@d.test"]
    assert db.db.execute("SELECT entry FROM suppression").fetchall() == [("@d.test",)]


# ---------------------------------------------------------------------- reads


async def test_pages_follow_each_other(office: Office, reader: Reader) -> None:
    put(office, *(entry(f"u{n}@d.test") for n in range(5)), entry("@d.test"), entry("old@d.test", days=0.5))
    first = await suppression.page(reader, NOW + DAY / 2, 4)
    assert [row.entry for row in first.rows] == ["@d.test", "u0@d.test", "u1@d.test", "u2@d.test"]
    rest = await suppression.page(reader, NOW + DAY / 2, 4, first.after or "")
    assert ([row.entry for row in rest.rows], rest.after) == (["u3@d.test", "u4@d.test"], None)


async def test_a_look_up_shows_the_address_before_its_domain(office: Office, reader: Reader) -> None:
    put(office, entry("u@d.test"), entry("@d.test"))
    assert [row.entry for row in await suppression.lookup(reader, "u@d.test", NOW)] == ["u@d.test", "@d.test"]
    assert [row.entry for row in await suppression.lookup(reader, "@d.test", NOW)] == ["@d.test"]
    assert await suppression.lookup(reader, "u@e.test", NOW) == ()


async def test_recipients_that_entries_are_for_are_counted_once(office: Office, reader: Reader) -> None:
    office.message("A@one.test", "b@one.test", "c@two.test", "d@two.test", "e@three.test")
    office.message("a@one.test")
    office.message("c@two.test")
    office.try_all("two.test", Disposition.DELIVERED)
    for entries, n in (
        ([], 0),
        (["a@one.test"], 2),
        (["a@one.test", "e@three.test", "b@nowhere.test", "e@one.test"], 3),
        (["@one.test", "a@one.test", "e@three.test"], 4),
        (["@two.test", "c@two.test"], 0),
    ):
        assert await suppression.waiting(reader, entries) == n, entries
