"""Back-off and decisions as laws over values."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.config import Retry
from mailtui.delivery import classify, failures
from mailtui.model import NULL_SENDER, Attempt, ClaimedRecipient, Disposition, Reply, Stage, State, Verdict
from mailtui.queue.schedule import HINT_FLOOR, Backoff, decide, site_failed

NOW = 1_790_000_000.0
STEPS = st.lists(st.floats(1, 86_400), min_size=1, max_size=8).map(lambda steps: tuple(sorted(steps)))
BACKOFFS = st.builds(Backoff, STEPS, st.floats(0, 0.9))
BUSY = Reply(451)
CHANCES = st.floats(0, 1, exclude_max=True)


def recipient(expires_at: float = NOW + 1000, attempts: int = 1) -> ClaimedRecipient:
    return ClaimedRecipient(1, NULL_SENDER, "", "", attempts, expires_at)


def attempt(verdict: Verdict, reply: Reply = BUSY, ended: float = NOW, stage: Stage = Stage.RCPT) -> Attempt:
    return Attempt(1, ended - 1, ended, stage, verdict, reply)


def verdict(
    disposition: Disposition = Disposition.DEFERRED, wait: int | None = None, scope: str = "recipient"
) -> Verdict:
    return Verdict("x", "them", disposition, "A sentence.", scope, wait)


@given(BACKOFFS, st.integers(0, 50), CHANCES)
def test_a_delay_is_its_step_give_or_take_the_jitter(backoff: Backoff, failed: int, chance: float) -> None:
    step = backoff.steps[min(max(failed, 1), len(backoff.steps)) - 1]

    delay = backoff.delay(failed, chance)

    assert step * (1 - backoff.jitter) <= delay <= step * (1 + backoff.jitter)


@given(BACKOFFS, st.integers(1, 50), CHANCES)
def test_a_further_failure_never_waits_less(backoff: Backoff, failed: int, chance: float) -> None:
    assert backoff.delay(failed + 1, chance) >= backoff.delay(failed, chance)


@given(BACKOFFS, st.integers(1, 50), CHANCES, CHANCES)
def test_a_larger_chance_waits_longer(backoff: Backoff, failed: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert backoff.delay(failed, low) <= backoff.delay(failed, high)


def test_the_middle_of_the_jitter_is_the_schedule_and_the_last_step_repeats() -> None:
    retry = Retry()
    backoff = Backoff(retry.schedule, retry.jitter)

    assert [backoff.delay(n, 0.5) for n in range(1, 10)] == [300, 600, 1200, 2400, 4800, 9600, 14400, 14400, 14400]


@given(BACKOFFS, st.one_of(st.floats(-1e9, 1e9), st.integers(-10, 10**9)), CHANCES)
def test_a_hint_is_clamped_between_half_a_minute_and_the_last_step(
    backoff: Backoff, wait: float, chance: float
) -> None:
    floor, last = min(HINT_FLOOR, backoff.steps[0]), backoff.steps[-1]

    delay = backoff.hinted(wait, chance)

    assert floor <= delay <= last * (1 + backoff.jitter / 4)
    if floor <= wait <= last:
        assert wait <= delay, "never before the time the host named"


@given(BACKOFFS, st.integers(1, 20), st.integers(0, 10**6) | st.none(), CHANCES)
def test_a_deferral_waits_as_the_hint_or_the_step_says(
    backoff: Backoff, attempts: int, wait: int | None, chance: float
) -> None:
    move = decide(recipient(NOW + 1, attempts), attempt(verdict(wait=wait)), backoff, lambda: chance)

    expected = backoff.hinted(wait, chance) if wait is not None else backoff.delay(attempts, chance)
    assert (move.state, move.next_attempt, move.expired) == (State.DEFERRED, NOW + expected, False)


@pytest.mark.parametrize(("expires_in", "state"), [(1, State.DEFERRED), (0, State.BOUNCED), (-1, State.BOUNCED)])
def test_the_lifetime_ends_with_an_attempt_after_it(expires_in: float, state: State) -> None:
    move = decide(recipient(NOW + expires_in), attempt(verdict()), Backoff((300.0,), 0.2))

    assert (move.state, move.expired) == (state, state is State.BOUNCED)


@pytest.mark.parametrize("expires_in", [-1, 1])
def test_what_was_delivered_or_refused_is_so_whenever(expires_in: float) -> None:
    for disposition, state in ((Disposition.DELIVERED, State.DELIVERED), (Disposition.BOUNCED, State.BOUNCED)):
        move = decide(recipient(NOW + expires_in), attempt(verdict(disposition, 60)), Backoff((300.0,), 0.2))
        assert (move.state, move.next_attempt, move.expired) == (state, NOW, False)


REPLIES = st.builds(
    Reply, st.integers(0, 999), st.sampled_from(["", "4.7.1", "5.1.1", "2.0.0", "9.9.9"]), st.text(max_size=60)
)


@given(st.sampled_from(Stage), REPLIES.filter(lambda reply: reply.code // 100 != 5))
def test_no_reply_but_a_5yz_bounces(stage: Stage, reply: Reply) -> None:
    """A code of 0 is our own finding; only those with a permanent enhanced code are final."""
    if reply.code // 100 == 0 and reply.enhanced.startswith("5"):
        return
    move = decide(recipient(), attempt(classify.classify(stage, reply), reply, stage=stage), Backoff((300.0,), 0.2))

    assert move.state is (State.DELIVERED if reply.positive else State.DEFERRED)


class Unheard(Exception):
    """Something nobody has thought of."""


@given(
    st.sampled_from(Stage),
    st.sampled_from([Unheard, RuntimeError, KeyError, ValueError, OSError, MemoryError, AssertionError, EOFError]),
    st.booleans(),
)
def test_what_is_not_understood_is_never_a_bounce(stage: Stage, kind: type[Exception], after_dot: bool) -> None:
    reply, judged = failures.explain(kind("?"), stage, host="mx.test", after_dot=after_dot)

    assert decide(recipient(), attempt(judged, reply, stage=stage), Backoff((300.0,), 0.2)).state is State.DEFERRED


@pytest.mark.parametrize("disposition", Disposition)
@pytest.mark.parametrize("scope", ["recipient", "destination", "site"])
def test_only_a_deferral_of_the_site_is_its_failure(disposition: Disposition, scope: str) -> None:
    assert site_failed(verdict(disposition, scope=scope)) is (scope == "site" and disposition is Disposition.DEFERRED)


def test_chance_is_asked_by_default() -> None:
    random.seed(1)
    moves = {decide(recipient(), attempt(verdict()), Backoff((300.0,), 0.2)).next_attempt - NOW for _ in range(20)}

    assert len(moves) > 1
    assert all(240 <= wait <= 360 for wait in moves)
