"""A bystander: small mails, one after the other, and how long each took to be accepted and to arrive.

Owned here: pacing and the two clocks. It shows what other mail feels while a relay is busy with a load.
"""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Self

from tests.bench.load import Sink
from tests.bench.table import percentile

PATIENCE: Final = 120.0
_CONTENT: Final = (
    b"From: probe@src.test\r\nTo: probe@good.test\r\nSubject: probe\r\n\r\n" + b"How long does this take?\r\n" * 20
)


class Latency(NamedTuple):
    """Of one mail, in milliseconds from MAIL: to the 250 of its dot, and to its arrival at the sink."""

    accepted: float
    arrived: float


class Probe:
    """`with Probe(port, sink) as probe:` keeps one connection to the relay; `sink` must get nothing but its mail."""

    def __init__(self, port: int, sink: Sink) -> None:
        self._port, self._sink = port, sink

    def __enter__(self) -> Self:
        self._client = smtplib.SMTP("127.0.0.1", self._port, local_hostname="probe.test", timeout=PATIENCE)
        self._client.ehlo()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def once(self) -> Latency:
        """Send a mail and wait until it has arrived."""
        wanted = self._sink.count + 1
        began = time.monotonic()
        self._client.sendmail("probe@src.test", ["probe@good.test"], _CONTENT)
        accepted = time.monotonic() - began
        arrived = self._sink.wait_for(wanted, PATIENCE) - began
        return Latency(1000 * accepted, 1000 * arrived)

    def times(self, count: int, gap: float = 0.02) -> list[Latency]:
        """So many mails, `gap` seconds apart."""
        return self.until(lambda found: len(found) >= count, gap)

    def until(self, enough: Callable[[list[Latency]], object], gap: float = 0.02) -> list[Latency]:
        """Mails until `enough` of those sent so far is true."""
        found: list[Latency] = []
        while not enough(found):
            found.append(self.once())
            time.sleep(gap)
        return found


def columns(latencies: list[Latency]) -> list[float]:
    """Median, p95, p99 to acceptance, then the same to arrival, in milliseconds."""
    shares = (0.5, 0.95, 0.99)
    accepted, arrived = [found.accepted for found in latencies], [found.arrived for found in latencies]
    return [percentile(accepted, share) for share in shares] + [percentile(arrived, share) for share in shares]


HEADS: Final = ["accept p50 ms", "p95", "p99", "arrive p50 ms", "p95", "p99"]
