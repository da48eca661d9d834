"""B9: the console at 1,000,000 recipients on a terminal of 120x40 that counts octets: first paint, keys, octets a second idle and busy,
memory, and how long the console's loop was away. The budgets are those of a line of 40 kbit/s and of a person who waits.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.bench import depth, table
from tests.bench.b6 import settings
from tests.bench.load import Load, Sink
from tests.bench.table import percentile
from tests.kit.processes import peak_rss
from tests.kit.relay import MAILTUI, Relay
from tests.kit.terminal import Terminal

from mailtui.console.app import Console
from mailtui.console.launch import Options

SIZE = 120, 40
#: Seconds of listening, and how often a key is pressed.
LISTEN, KEYS = 10.0, 25
_NAP = 0.005
#: Messages that are more than the relay takes meanwhile.
_LOAD = 60_000
_DOWN, _PAGE = "j", "\x1b[6~"


def attached(relay: Relay, home: Path, *options: str, env: Mapping[str, str] | None = None) -> Terminal:
    """A console on a terminal, once its first answer is seen."""
    command = [*MAILTUI, "--config", str(relay.config), "attach", *options]
    terminal = Terminal(*command, home=home, size=SIZE, env={"COLORTERM": "truecolor", **(env or {})})
    terminal.sees("LIVE")
    return terminal


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.set_defaults(rounds=5)
    parser.add_argument("--cache", type=Path, default=depth.CACHE, help="where the queue file is kept")
    options = parser.parse_args()
    recipients = table.scaled(depth.RECIPIENTS, options.scale, 1000)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sink = stack.enter_context(Sink())
        deep = Relay(settings(sink))
        depth.copied(depth.made(options.cache, recipients), deep.data)
        stack.enter_context(deep)
        depth.wait_until_filed(deep)
        empty = stack.enter_context(Relay({"route": [{"to": f"127.0.0.1:{sink.port}"}]}))
        rows = [*_starts(deep, home, options.rounds), *_quiet(empty, home), *_keys(deep, home)]
        rows += _busy(deep, home, sink)
    table.show(f"B9: the console at {recipients} recipients, 120x40", ["", "", "to reach"], rows)


def _starts(relay: Relay, home: Path, rounds: int) -> list[list[object]]:
    frames, answers, octets = [], [], []
    command = [*MAILTUI, "--config", str(relay.config), "attach"]
    for _ in range(rounds):
        began = time.monotonic()
        with Terminal(*command, home=home, size=SIZE, env={"COLORTERM": "truecolor"}) as terminal:
            terminal.sees("Overview", poll=0.002)
            frames.append(time.monotonic() - began)
            terminal.sees("LIVE", poll=0.002)
            answers.append(time.monotonic() - began)
            terminal.read_for(1.0)
            octets.append(len(terminal.sent))
            terminal.type("q")
            terminal.ended()
    return [
        ["first frame, s from the command, median", table.median(frames), "≤ 0.6"],
        ["first answer in it, s, median", table.median(answers), ""],
        ["octets until a second later", max(octets), "≤ 40,000"],
    ]


def _quiet(relay: Relay, home: Path) -> list[list[object]]:
    rows: list[list[object]] = []
    for options, name, wanted in (((), "", "≤ 120"), (("--slow",), ", --slow", "")):
        with attached(relay, home, *options) as terminal:
            terminal.read_for(3.0)
            rows.append([f"idle, nothing waits, octets/s{name}", terminal.read_for(LISTEN) / LISTEN, wanted])
    return rows


def _keys(relay: Relay, home: Path) -> list[list[object]]:
    rows: list[list[object]] = []
    with attached(relay, home) as terminal:
        terminal.read_for(3.0)
        terminal.type("2")
        terminal.sees("row 1 of")
        terminal.read_for(2.0)
        for key, name, octets, paint in (
            (_DOWN, "cursor key", "≤ 500", "≤ 10"),
            (_PAGE, "page key", "≤ 9,000", "≤ 20"),
        ):
            found = [terminal.answer(key, 0.25) for _ in range(KEYS)]
            times = [1000 * first for first, _, _ in found]
            rows.append([f"{name} to paint, ms, median and p95", _pair(times), paint])
            rows.append([f"{name}, octets, median and p95", _pair([float(count) for _, _, count in found]), octets])
        for name, keys in (("within the page", [_DOWN, "k"] * 30), ("at its end, the list moving", [_DOWN] * 60)):
            held = terminal.typed(keys, 1 / 30) / len(keys)
            rows.append([f"cursor key held (30 a second) {name}, octets a key", held, "≤ 500"])
        terminal.type("1")
        terminal.read_for(1.0)
        rows.append(["RSS, peak, MB", peak_rss(terminal.process.pid) / 1e6, "≤ 90"])
    return rows


def _busy(relay: Relay, home: Path, sink: Sink) -> list[list[object]]:
    rows: list[list[object]] = []
    for options, name, wanted in (((), "", "≤ 5,000"), (("--slow",), ", --slow", "≤ 500")):
        with attached(relay, home, *options) as terminal:
            terminal.read_for(3.0)
            source = Load(_LOAD, sessions=4).start(relay.port)
            octets = terminal.read_for(LISTEN) / LISTEN
            rows.append([f"overview while mail flows, octets/s{name}", octets, wanted])
            source.terminate()
            source.communicate()
    source = Load(_LOAD, sessions=4).start(relay.port)
    away = asyncio.run(_gaps(relay, home))
    source.terminate()
    source.communicate()
    rows.append(
        ["loop away while mail flows, ms, p99 and worst", f"{percentile(away, 0.99):.3g}, {max(away):.3g}", "≤ 50"]
    )
    return rows


async def _gaps(relay: Relay, home: Path) -> list[float]:
    """Milliseconds that a sleep took longer than it should, beside a console without a terminal."""
    found = []
    async with Console(Options(relay.socket, home=home)).run_test(size=SIZE) as pilot:
        await pilot.pause(3.0)
        until = time.monotonic() + LISTEN
        while (began := time.monotonic()) < until:
            await asyncio.sleep(_NAP)
            found.append(1000 * max(time.monotonic() - began - _NAP, 0.0))
    return found


def _pair(values: list[float]) -> str:
    return f"{percentile(values, 0.5):.4g}, {percentile(values, 0.95):.4g}"


if __name__ == "__main__":
    main()
