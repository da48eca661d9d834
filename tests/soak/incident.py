"""An incident and its aftermath, by the command line alone: `python -m tests.soak.incident` (`--messages 40000`).

A relay that runs, 40,000 messages that wait for four causes; a person at a terminal of 80 columns finds the causes, holds one group,
suspends a site for an hour and purges a campaign; the relay is stopped, started, killed and started; the purge and the hold are undone.
After every step each recipient is accounted for; at the end every schedule must be as before and every octet there. Then the remotes
come back, and everything must arrive as it was sent.

Owned here: the story, the two dumps it compares and what it says. Exit code 1 when something differs.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, Self

from tests.kit.background import Background
from tests.kit.commands import Shown, run
from tests.kit.ledger import Ledger, Source, Taken, message, reconcile, taken
from tests.kit.processes import wait_until
from tests.kit.relay import MAILTUI, Relay

from mailtui.lab.dns import DnsServer
from mailtui.lab.personality import FINE, Act, Personality, Then, unknown_users
from mailtui.lab.remote import RemoteServer
from mailtui.lab.world import reserve_everywhere
from mailtui.lab.zone import SERVFAIL
from mailtui.model import Stage

#: Hosts by the domains whose mail they take. `dead.test` has one that nobody started, `servfail.test` none.
HOSTS: Final = {
    "bigmail.test": ("bigmail.test", "mail1.test", "mail2.test", "mail3.test"),
    "grey.test": ("grey.test",),
    "dead.test": ("dead.test",),
    "good.test": ("good.test",),
    "src.test": ("src.test", "campaign.test"),
}
LOST_ZONE: Final = "servfail.test"
#: What a person must come to read, by cause, and where the cause sits.
CAUSES: Final = {
    "throttled": ("bigmail.test", r"unusual rate of mail"),
    "dead": ("dead.test", r"refused"),
    "greylisted": ("grey.test", r"[Gg]reylist"),
    "resolver": (LOST_ZONE, r"SERVFAIL"),
}
TOO_FAST: Final = Act("421 4.7.0 [{peer}] Our system has detected an unusual rate of mail, try again later", Then.CLOSE)
GREY: Final = Act(
    "450 4.2.0 <{address}>: Recipient address rejected: Greylisted, see http://postgrey.example/help/{address}.html"
)
CHARACTERS: Final = {
    "bigmail.test": Personality(hooks={Stage.MAIL: TOO_FAST}),
    "grey.test": Personality(hooks={Stage.RCPT: GREY}),
    "good.test": unknown_users("nobody*"),
    "src.test": FINE,
}
#: The first retry is far away: what changes meanwhile, somebody changed.
SETTINGS: Final = {"retry": {"schedule": ["4h"]}, "relay": {"hostname": "relay.test"}}
CAMPAIGN: Final = "news@campaign.test"
SUPPRESSED: Final = "gone@good.test"


def addresses(number: int) -> tuple[str, ...]:
    """Whom message `number` is for: one of the four causes in turn; every fiftieth also goes where mail is taken, refused or
    suppressed."""
    big = HOSTS["bigmail.test"]
    domain = (big[number // 4 % len(big)], "dead.test", "grey.test", LOST_ZONE)[number % 4]
    extra = {0: f"u{number}@good.test", 50: f"nobody{number}@good.test", 100: SUPPRESSED}.get(number % 150)
    return (f"u{number}@{domain}", *((extra,) if extra else ()))


def size(number: int) -> int:
    """Octets of message `number`."""
    return 600 + number * 37 % 4000


class Row(NamedTuple):
    """What a schedule is made of."""

    id: int
    address: str
    state: str
    next_attempt: float
    expires_at: float
    attempts: int
    former_state: str | None
    former_next: float | None
    changed_at: float
    lane: int


class Wrong(Exception):
    """Something is not as it must be."""


class Incident:
    """`with Incident(messages, say) as incident: incident.unfold()`; `differences` are empty when all is well."""

    def __init__(self, messages: int, say: Any = lambda line: None) -> None:
        self.messages = messages
        self.say = say
        self.differences: list[str] = []
        self.findings: list[str] = []
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.directory = Path(stack.enter_context(TemporaryDirectory(prefix="mt-")))
            self.ledger = Ledger(self.directory / "ledger")
            stack.callback(self.ledger.close)
            self.loop = stack.enter_context(Background())
            self.remotes = self._hosts(stack)
            self.dns = self.loop.enter(DnsServer(keep=1000))
            self._zone()
            self.relay = stack.enter_context(Relay({
                **SETTINGS,
                "dns": {"nameservers": [self.dns.nameserver]},
                "delivery": {"port": self.remotes["src.test"].address[1], "ipv6": False},
            }))  # fmt: skip
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # ------------------------------------------------------------------ the world

    def _hosts(self, stack: ExitStack) -> dict[str, RemoteServer]:
        sockets = reserve_everywhere([f"127.0.0.{number}" for number in range(11, 11 + len(HOSTS))])
        remotes = {}
        for host, reserved in zip(HOSTS, sockets, strict=True):
            remote = RemoteServer(FINE, name=f"mx.{host}", reserved=reserved, keep=4 * self.messages + 1000)
            stack.callback(lambda remote=remote: self.loop.run(remote.close()))
            remotes[host] = remote
            if host in CHARACTERS:
                remote.personality = CHARACTERS[host]
                self.loop.run(remote.up())
        return remotes

    def _zone(self) -> None:
        for host, domains in HOSTS.items():
            self.dns.zone.host(f"mx.{host}", self.remotes[host].address[0])
            for domain in domains:
                self.dns.zone.mx(domain, f"mx.{host}")
        self.dns.zone.behave(LOST_ZONE, SERVFAIL)

    # ------------------------------------------------------------------ the story

    def unfold(self) -> None:
        """From the first message to the last delivery."""
        self.fill()
        self.account("the queue stands")
        self.understand()
        before = self.dump()
        self.read_only(before)
        hold, purge = self.act()
        self.account("held, suspended, purged")
        self.stop_and_start()
        self.account("after a stop, a start, a kill and a start")
        self.take_back(purge, hold)
        self.account("undone")
        self.compare(before)
        self.contents()
        self.type("check-queue")
        self.go_on()
        self.account("the remotes are back")

    def fill(self) -> None:
        """Mail comes in: four messages of five are ordinary, one is of the campaign."""
        self.type("suppress", "add", SUPPRESSED, "--reason", "manual")
        campaign = self.messages // 5
        for count, sender, mark in (
            (self.messages - campaign, "app@src.test", "order-"),
            (campaign, CAMPAIGN, "winter-sale-"),
        ):
            source = Source(
                ("127.0.0.1", self.relay.port),
                self.ledger,
                count=count,
                sender=sender,
                mark=mark,
                recipients=addresses,
                size=size,
            )
            self.loop.run(source.run(), timeout=1200)
            if source.refusals:
                raise Wrong(f"not everything was taken: {source.refusals}")
        self.tell(f"{self.messages} messages are in; now they are tried")
        steady = Steady(lambda: self.relay.status()["queue"])
        wait_until(steady, "the queue to stand", 900, 0.1)
        self.tell(f"the queue stands: {steady.last}")

    def understand(self) -> None:
        """Each cause in three commands at most: two that show all, and one for an example of it."""
        overview = self.type("status").text + self.type("incidents").text
        reasons = self.rows("queue", "reasons")
        self.type("queue", "reasons")
        self.type("queue", "domains")
        for cause, (domain, words) in CAUSES.items():
            group = next(
                (row for row in reasons if domain in str(row["site"]) + json.dumps(row["top_destinations"])), None
            )
            if group is None:
                self.differ(f"{cause}: `queue reasons` has no group of {domain}: {reasons}")
                continue
            self.type("why", group["sample_id"])
            told = self.type("show", group["sample_id"], "--transcript").text
            if not re.search(words, told + str(group["fingerprint"]) + overview):
                self.differ(f"{cause}: three commands do not show /{words}/")

    def read_only(self, before: Mapping[int, Row]) -> None:
        """Looking has changed nothing."""
        if moved := [
            row for row, now in self.dump().items() if now != before[row] and now.attempts == before[row].attempts
        ]:
            self.differ(f"{len(moved)} recipients changed while nobody did anything")

    def act(self) -> tuple[int, int]:
        """Hold, suspend, purge; the actions of the hold and the purge."""
        self.type("hold", "class:greylisted", "--dry-run")
        self.type("hold", "class:greylisted", "--reason", "they greylist us, ticket 7", answers={"Go on?": "y"})
        self.type("suspend", "--site", self.site("bigmail.test"), "--for", "1h", "--reason", "they asked for an hour")
        self.type("suspensions")
        campaign = (f"from:{CAMPAIGN}", "subject~winter-sale")
        shown = self.type("purge", *campaign, "--dry-run").text
        planned = int(shown.split()[3].replace(",", ""))
        refused = self.type("purge", *campaign, "--expect", str(planned + 1), "--yes", code=65).text
        if "nothing was done" not in refused:
            self.differ(f"a wrong --expect: {refused}")
        self.type(
            "purge", *campaign, "--expect", str(planned), "--reason", "the wrong list", answers={"Type": str(planned)}
        )
        audit = self.rows("audit")
        hold, purge = (next(row for row in audit if row["verb"] == verb) for verb in ("hold", "purge"))
        if purge["done"] != planned:
            self.differ(f"the preview said {planned}, the purge did {purge['done']}")
        return hold["action"], purge["action"]

    def stop_and_start(self) -> None:
        """SIGTERM and a start, kill -9 and a start; what was held, purged and suspended still is."""
        before = self.relay.status()["queue"]
        for name, end in (("SIGTERM", self.relay.stop), ("kill -9", self.relay.kill)):
            began = time.monotonic()
            end()
            ended = time.monotonic()
            self.relay.start()
            self.tell(f"{name}: ended in {ended - began:.1f} s, ready again in {time.monotonic() - ended:.1f} s")
        after = self.relay.status()["queue"]
        if before["held"] != after["held"]:
            self.differ(f"held before {before['held']}, after {after['held']}")
        if not self.rows("suspensions"):
            self.differ("the suspension did not outlive the relay")

    def take_back(self, purge: int, hold: int) -> None:
        """Undo both, the later one first."""
        self.type("audit")
        for action in (purge, hold):
            shown = self.type("undo", str(action), "--reason", "it was right after all").text
            row = next(row for row in self.rows("audit") if row["action"] == action)
            undone = next(row for row in self.rows("audit") if row.get("undoes") == action)
            if undone["done"] != row["done"]:
                self.differ(f"undo {action}: {undone['done']} of {row['done']}: {shown}")

    def compare(self, before: Mapping[int, Row]) -> None:
        """Every schedule as before: but for who was tried meanwhile (a probe of a broken site)."""
        after = self.dump()
        tried = [row for row in before if after[row].attempts != before[row].attempts]
        kinds: Counter[str] = Counter()
        sample: dict[str, str] = {}
        for row in before.keys() - set(tried):
            for field in Row._fields:
                was, now = getattr(before[row], field), getattr(after[row], field)
                if was != now:
                    kinds[field] += 1
                    sample.setdefault(field, f"{before[row]} -> {after[row]}")
        for field, count in kinds.items():
            self.differ(f"{field} of {count} recipients differs, such as {sample[field]}")
        self.tell(f"{len(before) - len(tried)} schedules are as before, {len(tried)} were tried meanwhile")
        if len(tried) > 50 + len(before) // 100:
            self.differ(f"{len(tried)} recipients were tried meanwhile: more than probes")

    def contents(self) -> None:
        """Every octet of every message is as it was sent, as long as somebody still waits for it."""
        sent = {line.test_id: line for line in self.ledger.read()}
        wrong = seen = 0
        with closing(self.open()) as db:
            for row, sender, message_id, body in db.execute(
                "SELECT id, sender, message_id, body FROM message WHERE about IS NULL AND kind <> ''"
            ).fetchall():
                line = sent.get(message_id.strip("<>").partition("@")[0])
                if line is None or not body:
                    continue
                chunks = db.execute(
                    "SELECT chunk FROM content WHERE id BETWEEN ?1 << 12 AND (?1 + 1 << 12) - 1 ORDER BY id", (row,)
                )
                number = int(line.test_id.rpartition("-")[2])
                seen += 1
                wrong += b"".join(chunk for (chunk,) in chunks) != message(
                    line.test_id, sender, line.recipients, size(number)
                )
        self.tell(f"{seen} messages looked at, {wrong} with other octets than were sent")
        if wrong or seen != self.messages:
            self.differ(f"content: {seen} of {self.messages} messages are there, {wrong} of them changed")

    def go_on(self) -> None:
        """Everybody is back: all that waits is delivered."""
        for host, remote in self.remotes.items():
            remote.personality = unknown_users("nobody*") if host == "good.test" else FINE
        self.loop.run(self.remotes["dead.test"].up())
        self.dns.zone.behave(LOST_ZONE, type(SERVFAIL)())
        self.dns.zone.mx(LOST_ZONE, "mx.good.test")
        self.type("dns", "flush", LOST_ZONE)
        self.type("resume", "--site", self.site("bigmail.test"))
        self.type("retry", "--all", "--now", "--reason", "they are back", answers={"Go on?": "y"})
        began = time.monotonic()
        self.relay.wait_until_empty(900)
        self.tell(f"all of it was delivered in {time.monotonic() - began:.0f} s")

    # ------------------------------------------------------------------ books

    def account(self, when: str) -> None:
        """Each recipient has exactly one place, by three sides: the client's ledger, the remotes and the queue; and by its own books."""
        accepted, received = self.ledger.read(), self.received()
        audit = reconcile(accepted, received, self.queue, operated=True)
        self.tell(f"[{when}] {audit}")
        for name in ("lost", "corrupt", "unexplained"):
            if found := getattr(audit, name):
                self.differ(f"{when}: {len(found)} {name}, such as {found[0]}")
        places = audit.delivered + audit.dsn + audit.waiting + audit.held + audit.suppressed + audit.purged
        if not audit.accepted == places == sum(len(line.recipients) for line in accepted):
            self.differ(f"{when}: accepted {audit.accepted}, in places {places}")
        if not self.relay.ledger_holds():
            self.differ(f"{when}: the relay's own books do not balance: {self.relay.status()}")

    def received(self) -> list[Taken]:
        """What the remotes took."""
        return [taken(mail) for remote in self.remotes.values() for mail in remote.mailbox]

    @property
    def queue(self) -> Path:
        """The queue file."""
        return self.relay.data / "queue.sqlite3"

    def open(self) -> sqlite3.Connection:
        """It, read only."""
        return sqlite3.connect(f"{self.queue.as_uri()}?mode=ro", uri=True)

    def dump(self) -> dict[int, Row]:
        """Every recipient that waits, or would if nobody had done anything."""
        with closing(self.open()) as db:
            rows = db.execute(
                f"SELECT {', '.join(Row._fields)} FROM recipient WHERE state IN ('queued', 'sending', 'deferred', 'held', 'purged')"
                " AND (SELECT about FROM message WHERE id = recipient.id >> 20) IS NULL"
            )
            return {row[0]: Row(*row) for row in rows}

    # ------------------------------------------------------------------ the person

    def type(self, *words: str, answers: Mapping[str, str] | None = None, code: int = 0) -> Shown:
        """One command on a terminal, with what is typed when it asks."""
        shown = run([*MAILTUI, "--config", str(self.relay.config), *words], answers)
        line = " ".join(f'"{word}"' if " " in word else word for word in words)
        self.tell(f"$ mailtui {line}    [{shown.seconds:.2f} s]")
        for text in shown.lines[:40]:
            self.say(f"    {text}")
        if shown.code != code:
            self.differ(f"mailtui {line} ended with {shown.code}: {shown.text[-500:]}")
        if "--transcript" not in words:
            self.findings += [f"wider than 80: mailtui {line}: {text}" for text in shown.too_wide]
        if shown.seconds > 5 and words[0] not in ("undo", "purge", "hold", "retry"):
            self.findings.append(f"slow: mailtui {line} took {shown.seconds:.1f} s")
        return shown

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """What a read answers to a program."""
        rows: list[dict[str, Any]] = self.relay.get(".".join(words))
        return rows

    def site(self, domain: str) -> str:
        """The site behind a destination, as `queue domains` names it."""
        return next(str(row["site"]) for row in self.rows("queue", "domains") if row["destination"] == domain)

    def tell(self, line: str) -> None:
        self.say(f"{time.monotonic() - self._began:7.1f}  {line}")

    def differ(self, what: str) -> None:
        self.differences.append(what)
        self.tell(f"DIFFERS: {what}")


class Steady:
    """True once the counts asked for have stood still for some looks and nothing is being sent."""

    def __init__(self, counts: Any, looks: int = 12) -> None:
        self._counts, self._looks = counts, looks
        self._same = 0
        self.last: dict[str, int] = {}

    def __call__(self) -> bool:
        now = self._counts()
        self._same = self._same + 1 if now == self.last and not now["sending"] else 0
        self.last = now
        return self._same >= self._looks


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Tell the story; 0 when nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=40_000)
    options = parser.parse_args()
    with Incident(options.messages, _print) as incident:
        incident.unfold()
    for finding in incident.findings:
        _print(f"finding: {finding}")
    _print("OK" if not incident.differences else "\n".join(f"differs: {line}" for line in incident.differences))
    return 1 if incident.differences else 0


if __name__ == "__main__":
    sys.exit(main())
