from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.errors import QueueError
from mailtui.model import CONTENT_BITS, Disposition, recipient_row
from mailtui.queue.check import check_queue
from mailtui.queue.database import FILE, open_writer
from mailtui.queue.salvage import recover


@pytest.fixture
def filled(office: Office) -> Office:
    for i in range(120):
        office.message(
            f"a{i}@one.example",
            f"b{i}@two.example",
            age=1000 + i,
            body=b"Subject: x\r\n\r\n" + bytes([65 + i % 26]) * 3000,
        )
    office.try_all("one.example")
    office.try_all("two.example", Disposition.DELIVERED)
    return office


def test_a_sound_queue_has_no_findings(filled: Office) -> None:
    assert check_queue(filled.path) == []


@pytest.mark.parametrize(
    ("damage", "harm", "text"),
    [
        (
            "UPDATE counter SET n = n + 1 WHERE name = 'deferred'",
            False,
            "deferred: the counter says 121, there are 120",
        ),
        (
            "UPDATE counter SET n = 3 WHERE name = 'delivered'",
            False,
            "delivered: the life-long counter says 3, there are 120",
        ),
        ("UPDATE counter SET n = n + 5 WHERE name = 'accepted'", False, "accepted 245, accounted for 240"),
        ("UPDATE tally SET n = n - 1 WHERE state = 'deferred'", False, "the tally differs from the rows in 1 places"),
        ("UPDATE waiting SET messages = 7", False, "the counter says that 7 messages wait, there are 120"),
        ("UPDATE waiting SET aged = (SELECT max(id) FROM recipient)", False, "the counts by age differ from the rows"),
        (
            "UPDATE message SET unfinished = 0 WHERE id = (SELECT min(id) FROM message)",
            True,
            "counts its unfinished recipients wrongly",
        ),
        ("UPDATE lane SET due_at = NULL", True, "120 recipients wait for one.example"),
        ("UPDATE lane SET due_at = due_at + 9000", True, "not due when they should be"),
        ("DELETE FROM content WHERE id = (SELECT max(id) FROM content)", True, "is not whole"),
        ("UPDATE content SET chunk = zeroblob(10)", True, "and 100 more of this kind"),
        ("INSERT INTO content VALUES (7 << 12, x'00')", False, "a body without a message"),
        (
            "DELETE FROM message WHERE id = (SELECT max(id) FROM message)",
            True,
            "are in the queue, but the message is not",
        ),
        ("PRAGMA user_version = 77", True, "the schema is 77"),
        ("PRAGMA user_version = 0", True, "the schema is 0"),
        ("PRAGMA user_version = 4", False, "of an earlier version (schema 4): the next start brings it to"),
    ],
)
def test_what_is_wrong_is_found(filled: Office, damage: str, harm: bool, text: str) -> None:
    filled.db.execute(damage)
    findings = check_queue(filled.path)
    assert any(finding.harm is harm and text in finding.text for finding in findings), findings
    assert [finding.harm for finding in findings] == sorted((finding.harm for finding in findings), reverse=True)


def test_a_file_that_is_no_queue_is_a_finding_and_none_at_all_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"x" * 9000)
    findings = check_queue(tmp_path / FILE)
    assert len(findings) == 1
    assert findings[0].harm
    with pytest.raises(QueueError):
        check_queue(tmp_path / "none")


