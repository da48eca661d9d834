"""Plans over 100,000 recipients: how long a preview takes, how long applying and undoing, and what mail that flows meanwhile feels.

The 100,000 (one campaign, a message each) wait deferred among others for destinations behind a dead host; ordinary mail comes in over
some sessions all the time and leaves for a good destination. Every verb is previewed, applied by its plan, and undone where that brings
the set back for the next one. `accept` is the time from MAIL to the 250 of the dot of that ordinary mail while the verb is at work.
"""

from __future__ import annotations

import random
import smtplib
import sqlite3
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from tests.bench import table
from tests.bench.load import Sink
from tests.bench.table import percentile
from tests.kit.processes import free_port, rss
from tests.kit.relay import Relay, ask

from mailtui.model import CONTENT_BITS, ID_EPOCH, recipient_row
from mailtui.queue.check import check_queue
from mailtui.queue.database import FILE, open_writer

RECIPIENTS: Final = 100_000
OTHERS: Final = 0.2  # further recipients that wait, as a share of those
DESTINATIONS: Final = 100
CAMPAIGN: Final = "news@campaign.test"
FILTER: Final = f"from:{CAMPAIGN} subject~winter"
SESSIONS: Final = 4
PREVIEW, APPLY, ACCEPT = 2.0, 30.0, 500.0
_CONTENT: Final = (
    b"From: app@src.test\r\nTo: probe@good.test\r\nSubject: order\r\n\r\n" + b"How long does this take?\r\n" * 80
)
_LIMIT: Final = 900.0


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.set_defaults(rounds=1)
    parser.add_argument("--verbs", nargs="*", default=list(STEPS), help="only these, in this order")
    options = parser.parse_args()
    count = table.scaled(RECIPIENTS, options.scale, 200)
    rows: list[list[object]] = []
    with ExitStack() as stack:
        sink, dead = stack.enter_context(Sink()), free_port()
        other = f"127.0.0.1:{free_port()}"
        routes = [
            {"match": "*.bulk.test", "to": f"127.0.0.1:{dead}"},
            {"match": "other.test", "to": other},
            {"to": f"127.0.0.1:{sink.port}"},
        ]
        relay = Relay({"route": routes, "control": {"max_purge": 10 * RECIPIENTS}})
        began = time.monotonic()
        fill(relay.data / FILE, count, f"127.0.0.1:{dead}")
        table.progress(
            f"{count} recipients of the campaign were put into the queue in {time.monotonic() - began:.0f} s"
        )
        with relay:
            bench = Bench(relay, count, other)
            with Traffic(relay.port, 1) as traffic:
                traffic.wait(50)
            with Traffic(relay.port) as traffic:
                traffic.wait(500)
            rows.append(["nothing", "", "", "", "", *traffic.columns(), rss(relay.pid) / 1e6])
            for verb in options.verbs:
                rows += bench.step(verb)
            totals = relay.ledger_holds()
            relay.stop()
            found = check_queue(relay.data / FILE)
    table.show(
        f"Plans over {count} recipients",
        [
            "",
            "preview s",
            "apply s",
            "recipients/s",
            "done",
            "accepted meanwhile",
            "accept p50 ms",
            "p99",
            "longest",
            "RSS MB",
        ],
        rows,
        [
            f"To reach: preview ≤ {PREVIEW:g} s, apply ≤ {APPLY:g} s, accept p99 < {ACCEPT:g} ms.",
            f"Books balance: {totals}; check-queue: {found or 'nothing found'}.",
        ],
    )


#: What is applied in turn, and whether it is undone afterwards. Each leaves the set as the next one needs it.
STEPS: Final = {"hold": False, "release": False, "retry": True, "reroute": True, "purge": True, "bounce": True}


class Bench:
    """The verbs on one relay."""

    def __init__(self, relay: Relay, count: int, other: str) -> None:
        self.relay, self.count, self.other = relay, count, other

    def step(self, verb: str) -> list[list[object]]:
        """The rows of a verb: with its preview, and its undo where it has one here."""
        more = {"to": self.other} if verb == "reroute" else {}
        with Traffic(self.relay.port) as traffic:
            preview, seconds = self.ask(verb, filter=FILTER, dry_run=True, **more)
            previewed = traffic.columns()
            table.progress(
                f"{verb}: preview of {preview['done']} in {seconds:.2f} s, accept p99 meanwhile {previewed[2]:.0f} ms"
            )
        with Traffic(self.relay.port) as traffic:
            done, applied = self.ask(verb, plan=preview["plan"], **more)
        table.progress(f"{verb}: {done['done']} in {applied:.1f} s")
        rows: list[list[object]] = [
            [
                verb,
                seconds,
                applied,
                round(done["done"] / applied),
                done["done"],
                *traffic.columns(),
                rss(self.relay.pid) / 1e6,
            ]
        ]
        if STEPS[verb]:
            with Traffic(self.relay.port) as traffic:
                undone, took = self.ask("undo", action=done["action"])
            table.progress(f"undo of {verb}: {undone['done']} in {took:.1f} s")
            rows.append(
                [
                    f"undo of {verb}",
                    "",
                    took,
                    round(undone["done"] / took),
                    undone["done"],
                    *traffic.columns(),
                    rss(self.relay.pid) / 1e6,
                ]
            )
        return rows

    def ask(self, request: str, **arguments: object) -> tuple[dict[str, Any], float]:
        """What the relay answers, and after how many seconds."""
        began = time.monotonic()
        answer = ask(self.relay.socket, "POST", f"/v1/{request}", arguments, timeout=_LIMIT)
        return answer, time.monotonic() - began


