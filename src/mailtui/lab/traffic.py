"""Mail as the applications of a small shop send it, for the relay to carry: orders, newsletters, cron output.

Owned here: composing (the same seed gives the same messages), pacing, and the sender's side of the ledger. The SMTP
dialogue is `client.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Final, NamedTuple

from mailtui.lab.client import Outcome, SmtpClient

RECONNECT: Final = 0.5
MAX_LAG: Final = 1.0  # seconds of mail made up for after a stall
LINE: Final = "Everything in this message was made up to give a mail relay something to carry.\r\n"
PLANTS: Final = (
    "alder",
    "birch",
    "cedar",
    "clover",
    "fern",
    "hazel",
    "iris",
    "juniper",
    "larch",
    "maple",
    "moss",
    "sage",
)
BIRDS: Final = ("crane", "dipper", "finch", "heron", "kestrel", "lark", "linnet", "plover", "siskin", "swift", "wren")


@dataclass(frozen=True, slots=True)
class Flow:
    """One application: envelope sender, subjects (`{n}` is the message number), share of the traffic, how many
    recipients a message has and how many octets of text (both from, to)."""

    sender: str
    subjects: tuple[str, ...]
    share: float
    recipients: tuple[int, int] = (1, 1)
    octets: tuple[int, int] = (600, 3_000)


FLOWS: Final = (
    Flow("orders@shop.example", ("Your order {n} is confirmed", "Order {n} has left our warehouse"), 50),
    Flow("news@shop.example", ("This week in the shop", "Autumn sale, issue {n}"), 30, (1, 10), (4_000, 12_000)),
    Flow("accounts@shop.example", ("Your invoice {n}", "Reset your password"), 15, octets=(2_000, 60_000)),
    Flow(
        "root@db1.shop.example", ("Cron <root@db1> /usr/local/bin/backup", "db1: disk report {n}"), 5, octets=(200, 900)
    ),
)


class Mail(NamedTuple):
    """A message to send. `test_id` is its X-Test-ID, unique in one run."""

    test_id: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Sent(NamedTuple):
    """A message and what the relay said; `outcome` None when the connection broke before it said anything."""

    test_id: str
    sender: str
    recipients: tuple[str, ...]
    outcome: Outcome | None

    @property
    def accepted(self) -> tuple[str, ...]:
        """The recipients the relay answers for now."""
        if self.outcome is None or not self.outcome.accepted:
            return ()
        pairs = zip(self.recipients, self.outcome.recipients, strict=True)
        return tuple(address for address, code in pairs if code // 100 == 2)


@dataclass(slots=True)
class Tally:
    """Totals, in messages but for the last one: taken (2yz), put off (4yz), refused (5yz), left without an answer."""

    accepted: int = 0
    deferred: int = 0
    refused: int = 0
    unanswered: int = 0
    accepted_recipients: int = 0

    def count(self, sent: Sent) -> None:
        """Adds one message."""
        code = sent.outcome.code if sent.outcome else 0
        self.accepted += code // 100 == 2
        self.deferred += code // 100 == 4
        self.refused += code // 100 == 5
        self.unanswered += code == 0
        self.accepted_recipients += len(sent.accepted)


def compose(seed: int, domains: Mapping[str, float], flows: tuple[Flow, ...] = FLOWS) -> Iterator[Mail]:
    """Messages without end; equal arguments give equal messages. `domains` maps recipient domains to their weight."""
    rng = random.Random(seed)
    names, weights = tuple(domains), tuple(domains.values())
    shares = tuple(flow.share for flow in flows)
    for number in count(1):
        flow = rng.choices(flows, shares)[0]
        wanted = rng.randint(*flow.recipients)
        recipients = dict.fromkeys(f"{_local(rng)}@{domain}" for domain in rng.choices(names, weights, k=wanted))
        test_id = f"{seed}-{number}"
        yield Mail(test_id, flow.sender, tuple(recipients), _content(rng, flow, number, test_id, tuple(recipients)))


def _local(rng: random.Random) -> str:
    return f"{rng.choice(PLANTS)}.{rng.choice(BIRDS)}{rng.randint(0, 99)}"


def _content(rng: random.Random, flow: Flow, number: int, test_id: str, recipients: tuple[str, ...]) -> bytes:
    domain = flow.sender.partition("@")[2]
    to = recipients[0] if len(recipients) == 1 else "undisclosed-recipients:;"
    head = (
        f"From: <{flow.sender}>\r\nTo: {to}\r\n"
        f"Subject: {rng.choice(flow.subjects).format(n=1000 + number)}\r\nMessage-ID: <{test_id}@{domain}>\r\n"
        f"X-Test-ID: {test_id}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
    )
    return (head + LINE * (rng.randint(*flow.octets) // len(LINE) + 1)).encode()


class Traffic:
    """Sends composed mail to `address` at `rate` messages a second over `connections` kept connections.

    `rate` may be changed while it runs. `tally` counts, `sent` keeps the last `keep` messages with their outcome.
    """

    def __init__(
        self,
        address: tuple[str, int],
        domains: Mapping[str, float],
        *,
        rate: float = 10.0,
        seed: int = 0,
        connections: int = 4,
        keep: int = 100_000,
        flows: tuple[Flow, ...] = FLOWS,
    ) -> None:
        self.rate = rate
        self.tally = Tally()
        self.sent: deque[Sent] = deque(maxlen=keep)
        self._address = address
        self._connections = connections
        self._pace = random.Random(seed)
        self._mails = compose(seed, domains, flows)

    async def run(self, limit: int | None = None) -> Tally:
        """Sends `limit` messages, or until cancelled; returns when each has its answer. An absent relay is waited
        for.
        """
        waiting: asyncio.Queue[Mail | None] = asyncio.Queue(self._connections)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._connections):
                group.create_task(self._work(waiting))
            await self._feed(waiting, limit)
            for _ in range(self._connections):
                await waiting.put(None)
        return self.tally

    async def _feed(self, waiting: asyncio.Queue[Mail | None], limit: int | None) -> None:
        """Random arrivals (Poisson) at the rate of the moment; mail that could not be sent in time is not piled up."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for sent, mail in enumerate(self._mails):
            if sent == limit:
                return
            due = max(due + self._pace.expovariate(self.rate), loop.time() - MAX_LAG)
            await asyncio.sleep(due - loop.time())
            await waiting.put(mail)

    async def _work(self, waiting: asyncio.Queue[Mail | None]) -> None:
        client: SmtpClient | None = None
        try:
            while (mail := await waiting.get()) is not None:
                client = client or await self._connected()
                outcome: Outcome | None = None
                try:
                    outcome = await client.send(mail.sender, mail.recipients, mail.content)
                except OSError:
                    await client.close()
                    client = None
                sent = Sent(mail.test_id, mail.sender, mail.recipients, outcome)
                self.sent.append(sent)
                self.tally.count(sent)
        finally:
            if client is not None:
                await client.close()

    async def _connected(self) -> SmtpClient:
        while True:
            client = SmtpClient(self._address)
            try:
                await client.connect()
            except OSError:
                await asyncio.sleep(RECONNECT)
            else:
                return client
