"""`mailtui suspend`, `resume` and `suspensions` against a real relay: what an operator types, reads and gets refused."""

from __future__ import annotations

import getpass
import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.control.conftest import put
from tests.control.test_cli import Done, fails, mailtui, rows
from tests.kit.relay import Relay

ME = getpass.getuser()


def run(relay: Relay, *arguments: str) -> Done:
    return mailtui("--config", str(relay.config), *arguments)


def done(relay: Relay, *arguments: str) -> Done:
    result = run(relay, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result


@pytest.fixture(autouse=True)
def moving(relay: Relay) -> Iterator[None]:
    """Each test ends with nothing suspended."""
    yield
    for row in rows(done(relay, "suspensions", "--json")):
        relay.post("resume", kind=row["kind"], what=row["name"])


def test_suspend_look_and_resume(relay: Relay) -> None:
    assert done(relay, "suspensions").stdout == "nothing is suspended\n"
    (told,) = rows(done(relay, "suspend", "Far.example", "--for", "2h", "--reason", "ticket 7", "--json"))
    assert {"action", "verb", "matched", "done", "skipped", "failed"} <= told.keys()
    assert (told["verb"], told["kind"], told["name"], told["done"], told["known"]) == (
        "suspend", "destination", "far.example", 1, False,
    )  # fmt: skip
    left = datetime.fromisoformat(str(told["until"])) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < left <= timedelta(hours=2)

    (row,) = rows(done(relay, "suspensions", "--json"))
    assert (row["actor"], row["reason"], row["waiting"], row["action"]) == (ME, "ticket 7", 0, told["action"])
    shown = done(relay, "suspensions").stdout.splitlines()
    assert shown[0].split() == ["WHAT", "NAME", "UNTIL", "WAITING", "SINCE", "WHO", "ACTION", "REASON"]
    assert "far.example" in shown[1] and shown[1].endswith("ticket 7")
    assert "attention: destination far.example is suspended until " in done(relay, "status").stdout

    lines = done(relay, "resume", "far.example").stdout.splitlines()
    assert lines[0].startswith("destination far.example: resumed, suspended since ")
    assert lines[1] == "nothing waits for it; no mail for such a name was ever taken: is it spelt right?"
    assert lines[2].startswith("to take it back: mailtui undo ")
    fails(run(relay, "resume", "far.example"), 65, "destination far.example: not suspended")


def test_it_says_how_many_wait_and_what_was_before(relay: Relay) -> None:
    done(relay, "suspend", "still.example", "--reason", "x")
    put(relay, "a@still.example", "b@still.example")
    lines = done(relay, "suspend", "still.example", "--until", "resumed", "--reason", "longer").stdout.splitlines()
    assert lines[0].startswith(
        "destination still.example: suspended until it is resumed; it was suspended already, until "
    )
    assert lines[1] == "2 recipients wait for it"
    (row,) = rows(done(relay, "queue", "domains", "domain:still.example", "--json"))
    assert (row["suspended"], row["suspended_until"]) == (True, None)
    assert done(relay, "queue", "domains", "domain:still.example").stdout.splitlines()[1].endswith("until resumed")
    ((first, *_),) = [rows(done(relay, "queue", "list", "domain:still.example", "--json"))]
    assert first["next_attempt"] is None
    assert " resumed " in done(relay, "queue", "list", "domain:still.example").stdout.splitlines()[1]
    (why,) = rows(done(relay, "why", str(first["id"]), "--json"))
    assert why["next_attempt"] is None
    assert str(why["causes"]).startswith("[{'kind': 'suspended'")
    done(relay, "purge", "domain:still.example", "--yes")


def test_it_is_in_the_audit_and_undone(relay: Relay) -> None:
    (told,) = rows(done(relay, "suspend", "--sender", "@bulk.example", "--reason", "complaints", "--json"))
    (row,) = rows(done(relay, "audit", "--limit", "1", "--json"))
    assert (row["verb"], row["filter"], row["reason"], row["actor"]) == (
        "suspend", "sender:@bulk.example", "complaints", ME,
    )  # fmt: skip
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=10) as client:
        client.ehlo()
        code, text = client.mail("x@bulk.example")
    assert code == 450 and text.startswith(b"4.3.2 mail from this sender is suspended until ")
    (undone,) = rows(done(relay, "undo", str(told["action"]), "--json"))
    assert (undone["matched"], undone["done"]) == (1, 1)
    assert rows(done(relay, "suspensions", "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("suspend", "--reason", "x"), 64, "name one thing"),
        (("suspend", "a.example", "--intake", "--reason", "x"), 64, "name one thing"),
        (("resume",), 64, "name one thing"),
        (("suspend", "a.example"), 64, "--reason"),
        (("suspend", "a.example", "--reason", ""), 64, "reason"),
        (("suspend", "a.example", "--reason", "x", "--for", "soon"), 64, "is not a duration"),
        (("suspend", "a.example", "--reason", "x", "--until", "soon"), 64, "write 18:00"),
        (("suspend", "a.example", "--reason", "x", "--for", "1h", "--until", "18:00"), 64, "one of them"),
        (
            ("suspend", "a.example", "--reason", "x", "--until", "2020-01-01T00:00Z"),
            65,
            "is past; nothing was suspended",
        ),
        (("suspend", "no domain", "--reason", "x"), 65, '"no domain" is no destination'),
        (("suspend", "--sender", "example.org", "--reason", "x"), 65, "no @"),
        (("resume", "--delivery"), 65, "all deliveries: not suspended"),
    ],
)
def test_what_cannot_be_meant(relay: Relay, arguments: tuple[str, ...], code: int, part: str) -> None:
    fails(run(relay, *arguments), code, part)
    assert rows(done(relay, "suspensions", "--json")) == []


def test_a_change_is_looked_at_before_it_is_made(relay: Relay) -> None:
    put(relay, "a@look.example")
    lines = done(relay, "suspend", "look.example", "--for", "1w", "--reason", "x", "--dry-run").stdout.splitlines()
    assert lines[0].startswith("destination look.example: would be suspended until ") and len(lines) == 2
    assert lines[1] == "1 recipient wait for it"
    fails(
        run(relay, "suspend", "look.example", "--reason", "x", "--expect", "2"),
        65,
        "1 recipient wait for destination look.example, not 2",
    )
    assert done(relay, "suspensions").stdout == "nothing is suspended\n"
    done(relay, "suspend", "look.example", "--until", "23:59Z", "--reason", "x", "--expect", "1")
    (told,) = rows(done(relay, "resume", "look.example", "--dry-run", "--json"))
    assert (told["dry_run"], told["action"], told["done"], told["waiting"]) == (True, 0, 0, 1)
    fails(run(relay, "resume", "look.example", "--expect", "0"), 65, "nothing was done")
    assert [row["name"] for row in rows(done(relay, "suspensions", "--json"))] == ["look.example"]
    done(relay, "resume", "look.example", "--expect", "1")
    done(relay, "purge", "domain:look.example", "--yes")