class Traffic:
    """`with Traffic(port) as traffic:` hands in ordinary mail over some sessions, each a moment after the last 250."""

    def __init__(self, port: int, sessions: int = SESSIONS, gap: float = 0.02) -> None:
        self._port, self._gap = port, gap
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._session) for _ in range(sessions)]
        self.accepted: list[float] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def wait(self, count: int) -> None:
        """Until so many were accepted."""
        while len(self.accepted) < count and any(thread.is_alive() for thread in self._threads):
            self._enough.wait(0.01)

    def columns(self) -> tuple[int, float, float, float]:
        """How many were accepted; median, p99 and the longest, in milliseconds."""
        return len(self.accepted), percentile(self.accepted, 0.5), percentile(self.accepted, 0.99), max(self.accepted)

    def _session(self) -> None:
        with smtplib.SMTP("127.0.0.1", self._port, local_hostname="app.test", timeout=120) as client:
            client.ehlo()
            while not self._enough.is_set():
                began = time.monotonic()
                client.sendmail("app@src.test", ["probe@good.test"], _CONTENT)
                self.accepted.append(1000 * (time.monotonic() - began))
                self._enough.wait(self._gap)


# --- the queue


class Batch(NamedTuple):
    """Rows by table."""

    messages: list[tuple[object, ...]]
    contents: list[tuple[object, ...]]
    recipients: list[tuple[object, ...]]
    attempts: list[tuple[object, ...]]


def fill(path: Path, count: int, dead: str) -> None:
    """A queue file in which `count` recipients of a campaign wait, and some others; each was tried once and greylisted."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    db = open_writer(path)
    now, chance = time.time(), random.Random(1)
    db.execute("BEGIN")
    db.execute("INSERT INTO site (id, name) VALUES (1, ?)", (dead,))
    db.executemany(
        "INSERT INTO lane (id, destination, route, site) VALUES (?, ?, ?, 1)",
        [(n, f"d{n}.bulk.test", f"smarthost {dead} opportunistic") for n in range(1, DESTINATIONS + 1)],
    )
    db.execute(
        "INSERT INTO fingerprint (id, text, class, sample, sentence, first_seen, last_seen) VALUES"
        " (1, '450 4.2.0 greylisted', 'greylisted', '450 4.2.0 greylisted', 'The site asks everybody to come back.', ?1, ?1)",
        (now,),
    )
    every = round(1 / OTHERS)
    total, step = count + count // every, 50
    for start in range(0, total, 10_000):
        batch = Batch([], [], [], [])
        for n in range(start, min(start + 10_000, total)):
            other = n % (every + 1) == every
            _message(
                batch,
                int((now - 7200 - ID_EPOCH) * 1000) + n * step,
                n,
                now,
                chance,
                "app@src.test" if other else CAMPAIGN,
            )
        _write(db, batch)
    db.execute("UPDATE lane SET due_at = (SELECT min(next_attempt) FROM recipient WHERE lane = lane.id)")
    db.execute("COMMIT")
    db.execute("PRAGMA optimize")
    db.close()


def _message(batch: Batch, number: int, n: int, now: float, chance: random.Random, sender: str) -> None:
    received, row = ID_EPOCH + number / 1000, recipient_row(number, 1)
    lane = n % DESTINATIONS + 1
    body = f"Subject: winter sale {n}\r\nMessage-ID: <{n}@src.test>\r\n\r\n".encode() + b"Everything must go.\r\n" * 100
    batch.messages.append((number, received, sender, len(body), sender, f"winter sale {n}", f"<{n}@src.test>"))
    batch.contents.append((number << CONTENT_BITS, body))
    at = now + 7200 + chance.random() * 14_400
    batch.recipients.append((row, f"u{n}@d{lane}.bulk.test", lane, at, received + 432_000, received + 60))
    batch.attempts.append((row, received + 59, received + 60))


def _write(db: sqlite3.Connection, batch: Batch) -> None:
    db.executemany(
        "INSERT INTO message (id, phase, received_at, sender, size, header_from, subject, message_id, listener, kind, client, helo,"
        " protocol, signature, unfinished)"
        " VALUES (?, 'stored', ?, ?, ?, ?, ?, ?, '127.0.0.1:25', 'relay', '127.0.0.1', 'app.test', 'ESMTP', x'', 1)",
        batch.messages,
    )
    db.executemany("INSERT INTO content (id, chunk) VALUES (?, ?)", batch.contents)
    db.executemany(
        "INSERT INTO recipient (id, address, lane, state, next_attempt, expires_at, attempts, code, enhanced, text, class, fingerprint,"
        " host, changed_at) VALUES (?, ?, ?, 'deferred', ?, ?, 1, 450, '4.2.0', 'greylisted', 'greylisted', 1, 'mx.bulk.test', ?)",
        batch.recipients,
    )
    db.executemany(
        "INSERT INTO attempt (recipient, n, started, ended, stage, disposition, class, fingerprint, host, address, code, enhanced, text)"
        " VALUES (?, 1, ?, ?, 'rcpt', 'deferred', 'greylisted', 1, 'mx.bulk.test', '192.0.2.1', 450, '4.2.0', 'greylisted')",
        batch.attempts,
    )


if __name__ == "__main__":
    main()
