"""What every benchmark prints: the machine, the command, and a table in Markdown.

Owned here: facts and layout only. Nothing is measured here and nothing is judged: numbers to reach are printed beside the numbers.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sqlite3
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.kit import postfix
from tests.kit.processes import program

#: Before anything ran: a benchmark wants a quiet machine.
_LOAD = os.getloadavg()[0]


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser with what all benchmarks understand: `--scale` (1 is the size of the design) and `--rounds`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the full size, 0.1 for a quick look (default: 1)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="times everything is measured (default: 3)")
    return parser


def scaled(number: int, scale: float, least: int = 1) -> int:
    """A size at that scale."""
    return max(least, round(number * scale))


def machine() -> str:
    """Where and with what this was measured, as a few lines."""
    return "\n".join(
        [
            f"date     {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
            f"command  {' '.join(['python', *_module(), *sys.argv[1:]])}",
            f"machine  {os.cpu_count()} CPUs, {_cpu()}, load at start {_LOAD:.2f}",
            f"software Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, Postfix {_postfix()},"
            f" {platform.system()} {platform.release()}",
        ]
    )


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]], notes: Sequence[str] = ()) -> None:
    """Print the facts, the table and the notes."""
    print(f"\n## {title}\n\n```\n{machine()}\n```\n")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(map(_cell, row))} |")
    for note in notes:
        print(f"\n{note}")
    print(flush=True)


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0-1) of the values do not exceed, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def progress(text: str) -> None:
    """A line about what is being done, to standard error."""
    print(text, file=sys.stderr, flush=True)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def _module() -> list[str]:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return ["-m", spec.name] if spec else [os.path.relpath(sys.argv[0])]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _postfix() -> str:
    return postfix.version() if program("postconf") else "not installed"
