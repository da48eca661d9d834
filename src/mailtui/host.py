"""Hosting a relay in this process: signals, the control socket, the line that says it is ready, and the demo world.

Owned here: what `mailtui serve` and `mailtui demo` do. The relay works without this module; it has no window then.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from mailtui import config as settings
from mailtui import shaping_desk
from mailtui.chronicle import Chronicle
from mailtui.config import Config
from mailtui.control.server import Server
from mailtui.delivery.transcript import unpack
from mailtui.errors import MailtuiError
from mailtui.events import Notice
from mailtui.queue import entries, queries
from mailtui.queue.operate import Operator
from mailtui.queue.reader import Reader
from mailtui.relay import Relay
from mailtui.service import Desk

if TYPE_CHECKING:
    from mailtui.lab.world import World


#: Seconds a thread may keep the interpreter while another waits for it. The queue's writer gives it up at every statement, and with
#: Python's 5 ms it waits that long for the loop each time: 4-5 % of the throughput (docs/performance.md).
SWITCH: Final = 0.001


@asynccontextmanager
async def hosted(config: Config) -> AsyncIterator[tuple[Relay, Reader]]:
    """A started relay with its control socket, and a reader of its queue; closed at the end, whatever ends it."""
    relay = Relay(config)
    await relay.start()
    try:
        reader = await Reader.open(relay.store.path, unpack)
        inverses = {
            **relay.suspender.inverses,
            **relay.store.hold_rules.inverses(),
            **shaping_desk.inverses(relay),
            **entries.inverses(relay.store.suppressions),
        }
        operator = Operator(relay.store, reader, relay.runner.unblock, relay.journal.publish, inverses=inverses)
        server = Server(Desk(relay, reader, operator), relay.journal, lambda: relay.config)
        try:
            await server.start()
            yield relay, reader
        finally:
            await server.close()
            await reader.close()
    finally:
        await relay.close()


async def _serve(config: Config) -> int:
    loop = asyncio.get_running_loop()
    early: list[str] = []  # signals that come while we start: a stop is obeyed then, and the file has just been read
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, early.append, signal.Signals(number).name)
    async with hosted(config) as (relay, _):
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, relay, signal.Signals(number).name)
        for name in early:
            _stop(relay, name)
        loop.add_signal_handler(signal.SIGHUP, _reload, relay)
        listeners = ",".join(relay.listeners.addresses)
        _say(f"ready listeners={listeners} socket={config.relay.socket} pid={os.getpid()}")
        await relay.run()
    if relay.failed is not None:
        raise relay.failed
    return 0


def _stop(relay: Relay, name: str) -> None:
    Chronicle(relay).begin(name, "stop")
    relay.stop(name)


def _reload(relay: Relay) -> None:
    try:
        applied, restart = relay.reload()
        Chronicle(relay).begin("SIGHUP", "reload", applied=len(applied), needs_restart=len(restart))
    except MailtuiError as error:
        relay.journal.publish(Notice(time.time(), "error", f"not reloaded, the old settings stay: {error}"))


def _say(line: str) -> None:
    with suppress(OSError):  # nobody reads our standard output any more: that is no reason to stop relaying
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def serve(config: Config) -> int:
    """Run a relay in this process until it is told to stop; the exit code. Prints one line `ready ...` on standard output."""
    sys.setswitchinterval(SWITCH)
    return _run(_serve(config))


def _run(main: Coroutine[object, object, int]) -> int:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not every platform has it; everything works without, at half the speed
        return None
    return uvloop.new_event_loop


# ---------------------------------------------------------------------- the demo


class Ledger(msgspec.Struct, frozen=True):
    """Where every recipient of the demo is; accepted is the sum of the others."""

    accepted: int
    waiting: int
    delivered: int
    bounced: int
    suppressed: int
    purged: int


def demo(seconds: float, folder: Path | None = None) -> int:
    """A relay, the lab and traffic for `seconds`, on this machine alone; progress lines, then the ledger as JSON. In a `folder` somebody
    else owns it lasts as long as they do: until standard input ends."""
    if folder is not None:
        return _run(_demo(folder, seconds, owned=True))
    with tempfile.TemporaryDirectory(prefix="mailtui-demo-") as own:
        return _run(_demo(Path(own), seconds, owned=False))


async def _demo(folder: Path, seconds: float, owned: bool) -> int:
    from mailtui.lab.world import World

    async with World() as world:
        config = _demo_config(folder, world)
        async with hosted(config) as (relay, reader):
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.add_signal_handler(number, relay.stop, signal.Signals(number).name)
            if owned:
                loop.add_reader(0, _ended, relay, loop)
            _say(f"look from another terminal: mailtui --config {folder}/config.toml status")
            running = asyncio.ensure_future(relay.run())
            sending = asyncio.ensure_future(world.traffic(rate=20, connections=4).run())
            await _unfold(world, reader, running, seconds)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            relay.stop("the demo is over")
            await running
            ledger = await _ledger(reader)
        _say(msgspec.json.encode(ledger).decode())
    return 0


def _ended(relay: Relay, loop: asyncio.AbstractEventLoop) -> None:
    """Standard input can be read: whoever started us speaks no word, so it has gone."""
    loop.remove_reader(0)
    relay.stop("the console has gone")


async def _unfold(world: World, reader: Reader, running: asyncio.Future[None], seconds: float) -> None:
    """Let the incident take its course, with a line of progress every five seconds."""
    began, told = time.monotonic(), -1
    while (passed := time.monotonic() - began) < seconds and not running.done():
        phase = await world.script(passed)
        if int(passed) // 5 != told:
            told = int(passed) // 5
            ledger = await _ledger(reader)
            _say(
                f"{passed:4.0f} s  {phase.value:<9}  accepted {ledger.accepted}  waiting {ledger.waiting}"
                f"  delivered {ledger.delivered}  bounced {ledger.bounced}"
            )
        await asyncio.wait({running}, timeout=min(1.0, seconds - passed))


async def _ledger(reader: Reader) -> Ledger:
    standing = await queries.standing(reader, time.time())
    queue, totals = standing.queue, standing.totals
    waiting = queue.queued + queue.sending + queue.deferred + queue.held
    return Ledger(totals.accepted, waiting, totals.delivered, totals.bounced, totals.suppressed, totals.purged)


def _demo_config(folder: Path, world: World) -> Config:
    """A relay for the lab: its DNS and port, and a schedule short enough to watch."""
    lab = world.settings()
    path = folder / "config.toml"
    quoted = ", ".join(f'"{server}"' for server in lab.nameservers)
    path.write_text(
        f"""[relay]
hostname = "relay.shop.example"
environment = "demo"
data_dir = "{folder}/data"
[[listener]]
bind = "{lab.listener}"
[intake]
min_free_disk = "50MB"
[queue]
lifetime = "2m"
bounce_lifetime = "1m"
[retry]
schedule = ["3s", "5s", "10s", "15s"]
[delivery]
port = {lab.port}
[timeouts]
connect = "3s"
[dns]
nameservers = [{quoted}]
timeout = "3s"
[tls]
ca_file = "{lab.ca_file}"
[log]
level = "error"
""",
        encoding="utf-8",
    )
    return settings.load(path, os.environ)
