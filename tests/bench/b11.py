"""B11: a provider is away while 20,000 messages for it come in; it returns and allows 4 connections at once.

How soon does the relay notice, does it keep to the limit, how fast does the backlog drain, and what does mail for somebody else
feel meanwhile? The waits of the retry schedule are seconds here, so that the bench ends; everything else is as it comes.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import peer, table
from tests.bench.load import Load, Sink
from tests.bench.probe import HEADS, Latency, Probe, columns
from tests.kit.processes import free_port
from tests.kit.relay import Relay

ALLOWED = 4
PROBES = 100
SCHEDULE = ["5s", "10s"]
LIMIT = 1800.0


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.set_defaults(rounds=1)
    options = parser.parse_args()
    load = Load(table.scaled(20_000, options.scale, 50), kept=True, recipient="b@provider.test")
    drains: list[list[object]] = []
    bystanders: list[list[object]] = []
    for number in range(options.rounds):
        drained, felt = _round(f"round {number + 1}", load)
        drains.append(drained)
        bystanders += felt
    heads = [
        "",
        "backlog",
        "back to first mail s",
        "drained in s",
        "messages/s",
        "peak connections",
        "allowed",
        "turned away",
        "connections",
    ]
    notes = [f"Retry schedule: {', '.join(SCHEDULE)}. `turned away`: connections over the limit, answered 421."]
    table.show(
        f"B11: {load.messages} messages wait for a provider that returns with {ALLOWED} connections",
        heads,
        drains,
        notes,
    )
    table.show("B11: mail for another destination meanwhile", ["", *HEADS], bystanders)


def _round(name: str, load: Load) -> tuple[list[object], list[list[object]]]:
    port = free_port()
    with ExitStack() as stack:
        log = Path(stack.enter_context(TemporaryDirectory())) / "peer.log"
        sink = stack.enter_context(Sink())
        routes = [{"match": "provider.test", "to": f"127.0.0.1:{port}"}, {"to": f"127.0.0.1:{sink.port}"}]
        relay = stack.enter_context(Relay({"route": routes, "retry": {"schedule": SCHEDULE}}))
        probe = stack.enter_context(Probe(relay.port, sink))
        idle = columns(probe.times(PROBES))
        load.run(relay.port)
        away = columns(probe.times(PROBES))
        backlog = relay.waiting()
        table.progress(f"{name}: {backlog} wait, the provider returns")
        back = time.monotonic()
        provider = stack.enter_context(peer.start(port, ALLOWED, log))
        first: list[float] = []

        def drained(_: list[Latency]) -> bool:
            received = peer.seen(provider).get("received", 0)
            if received and not first:
                first.append(time.monotonic())
            return received >= backlog or time.monotonic() > back + LIMIT

        draining = columns(probe.until(drained))
        ended, facts = time.monotonic(), peer.seen(provider)
    pace = facts["received"] / (ended - first[0])
    row = [
        name,
        backlog,
        first[0] - back,
        ended - back,
        pace,
        facts["peak"],
        ALLOWED,
        facts["turned_away"],
        facts["connections"],
    ]
    felt = [[f"{name}, idle", *idle], [f"{name}, provider away", *away], [f"{name}, backlog draining", *draining]]
    return row, felt


if __name__ == "__main__":
    main()
