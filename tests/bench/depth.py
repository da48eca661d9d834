"""A deep queue without sending it: a queue file with a million deferred recipients, made through SQL and the shipped schema.

Owned here: what a long bad day leaves behind, and keeping it. 10,000 destinations with a long tail (the first has a tenth of everything)
behind 200 sites, 40 kinds of replies from the corpus of real ones, 40 senders, 8 users, a day of attempts and of counts by minute. The
triggers of the schema keep counters and tally, as they do for mail that comes in. One message in ten is 4 KiB, the others are short.
There are no transcripts and nothing finished. Nothing is due for three quarters of an hour, then about as much each hour until ten hours
are over; so a file is only as good as it is young, and `made` makes it anew when it is older than half an hour.

`python -m tests.bench.depth /path/to/queue.sqlite3` makes one; `copied` puts it into a data directory, with the sizes as they are.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.table import progress
from tests.kit.processes import wait_until
from tests.kit.relay import Relay

from mailtui.delivery.classify import classify
from mailtui.delivery.fingerprint import fingerprint
from mailtui.model import CONTENT_BITS, ID_EPOCH, Disposition, Reply, Stage, Verdict, recipient_row
from mailtui.queue import aging, hours
from mailtui.queue.database import FILE, open_reader, open_writer

RECIPIENTS: Final = 1_000_000
DESTINATIONS: Final = 10_000
SITES: Final = 200
KINDS: Final = 40
SENDERS: Final = 40
USERS: Final = 8
#: Seconds: from when until when what waits is tried next, over which it came in, and until when a file is young.
SOON, LATE, DAY, YOUNG = 2700.0, 36_000.0, 86_400.0, 1800.0
#: Where a queue file of this kind is kept unless told otherwise.
CACHE: Final = Path("/tmp/mailtui-depth")

_CORPUS: Final = Path(__file__).parents[1] / "data" / "replies.tsv"
_STAGES: Final = {"banner": Stage.GREETING, "dot": Stage.FINAL_DOT}
_BATCH: Final = 10_000
_LARGE, _SMALL = 4096, 300

_MESSAGE: Final = (
    "INSERT INTO message (id, phase, received_at, sender, size, header_from, subject, message_id, listener, kind, user, client,"
    " helo, protocol, signature, unfinished) VALUES (?, 'stored',"
    " ?, ?, ?, ?, ?, ?, '127.0.0.1:2525', 'relay', ?, ?, 'client.test', 'ESMTP', x'', ?)"
)
_RECIPIENT: Final = (
    "INSERT INTO recipient (id, address, lane, state, next_attempt, expires_at, attempts, code, enhanced, text, class, fingerprint, host,"
    " changed_at) VALUES (?, ?, ?, 'deferred', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ATTEMPT: Final = (
    "INSERT INTO attempt (recipient, n, started, ended, stage, disposition, class, fingerprint, host, address, code, enhanced,"
    " text, timings) VALUES (?, ?, ?, ?, ?, 'deferred', ?, ?, ?, '192.0.2.1', ?, ?, ?, ?)"
)
_TIMINGS: Final = json.dumps({"mail": 12, "rcpt": 30})


class Kind(NamedTuple):
    """A reply that defers, with its row among the fingerprints."""

    number: int
    stage: Stage
    reply: Reply
    verdict: Verdict


class Lane(NamedTuple):
    """A destination: its row, name, the host that answers for it, and what that says (the first more often)."""

    number: int
    destination: str
    host: str
    kinds: tuple[Kind, ...]


def main() -> None:
    """Make one and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--recipients", type=int, default=RECIPIENTS)
    options = parser.parse_args()
    print(f"{make(options.path, options.recipients).stat().st_size / 1e6:.0f} MB")


