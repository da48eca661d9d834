"""`mailtui holdrule` and `mailtui reroute` against a real relay: shapes scripts rely on, what is said, what is refused."""

from __future__ import annotations

import getpass

from tests.control.conftest import put, settled
from tests.control.test_cli import Done, fails, mailtui, rows
from tests.kit.relay import Relay

ME = getpass.getuser()


def ask(relay: Relay, *arguments: str) -> Done:
    return mailtui("--config", str(relay.config), *arguments)


def done(relay: Relay, *arguments: str) -> Done:
    result = ask(relay, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result


def test_a_rule_comes_holds_and_goes(relay: Relay) -> None:
    (rule,) = rows(
        done(relay, "holdrule", "add", "dom:one.example", "subject~big sale", "--reason", "ticket 7", "--json")
    )
    assert (rule["filter"], rule["actor"], rule["reason"], rule["ends"], rule["state"], rule["held"]) == (
        'domain:one.example subject~"big sale"', ME, "ticket 7", None, "standing", 0,
    )  # fmt: skip
    number = str(rule["rule"])
    queue_id = put(relay, "a@one.example", "b@two.example", body="Subject: the BIG sale\r\n\r\nx\r\n")
    (held,) = settled(relay, f"id:{queue_id}.1", "held")
    assert held["last_text"] == f"held by rule {number}"
    (why,) = rows(done(relay, "why", f"{queue_id}.1", "--json"))
    assert f"hold rule {number} of {ME}" in str(why["answer"]) and "ticket 7" in str(why["answer"])
    assert f"hold rule {number} of {ME}" in done(relay, "show", f"{queue_id}.1").stdout
    (listed,) = rows(done(relay, "holdrule", "list", "--json"))
    assert (listed["held"], listed["rule"]) == (1, rule["rule"]) and listed["last_held"] is not None
    assert done(relay, "holdrule", "list").stdout.splitlines()[0].split()[:4] == ["RULE", "SINCE", "WHO", "UNTIL"]

    removed = done(relay, "holdrule", "remove", number, "--reason", "over").stdout.splitlines()
    assert (
        removed[0]
        == f'hold rule {number} removed: new mail of domain:one.example subject~"big sale" is not held any more'
    )
    assert removed[1].endswith(f"mailtui release rule:{number}")
    assert removed[2].startswith("to take it back: mailtui undo ")
    assert done(relay, "holdrule", "list").stdout == "nothing found\n"
    (gone,) = rows(done(relay, "holdrule", "list", "--all", "--json"))
    assert gone["state"] == "removed"
    (answer,) = rows(done(relay, "release", f"rule:{number}", "--json"))
    assert (answer["matched"], answer["done"]) == (1, 1)

    done(relay, "undo", str(gone["action"]))
    assert [row["rule"] for row in rows(done(relay, "holdrule", "list", "--json"))] == [rule["rule"]]
    done(relay, "holdrule", "remove", number)
    verbs = [row["verb"] for row in rows(done(relay, "audit", "--json"))]
    assert verbs[:5] == ["holdrule remove", "undo", "release", "holdrule remove", "holdrule add"]


def test_a_rule_for_a_time_says_until_when(relay: Relay) -> None:
    told = done(relay, "holdrule", "add", "size:1MB+", "--for", "2h").stdout
    assert "new mail of size:1MB+ is held until " in told
    (rule,) = rows(done(relay, "holdrule", "list", "--json"))
    assert rule["ends"] is not None
    done(relay, "holdrule", "remove", str(rule["rule"]))


def test_rules_that_make_no_sense_are_refused(relay: Relay) -> None:
    for words, code, part in (
        (("code:421",), 65, "code is not known of mail that is just taken in; a rule can ask for from, to, domain"),
        ((), 64, "which mail?"),
        (("domain:x.example", "--for", "soon"), 64, '"soon" is not a duration'),
        (("domain:x.example", "--for", "1h", "--until", "18:00"), 64, "not both"),
    ):
        refused = ask(relay, "holdrule", "add", *words)
        assert (refused.returncode, refused.stdout) == (code, "") and part in refused.stderr
    fails(
        ask(relay, "holdrule", "remove", "999"),
        65,
        "no hold rule 999 stands; `mailtui holdrule list` shows those that do",
    )


def test_reroute_says_where_and_what_there_is(relay: Relay) -> None:
    queue_id = put(relay, "a@three.example")
    done(relay, "hold", queue_id)
    fails(ask(relay, "reroute", queue_id), 65, "reroute to where? Give --to ROUTE; there are: 127.0.0.1:")
    fails(
        ask(relay, "reroute", queue_id, "--to", "other.example"),
        65,
        'no route "other.example" is configured; there are: ',
    )
    told = done(relay, "reroute", queue_id, "--to", "mx", "--dry-run").stdout
    assert "reroute would change 1 recipient of 1 message" in told and "--to mx" in told.splitlines()[-1]
    (answer,) = rows(done(relay, "reroute", queue_id, "--to", "mx", "--reason", "test", "--json"))
    assert {name: answer[name] for name in ("verb", "matched", "done", "skipped", "failed")} == {
        "verb": "reroute", "matched": 1, "done": 1, "skipped": 0, "failed": 0,
    }  # fmt: skip
    (found,) = rows(done(relay, "queue", "list", f"id:{queue_id}", "route:mx", "--json"))
    assert found["state"] == "held"
    (why,) = rows(done(relay, "why", queue_id, "--json"))
    assert f"Rerouted by {ME}" in str(why["causes"]) and "to mx: test" in str(why["causes"])
    done(relay, "undo", str(answer["action"]))
    assert rows(done(relay, "queue", "list", f"id:{queue_id}", "route:mx", "--json")) == []
    assert rows(done(relay, "queue", "list", f"id:{queue_id}", "route:smarthost", "--json")) != []
    (row,) = rows(done(relay, "audit", "--json", "--limit", "2"))[1:]
    assert (row["verb"], row["args"]) == ("reroute", {"to": "mx"})


def test_a_rule_is_looked_at_before_it_is_made(relay: Relay) -> None:
    put(relay, "a@shown.example")
    before = rows(done(relay, "holdrule", "list", "--json"))
    lines = done(
        relay, "holdrule", "add", "domain:shown.example", "--until", "2099-01-01T00:00Z", "--dry-run"
    ).stdout.splitlines()
    assert lines[0].startswith("new mail of domain:shown.example would be held until 2099-01-01 ")
    assert lines[1:] == ["waiting now: 1 recipient, which would stay as they are"]
    assert rows(done(relay, "holdrule", "list", "--json")) == before
    done(relay, "purge", "domain:shown.example", "--yes")


def test_a_rule_is_looked_at_before_it_is_removed(relay: Relay) -> None:
    (rule,) = rows(done(relay, "holdrule", "add", "domain:kept.example", "--json"))
    number = str(rule["rule"])
    put(relay, "a@kept.example", "b@kept.example")
    assert done(relay, "holdrule", "remove", number, "--dry-run").stdout.splitlines() == [
        f"hold rule {number} would be removed: new mail of domain:kept.example would not be held any more",
        "held by it now: 2 recipients, which would stay held",
    ]
    (found,) = [row for row in rows(done(relay, "holdrule", "list", "--json")) if row["rule"] == rule["rule"]]
    assert (found["state"], found["action"]) == ("standing", rule["action"])
    done(relay, "holdrule", "remove", number)
    fails(ask(relay, "holdrule", "remove", number, "--dry-run"), 65, f"no hold rule {number} stands")
    done(relay, "purge", "domain:kept.example", "--yes")
