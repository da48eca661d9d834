"""A small relay on an ordinary bad day, the same in every run: its queue file is written with fixed times, and its clock stands still.

Owned here: that day. Nothing in it is due, so nothing moves; what an operator did is done through the control socket.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.kit.relay import Relay
from tests.unit.queue.office import NOW, Office, transaction

from mailtui.delivery.transcript import pack
from mailtui.model import Disposition, Reply

#: What every clock on the wall says.
CLOCK: Final = NOW + 60.0
_SLOW: Final = Reply(451, "4.7.1", "Greylisted, try again in five minutes")
_BUSY: Final = Reply(421, "4.7.0", "Too many connections from 192.0.2.7")
_FULL: Final = Reply(452, "4.2.2", "Mailbox of this user is full")


@contextmanager
def day() -> Iterator[Relay]:
    """That relay."""
    root = Path(tempfile.mkdtemp(prefix="mt-"))
    program = (sys.executable, "-m", "tests.kit.clocked", str(CLOCK))
    settings = {"relay": {"environment": "staging"}, "intake": {"min_free_disk": "1MB"}}
    try:
        relay = Relay(settings, root=root, program=program, env={"PYTHONPATH": _path()})
        relay.data.mkdir(mode=0o700)
        _written(relay.data)
        with relay:
            _operated(relay)
            yield relay
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _path() -> str:
    return ":".join(path for path in sys.path if path)


def _written(folder: Path) -> None:
    day = Office(folder, pack)
    try:
        for age in (9000.0, 7200.0, 5400.0):
            day.message("ana@slow.test", "bob@slow.test", sender="news@shop.example", age=age, subject="Your order")
            day.try_all("slow.test", Disposition.DEFERRED, _SLOW, NOW - age + 2)
        for n in range(6):
            day.message(
                f"user{n}@full.test", sender="billing@shop.example", age=3600.0 - 60 * n, subject=f"Invoice {n}"
            )
        day.try_all("full.test", Disposition.DEFERRED, _FULL, NOW - 3000)
        for n in range(4):
            day.message(f"ok{n}@fine.test", sender="app@shop.example", age=900.0 + n, subject="Welcome")
        day.try_all("fine.test", Disposition.DELIVERED, None, NOW - 890)
        day.message("ops@busy.test", sender="app@shop.example", age=400.0, subject="Weekly report")
        day.try_all("busy.test", Disposition.DEFERRED, _BUSY, NOW - 200)
        day.try_all("slow.test", Disposition.DEFERRED, _SLOW, NOW - 100)
        day.try_all("full.test", Disposition.DEFERRED, _FULL, NOW - 50)
        _counted(day)
    finally:
        day.close()


def _counted(day: Office) -> None:
    """What a relay that ran all day has counted: failures at one site for ten minutes, another that recovered, an hour of traffic."""
    kinds = dict(day.db.execute("SELECT code || enhanced, fingerprint FROM recipient WHERE fingerprint > 0").fetchall())
    lanes = dict(day.db.execute("SELECT destination, id FROM lane").fetchall())
    now = int(CLOCK // 60)
    slow, full = (lanes["slow.test"], kinds["4514.7.1"]), (lanes["full.test"], kinds["4524.2.2"])
    failures = [(now - minute, *slow, 3 + minute % 4, 0) for minute in range(10)]
    failures += [(now - 200 - minute, *full, 2, 0) for minute in range(30)]
    samples = [(now - minute, lanes["fine.test"], 12, 0, 0) for minute in range(1400)]
    samples += [(minute, lane, 0, deferred, 0) for minute, lane, _, deferred, _ in failures]
    moments = [
        (now - minute, 2, 0, 9 + (60 - minute) // 6, 3, 14 + minute % 5, 12, 3 + minute % 4, minute % 2)
        for minute in range(1, 60)
    ]
    with transaction(day.db):
        day.db.executemany("INSERT OR REPLACE INTO failure VALUES (?, ?, ?, ?, ?)", failures)
        day.db.executemany("INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?)", samples)
        day.db.executemany(
            "INSERT OR REPLACE INTO moment (minute, queued, sending, deferred, held, accepted, delivered, deferrals, bounced)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            moments,
        )


def _operated(relay: Relay) -> None:
    relay.post("suspend", kind="destination", what="full.test", reason="they are moving their mailboxes")
    relay.post("suppress.add", entry="old@gone.test", reason="no-such-user", note="left the company")
    relay.post("suppress.add", entry="@closed.test", note="asked by phone")
    relay.post("holdrule.add", filter="from:odd@shop.example", reason="a loop?")
    relay.post("hold", filter="to:bob@slow.test", reason="to be looked at")
