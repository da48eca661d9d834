"""A real relay among lab servers, in the test's own event loop: what every flow test is made of.

Owned here: the net (name server and mail hosts on loopback), a relay on it with a compressed retry schedule, handing mail in, looking
at the queue file through a connection of our own, and the ledger both sides are held against. What goes wrong is each test's own.
"""

from __future__ import annotations

import asyncio
import smtplib
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from tests.kit.processes import POLL, Waited, free_port

from mailtui.config import Config, Endpoint, Listener, Log
from mailtui.delivery.transcript import unpack
from mailtui.lab.certificates import Certificates
from mailtui.lab.dns import DnsServer
from mailtui.lab.personality import FINE, Personality
from mailtui.lab.records import Received
from mailtui.lab.remote import RemoteServer
from mailtui.lab.world import reserve_everywhere
from mailtui.lab.zone import Zone
from mailtui.queue.database import FILE
from mailtui.relay import Relay

T = TypeVar("T")

SENDER: Final = "app@sender.test"
WAITING: Final = ("queued", "sending", "deferred", "held")
FINISHED: Final = ("delivered", "bounced", "suppressed", "purged")


# --- the net


class Net:
    """A name server and mail hosts, each on a loopback address of its own and all on one port, as delivery by MX wants it."""

    def __init__(self, dns: DnsServer, certificates: Certificates, remotes: dict[str, RemoteServer]) -> None:
        self.dns = dns
        self.certificates = certificates
        self.remotes = remotes

    @property
    def zone(self) -> Zone:
        return self.dns.zone

    @property
    def port(self) -> int:
        return next(iter(self.remotes.values())).address[1]

    def __getitem__(self, name: str) -> RemoteServer:
        """The host of that name, or the (first) one of that domain."""
        return self.remotes[name] if name in self.remotes else self.remotes[f"mx.{name}"]

    def behave(self, name: str, personality: Personality) -> RemoteServer:
        """Give a host its character."""
        remote = self[name]
        remote.personality = personality
        return remote


@asynccontextmanager
async def net(*domains: str, hosts: Sequence[str] = ()) -> AsyncIterator[Net]:
    """`mx.<domain>` for every domain, and further `hosts` without one; the sender's domain has a host as well, for DSNs."""
    names = [*(f"mx.{domain}" for domain in (*domains, "sender.test")), *hosts]
    addresses = [f"127.0.0.{number}" for number in range(11, 11 + len(names))]
    certificates = Certificates()
    remotes = {
        name: RemoteServer(FINE, name=name, reserved=reserved, certificates=certificates)
        for name, reserved in zip(names, reserve_everywhere(addresses), strict=True)
    }
    async with DnsServer() as dns:
        try:
            for name, address in zip(names, addresses, strict=True):
                dns.zone.host(name, address)
                await remotes[name].up()
            for domain in (*domains, "sender.test"):
                dns.zone.mx(domain, f"mx.{domain}")
            yield Net(dns, certificates, remotes)
        finally:
            for remote in remotes.values():
                await remote.close()


# --- the relay


def settings(directory: Path, around: Net, **overrides: object) -> Config:
    """A configuration on that net; `overrides` are tables: a mapping changes single keys, a tuple is a list of tables."""
    tables: dict[str, object] = {
        "relay": {"hostname": "relay.test", "data_dir": directory / "data"},
        "listener": (Listener(bind=Endpoint("127.0.0.1", free_port())),),
        "retry": {"schedule": (0.05, 0.1), "jitter": 0.0},
        "delivery": {"port": around.port, "ipv6": False},
        "timeouts": {"quit": 1.0},
        "dns": {"nameservers": (Endpoint(*around.dns.address),), "timeout": 5.0},
        "log": Log(level="error"),
    }
    defaults = Config()
    for name, value in overrides.items():
        before = tables.get(name)
        tables[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, Mapping) else value
    tables["relay"] = type(defaults.relay)(**tables["relay"])  # type: ignore[arg-type]
    values = {
        name: msgspec.structs.replace(getattr(defaults, name), **value) if isinstance(value, Mapping) else value
        for name, value in tables.items()
    }
    return Config(**values)  # type: ignore[arg-type]


