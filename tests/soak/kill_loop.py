"""The long storm: `python -m tests.soak.kill_loop --intake 500 --delivery 300` kills a relay that often and prints the account.

Owned here: the two loads of the test plan (D2: mail coming in, D3: mail going out) and the table. The storm itself is
`tests.crash.storm`. Exit code 1 when anything was lost, changed, or sent twice without an announced reason.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.storm import Storm, Toll, rage

COLUMNS = (
    "load", "kills", "accepted", "delivered", "DSN", "held", "lost", "changed", "W1", "W2", "W3", "unexplained",
    "under way at kills", "slowest start", "seconds",
)  # fmt: skip


def storms(intake: int, delivery: int, seed: int) -> dict[str, Storm]:
    """The two loads, each with as many kills as asked for."""
    return {
        "intake": Storm(intake, (0.0, 2.0), sessions=20, size=(1_000, 200_000), dot_delay=0.0, seed=seed),
        "delivery": Storm(delivery, (0.1, 1.5), sessions=3, size=(1_000, 4_000), dot_delay=0.3, seed=seed + 1),
    }


def row(name: str, toll: Toll, seconds: float) -> str:
    """One line of the table."""
    audit = toll.audit
    cells = (
        name, toll.kills, audit.accepted, audit.delivered, audit.dsn, audit.held, len(audit.lost), len(audit.corrupt),
        audit.w1, audit.w2, audit.w3, len(audit.unexplained), toll.under_way, f"{toll.slowest_start * 1000:.0f} ms",
        f"{seconds:.0f}",
    )  # fmt: skip
    return _line(cells)


def _line(cells: tuple[object, ...]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def say(line: str) -> None:
    """A line to standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run both, print the table (recipients; duplicates by window, see docs/reliability.md)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--intake", type=int, default=30, help="kills while mail comes in")
    parser.add_argument("--delivery", type=int, default=30, help="kills while mail goes out")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    lines, clean = [_line(COLUMNS), _line(("---",) * len(COLUMNS))], True
    for name, storm in storms(asked.intake, asked.delivery, asked.seed).items():
        if not storm.kills:
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mt-") as directory:
            toll = asyncio.run(rage(storm, Path(directory), lambda line, name=name: say(f"{name}: {line}")))  # type: ignore[misc]
        for trouble in (*toll.audit.lost, *toll.audit.corrupt, *toll.audit.unexplained):
            say(f"{name}: {trouble}")
        clean = clean and toll.audit.clean
        lines.append(row(name, toll, time.monotonic() - began))
    say("\n".join(lines))
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
