"""A mail server of the lab in a process of its own, for benchmarks in which it must not share a core's time with the measuring.

`python -m tests.bench.peer PORT --connections 4` answers 421 to connections over the limit and writes what it has seen to
standard output, one line of JSON ten times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from tests.kit.processes import Child

from mailtui.lab.personality import throttling
from mailtui.lab.remote import RemoteServer

PERIOD = 0.1


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=0, help="connections allowed at once, 0 is no limit")
    options = parser.parse_args()
    asyncio.run(_serve(options.port, options.connections))


async def _serve(port: int, connections: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with RemoteServer(throttling(max_connections=connections), port=port, keep=1, keep_bodies=False) as remote:
        while not stopped.is_set():
            seen = remote.records
            facts = {
                "received": seen.total_received,
                "peak": seen.peak,
                "turned_away": seen.turned_away,
                "connections": seen.total_connections,
            }
            print(json.dumps(facts), flush=True)
            try:
                async with asyncio.timeout(PERIOD):
                    await stopped.wait()
            except TimeoutError:
                pass


def start(port: int, connections: int, log: Path) -> Child:
    """The server as a child."""
    return Child([sys.executable, "-m", "tests.bench.peer", str(port), "--connections", str(connections)], log)


def seen(peer: Child) -> dict[str, Any]:
    """What it has seen so far; empty before it has said anything."""
    lines = [line for line in peer.said().split("\n")[:-1] if line.startswith("{")]
    facts: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return facts


if __name__ == "__main__":
    main()