def made(directory: Path = CACHE, recipients: int = RECIPIENTS) -> Path:
    """The queue file of that depth, kept in `directory`; made when there is none or when it is too old."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"queue-{recipients}.sqlite3"
    if not path.exists() or time.time() - path.stat().st_mtime > YOUNG:
        part = path.with_suffix(".part")
        make(part, recipients)
        part.rename(path)
    return path


def copied(source: Path, data_dir: Path) -> Path:
    """The same queue in a data directory of its own."""
    data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    return Path(shutil.copyfile(source, data_dir / FILE))


def wait_until_filed(relay: Relay, timeout: float = 300.0) -> None:
    """Until a relay that runs on it has filed what waits by its routes: those of the run are new to the file."""
    db = open_reader(relay.data / FILE)
    try:
        wait_until(
            lambda: db.execute("SELECT 1 FROM setting WHERE name = 'routes'").fetchone(),
            "the queue to be filed",
            timeout,
        )
    finally:
        db.close()


def make(path: Path, recipients: int = RECIPIENTS) -> Path:
    """Fill a new file."""
    began = time.monotonic()
    path.unlink(missing_ok=True)
    db = open_writer(path)
    for pragma in (
        "journal_mode = off",
        "synchronous = 0",
        "cache_size = -1000000",
    ):  # nobody else, and it can be made again
        db.execute(f"PRAGMA {pragma}")
    db.execute("BEGIN")
    now, chance = time.time(), random.Random(0)
    lanes = _lanes(db, chance, _kinds(db, now))
    history = History(now)
    for count, batch in enumerate(_messages(chance, lanes, recipients, now)):
        _write(db, batch, history)
        if count % 10 == 9:
            progress(f"{(count + 1) * _BATCH} messages, {time.monotonic() - began:.0f} s")
    db.execute(
        "UPDATE lane SET due_at = (SELECT min(next_attempt) FROM recipient WHERE lane = lane.id AND state IN ('queued', 'deferred'))"
    )
    history.write(db, chance, lanes, recipients)
    aging.recount(db)  # as a relay has it that has run all day
    db.execute("COMMIT")
    _sum_up(db, path, now)
    db.execute("PRAGMA journal_mode = wal")
    db.close()
    progress(f"{recipients} recipients in {time.monotonic() - began:.0f} s")
    return path


# --- who is out there


def _kinds(db: sqlite3.Connection, now: float) -> list[Kind]:
    """Replies of the corpus that defer, each of another kind."""
    found: dict[str, Kind] = {}
    with _CORPUS.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            reply = Reply(int(line["code"] or 0), line["enhanced"], line["text"].replace("\\n", "\n"))
            stage = _STAGES.get(line["stage"]) or Stage(line["stage"])
            verdict = classify(stage, reply) if 400 <= reply.code < 500 else None
            if verdict is None or verdict.disposition is not Disposition.DEFERRED:
                continue
            found.setdefault(fingerprint(reply), Kind(len(found) + 1, stage, reply, verdict))
            if len(found) == KINDS:
                break
    db.executemany(
        "INSERT INTO fingerprint (id, text, class, sample, sentence, first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(k.number, t, k.verdict.class_, str(k.reply), k.verdict.sentence, now - DAY, now) for t, k in found.items()],
    )
    return list(found.values())


def _lanes(db: sqlite3.Connection, chance: random.Random, kinds: Sequence[Kind]) -> list[Lane]:
    """Destinations, the commonest first. The first twenty sites are providers that answer for most of them."""
    db.executemany(
        "INSERT INTO site (id, name, last_failure) VALUES (?, ?, ?)",
        [(site, f"mx.site{site:03}.test", time.time()) for site in range(1, SITES + 1)],
    )
    weights = [1 / site for site in range(1, SITES + 1)]
    said = [tuple(chance.sample(kinds, 5)) for _ in range(SITES)]
    lanes = []
    for number in range(1, DESTINATIONS + 1):
        site = number if number <= SITES else chance.choices(range(1, SITES + 1), weights)[0]
        lanes.append(Lane(number, f"d{number:05}.example", f"mx.site{site:03}.test", said[site - 1]))
        db.execute(
            "INSERT INTO lane (id, destination, route, site) VALUES (?, ?, 'mx', ?)",
            (number, lanes[-1].destination, site),
        )
    return lanes


# --- what waits


class Batch(NamedTuple):
    """Rows, by table."""

    messages: list[tuple[object, ...]]
    contents: list[tuple[int, bytes]]
    recipients: list[tuple[object, ...]]
    attempts: list[tuple[object, ...]]
    tried: list[tuple[int, int, int]]  # minute, lane, fingerprint


def _messages(chance: random.Random, lanes: Sequence[Lane], recipients: int, now: float) -> Iterator[Batch]:
    """Messages of one recipient, every tenth of three, until there are so many recipients."""
    weights = list(itertools.accumulate(1 / lane.number for lane in lanes))
    left, number = recipients, int((now - DAY - ID_EPOCH) * 1000)
    step = int(DAY * 1000 / recipients)
    place = 0
    while left:
        batch = Batch([], [], [], [], [])
        chosen = iter(chance.choices(lanes, cum_weights=weights, k=3 * _BATCH))
        for _ in range(_BATCH):
            count = min(left, 3 if place % 10 == 9 else 1)
            if not count:
                break
            number, place, left = number + step * count, place + 1, left - count
            _message(batch, chance, number, place, [next(chosen) for _ in range(count)], now)
        yield batch


def _message(batch: Batch, chance: random.Random, number: int, place: int, to: Sequence[Lane], now: float) -> None:
    received, sender = ID_EPOCH + number / 1000, int(chance.random() ** 2 * SENDERS)
    size = _LARGE if place % 10 == 0 else _SMALL
    address = f"news{sender}@src{sender % 5}.test"
    batch.messages.append(
        (
            *(number, received, address, size, address, f"Report {place} of the day", f"<{number}.{place}@src.test>"),
            *(f"user{sender % USERS}", f"10.0.4.{sender}", len(to)),
        )
    )
    head = f"From: {address}\r\nSubject: Report {place} of the day\r\nMessage-ID: <{number}.{place}@src.test>\r\n\r\n"
    batch.contents.append((number << CONTENT_BITS, (head + "It is only a line.\r\n" * 250).encode()[:size]))
    for n, lane in enumerate(to, 1):
        _recipient(batch, chance, recipient_row(number, n), received, lane, now)


def _recipient(batch: Batch, chance: random.Random, row: int, received: float, lane: Lane, now: float) -> None:
    attempts, last = 1 + int(chance.random() * 3), received
    kind = lane.kinds[int(chance.random() ** 2 * len(lane.kinds))]
    code, enhanced, text = kind.reply.code, kind.reply.enhanced, kind.reply.text
    for n in range(1, attempts + 1):
        last = last + (now - last) * (chance.random() if n > 1 else 0.001)
        batch.attempts.append(
            (
                row,
                n,
                last - 1,
                last,
                kind.stage,
                kind.verdict.class_,
                kind.number,
                lane.host,
                code,
                enhanced,
                text,
                _TIMINGS,
            )
        )
        batch.tried.append((int(last // 60), lane.number, kind.number))
    next_attempt = now + SOON + chance.random() * (LATE - SOON)
    batch.recipients.append(
        (
            *(row, f"u{row % 99991}@{lane.destination}", lane.number, next_attempt, received + 5 * DAY, attempts),
            *(code, enhanced, text, kind.verdict.class_, kind.number, lane.host, last),
        )
    )


def _write(db: sqlite3.Connection, batch: Batch, history: History) -> None:
    db.executemany(_MESSAGE, batch.messages)
    db.executemany("INSERT INTO content (id, chunk) VALUES (?, ?)", batch.contents)
    db.executemany(_RECIPIENT, batch.recipients)
    db.executemany(_ATTEMPT, batch.attempts)
    history.failures.update(batch.tried)


# --- what happened


class History:
    """The counts by minute of the day: every failure of what waits, and some deliveries."""

    def __init__(self, now: float) -> None:
        self.failures: Counter[tuple[int, int, int]] = Counter()
        self._now = now

    def write(self, db: sqlite3.Connection, chance: random.Random, lanes: Sequence[Lane], recipients: int) -> None:
        """All of it."""
        rows = sorted((*key, n) for key, n in self.failures.items())
        db.executemany("INSERT INTO failure (minute, lane, fingerprint, deferred) VALUES (?, ?, ?, ?)", rows)
        db.execute(
            "INSERT INTO sample (minute, lane, deferred) SELECT minute, lane, sum(deferred) FROM failure GROUP BY 1, 2"
        )
        last = int(self._now // 60)
        minutes = range(last - 1440, last)
        for minute in minutes:
            delivered = chance.sample(range(1, len(lanes) + 1), 100)
            db.executemany(
                "INSERT INTO sample (minute, lane, delivered) VALUES (?, ?, 3) ON CONFLICT DO UPDATE SET delivered = 3",
                [(minute, lane) for lane in delivered],
            )
        db.executemany(
            "INSERT INTO moment (minute, queued, sending, deferred, held, accepted, delivered, deferrals, bounced, delays)"
            " VALUES (?, 0, 0, ?, 0, ?, 300, 1000, 0, '{\"10\": 300}')",
            [(minute, recipients * i // 1440, recipients // 1440) for i, minute in enumerate(minutes)],
        )


def _sum_up(db: sqlite3.Connection, path: Path, now: float) -> None:
    """The hours of the day, as the pruner does it."""
    while (hour := hours.next_hour(db, now)) is not None:
        hours.write(db, hours.gather(path, hour))


if __name__ == "__main__":
    main()
