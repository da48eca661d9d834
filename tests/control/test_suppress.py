"""`mailtui suppress` against a real relay: shapes scripts rely on, files in and out, what is refused."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.control.conftest import put, settled
from tests.control.test_cli import Done, fails, mailtui, rows
from tests.kit.relay import Relay

ME = getpass.getuser()


def suppress(relay: Relay, *arguments: str, input: str | None = None) -> Done:
    return mailtui("--config", str(relay.config), "suppress", *arguments, input=input)


def done(relay: Relay, *arguments: str, input: str | None = None) -> Done:
    result = suppress(relay, *arguments, input=input)
    assert (result.returncode, result.stderr) == (0, "")
    return result


@pytest.fixture(autouse=True)
def empty(relay: Relay) -> None:
    """Each test begins with an empty list."""
    if entries := done(relay, "export", "--format", "plain").stdout.split():
        done(relay, "remove", *entries)


def test_an_entry_comes_and_goes(relay: Relay) -> None:
    (answer,) = rows(done(relay, "add", "Bob@Example.org", "--for", "30d", "--note", "asked to", "--json"))
    (added,) = answer["entries"]
    (listed,) = rows(done(relay, "list", "--json"))
    assert listed == added
    assert {"entry", "reason", "source", "expires", "evidence"} <= listed.keys()
    assert (listed["entry"], listed["reason"], listed["source"], listed["note"]) == (
        "bob@example.org", "manual", ME, "asked to",
    )  # fmt: skip
    left = datetime.fromisoformat(str(listed["expires"])) - datetime.now(UTC)
    assert timedelta(days=29) < left <= timedelta(days=30)
    assert rows(done(relay, "lookup", "BOB@example.org", "--json")) == [listed]
    assert rows(done(relay, "lookup", "carol@example.org", "--json")) == []
    assert done(relay, "lookup", "carol@example.org").stdout == "carol@example.org is not suppressed\n"

    assert done(relay, "remove", "bob@EXAMPLE.org").stdout.splitlines()[0] == "removed: bob@example.org (manual)"
    assert done(relay, "list").stdout == "the list is empty\n"
    fails(
        suppress(relay, "remove", "bob@example.org"),
        65,
        "not on the suppression list: bob@example.org; nothing was done",
    )


def test_a_change_is_looked_at_before_it_is_made(relay: Relay) -> None:
    put(relay, "Bob@looked.example", "eve@looked.example")
    for entry, told in (
        ("bob@looked.example", "1 recipient in the queue is"),
        ("@looked.example", "2 recipients in the queue are"),
    ):
        assert done(relay, "add", entry, "--dry-run").stdout == f"{entry} would be suppressed; {told} for it\n"
    text = "bob@looked.example\n@looked.example\neve@looked.example\nnobody@other.example\n"
    (*_, last) = done(relay, "import", "-", "--dry-run", input=text).stdout.splitlines()
    assert last == "2 recipients in the queue are for what is new or changed"
    fails(suppress(relay, "add", "@looked.example", "--expect", "1"), 65, "it is for 2 recipients in the queue, not 1")
    assert done(relay, "list").stdout == "the list is empty\n"
    done(relay, "add", "@looked.example", "--expect", "2")
    (told_,) = rows(done(relay, "remove", "@looked.example", "--dry-run", "--json"))
    assert (told_["dry_run"], told_["action"], told_["done"], told_["waiting"]) == (True, 0, 1, 2)
    fails(suppress(relay, "remove", "x@looked.example", "--dry-run"), 65, "not on the suppression list")
    done(relay, "remove", "@looked.example")


def test_a_reason_has_its_own_end(relay: Relay) -> None:
    done(relay, "add", "@moved.example", "--reason", "moved")
    done(relay, "add", "a@moved.example", "--reason", "moved", "--for", "never")
    address, domain = rows(done(relay, "lookup", "a@moved.example", "--json"))
    assert (address["entry"], address["expires"], domain["entry"]) == ("a@moved.example", None, "@moved.example")
    assert domain["expires"] is not None
    told = done(relay, "list").stdout.splitlines()
    assert told[0].split() == ["ENTRY", "REASON", "SOURCE", "SINCE", "UNTIL", "EVIDENCE"]
    assert told[1].startswith("@moved.example") and "removed" in told[2]


def test_mail_to_it_is_taken_and_not_sent_until_it_is_released(relay: Relay) -> None:
    done(relay, "add", "stop@held.example")
    queue_id = put(relay, "stop@held.example", "go@held.example", sender="")
    settled(relay, f"id:{queue_id}.1", "suppressed")
    config = ("--config", str(relay.config))
    (row,) = rows(mailtui(*config, "queue", "list", "state:suppressed", "to:stop@held.example", "--json"))
    assert (
        row["id"] == f"{queue_id}.1"
        and row["class"] == "suppressed"
        and "an operator put it there" in str(row["last_text"])
    )

    (changed,) = rows(mailtui(*config, "release", f"{queue_id}.1", "--json"))
    assert changed["done"] == 1
    relay.post("retry", ids=[f"{queue_id}.1"])  # its site is in back-off
    settled(relay, f"id:{queue_id}.1", "deferred")


def imported(relay: Relay, file: str, text: str | None = None) -> dict[str, object]:
    """What an import says it did to entries."""
    (row,) = rows(done(relay, "import", file, "--json", input=text))
    return {name: row[name] for name in ("added", "changed", "same", "past")}


def test_every_change_answers_as_actions_do_and_says_how_to_take_it_back(relay: Relay, tmp_path: Path) -> None:
    def counts(*arguments: str, text: str | None = None) -> tuple[object, ...]:
        (row,) = rows(done(relay, *arguments, "--json", input=text))
        return tuple(row[name] for name in ("verb", "matched", "done", "skipped", "failed"))

    assert counts("add", "a@x.example") == ("suppress.add", 1, 1, 0, 0)
    assert counts("remove", "a@x.example") == ("suppress.remove", 1, 1, 0, 0)
    several = "".join(f"u{n}@x.example\n" for n in range(2001))
    (row,) = rows(done(relay, "import", "-", "--json", input=several))
    assert (row["matched"], row["done"], row["actions"]) == (2001, 2001, [row["action"], row["action"] + 1])
    assert counts("import", "-", text="u1@x.example\nnew@x.example\n") == ("suppress.import", 2, 1, 1, 0)
    (nothing,) = rows(done(relay, "import", "-", "--json", input="u1@x.example\n"))
    assert (nothing["action"], nothing["done"], nothing["actions"]) == (0, 0, [])

    told = done(relay, "add", "b@x.example", "--note", "a mistake").stdout.splitlines()[-1]
    assert told.startswith("to take it back: mailtui undo ")
    mailtui("--config", str(relay.config), "undo", told.split()[-1])
    assert done(relay, "lookup", "b@x.example", "--json").stdout == ""
    assert "undo" not in done(relay, "import", "-", "--dry-run", input="c@x.example\n").stdout


def test_files_go_out_and_come_back(relay: Relay, tmp_path: Path) -> None:
    done(relay, "add", "=cmd@formula.example", "--note", "=1+1", "--reason", "moved")
    done(
        relay,
        "add",
        "@formula.example",
        "--for",
        "never",
        "--reason",
        "no-such-user",
        "--note",
        'with "quotes", commas',
    )
    before = rows(done(relay, "list", "--json"))
    for format_, suffix in (("csv", "csv"), ("json", "jsonl")):
        file = tmp_path / f"list.{suffix}"
        file.write_text(done(relay, "export", "--format", format_).stdout, encoding="utf-8")
        assert not any(line.startswith(("=", "@")) for line in file.read_text().splitlines())
        done(relay, "remove", "@formula.example", "=cmd@formula.example")
        assert imported(relay, str(file)) == {"added": 2, "changed": 0, "same": 0, "past": 0}
        after = rows(done(relay, "list", "--json"))
        assert [row | {"created": 0} for row in after] == [row | {"created": 0} for row in before]
        assert imported(relay, str(file)) == {"added": 0, "changed": 0, "same": 2, "past": 0}
    assert done(relay, "export", "--format", "plain").stdout == "=cmd@formula.example\n@formula.example\n"


def test_a_dry_run_shows_the_difference_and_changes_nothing(relay: Relay) -> None:
    done(relay, "add", "a@x.example")
    done(relay, "add", "b@x.example")
    lines = [
        {"entry": "a@x.example"},
        {"entry": "b@x.example", "reason": "moved"},
        {"entry": "c@x.example"},
        {"entry": "d@x.example", "expires": "2020-01-01T00:00:00Z"},
    ]
    text = "\n".join(map(json.dumps, lines))
    before = done(relay, "list", "--json").stdout
    shown = rows(done(relay, "import", "-", "--format", "json", "--dry-run", "--json", input=text))
    assert [(row["change"], row["entry"]) for row in shown] == [
        ("change", "b@x.example"), ("add", "c@x.example"), ("past", "d@x.example"),
    ]  # fmt: skip
    told = done(relay, "import", "-", "--format", "json", "--dry-run", input=text).stdout.splitlines()
    assert [line[:13] for line in told[:-2]] == ["~ b@x.example", "+ c@x.example", "! d@x.example"]
    assert told[-2:] == [
        "1 would be added, 1 would be changed; 1 the same, 1 past",
        "0 recipients in the queue are for what is new or changed",
    ]
    assert done(relay, "list", "--json").stdout == before


def test_one_wrong_line_and_nothing_is_imported(relay: Relay, tmp_path: Path) -> None:
    many = "".join(f"u{n}@many.example\n" for n in range(2500))
    fails(suppress(relay, "import", "-", input=many + "not an address\n"), 65, '"not an address" is neither an address')
    fails(
        suppress(relay, "import", "-", "--format", "csv", input="who\nx@y.example\n"), 65, "<stdin>: line 1: a heading"
    )
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9@x.example\n")
    fails(suppress(relay, "import", str(latin)), 65, "not UTF-8")
    assert done(relay, "list", "--json").stdout == ""

    assert imported(relay, "-", many) == {"added": 2500, "changed": 0, "same": 0, "past": 0}
    assert len(rows(done(relay, "list", "--json"))) == 2500, "page by page"
    assert len(rows(done(relay, "list", "--limit", "1200", "--json"))) == 1200


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["add", "nobody"], 65, '"nobody" is neither an address nor a domain'),
        (["lookup", "@"], 65, "neither an address nor a domain"),
        (["add", "a@x.example", "--reason", "No Such User"], 64, "matching regex"),
        (["add", "a@x.example", "--for", "soon"], 64, "--for"),
        (["add", "x" * 400], 64, "length <= 320"),
        (["remove"], 64, "Missing argument"),
        (["import", "/nowhere/at/all"], 64, "No such file"),
        (["list", "--limit", "0"], 64, "--limit"),
    ],
)
def test_what_is_wrong_is_one_line(relay: Relay, arguments: list[str], code: int, part: str) -> None:
    fails(suppress(relay, *arguments), code, part)


def test_a_change_is_told(relay: Relay) -> None:
    done(relay, "add", "told@x.example")
    log = mailtui("--config", str(relay.config), "log", "--limit", "5").stdout
    assert f"suppression list: {ME} added told@x.example (manual)" in log


def audit(relay: Relay, *options: str) -> list[dict[str, object]]:
    return rows(mailtui("--config", str(relay.config), "audit", "--json", *options))


def test_every_change_is_in_the_audit_and_can_be_taken_back(relay: Relay) -> None:
    done(relay, "add", "audit@one.example", "--note", "asked to", "--yes")
    done(
        relay,
        "import",
        "-",
        "--format",
        "plain",
        "--expect",
        "2",
        "--reason",
        "their list",
        input="b@one.example\nc@one.example\n",
    )
    fails(
        suppress(relay, "remove", "b@one.example", "--expect", "2"), 65, "1 entries are named, not 2; nothing was done"
    )
    done(relay, "remove", "b@one.example", "--reason", "they asked")
    removed, imported, added = audit(relay, "--verb", "suppress", "--limit", "3", "--since", "1h", "--actor", ME)
    assert [row["verb"] for row in (removed, imported, added)] == ["suppress.remove", "suppress.import", "suppress.add"]
    assert (added["filter"], added["reason"], added["done"], added["actor"]) == ("audit@one.example", "asked to", 1, ME)
    assert (imported["done"], imported["reason"], removed["reason"]) == (2, "their list", "they asked")
    config = ("--config", str(relay.config))

    (undone,) = rows(mailtui(*config, "undo", str(imported["action"]), "--json"))
    assert (undone["matched"], undone["done"], undone["skipped"]) == (2, 1, 1)  # b was removed since
    told = mailtui(*config, "undo", str(removed["action"])).stdout
    assert told == "undo: 1 change taken back\n"
    assert {row["entry"] for row in rows(done(relay, "list", "--json"))} == {"audit@one.example", "b@one.example"}
    done(relay, "remove", "audit@one.example")
    assert "left alone: 1, changed since" in mailtui(*config, "undo", str(added["action"])).stdout


def test_an_import_that_is_not_what_was_expected_does_nothing(relay: Relay) -> None:
    given = ("import", "-", "--format", "plain", "--expect", "3")
    fails(suppress(relay, *given, input="b@one.example\n"), 65, "would change 1 entries, not 3; nothing was done")
    assert rows(done(relay, "list", "--json")) == []


def test_the_source_is_the_account_and_the_audit_has_the_claim(relay: Relay) -> None:
    result = mailtui(
        "--config",
        str(relay.config),
        "suppress",
        "add",
        "claimed@one.example",
        "--json",
        SUDO_USER="anna(\x1b[2J",
    )
    (answer,) = rows(result)
    (entry,) = answer["entries"]
    assert entry["source"] == ME
    (row,) = audit(relay, "--limit", "1")
    assert row["actor"] == f"{ME} (claims sudo by anna[\\x1b[2J)"
    assert audit(relay, "--actor", "nobody at all") == []
