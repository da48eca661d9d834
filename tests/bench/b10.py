"""B10: how long `mailtui --help` takes, how long from starting `mailtui serve` to a listening port, and its memory at rest.

A new queue every time; medians of five. The relay has been idle for two seconds when its memory is read.
"""

from __future__ import annotations

import subprocess
import time

from tests.bench import table
from tests.kit.processes import is_open, rss, wait_until
from tests.kit.relay import MAILTUI, Relay

REST = 2.0


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.set_defaults(rounds=5)
    options = parser.parse_args()
    rounds = options.rounds
    _help()  # once for the file cache and the compiled modules
    found = [_serve() for _ in range(rounds)]
    measured = {
        "`mailtui --help`, s": ([_help() for _ in range(rounds)], "≤ 0.3"),
        "`serve` to listening, s": ([once[0] for once in found], "≤ 1"),
        "`serve` to its ready line, s": ([once[1] for once in found], ""),
        "idle RSS, MB": ([once[2] for once in found], "≤ 80"),
    }
    heads = ["", *(f"{number}" for number in range(1, rounds + 1)), "median", "to reach"]
    rows = [[name, *values, table.median(values), wanted] for name, (values, wanted) in measured.items()]
    table.show("B10: start and rest", heads, rows)


def _help() -> float:
    began = time.monotonic()
    subprocess.run([*MAILTUI, "--help"], check=True, capture_output=True)
    return time.monotonic() - began


def _serve() -> tuple[float, float, float]:
    """Seconds to listening, seconds to the ready line, idle RSS in MB."""
    relay = Relay()
    began = time.monotonic()
    relay.launch()
    with relay:
        wait_until(lambda: is_open(relay.port), "the port to listen", poll=0.002)
        listening = time.monotonic() - began
        relay.wait_until_ready()
        ready = time.monotonic() - began
        time.sleep(REST)
        return listening, ready, rss(relay.pid) / 1e6


if __name__ == "__main__":
    main()
