"""B8: B1 with a console attached and refreshing on a terminal, beside the same relay without one in the same run; and what the relay feels
of a terminal that stops reading for a minute: other mail's way to acceptance, the console's memory, and the picture afterwards.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench import table, versus
from tests.bench.b9 import attached
from tests.bench.load import Load, Sink
from tests.bench.probe import HEADS, Latency, Probe, columns
from tests.kit.processes import rss
from tests.kit.relay import Relay
from tests.kit.terminal import Terminal

#: Mails of the bystander before the stall, and how long the terminal does not read.
PROBES, STALL = 100, 60.0


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.add_argument("--only", choices=("rate", "stall"), help="one of the two")
    options = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sink = stack.enter_context(Sink())
        relay = stack.enter_context(Relay({"route": [{"to": f"127.0.0.1:{sink.port}"}]}))
        if options.only != "stall":
            _rates(relay, sink, home, table.scaled(3000, options.scale, 20), options.rounds)
        if options.only != "rate":
            _stalled(relay, sink, home, STALL * options.scale)


def _rates(relay: Relay, sink: Sink, home: Path, messages: int, rounds: int) -> None:
    load, ours = Load(messages), versus.ours(relay, "mailtui")
    versus.measure(ours, Load(max(40, messages // 10)), sink)
    found: dict[str, list[versus.Rate]] = {"headless": [], "console attached": []}
    octets: list[float] = []
    for number in range(rounds):
        for name in found if number % 2 == 0 else reversed(found):
            if name == "headless":
                found[name].append(versus.measure(ours, load, sink))
                continue
            with Reader(relay, home) as reader:
                began, before = time.monotonic(), reader.octets
                found[name].append(versus.measure(ours, load, sink))
                octets.append((reader.octets - before) / (time.monotonic() - began))
    base = table.median([rate.whole for rate in found["headless"]])
    rows: list[list[object]] = []
    for name, rates in found.items():
        middle = table.median([rate.whole for rate in rates])
        cpu = table.median([rate.cpu for rate in rates])
        wanted = "≥ 90 %" if name != "headless" else ""
        rows.append([name, *(rate.whole for rate in rates), middle, cpu, f"{100 * middle / base:.0f} %", wanted])
    heads = ["B1", *(f"round {number}" for number in range(1, rounds + 1)), "median/s", "CPU ms/message", "share"]
    note = f"The overview at 120x40 meanwhile: {table.median(octets) / 1000:.1f} KB/s." if octets else ""
    table.show(f"B8: {messages} × 4 KiB with a console on a terminal", [*heads, "to reach"], rows, [note])


def _stalled(relay: Relay, sink: Sink, home: Path, seconds: float) -> None:
    rows: list[list[object]] = []
    with Probe(relay.port, sink) as probe:
        rows.append(["no console", *columns(probe.times(PROBES))])
        with attached(relay, home) as terminal:
            with Reader(relay, home):
                rows.append(["a console that reads", *columns(probe.times(PROBES))])
            before, until = rss(terminal.process.pid), time.monotonic() + seconds

            def over(_: list[Latency]) -> bool:
                if not terminal.full:
                    terminal.type("12\x0c")
                return time.monotonic() > until

            rows.append([f"one whose terminal did not read for {seconds:.0f} s", *columns(probe.until(over))])
            grown = (rss(terminal.process.pid) - before) / 1e6
            stuck = -len(terminal.sent) + len(terminal.read())
            began = time.monotonic()
            terminal.type("3")
            terminal.sees("[3 Domains]", poll=0.005)
            back = time.monotonic() - began
    notes = [
        f"The console grew by {grown:.1f} MB; {stuck} octets stood in the terminal; a key was answered {back:.2f} s after."
    ]
    table.show("B8: mail of somebody else beside a terminal that does not read", ["", *HEADS], rows, notes)


class Reader:
    """`with Reader(relay, home) as reader:` a console on the overview, whose terminal reads in a thread; `octets` came so far."""

    def __init__(self, relay: Relay, home: Path) -> None:
        self._terminal: Terminal = attached(relay, home)

    def __enter__(self) -> Reader:
        self._terminal.start_reading()
        return self

    def __exit__(self, *_: object) -> None:
        self._terminal.close()

    @property
    def octets(self) -> int:
        """Everything so far."""
        return len(self._terminal.sent)


if __name__ == "__main__":
    main()
