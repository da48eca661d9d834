"""What the private mail systems of the tests have in common: they come and go without a trace, and file what they keep in a maildir.

Owned here: that life and that mailbox. How each is configured, started and asked is its own module.
"""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Self

from tests.kit.processes import free_port, wait_until


class Peer(ABC):
    """One instance under a directory of its own, `root`, listening on `port` of loopback while it is entered."""

    def __init__(self, name: str, inbox: str, port: int, hostname: str) -> None:
        """`inbox` is the maildir below `root`; a `port` of 0 is any that is free."""
        self._name = name
        self.port = port or free_port()
        self.hostname = hostname
        self.root = Path(tempfile.mkdtemp(prefix=f"mailtui-{name.lower()}-"))
        self._inbox = self.root / inbox

    def __enter__(self) -> Self:
        try:
            self._write()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    @abstractmethod
    def _write(self) -> None:
        """Its configuration and directories."""

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it listens."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it; mail in its queue stays there for the next `start`."""

    @abstractmethod
    def queued(self) -> int:
        """How many messages stand in its queue, by counting files: cheap enough to be asked often."""

    def wait_until_empty(self, timeout: float = 30.0) -> None:
        """Until nothing waits in its queue."""
        wait_until(lambda: self.queued() == 0, f"{self._name}'s queue to empty", timeout)

    def messages(self) -> list[bytes]:
        """Every message filed, oldest first, as stored: LF line ends, its trace lines in front."""
        new = self._inbox / "new"
        if not new.is_dir():
            return []
        return [path.read_bytes() for path in sorted(new.iterdir(), key=lambda path: path.stat().st_mtime_ns)]

    def wait_for_messages(self, count: int, timeout: float = 30.0) -> list[bytes]:
        """Until so many were filed; all of them."""
        return wait_until(
            lambda: filed if len(filed := self.messages()) >= count else [],
            f"{count} messages in {self._name}'s mailbox",
            timeout,
        )

    def parsed(self) -> list[Message]:
        """The messages filed, parsed."""
        return [message_from_bytes(message) for message in self.messages()]
