"""The lab's name server in a thread of its own, for benchmarks that are no event loop.

Owned here: the thread. What is answered is the lab's business.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Self

from mailtui.lab.dns import DnsServer


class NameServer:
    """`with NameServer() as names:` answers on `names.address` (host:port, as a configuration writes it)."""

    def __init__(self) -> None:
        self._server = DnsServer(keep=1)
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10), "the name server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def address(self) -> str:
        """Host and port."""
        return self._server.nameserver

    def mail_host(self, domain: str, address: str) -> None:
        """`domain` has one MX, at that address."""
        self._loop.call_soon_threadsafe(self._add, domain, address)

    def _add(self, domain: str, address: str) -> None:
        self._server.zone.mx(domain, f"mx.{domain}")
        self._server.zone.host(f"mx.{domain}", address)

    def _run(self) -> None:
        self._loop.run_until_complete(self._server.start())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._server.close())
        self._loop.close()
