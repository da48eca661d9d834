"""The changes that are about the relay as a whole, as forms: reload, drain, stop, prune, backup and the like; pure.

Owned here: that table. How a form asks is `screens.form`'s, what comes of it `change`'s.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from mailtui.control import api
from mailtui.control.api_shaping import ShapingLift
from mailtui.control.request import Request

from .forms import Field, Form, Order, Wrong
from .named_orders import number
from .orders import MAYBE, About


@dataclass(frozen=True)
class RelayOrder:
    """One of them: its name on a shell, what it does, what it is about ("" for the relay itself) and how that is written."""

    name: str
    fact: str
    make: Callable[[str, str], Request[object]]
    field: str = ""
    hint: str = ""

    def form(self, about: About) -> Form:
        """What is asked."""

        def build(values: Mapping[str, str]) -> Order:
            what, reason = values.get(self.field, ""), values["reason"]
            words = [*(["--reason", reason] if reason else []), *([what] if what else [])]
            return Order(self.make(what, reason), shlex.join(["mailtui", *self.name.split(), *words]))

        fields = (Field(self.field, hint=self.hint, required=True), MAYBE) if self.field else (MAYBE,)
        return Form(self.name.capitalize(), self.name.rpartition(" ")[2], fields, build, (self.fact,))


def _order(request: object) -> Request[object]:
    return cast("Request[object]", request)


def _path(text: str, reason: str) -> Request[object]:
    if not text.startswith("/"):
        raise Wrong(f'"{text[:40]}" is no absolute path: the relay writes it, wherever it runs')
    return _order(api.Backup(path=text, reason=reason))


def _flush(name: str, reason: str) -> Request[object]:
    return _order(api.DnsFlush(domain=name, reason=reason))


def _lift(name: str, reason: str) -> Request[object]:
    return _order(ShapingLift(site=name, reason=reason))


def _cancel(name: str, reason: str) -> Request[object]:
    return _order(api.Cancel(action=number(name), reason=reason))


_RELOAD: Final = "The configuration is read again; what needs a restart is named."
_DRAIN: Final = "Nothing new is taken until a stop or restart; what is queued goes on being delivered."
_PRUNE: Final = "History and trash past their time are removed now: that is for good."

TABLE: Final = (
    RelayOrder("reload", _RELOAD, lambda _, why: _order(api.Reload(reason=why))),
    RelayOrder("drain", _DRAIN, lambda _, why: _order(api.Drain(reason=why))),
    RelayOrder("stop", "Nothing new is taken; then the relay ends.", lambda _, why: _order(api.Stop(reason=why))),
    RelayOrder("prune", _PRUNE, lambda _, why: _order(api.Prune(reason=why))),
    RelayOrder(
        "backup", "The relay writes a checked copy of its queue.", _path, "path", "an absolute path, not there yet"
    ),
    RelayOrder("dns flush", "What DNS said about a domain is asked again.", _flush, "domain", "a domain"),
    RelayOrder("shaping lift", "What rules put on a site ends.", _lift, "site", "the name of a site"),
    RelayOrder("cancel", "An action being applied stops where it is.", _cancel, "action", "the number of an action"),
)