@asynccontextmanager
async def running_relay(directory: Path, around: Net, **overrides: object) -> AsyncIterator[Relay]:
    """A relay at work; at the end it is stopped as SIGTERM stops it, and its books must balance."""
    async with running(Relay(settings(directory, around, **overrides))) as relay:
        yield relay
    ledger(relay)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    """The same for a relay made elsewhere. No slot of its runner may have failed; its tick is compressed like its schedule."""
    failures: list[str] = []
    relay.journal.add_sink(lambda event: failures.extend(_slot_failures(event)))
    await relay.start()
    task = asyncio.create_task(relay.run())
    ticker = asyncio.create_task(_tick(relay))
    try:
        yield relay
    finally:
        ticker.cancel()
        relay.stop("the test is over")
        try:
            async with asyncio.timeout(40):
                await task
        finally:
            await relay.close()
    assert not failures, failures


async def _tick(relay: Relay) -> None:
    while True:
        await asyncio.sleep(0.02)
        relay.runner.poke()


def _slot_failures(event: object) -> list[str]:
    text = getattr(event, "text", "")
    return [text] if isinstance(text, str) and text.startswith(("a delivery slot failed", "not recorded")) else []


# --- handing mail in


def letter(test_id: str, body: bytes = b"Hello.\r\n", *, header: bytes = b"", sender: str = SENDER) -> bytes:
    """A complete message that a remote's records recognise again."""
    return (
        f"From: <{sender}>\r\nSubject: {test_id}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{test_id}@sender.test>\r\nX-Test-ID: {test_id}\r\n".encode()
        + header
        + b"\r\n"
        + body
    )


async def submit(
    relay: Relay,
    *recipients: str,
    content: bytes | None = None,
    sender: str = SENDER,
    options: Sequence[str] = (),
    rcpt_options: Sequence[str] = (),
) -> str:
    """Hand a message to the relay with the standard library's client; its queue id. The local part is the test id."""
    content = letter(recipients[0].partition("@")[0], sender=sender) if content is None else content

    def dialogue() -> str:
        host, port = relay.listeners.addresses[0].rsplit(":", 1)
        with smtplib.SMTP(host, int(port), local_hostname="app.sender.test", timeout=20) as client:
            client.ehlo()
            if "SMTPUTF8" in options:
                client.command_encoding = "utf-8"
            _good(client.mail(sender, list(options)))
            for recipient in recipients:
                _good(client.rcpt(recipient, list(rcpt_options)))
            code, text = client.data(content)
            _good((code, text))
            return text.decode().split()[-1]

    return await asyncio.to_thread(dialogue)


def _good(answer: tuple[int, bytes]) -> None:
    assert answer[0] in (250, 251), answer


# --- waiting and looking


