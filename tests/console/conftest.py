"""A relay in a process of its own whose mail cannot leave, and the console in the test's terminal that is none."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.control.conftest import put, settled
from tests.kit.processes import Waited, free_port, wait_for_port
from tests.kit.relay import Relay, Table
from textual.pilot import Pilot
from textual.widget import Widget

from mailtui.cli.child import child
from mailtui.console.app import Console
from mailtui.console.launch import Ended, Options
from mailtui.console.widgets.canvas import Canvas
from mailtui.queue.database import FILE

__all__ = ["put", "settled"]


def settings() -> dict[str, Table | Sequence[Table]]:
    """A relay whose mail cannot leave."""
    return {"route": [{"to": f"127.0.0.1:{free_port()}"}], "intake": {"min_free_disk": "1MB"}}


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    with Relay(settings()) as running:
        yield running


@contextmanager
def embedded(goes_on: Callable[[], bool] = lambda: False) -> Iterator[Relay]:
    """The same as a child of ours, as `mailtui run` starts and ends it."""
    relay = Relay(settings())
    try:
        with child(["--config", str(relay.config), "serve"], relay.socket, relay.log, goes_on):
            wait_for_port(relay.port)
            yield relay
    finally:
        shutil.rmtree(relay.root, ignore_errors=True)


def rows(relay: Relay, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What the queue file itself says, through a connection that can only read."""
    with closing(sqlite3.connect(f"file:{relay.data / FILE}?mode=ro", uri=True)) as db:
        return db.execute(sql, parameters).fetchall()


class Screen:
    """A console and the hands on it."""

    def __init__(self, app: Console, pilot: Pilot[Ended]) -> None:
        self.app = app
        self._pilot = pilot

    @property
    def text(self) -> str:
        """What is seen, line by line, of every surface that is shown."""
        seen = [canvas for screen in self.app.screen_stack for canvas in screen.query(Canvas) if shown(canvas)]
        return "\n".join("".join(part.text for part in whole) for canvas in seen for whole in canvas.lines)

    async def press(self, *keys: str) -> None:
        """Keys, as they are called."""
        await self._pilot.press(*keys)

    async def until(self, fact: Callable[[], object], what: str, timeout: float = 10.0) -> None:
        """Until something is so."""
        deadline = time.monotonic() + timeout
        while not fact():
            if time.monotonic() > deadline:
                raise Waited(f"waited {timeout:g} s for {what}; seen was\n{self.text}")
            await self._pilot.pause(0.02)

    async def sees(self, text: str, timeout: float = 10.0) -> None:
        """Until a text is seen."""
        await self.until(lambda: text in self.text, f"{text!r} to be seen", timeout)

    async def click(self, widget: Widget | str, offset: tuple[int, int], times: int = 1) -> None:
        """The mouse, at cells of a widget."""
        await self._pilot.click(widget, offset=offset, times=times)

    async def resize(self, columns: int, rows: int) -> None:
        """Another size."""
        await self._pilot.resize_terminal(columns, rows)


def shown(canvas: Canvas) -> bool:
    """Whether a surface and everything around it is displayed."""
    return all(getattr(node, "display", True) for node in canvas.ancestors_with_self)


Opened = Callable[..., AbstractAsyncContextManager[Screen]]


@pytest.fixture
def console(relay: Relay, tmp_path: Path) -> Opened:
    """`async with console() as screen:` a console for the relay, at 80x24 unless said otherwise."""

    @asynccontextmanager
    async def opened(columns: int = 80, rows: int = 24, **options: object) -> AsyncIterator[Screen]:
        app = Console(Options(relay.socket, home=tmp_path, **options))  # type: ignore[arg-type]
        async with app.run_test(size=(columns, rows)) as pilot:
            yield Screen(app, pilot)

    return opened
