"""B7: 50,000 messages for a dead destination, and what 100 messages for a good one feel.

The dead destination takes no connection and refuses none (`--refused`: it refuses them at once). The 100 are sent to an idle
relay, while the 50,000 come in, and when all of them wait.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing

from tests.bench import table
from tests.bench.load import Load, Sink, finish
from tests.bench.probe import HEADS, Probe, columns
from tests.kit.processes import free_port, rss
from tests.kit.relay import Relay

PROBES = 100
BLACKHOLE = "127.0.0.12"


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.add_argument("--refused", action="store_true", help="the dead destination refuses connections")
    parser.set_defaults(rounds=1)
    options = parser.parse_args()
    load = Load(table.scaled(50_000, options.scale, 100), kept=True, recipient="b@dead.test")
    rows: list[list[object]] = []
    with ExitStack() as stack:
        hole = stack.enter_context(closing(Blackhole()))
        dead = f"127.0.0.1:{free_port()}" if options.refused else f"{BLACKHOLE}:{hole.port}"
        for number in range(options.rounds):
            sink = stack.enter_context(Sink())
            routes = [{"match": "dead.test", "to": dead}, {"to": f"127.0.0.1:{sink.port}"}]
            with Relay({"route": routes}) as relay, Probe(relay.port, sink) as probe:
                rows += _round(f"round {number + 1}", relay, probe, load)
    notes = ["`ratio` is the p95 to arrival over that of the idle relay; to reach: < 2 while they wait."]
    table.show(
        f"B7: {load.messages} messages to a dead destination, {PROBES} to a good one",
        ["", "waiting", "RSS MB", *HEADS, "ratio"],
        rows,
        notes,
    )


def _round(name: str, relay: Relay, probe: Probe, load: Load) -> list[list[object]]:
    idle = columns(probe.times(PROBES))
    rows: list[list[object]] = [[f"{name}, idle", 0, rss(relay.pid) / 1e6, *idle, ""]]
    source = load.start(relay.port)
    loading = columns(probe.until(lambda found: source.poll() is not None or len(found) >= PROBES))
    rows.append([f"{name}, while they come in", relay.waiting(), rss(relay.pid) / 1e6, *loading, loading[4] / idle[4]])
    finish(source, 1800)
    table.progress(f"{name}: {relay.waiting()} waiting")
    full = columns(probe.times(PROBES))
    rows.append([f"{name}, while they wait", relay.waiting(), rss(relay.pid) / 1e6, *full, full[4] / idle[4]])
    return rows


class Blackhole:
    """A port where connections are neither accepted nor refused: its backlog is full, and the kernel drops what else comes."""

    def __init__(self) -> None:
        self._listener = socket.create_server((BLACKHOLE, 0), backlog=0)
        self.port = int(self._listener.getsockname()[1])
        self._fillers = [self._connect() for _ in range(8)]

    def _connect(self) -> socket.socket:
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex((BLACKHOLE, self.port))
        return filler

    def close(self) -> None:
        """Give the port back."""
        for filler in self._fillers:
            filler.close()
        self._listener.close()


if __name__ == "__main__":
    main()
