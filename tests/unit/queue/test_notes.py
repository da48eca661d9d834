"""What `status` mentions, and that it does not look again at once."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import Office

from mailtui.queue import hold_rules, notes
from mailtui.queue.new_mail import understand
from mailtui.queue.notes import Notes
from mailtui.queue.reader import Reader

LATER = 4e9


async def test_rules_broken_sites_and_failing_dns(
    office: Office, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "STANDS", 0.0)
    monkeypatch.setattr(notes, "SHARE", 0)
    told = Notes(reader).told
    assert await told() == ()

    known, root = hold_rules.HoldRules(), understand("domain:one.example")
    known.add(office.db, root, None, "ana", "", 1.0)
    office.message("a@one.example", "b@two.example", "c@three.example")
    office.db.execute(
        "INSERT INTO site (name, broken_until) VALUES ('mx.one.example', ?), ('mx.ok.example', 1)", (LATER,)
    )
    office.db.execute("UPDATE lane SET failures = 2, not_before = ? WHERE destination = 'two.example'", (LATER,))
    assert await told() == (
        "hold rule 1 holds new mail of domain:one.example until it is removed",
        "site mx.one.example does not answer, the next try is at 07:06:40 UTC: see `mailtui queue reasons`",
        "DNS fails for two.example, the next try is at 07:06:40 UTC: see `mailtui queue reasons`",
    )

    known.add(office.db, root, LATER, "ana", "", 2.0)
    office.db.execute("UPDATE site SET broken_until = ?", (LATER,))
    office.db.execute("UPDATE lane SET failures = 2, not_before = ?", (LATER,))
    assert [line.split(",")[0] for line in await told()] == [
        "2 hold rules hold new mail: see `mailtui holdrule list`",
        "2 sites do not answer",
        "DNS fails for 3 destinations",
    ]


async def test_it_is_told_again_for_a_while(office: Office, reader: Reader) -> None:
    asked = Notes(reader)
    assert await asked.told() == ()
    hold_rules.HoldRules().add(office.db, understand("to:a@one.example"), None, "ana", "", 1.0)
    assert await asked.told() == ()
