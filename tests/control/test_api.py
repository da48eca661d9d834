"""The table of requests: each is documented, has a handler of its shape, and survives both ways of travelling."""

from __future__ import annotations

import inspect
import typing
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest

from mailtui.control import wire
from mailtui.control.api import ACTIONS, REQUESTS, Action, Service
from mailtui.control.request import Request, Risk
from mailtui.service import Desk

EXAMPLES: dict[str, dict[str, object]] = {
    "status": {},
    "queue.list": {"filter": 'from:"a b" state:held,deferred', "history": True, "limit": 7, "after": "1QHQZRES.1"},
    "queue.count": {"filter": "domain:dömäin.example", "history": True},
    "queue.domains": {"filter": "class:throttled", "limit": 3},
    "queue.reasons": {"filter": "x", "by": "user", "window": "15m", "limit": 1},
    "queue.ages": {"by": "destination"},
    "show": {"id": "1QHQZRES.1"},
    "why": {"id": "1QHQZRES"},
    "incidents": {"window": "1h", "at": "2h", "limit": 5},
    "samples": {"since": "2h", "until": "2026-11-22T09:00Z", "by": "hour", "destination": "example.org", "limit": 5},
    "failures": {"since": "3d", "until": "1h", "destination": "example.org", "limit": 5},
    "destinations": {"since": "3d", "until": "1h", "destination": "example.org", "limit": 5},
    "forecast": {"limit": 5},
    "report": {"subject": "example.org", "window": "2h", "internal": True},
    "retry": {"ids": ["1QHQZRES.1", "1QHQZRES"], "reason": 'said "so"\n', "expect": 0, "dry_run": True},
    "hold": {"filter": "domain:gmail.com"},
    "release": {"plan": "p-71c30a2b"},
    "purge": {"filter": "from:*@example.org", "expect": 12},
    "bounce": {"everything": True, "reason": "gone"},
    "reroute": {"filter": "domain:gmail.com", "to": "smarthost.example:587"},
    "undo": {"action": 7, "reason": "a mistake", "expect": 12},
    "cancel": {"action": 7},
    "audit": {"limit": 5, "before": 9, "actor": "anna", "verb": "suppress", "since": "2h", "until": "1h"},
    "dns.flush": {"domain": "example.org"},
    "suspend": {"kind": "destination", "what": "example.org", "reason": "moving", "until": "2026-11-22T10:00:00Z"},
    "resume": {"kind": "delivery", "reason": "done"},
    "suspensions": {},
    "reload": {"reason": "new key"},
    "drain": {},
    "stop": {},
    "prune": {},
    "backup": {"path": "/var/tmp/x y"},
    "suppress.list": {"limit": 10, "after": "@example.org"},
    "suppress.lookup": {"entry": "a@example.org"},
    "suppress.add": {"entry": "@example.org", "reason": "moved", "expires": "2026-11-22T10:00:00Z", "note": "so"},
    "suppress.remove": {"entries": ["a@example.org"]},
    "shaping.list": {"site": "google.com", "restrained": True, "limit": 5},
    "shaping.lift": {"site": "google.com+5~abc", "reason": "they called"},
    "suppress.import": {"entries": [{"entry": "a@example.org", "expires": None, "reason": "moved"}], "dry_run": True},
    "holdrule.add": {"filter": "subject~invoice", "lasts": "2h", "reason": "ticket 7"},
    "holdrule.list": {"everything": True, "limit": 3},
    "holdrule.remove": {"rule": 4, "reason": "over"},
}

table = pytest.mark.parametrize("kind", REQUESTS.values(), ids=REQUESTS)


def test_every_request_has_an_example() -> None:
    assert EXAMPLES.keys() == REQUESTS.keys()


@table
def test_it_is_documented(kind: type[Request[object]]) -> None:
    assert kind.__doc__ and kind.__doc__.strip().endswith(".")
    assert "\n" not in kind.__doc__


@table
def test_it_survives_the_codec(kind: type[Request[object]]) -> None:
    request = msgspec.convert(EXAMPLES[kind.name], kind)
    assert wire.read_json(msgspec.json.encode(request), kind) == request
    if not kind.changes:
        assert wire.read_query(parse_qsl(urlencode(wire.query(request))), kind) == request


@table
def test_the_service_has_a_method_of_its_shape(kind: type[Request[object]]) -> None:
    name = kind.name.replace(".", "_")
    for service in (Service, Desk):
        method = getattr(service, name)
        hints = typing.get_type_hints(method)
        assert inspect.iscoroutinefunction(method)
        assert hints["request"] is kind
        assert hints["return"] == kind.result_type()
        assert ("actor" in hints) == kind.changes


@table
def test_its_answer_can_be_decoded(kind: type[Request[object]]) -> None:
    request = msgspec.convert(EXAMPLES[kind.name], kind)
    msgspec.json.Decoder(request.answer_type)


def test_what_cannot_be_taken_back_is_marked() -> None:
    final = {kind.name for kind in REQUESTS.values() if kind.risk is Risk.FINAL}
    assert final == {"purge", "bounce"}
    assert all(issubclass(kind, Action) and kind.changes for kind in ACTIONS)
    assert not any(kind.risk is not Risk.NONE for kind in REQUESTS.values() if not kind.changes)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"everythign": True}, REQUESTS["purge"])


@pytest.mark.parametrize(
    ("name", "field"), (("undo", "action"), ("cancel", "action"), ("audit", "before"), ("holdrule.remove", "rule"))
)
def test_a_number_that_no_row_can_have_is_refused_before_it_meets_the_queue_file(name: str, field: str) -> None:
    kind = REQUESTS[name]
    msgspec.convert({field: (1 << 63) - 1}, kind)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({field: 1 << 63}, kind)