async def until(fact: Callable[[], T], what: str = "", timeout: float = 10.0) -> T:
    """Ask `fact` until its answer is true and return that."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not (answer := fact()):
        if loop.time() > deadline:
            raise Waited(f"waited {timeout:g} s for {what or 'a fact'}")
        await asyncio.sleep(POLL)
    return answer


def rows(relay: Relay, sql: str, *parameters: object) -> list[sqlite3.Row]:
    """What the queue file says, through a connection that can only read."""
    path = relay.config.relay.data_dir / FILE
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return db.execute(sql, parameters).fetchall()


def recipient(relay: Relay, address: str) -> sqlite3.Row:
    """The one recipient row of an address, with columns of its message, lane and site."""
    (row,) = rows(
        relay,
        "SELECT r.*, l.destination, l.route, l.due_at, l.failures lane_failures, s.name site, s.failures site_failures,"
        " m.signature FROM recipient r JOIN lane l ON l.id = r.lane JOIN message m ON m.id = r.message"
        " LEFT JOIN site s ON s.id = l.site WHERE r.address = ?",
        address,
    )
    return row


def attempts(relay: Relay, address: str) -> list[sqlite3.Row]:
    """The recorded attempts of an address, oldest first."""
    return rows(
        relay,
        "SELECT a.* FROM attempt a JOIN recipient r ON r.id = a.recipient WHERE r.address = ? ORDER BY a.started, a.n",
        address,
    )


def told(relay: Relay, address: str) -> list[tuple[str, str]]:
    """The story of an address: (disposition, class) of every attempt."""
    return [(row["disposition"], row["class"]) for row in attempts(relay, address)]


def transcript(relay: Relay, number: int) -> str:
    """A dialogue as people read it, one line `> MAIL FROM...` each."""
    ((packed,),) = rows(relay, "SELECT lines FROM transcript WHERE id = ?", number)
    return "\n".join(f"{line.dir} {line.line}" for line in unpack(packed))


def transcripts(relay: Relay) -> str:
    """Everything that is kept of any dialogue."""
    return "\n".join(transcript(relay, row["id"]) for row in rows(relay, "SELECT id FROM transcript ORDER BY id"))


async def in_state(relay: Relay, address: str, state: str, timeout: float = 10.0) -> sqlite3.Row:
    """Wait until an address stands there."""
    await until(lambda: recipient(relay, address)["state"] == state, f"{address} to be {state}", timeout)
    return recipient(relay, address)


async def attempted(relay: Relay, address: str, times: int = 1, timeout: float = 10.0) -> list[sqlite3.Row]:
    """Wait until that many attempts are on record."""
    return await until(
        lambda: found if len(found := attempts(relay, address)) >= times else [],
        f"{times} attempts of {address}",
        timeout,
    )


async def settled(relay: Relay, timeout: float = 10.0) -> None:
    """Wait until nothing waits any more, DSNs included."""

    def done() -> bool:
        counts = counters(relay)
        return counts["accepted"] > 0 and not any(counts[name] for name in WAITING)

    await until(done, "everything to be finished", timeout)


# --- the ledger


def counters(relay: Relay) -> dict[str, int]:
    """The life-long counters of the queue."""
    return {row["name"]: row["n"] for row in rows(relay, "SELECT name, n FROM counter")}


def ledger(relay: Relay) -> dict[str, int]:
    """Assert that nothing is lost: accepted = waiting + finished, and the counters say what the rows say. What is not zero."""
    path = relay.config.relay.data_dir / FILE
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as db:
        db.execute("BEGIN")  # one state of the books, however busy the relay is
        counts = dict(db.execute("SELECT name, n FROM counter").fetchall())
        by_state = dict(db.execute("SELECT state, count(*) FROM recipient GROUP BY state").fetchall())
        tally = dict(db.execute("SELECT state, sum(n) FROM tally GROUP BY state HAVING sum(n) <> 0").fetchall())
        stuck = db.execute(
            "SELECT r.address FROM recipient r JOIN lane l ON l.id = r.lane WHERE r.state IN ('queued', 'deferred') AND"
            " (l.due_at IS NULL OR l.due_at > max(l.not_before, r.next_attempt, ?) + 0.001)",
            (time.time(),),
        ).fetchall()
        unfinished = db.execute(
            "SELECT count(*) FROM message m WHERE unfinished <> (SELECT count(*) FROM recipient r WHERE r.message = m.id"
            " AND state IN ('queued', 'sending', 'deferred', 'held'))"
        ).fetchone()[0]
    assert counts["accepted"] == sum(counts[name] for name in (*WAITING, *FINISHED)) == sum(by_state.values()), counts
    assert {state: n for state, n in counts.items() if n and state != "accepted"} == by_state == tally
    assert not stuck, f"waiting where nobody looks: {stuck}"
    assert not unfinished, "messages that miscount their unfinished recipients"
    return {state: counts[state] for state in (*WAITING, *FINISHED) if counts[state]}


def received(remote: RemoteServer) -> Counter[str]:
    """How often a remote took custody of each message, by X-Test-ID; `DSN to ...` for what has none."""
    assert not remote.violations, list(remote.violations)
    return Counter(item.test_id or f"DSN to {', '.join(item.recipients)}" for item in remote.mailbox)


def only(remote: RemoteServer) -> Received:
    """The one message a remote took."""
    (item,) = remote.mailbox
    assert not remote.violations, list(remote.violations)
    return item


async def dsn(around: Net, count: int = 1) -> str:
    """The text of the latest DSN at the sender's host, once there are `count` of them."""
    remote = around["sender.test"]
    await until(lambda: len(remote.mailbox) >= count, "a DSN at the sender")
    assert len(remote.mailbox) == count
    assert remote.mailbox[-1].sender == ""
    return remote.mailbox[-1].content.decode()


def said(remote: RemoteServer, verb: str) -> list[str]:
    """The command lines a remote heard that begin with `verb`."""
    return [command.line for command in remote.commands if command.line.startswith(verb)]
