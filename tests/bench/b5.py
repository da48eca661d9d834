"""B5: B1 (and B2, for information) with 1,000,000 deferred recipients of 10,000 destinations in the queue, beside the same relay with an
empty one in the same run.

The two relays take turns on the same sink. What waits is not due while this runs. Also: from start to a listening port on the long
queue, its memory, and what a start with other routes costs (`filing`: every recipient is looked at once, beside the mail that flows).
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench import depth, table, versus
from tests.bench.b6 import settings
from tests.bench.load import Load, Sink
from tests.kit.processes import is_open, peak_rss, rss, wait_until
from tests.kit.relay import Relay

KINDS = (("B1 new", False), ("B2 kept", True))
#: How often the long queue is opened anew.
STARTS = 3


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.add_argument("--only", choices=("new", "kept"), help="one kind of load")
    parser.add_argument("--cache", type=Path, default=depth.CACHE, help="where the queue file is kept")
    options = parser.parse_args()
    messages, recipients = table.scaled(3000, options.scale, 20), table.scaled(depth.RECIPIENTS, options.scale, 1000)
    source = depth.made(options.cache, recipients)
    kinds = [kind for kind in KINDS if not options.only or options.only in kind[0]]
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        deep = Relay(settings(sink))
        depth.copied(source, deep.data)
        stack.enter_context(deep)
        filed = _filed(deep)
        starts = [_start(deep) for _ in range(STARTS)]
        idle = rss(deep.pid) / 1e6
        empty = stack.enter_context(Relay(settings(sink)))
        relays = [versus.ours(empty, "empty"), versus.ours(deep, f"{recipients} wait")]
        rates = _rounds(relays, sink, messages, kinds, options.rounds)
        peak = peak_rss(deep.pid) / 1e6
        waiting = deep.status()["queue"]["deferred"]
    _show(rates, relays, kinds, messages, options.rounds)
    rows: list[list[object]] = [
        ["start to listening, s", table.median(starts), max(starts), "≤ 2"],
        ["RSS after the start, MB", idle, "", ""],
        ["RSS after all rounds, peak, MB", peak, "", "≤ 200"],
        ["filing all by new routes after a start, s", filed, "", ""],
        ["deferred at the end", waiting, "", ""],
    ]
    table.show(f"B5: {recipients} deferred recipients", ["", "median", "worst", "to reach"], rows)


def _filed(relay: Relay) -> float:
    """Seconds from its ready line until everything is filed by the routes of this run."""
    began = time.monotonic()
    depth.wait_until_filed(relay)
    return time.monotonic() - began


def _start(relay: Relay) -> float:
    """Stop it, start it, seconds to a listening port."""
    relay.stop()
    began = time.monotonic()
    relay.launch()
    wait_until(lambda: is_open(relay.port), "the port to listen", 60, poll=0.002)
    took = time.monotonic() - began
    relay.wait_until_ready()
    return took


Rates = dict[tuple[str, str], list[versus.Rate]]


def _rounds(
    relays: list[versus.Contestant], sink: Sink, messages: int, kinds: list[tuple[str, bool]], rounds: int
) -> Rates:
    rates: Rates = {}
    for relay in relays:
        versus.measure(relay, Load(max(40, messages // 10)), sink)
    for number in range(rounds):
        for kind, kept in kinds:
            for relay in relays if number % 2 == 0 else reversed(relays):
                rate = versus.measure(relay, Load(messages, kept=kept), sink)
                rates.setdefault((kind, relay.name), []).append(rate)
                table.progress(
                    f"round {number + 1}, {kind}, {relay.name}: {rate.whole:.0f}/s, {rate.cpu:.2f} ms CPU a message"
                )
    return rates


def _show(
    rates: Rates, relays: list[versus.Contestant], kinds: list[tuple[str, bool]], messages: int, rounds: int
) -> None:
    heads = ["", "queue", *(f"round {number}" for number in range(1, rounds + 1)), "median/s", "CPU ms/message"]
    rows: list[list[object]] = []
    for kind, _ in kinds:
        base = table.median([rate.whole for rate in rates[kind, relays[0].name]])
        for relay in relays:
            found = rates[kind, relay.name]
            middle = table.median([rate.whole for rate in found])
            share = "" if relay is relays[0] else f"{100 * middle / base:.0f} %"
            wanted = "" if relay is relays[0] or kind != "B1 new" else "≥ 80 %"
            cpu = table.median([rate.cpu for rate in found])
            rows.append([kind, relay.name, *(rate.whole for rate in found), middle, cpu, share, wanted])
    table.show(
        f"B5: {messages} × 4 KiB, 20 sessions, messages a second end to end", [*heads, "share", "to reach"], rows
    )


if __name__ == "__main__":
    main()
