"""The pictures of the README, drawn from the demo: `python docs/images/draw.py` writes the SVG files beside this one, in two minutes.

A demo runs in a process of its own; a console without a terminal is led through it as an operator would go, and what it shows is saved.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mailtui.console.app import Console
from mailtui.console.launch import Options
from mailtui.console.widgets.canvas import Canvas

HERE: Final = Path(__file__).parent
#: Seconds of the demo until its incident has unfolded.
UNFOLDED: Final = 40.0
#: Picture, columns, rows, the keys that lead there from the overview, and what must be seen before it is drawn.
TOUR: Final = (
    ("overview", 120, 36, (), "What changed"),
    ("incident", 120, 36, ("4",), "NEW"),
    ("domain", 120, 36, ("3", "enter"), "Responses"),
    ("message", 120, 36, ("2", "/", *"class:mailbox-full", "enter", "enter"), "MAIL FROM"),
    ("hold", 80, 24, ("2", "/", *"from:news*", "enter", "*", "H"), "mailtui hold"),
    ("overview-80", 80, 24, (), "What changed"),
)


def text(app: Console) -> str:
    """What is seen."""
    seen = [canvas for screen in app.screen_stack for canvas in screen.query(Canvas) if canvas.display]
    return "\n".join("".join(part.text for part in whole) for canvas in seen for whole in canvas.lines)


async def draw(control: Path, home: Path) -> None:
    """Every picture of the tour, each from a fresh console."""
    for name, columns, rows, keys, sign in TOUR:
        app = Console(Options(control, home=home))
        async with app.run_test(size=(columns, rows)) as pilot:
            await until(lambda app=app: "LIVE 0s" in text(app), pilot.pause)  # type: ignore[misc]
            for key in keys:
                await pilot.press(key)
                await pilot.pause(2.0 if key == "enter" else 0.3)
            await until(lambda app=app, sign=sign: sign in text(app), pilot.pause)  # type: ignore[misc]
            await pilot.pause(1.5)
            (HERE / f"{name}.svg").write_text(plain(app.export_screenshot(title="mailtui", simplify=True)), "utf-8")
            print(f"{name}.svg")


async def until(fact: Callable[[], bool], pause: Callable[[float], object], seconds: float = 20.0) -> None:
    """Wait for a fact, and go on without it in the end: the picture shows what there was."""
    ends = time.monotonic() + seconds
    while not fact() and time.monotonic() < ends:
        await pause(0.1)  # type: ignore[misc]


def plain(svg: str) -> str:
    """A picture that fetches no font from anywhere: the reader's own is taken."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: ?Fira Code[^;]*;", "font-family: 'DejaVu Sans Mono', Menlo, Consolas, monospace;", svg)
    return re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)


def main() -> None:
    """Run the demo, draw, end it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mailtui", "demo", "--headless", "--seconds", "300", "--folder", folder]
        demo = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            time.sleep(UNFOLDED)
            asyncio.run(draw(Path(folder) / "data" / "control.sock", Path(folder)))
        finally:
            demo.terminate()
            demo.wait(20)


if __name__ == "__main__":
    main()
