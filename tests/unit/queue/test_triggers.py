"""The counts that triggers keep, against a recount, after any sequence of legal changes (queue/sql/001_init.sql, 010_ages.sql)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from mailtui.model import EDGES, FINISHED, ID_EPOCH, WAITING, State, recipient_row
from mailtui.queue import aging
from mailtui.queue.database import FILE, open_writer

TARGETS = {state: sorted({target for source, target in EDGES if source is state}) for state in State}
WORDS = ", ".join(f"'{state}'" for state in WAITING)


class Counts(RuleBasedStateMachine):
    """Recipients enter, move along the edges of the table, change lane and failure group, and are pruned when finished."""

    recipients = Bundle("recipients")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.db = open_writer(Path(self._folder.name) / FILE)
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.executemany(
            "INSERT INTO lane (id, destination, route) VALUES (?, ?, 'mx')", [(n, f"d{n}") for n in range(3)]
        )
        self.messages = 0  # ids rise by some minutes each
        self.now = 0.0
        self.accepted = 0

    def teardown(self) -> None:
        self.db.close()
        self._folder.cleanup()

    def state(self, row: int) -> State:
        return State(self.db.execute("SELECT state FROM recipient WHERE id = ?", (row,)).fetchone()[0])

    @rule(
        target=recipients,
        states=st.lists(st.sampled_from([State.QUEUED, State.HELD]), min_size=1, max_size=4),
        lane=st.integers(0, 2),
    )
    def accept(self, states: list[State], lane: int) -> object:
        self.messages += 400_000
        self.accepted += len(states)
        self.db.execute(
            "INSERT INTO message (id, phase, received_at, unfinished) VALUES (?, 'stored', 0, ?)",
            (self.messages, len(states)),
        )
        rows = [recipient_row(self.messages, n) for n in range(1, len(states) + 1)]
        self.db.executemany(
            "INSERT INTO recipient (id, address, lane, state, next_attempt, expires_at, changed_at) VALUES (?, 'a@d', ?, ?, 0, 0, ?)",
            [(row, lane, state.value, self.now) for row, state in zip(rows, states, strict=True)],
        )
        return multiple(*rows)

    @rule(row=recipients, pick=st.integers(0, 99), lane=st.integers(0, 2), group=st.integers(0, 2))
    def move(self, row: int, pick: int, lane: int, group: int) -> None:
        """One legal step, as the outcome of an attempt is written: state, group and lane at once."""
        self.now += 1
        targets = TARGETS[self.state(row)]
        if targets:
            self.db.execute(
                "UPDATE recipient SET state = ?, fingerprint = ?, lane = ?, changed_at = ? WHERE id = ?",
                (targets[pick % len(targets)].value, group, lane, self.now, row),
            )

    @rule(row=recipients, lane=st.integers(0, 2))
    def refile(self, row: int, lane: int) -> None:
        self.db.execute("UPDATE recipient SET lane = ? WHERE id = ?", (lane, row))

    @rule(row=recipients)
    def touch(self, row: int) -> None:
        """Written again without a change."""
        self.db.execute(
            "UPDATE recipient SET state = state, lane = lane, fingerprint = fingerprint WHERE id = ?", (row,)
        )

    @rule(row=recipients)
    def undo(self, row: int) -> None:
        """A transaction that does not happen."""
        targets = TARGETS[self.state(row)]
        self.db.execute("BEGIN")
        if targets:
            self.db.execute("UPDATE recipient SET state = ?, changed_at = 1e9 WHERE id = ?", (targets[0].value, row))
        self.db.execute("ROLLBACK")

    @rule(share=st.floats(0, 1.2), step=st.integers(1, 5))
    def rest(self, share: float, step: int) -> None:
        """Some of what waits has waited for a moment."""
        aging.advance(self.db, ID_EPOCH + self.messages / 1000 * share + aging.RESTS, step)

    @rule(
        target=recipients,
        state=st.sampled_from([State.QUEUED, State.HELD]),
        lane=st.integers(0, 2),
        later=st.integers(-2, 0),
    )
    def accept_slowly(self, state: State, lane: int, later: int) -> object:
        """A message whose id was given before those of others that wait already: it arrived in parts."""
        number = self.messages + later * 400_000 - 1
        if number <= 0 or self.db.execute("SELECT 1 FROM message WHERE id = ?", (number,)).fetchone():
            return multiple()
        self.accepted += 1
        self.db.execute("INSERT INTO message (id, phase, received_at) VALUES (?, 'receiving', 0)", (number,))
        self.db.execute("UPDATE message SET phase = 'stored', unfinished = 1 WHERE id = ?", (number,))
        self.db.execute(
            "INSERT INTO recipient (id, address, lane, state, next_attempt, expires_at, changed_at) VALUES (?, 'a@d', ?, ?, 0, 0, ?)",
            (recipient_row(number, 1), lane, state.value, self.now),
        )
        return recipient_row(number, 1)

    @rule(row=consumes(recipients))
    def prune(self, row: int) -> None:
        """History goes; what it counted for stays."""
        if self.state(row) in FINISHED:
            self.db.execute("DELETE FROM recipient WHERE id = ?", (row,))

    @invariant()
    def the_ledger_holds(self) -> None:
        counts = dict(self.db.execute("SELECT name, n FROM counter"))
        assert counts.pop("accepted") == self.accepted == sum(counts.values())

    @invariant()
    def waiting_is_what_waits(self) -> None:
        counts = dict(self.db.execute("SELECT name, n FROM counter"))
        recount = dict(self.db.execute("SELECT state, count(*) FROM recipient GROUP BY state"))
        assert {state: counts[state] for state in WAITING} == {state: recount.get(state, 0) for state in WAITING}
        assert all(counts[state] >= recount.get(state, 0) for state in FINISHED)

    @invariant()
    def the_tally_is_a_recount(self) -> None:
        tally = self.db.execute(
            "SELECT lane, state, fingerprint, n FROM tally WHERE n <> 0 ORDER BY 1, 2, 3"
        ).fetchall()
        assert (
            tally
            == self.db.execute(
                "SELECT lane, state, fingerprint, count(*) FROM recipient GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall()
        )

    @invariant()
    def a_message_is_finished_when_its_last_recipient_is(self) -> None:
        recount = self.db.execute(
            f"SELECT m.id, ifnull(sum(r.state IN ({WORDS})), 0), max(r.changed_at) FROM message m"
            " LEFT JOIN recipient r ON r.id >> 20 = m.id GROUP BY m.id"
        )
        facts = {
            number: (unfinished, finished)
            for number, unfinished, finished in self.db.execute("SELECT id, unfinished, finished_at FROM message")
        }
        for number, waiting, _ in recount:
            unfinished, finished_at = facts[number]
            assert unfinished == waiting
            assert (finished_at is None) == (waiting > 0)

    @invariant()
    def ages_are_a_recount(self) -> None:
        ages = self.db.execute("SELECT lane, quarter, n FROM age WHERE n <> 0 ORDER BY 1, 2").fetchall()
        assert (
            ages
            == self.db.execute(
                f"SELECT lane, (id >> 20) / {aging.QUARTER}, count(*) FROM recipient WHERE id <= (SELECT aged FROM waiting)"
                f" AND state IN ({WORDS}) GROUP BY 1, 2 ORDER BY 1, 2"
            ).fetchall()
        )

    @invariant()
    def waiting_messages_are_counted(self) -> None:
        assert (
            self.db.execute("SELECT messages FROM waiting").fetchall()
            == self.db.execute(f"SELECT count(DISTINCT id >> 20) FROM recipient WHERE state IN ({WORDS})").fetchall()
        )


Counts.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestCounts = Counts.TestCase
