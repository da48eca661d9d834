"""A store with an operator on it: what a running relay offers to operators, without the mail that flows."""

from __future__ import annotations

from pathlib import Path

from tests.unit.queue.office import NOW, pack, unpack

from mailtui.config import Config, Relay
from mailtui.events import Accepted, AnyEvent, Notified
from mailtui.feedback.reporter import Reporter
from mailtui.queue.lanes import DueLane
from mailtui.queue.operate import Operator
from mailtui.queue.reader import Reader
from mailtui.queue.store import Store


class Desk:
    """A store with an operator on it, and everything that was told."""

    def __init__(self, folder: Path) -> None:
        self.events: list[AnyEvent] = []
        self.woken: list[DueLane] = []
        self.unblocked: list[str] = []
        self.now = NOW
        config = Config(relay=Relay(data_dir=folder, hostname="relay.example"))
        self.store = Store(
            config,
            lambda sender, destination, attempts: "mx",
            Reporter(config),
            pack,
            self._fail,
            self._hear,
            self.woken.extend,
        )

    async def start(self) -> None:
        self.reader = await Reader.open(self.store.path, unpack)
        self.operator = Operator(
            self.store,
            self.reader,
            self.unblocked.extend,
            self.events.append,
            lambda: self.now,
            self.store.hold_rules.inverses(),
        )

    async def rest(self, sql: str) -> list[tuple[object, ...]]:
        """Rows by the writer: after everything that was committed."""
        return await self.store.run(lambda db: db.execute(sql).fetchall())

    async def close(self) -> None:
        await self.reader.close()
        await self.store.close()

    def _fail(self, error: Exception) -> None:
        raise error

    def _hear(self, event: Accepted | Notified) -> None:
        self.events.append(event)

    async def rows(self, sql: str) -> list[tuple[object, ...]]:
        return await self.reader.fetch(sql)
