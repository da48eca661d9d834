"""One load through one relay into the sink, measured; the same for ours and for Postfix.

Owned here: what "end to end" means: from the start of smtp-source until the sink has the last message. CPU is what the relay's
processes used until their queue was empty again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from tests.bench.load import Load, Sink, finish
from tests.kit.postfix import Postfix
from tests.kit.processes import cpu_seconds, peak_rss
from tests.kit.relay import Relay

TIMEOUT = 900.0


class Rate(NamedTuple):
    """Messages a second end to end and taken in, CPU milliseconds a message, peak RSS of the main process in MB."""

    whole: float
    intake: float
    cpu: float
    rss: float


class Contestant(NamedTuple):
    """A relay to be measured: name, port, its main process, and how to wait until it is idle."""

    name: str
    port: int
    pid: int
    settle: Callable[[], None]


def ours(relay: Relay, name: str = "mailtui") -> Contestant:
    """Our relay."""
    return Contestant(name, relay.port, relay.pid, lambda: relay.wait_until_idle(TIMEOUT))


def theirs(postfix: Postfix) -> Contestant:
    """Postfix."""
    return Contestant("Postfix", postfix.port, postfix.pid, lambda: postfix.wait_until_empty(TIMEOUT))


def measure(relay: Contestant, load: Load, sink: Sink) -> Rate:
    """Send the load through the relay and wait until the sink has all of it."""
    wanted = sink.count + load.messages
    cpu, began = cpu_seconds(relay.pid), time.monotonic()
    finish(load.start(relay.port), TIMEOUT)
    taken = time.monotonic() - began
    ended = sink.wait_for(wanted, TIMEOUT)
    relay.settle()
    used = cpu_seconds(relay.pid) - cpu
    return Rate(
        load.messages / (ended - began), load.messages / taken, 1000 * used / load.messages, peak_rss(relay.pid) / 1e6
    )


def settings(next_hop: str) -> dict[str, object]:
    """Our configuration: everything as it comes, and one smarthost for all mail."""
    return {"route": [{"to": next_hop}]}
