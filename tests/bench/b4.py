"""B4: 20 messages of 25 MB at once, and what other sessions feel meanwhile.

The big mail goes to a destination where nobody listens, so what is measured is the intake; `--deliver` sends it on to a sink at
the same time. A probe sends small mail over a session of its own to another destination.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from tests.bench import table
from tests.bench.load import Load, Sink, finish
from tests.bench.probe import HEADS, Latency, Probe, columns
from tests.kit.processes import forget_peak, free_port, peak_rss, rss
from tests.kit.relay import Relay

AT_ONCE = 20


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.add_argument("--deliver", action="store_true", help="deliver the big messages while they come in")
    options = parser.parse_args()
    load = Load(AT_ONCE, table.scaled(24_900_000, options.scale), AT_ONCE, recipient="b@big.test")
    rows: list[list[object]] = []
    with ExitStack() as stack:
        small, big = stack.enter_context(Sink()), stack.enter_context(Sink())
        rows.append(["straight into smtp-sink", load.messages * load.size / 1e6 / load.run(big.port), *[""] * 8])
        hop = big.port if options.deliver else free_port()
        routes = [{"match": "big.test", "to": f"127.0.0.1:{hop}"}, {"to": f"127.0.0.1:{small.port}"}]
        for number in range(options.rounds):
            with Relay({"route": routes}) as relay, Probe(relay.port, small) as probe:
                idle = probe.times(100)
                speed, busy, before, peak = _round(relay, probe, load)
                if options.deliver:
                    big.wait_for((number + 2) * load.messages, 300)
            rows.append([f"round {number + 1}, idle", "", "", "", *columns(idle)])
            rows.append([f"round {number + 1}, 20 at once", speed, before, peak - before, *columns(busy)])
            table.progress(
                f"round {number + 1}: {speed:.0f} MB/s, RSS {before:.0f} to {peak:.0f} MB, {len(busy)} probes"
            )
    rows.append(["to reach", "≥ 100", "", "≤ 100", "", "", "< 500", "", "", ""])
    title = f"B4: 20 × {load.size / 1e6:g} MB at once{', delivered meanwhile' if options.deliver else ''}"
    table.show(title, ["", "MB/s", "RSS MB", "growth MB", *HEADS], rows)


def _round(relay: Relay, probe: Probe, load: Load) -> tuple[float, list[Latency], float, float]:
    """MB/s, what the probe felt, RSS before and its peak, in MB."""
    before = rss(relay.pid) / 1e6
    forget_peak(relay.pid)
    began = time.monotonic()
    source = load.start(relay.port)
    ended: list[float] = []

    def over(_: list[Latency]) -> bool:
        if source.poll() is not None and not ended:
            ended.append(time.monotonic())
        return bool(ended)

    busy = probe.until(over, 0.005)
    finish(source)
    peak = peak_rss(relay.pid) / 1e6
    return load.messages * load.size / 1e6 / (ended[0] - began), busy, before, peak


if __name__ == "__main__":
    main()
