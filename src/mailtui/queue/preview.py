"""What a verb would do to a frozen set of recipients: counts, how they break down, and what could not be taken back.

Owned here: those reads and their sentences. Which recipients are meant was found before (`queries.freeze`); nothing is changed here.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Final, cast

import msgspec

from mailtui.model import ID_EPOCH, RECIPIENT_BITS, State
from mailtui.queue.plans import batches
from mailtui.queue.reader import Reader
from mailtui.queue.verbs import APPLIES, BOUNCE_DELAY, Verb
from mailtui.views import AGE_BOUNDS, AGE_LABELS, Preview, Share

#: Recipients looked at by one statement, and seconds it may take.
_CHUNK: Final = 20_000
_LIMIT: Final = 60.0
#: Lines of a breakdown; what is beyond them is one line more.
TOP: Final = 20
OTHER: Final = "other"

_ROWS: Final = "json_each(?) j CROSS JOIN recipient r ON r.id = j.value"
#: Suppressed, and its body is no longer there to be released.
_GONE: Final = "r.state = 'suppressed' AND NOT (SELECT m.body FROM message m WHERE m.id = r.id >> 20)"
#: Each group of alike recipients; `first` marks one recipient of every message, so that messages are counted once.
_GROUPS: Final = (
    "SELECT state, site, destination, sender, class, age, count(*), sum(first), sum(first * size) FROM"
    f" (SELECT iif({_GONE}, '', r.state) AS state,"
    " ifnull(s.name, l.destination) AS site, l.destination, m.sender, r.class, m.size, {age} AS age,"
    f" row_number() OVER (PARTITION BY r.state IN ({{states}}) AND NOT ({_GONE}), r.id >> 20 ORDER BY r.id) = 1 AS first"
    f" FROM {_ROWS} JOIN message m ON m.id = r.id >> 20 JOIN lane l ON l.id = r.lane LEFT JOIN site s ON s.id = l.site)"
    " GROUP BY 1, 2, 3, 4, 5, 6"
)
#: Messages of which a sender would be told (feedback.policy: not the null sender, not who asked for other reports only).
_DSNS: Final = (
    f"SELECT count(DISTINCT m.id) FROM {_ROWS} JOIN message m ON m.id = r.id >> 20 WHERE r.state IN ({{states}}) AND m.sender <> ''"
    " AND (r.notify = '' OR instr(upper(r.notify), 'FAILURE') > 0)"
)
#: What groups are told apart by, in the order of `_GROUPS`.
_KINDS: Final = ("state", "site", "destination", "sender", "class", "age")


class Forecast(msgspec.Struct, frozen=True):
    """Recipients a verb would change, skip (they are being sent) and fail at (it does not apply to their state)."""

    done: int = 0
    skipped: int = 0
    failed: int = 0


async def forecast(reader: Reader, verb: Verb, rows: array[int]) -> Forecast:
    """What a verb would come to if it were done now, without the breakdown."""
    by_state: Counter[str] = Counter()
    for chunk in _chunks(rows):
        found = await reader.fetch(
            f"SELECT iif({_GONE}, '', r.state), count(*) FROM {_ROWS} GROUP BY 1", (chunk,), _LIMIT
        )
        for state, n in found:
            by_state[str(state)] += cast("int", n)
    done, skipped = sum(by_state[state] for state in APPLIES[verb]), by_state[State.SENDING]
    return Forecast(done, skipped, len(rows) - done - skipped)


async def preview(reader: Reader, verb: Verb, rows: array[int], now: float, trash: float) -> Preview:
    """What a verb would do now. `trash` is how long a purge can be undone, in seconds. Filter and plan are the caller's to fill in."""
    wanted = {state.value for state in APPLIES[verb]}
    states = ", ".join(f"'{state}'" for state in sorted(wanted))
    shares: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
    done = skipped = messages = octets = dsns = 0
    for chunk in _chunks(rows):
        sql = _GROUPS.format(age=_age(now), states=states)
        for *keys, n, first, size in cast(
            "list[tuple[str, str, str, str, str, str, int, int, int]]", await reader.fetch(sql, (chunk,), _LIMIT)
        ):
            skipped += n if keys[0] == State.SENDING else 0
            if keys[0] not in wanted:
                continue
            done, messages, octets = done + n, messages + first, octets + size
            for kind, key in zip(_KINDS, keys, strict=True):
                shares[kind][key] += n
        if verb is Verb.BOUNCE:
            dsns += cast("int", (await reader.fetch(_DSNS.format(states=states), (chunk,), _LIMIT))[0][0])
    return Preview(
        verb=verb.value,
        filter="",
        matched=len(rows),
        done=done,
        skipped=skipped,
        failed=len(rows) - done - skipped,
        messages=messages,
        bytes=octets,
        by_site=_top(shares["site"]),
        by_destination=_top(shares["destination"]),
        by_sender=_top(shares["sender"]),
        by_state=_top(shares["state"]),
        by_class=_top(shares["class"]),
        by_age=tuple(Share(label, shares["age"][label]) for label in AGE_LABELS if shares["age"][label]),
        irreversible=tuple(_irreversible(verb, done, dsns, trash)),
    )


def _chunks(rows: array[int]) -> Iterator[str]:
    """The rows as JSON, a piece for each statement."""
    for start, end in batches(rows, _CHUNK):
        yield msgspec.json.encode(rows[start:end].tolist()).decode()


def _age(now: float) -> str:
    """The label of a recipient's age, by its id: the younger, the higher (model.ID_EPOCH)."""
    bounds = [max(0, int((now - ID_EPOCH - age) * 1000)) << RECIPIENT_BITS for age in AGE_BOUNDS]
    whens = " ".join(f"WHEN r.id >= {bound} THEN '{label}'" for bound, label in zip(bounds, AGE_LABELS, strict=False))
    return f"CASE {whens} ELSE '{AGE_LABELS[-1]}' END"


def _top(counter: Counter[str]) -> tuple[Share, ...]:
    """The commonest, and the rest as one."""
    order = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(n for _, n in order[TOP:])
    return tuple(Share(name, n) for name, n in [*order[:TOP], *([(OTHER, rest)] if rest else [])])


def _irreversible(verb: Verb, done: int, dsns: int, trash: float) -> Iterator[str]:
    """What an undo would not bring back, or not for long."""
    if verb is Verb.BOUNCE and dsns:
        yield f"{dsns} DSN{'s' if dsns > 1 else ''} will be sent after {BOUNCE_DELAY:g} s; until then `mailtui undo` takes the bounce back"
    if verb is Verb.BOUNCE and done and not dsns:
        yield f"nobody is told: no sender wants a DSN; `mailtui undo` takes the bounce back for {BOUNCE_DELAY:g} s"
    if verb is Verb.PURGE and done:
        yield f"after {trash / 3600:g} h in the trash the content goes; until then `mailtui undo` takes the purge back"
    if verb in (Verb.RETRY, Verb.RELEASE, Verb.REROUTE) and done:
        yield "attempts that are made are not taken back"
