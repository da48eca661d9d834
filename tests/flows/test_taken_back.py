"""An incident and its aftermath: 2,000 deferred recipients of four causes; one group held, one campaign purged, both taken back after
a restart. Every recipient, schedule and octet is as before, and the books balance at every step."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.unit.queue.desk import Desk
from tests.unit.queue.office import NOW, Office

from mailtui.model import Reply
from mailtui.queue.audit import audit
from mailtui.queue.check import check_queue
from mailtui.queue.filter import parse
from mailtui.queue.lanes import settle_due
from mailtui.queue.prune import Keep
from mailtui.queue.pruner import Pruner
from mailtui.queue.verbs import Verb

CAUSES = {
    "busy.example": (Reply(451, "4.7.1", "slow down"), "throttled"),
    "full.example": (Reply(452, "4.2.2", "mailbox full"), "mailbox-full"),
    "grey.example": (Reply(450, "4.7.0", "greylisted"), "greylisted"),
    "many.example": (Reply(421, "4.7.0", "too many connections"), "too-many-connections"),
}
MESSAGES = 125  # for each cause, of four recipients


def fill(folder: Path) -> Path:
    """One message in five belongs to the campaign."""
    office = Office(folder)
    for n in range(MESSAGES):
        for domain in CAUSES:
            sender = "news@campaign.example" if n % 5 == 0 else "app@example.org"
            body = f"Subject: {domain} {n}\r\n\r\n".encode() + b"x" * n + b"\r\n"
            office.message(*(f"u{n}-{i}@{domain}" for i in range(4)), sender=sender, age=5000 - n, body=body)
    for domain, (reply, _) in CAUSES.items():
        assert office.try_all(domain, reply=reply, now=NOW) == 4 * MESSAGES
        settle_due(office.db, office.lanes.id(office.db, domain, "mx"))
    office.close()
    return office.path


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows that say where mail is and when it goes on; and the mail."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {
            table: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            for table in ("recipient", "message", "content", "lane", "attempt", "counter")
        }


def sound(path: Path) -> None:
    """check-queue is content, and the ledger balances."""
    assert check_queue(path) == []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        n = dict(db.execute("SELECT name, n FROM counter").fetchall())
    assert n["accepted"] == sum(n.values()) - n["accepted"] == 2000


async def test_a_group_held_and_a_campaign_purged_come_back_after_a_restart(tmp_path: Path) -> None:
    path = fill(tmp_path)
    before = everything(path)
    sound(path)

    desk = Desk(tmp_path)
    await desk.start()
    desk.now = NOW + 60
    preview = await desk.operator.preview(Verb.HOLD, parse("class:throttled"))
    assert (preview.done, preview.messages) == (500, 125)
    assert [share.name for share in preview.by_destination] == ["busy.example"]
    hold = await desk.operator.act(Verb.HOLD, parse("class:throttled"), "ana", "their limit")
    sound(path)
    purge = await desk.operator.act(Verb.PURGE, parse("from:*@campaign.example"), "ben", "the wrong list")
    assert (hold.done, purge.done, purge.messages) == (500, 400, 100)
    sound(path)
    await Pruner(desk.store, Keep(14 * 86400.0, 1 << 40, 86400.0), desk.store.forget).sweep(desk.now + 10)
    await desk.close()
    sound(path)
    between = everything(path)
    assert between["content"] == before["content"] and between["recipient"] != before["recipient"]

    desk = Desk(tmp_path)
    await desk.start()
    desk.now = NOW + 120
    await desk.store.recover(desk.now)
    undone = await desk.operator.undo(purge.action, "ana", "it was the right one")
    assert (undone.matched, undone.done, undone.skipped, undone.failed) == (400, 400, 0, 0)
    sound(path)
    held = await desk.rest("SELECT count(*) FROM recipient WHERE state = 'held'")
    assert held == [(500,)]
    undone = await desk.operator.undo(hold.action, "ana")
    assert (undone.done, undone.skipped, undone.failed) == (500, 0, 0)
    rows = await audit(desk.reader)
    assert [(row.action, row.verb, row.actor, row.done, row.undone) for row in rows] == [
        *((4, "undo", "ana", 500, False), (3, "undo", "ana", 400, False)),
        *((2, "purge", "ben", 400, True), (1, "hold", "ana", 500, True)),
    ]
    await desk.close()
    sound(path)
    assert everything(path) == before
