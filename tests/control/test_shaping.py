"""`mailtui shaping` against a real relay: what each site gets and why, lifting, undoing, and that a reload applies."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from datetime import datetime

import pytest
from tests.control.conftest import put
from tests.control.test_cli import fails, rows
from tests.kit.processes import free_port, wait_until
from tests.kit.relay import Relay

RULE = {"name": "dead", "class": "connection", "pause": True, "for": "2h"}
ROUTE = {"to": f"127.0.0.1:{free_port()}"}
SETTINGS: dict[str, object] = {"route": [ROUTE], "intake": {"min_free_disk": "1MB"}}
SITE = ROUTE["to"]


def with_shaping(**entry: object) -> dict[str, object]:
    return {**SETTINGS, "shaping": [{"match": "*", **entry}]}


@pytest.fixture(scope="module")
def shaped() -> Iterator[Relay]:
    with Relay(with_shaping(max_connections=3, rate="100/min", rules=[RULE])) as running:
        yield running


def test_what_a_rule_did_is_shown_lifted_and_undone(shaped: Relay) -> None:
    queue_id = put(shaped, "ana@one.example")
    wait_until(lambda: rows(shaped.cli("shaping", "list", "--restrained", "--json")), "the rule to fire")

    (site,) = rows(shaped.cli("shaping", "--json"))
    assert (site["site"], site["max_connections"], site["rate"]) == (SITE, 3, "100/m")
    assert site["sources"] == ["[[shaping]] *", "shipped *"]
    (restraint,) = site["restraints"]  # type: ignore[misc]
    assert {name: restraint[name] for name in ("rule", "does", "count", "class", "id")} == {
        "rule": "dead", "does": "paused", "count": 1, "class": "connection", "id": f"{queue_id}.1"
    }  # fmt: skip
    assert restraint["until"] == site["paused_until"]
    assert datetime.fromisoformat(restraint["until"]) > datetime.fromisoformat(restraint["since"])
    shown = shaped.cli("shaping").stdout
    assert SITE in shown and "paused by the rule dead" in shown

    (entry,) = rows(shaped.cli("audit", "--json"))
    assert (entry["actor"], entry["verb"], entry["filter"], entry["undone"]) == (
        "relay",
        "throttle",
        f"site:{SITE}",
        False,
    )
    (why,) = rows(shaped.cli("why", queue_id, "--json"))
    assert "shaping" in [cause["kind"] for cause in why["causes"]]  # type: ignore[attr-defined]
    assert "rules paused" in shaped.cli("status").stdout

    told = shaped.cli("shaping", "lift", SITE, "--reason", "it is back").stdout
    assert f"lifted at {SITE}: dead" in told
    (lift, *_) = rows(shaped.cli("audit", "--json"))
    assert (lift["actor"], lift["verb"], lift["reason"], lift["done"]) == (getpass.getuser(), "lift", "it is back", 1)
    wait_until(lambda: not rows(shaped.cli("shaping", "list", "--restrained", "--json")), "the end of it")
    fails(shaped.cli("shaping", "lift", SITE, check=False), 65, f"no rule restrains {SITE} now")

    (undone,) = rows(shaped.cli("undo", str(lift["action"]), "--json"))
    assert (undone["verb"], undone["matched"], undone["done"]) == ("undo", 1, 1)
    (again,) = wait_until(lambda: rows(shaped.cli("shaping", "list", "--restrained", "--json")), "the pause again")
    assert again["paused_until"] == site["paused_until"]
    (lifted,) = rows(shaped.cli("shaping", "lift", SITE, "--json"))
    assert (lifted["verb"], lifted["matched"], lifted["done"], lifted["rules"]) == ("lift", 1, 1, ["dead"])


def test_a_reload_applies_and_a_bad_rule_is_refused(shaped: Relay) -> None:
    put(shaped, "bob@one.example")
    wait_until(lambda: rows(shaped.cli("shaping", "--json")), "the site")
    shaped.configure(with_shaping(max_connections=7, rate="50/s", shipped=False))
    (told,) = rows(shaped.cli("reload", "--json"))
    assert "shaping[0].max_connections" in told["applied"] and told["needs_restart"] == []  # type: ignore[operator]

    (site,) = rows(shaped.cli("shaping", "list", "--json", "--site", SITE))
    assert (site["rate"], site["sources"]) == ("50/s", ["[[shaping]] *"])
    assert site["max_connections"] == 7

    shaped.configure(with_shaping(rules=[{**RULE, "pattern": "("}]))
    fails(shaped.cli("reload", check=False), 78, "shaping[0].rules[0].pattern")