def test_a_queue_left_by_a_killed_relay_can_be_checked(filled: Office, tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.mkdir()
    for name in (FILE, f"{FILE}-wal"):
        shutil.copy(filled.path.with_name(name), left / name)
    assert (left / f"{FILE}-wal").stat().st_size > 0
    assert check_queue(left / FILE) == []


# ---------------------------------------------------------------------- saving


def _still(office: Office) -> bytes:
    """The whole file, with nothing left in its log."""
    office.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    office.close()
    return office.path.read_bytes()


def test_a_sound_queue_is_saved_whole(filled: Office, tmp_path: Path) -> None:
    before = list(filled.db.execute("SELECT name, n FROM counter"))
    last = filled.db.execute("SELECT max(id) FROM message").fetchone()[0]
    recovered = recover(filled.path, tmp_path / "new")
    assert (recovered.damaged, recovered.held, recovered.lost) == ((), 0, 0)
    assert (recovered.rows["message"], recovered.rows["recipient"], recovered.rows["attempt"]) == (120, 240, 240)
    assert check_queue(tmp_path / "new") == []
    db = open_writer(tmp_path / "new")
    assert list(db.execute("SELECT name, n FROM counter")) == before
    assert db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'message'").fetchone()[0] >= last
    db.close()


@pytest.mark.parametrize("seed", range(8))
def test_what_is_readable_of_a_damaged_queue_is_saved_and_nothing_incomplete_is_sent(
    filled: Office, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    roots = {row[0] - 1 for row in filled.db.execute("SELECT rootpage FROM sqlite_schema")}
    size = filled.db.execute("PRAGMA page_size").fetchone()[0]
    data = bytearray(_still(filled))
    # Without the schema nothing can be read, without its first page nothing of a table.
    pages = [page for page in range(1, len(data) // size) if b"CREATE " not in data[page * size : (page + 1) * size]]
    for page in chance.sample([page for page in pages if page not in roots], 3):
        data[page * size : (page + 1) * size] = chance.randbytes(size)
    broken = tmp_path / "broken"
    broken.write_bytes(bytes(data))
    assert any(finding.harm for finding in check_queue(broken))
    new = tmp_path / "new"
    recovered = recover(broken, new)
    assert recovered.damaged or recovered.rows["recipient"] == 240
    assert recovered.rows["recipient"] > 120
    findings = check_queue(new)
    assert all("is not whole" in finding.text for finding in findings), findings
    assert len(findings) <= recovered.held
    db = open_writer(new)
    sendable = db.execute(
        "SELECT DISTINCT m.id, m.size FROM recipient r JOIN message m ON m.id = r.id >> 20 WHERE r.state IN ('queued', 'deferred')"
    ).fetchall()
    for message, size in sendable:
        chunks = [
            row[0]
            for row in db.execute("SELECT chunk FROM content WHERE id >> ? = ? ORDER BY id", (CONTENT_BITS, message))
        ]
        assert len(b"".join(chunks)) == size
    db.close()


def test_recipients_whose_body_is_gone_are_held_with_the_reason(filled: Office, tmp_path: Path) -> None:
    message = filled.db.execute("SELECT min(id) FROM message").fetchone()[0]
    filled.db.execute("DELETE FROM content WHERE id >> ? = ?", (CONTENT_BITS, message))
    recovered = recover(filled.path, tmp_path / "new")
    assert recovered.held == 1
    db = open_writer(tmp_path / "new")
    row = db.execute("SELECT state, text FROM recipient WHERE id = ?", (recipient_row(message, 1),)).fetchone()
    assert row[0] == "held"
    assert "not whole" in row[1]
    db.close()


def test_recipients_whose_lane_is_gone_get_a_new_one_and_are_due(filled: Office, tmp_path: Path) -> None:
    filled.db.execute("PRAGMA foreign_keys = OFF")
    filled.db.execute("DELETE FROM lane")
    recover(filled.path, tmp_path / "new")
    assert check_queue(tmp_path / "new") == []
    db = open_writer(tmp_path / "new")
    assert sorted(db.execute("SELECT destination, due_at FROM lane")) == [
        ("one.example", NOW + 300),
        ("two.example", None),
    ]
    db.close()


def test_recovery_never_writes_over_a_file_and_says_when_nothing_can_be_read(filled: Office, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"")
    with pytest.raises(QueueError, match="exists"):
        recover(filled.path, there)
    (tmp_path / "junk").write_bytes(b"junk" * 5000)
    with pytest.raises(QueueError, match="nothing can be read"):
        recover(tmp_path / "junk", tmp_path / "new")
    assert not (tmp_path / "new").exists()
