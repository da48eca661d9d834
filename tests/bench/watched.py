"""B6 while mail flows: what a console that asks for everything every second costs those who hand mail in, at 1,000,000 waiting.

Two stretches of the same length, without and with the asker, on one relay: mail of four sessions (accept: MAIL to the 250 of the dot),
`status` ten times a second on a connection of its own (what waits for the loop shows in it), and how large the write-ahead log has become.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from tests.bench import b6, depth, table
from tests.bench.load import Sink
from tests.bench.plans import Traffic
from tests.kit.processes import cpu_seconds, rss
from tests.kit.relay import Relay

from mailtui.queue.database import FILE

SECONDS: Final = 20.0
#: What the screens of a console ask for.
ASKED: Final = (
    *("queue.count", "queue.domains", "queue.reasons?by=site", "queue.reasons?by=class", "queue.ages?by=site"),
    *(
        "queue.ages?by=destination",
        "incidents",
        "forecast",
        "failures",
        "samples",
        "queue.list",
        "queue.reasons?window=15m",
    ),
)


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.add_argument("--cache", type=Path, default=depth.CACHE, help="where the queue file is kept")
    options = parser.parse_args()
    recipients = table.scaled(depth.RECIPIENTS, options.scale, 1000)
    source = depth.made(options.cache, recipients)
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        routes = {"route": [{"match": "good.test", "to": f"{sink.host}:{sink.port}"}], "dns": b6.settings(sink)["dns"]}
        relay = Relay(routes)
        depth.copied(source, relay.data)
        stack.enter_context(relay)
        depth.wait_until_filed(relay)
        rows = [_stretch(relay, name, asked) for name, asked in (("alone", ()), ("watched", ASKED))]
    heads = [
        "",
        "accepted",
        "accept p50 ms",
        "p99",
        "longest",
        "status p50 ms",
        "p99",
        "asked",
        "CPU s",
        "WAL MB",
        "RSS MB",
    ]
    table.show(f"B6: watched with {recipients} recipients waiting", heads, rows)


def _stretch(relay: Relay, name: str, asked: tuple[str, ...]) -> list[object]:
    before = cpu_seconds(relay.pid)
    wal = relay.data / f"{FILE}-wal"
    largest = 0
    with Asker(relay, ("status",), 0.1) as status, Asker(relay, asked, 1.0) as asker, Traffic(relay.port) as traffic:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            largest = max(largest, wal.stat().st_size)
            time.sleep(0.05)
    took = status.took
    used = cpu_seconds(relay.pid) - before
    return [
        *(name, *traffic.columns(), table.median(took), table.percentile(took, 0.99), len(asker.took)),
        *(used, largest / 1e6, rss(relay.pid) / 1e6),
    ]


class Asker:
    """`with Asker(relay, requests, pause) as asker:` asks each in turn, over and over, a pause between the rounds."""

    def __init__(self, relay: Relay, requests: tuple[str, ...], pause: float) -> None:
        self._relay, self._requests, self._pause = relay, requests, pause
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.took: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._enough.wait(self._pause):
            self.took += [b6.once(self._relay, b6.Read(request, request)) for request in self._requests]


if __name__ == "__main__":
    main()
