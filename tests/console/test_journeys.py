"""What an operator does from the first look to the last key, in a terminal, held against the relay's own database."""

from __future__ import annotations

import os
import shlex
import signal
import smtplib
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.kit import tmux
from tests.kit.background import Background
from tests.kit.processes import descendants, wait_until
from tests.kit.relay import MAILTUI, Relay
from tests.kit.tmux import Session, Tmux

from mailtui.console.screens.confirm import GUARD
from mailtui.lab.personality import Act, Personality
from mailtui.lab.remote import RemoteServer
from mailtui.queue.database import FILE

pytestmark = pytest.mark.skipif(bool(tmux.missing()), reason=tmux.missing() or "tmux is there")

NEWS, FULL = "news@shop.test", "450 4.2.2 <{address}>: this mailbox is over its quota"
CAMPAIGN, STUCK = 24, 3
BUSY = "Our server is busy, come back later"


@pytest.fixture(scope="module")
def terminal() -> Iterator[Tmux]:
    with Tmux() as server:
        yield server


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    """A relay whose smart host takes mail for churn.test and defers everything else."""
    answers = (("*@stuck.test", Act(f"451 4.3.2 {BUSY}")), ("*@churn.test", Act("250 2.1.5 OK")), ("*", Act(FULL)))
    with Background() as lab:
        remote = lab.enter(RemoteServer(Personality(mailboxes=answers)))
        host, port = remote.address
        with Relay({"route": [{"to": f"{host}:{port}"}], "intake": {"min_free_disk": "1MB"}}) as running:
            send(running, NEWS, *(f"reader{n}@campaign.test" for n in range(CAMPAIGN)))
            send(running, "app@shop.test", *(f"user{n}@stuck.test" for n in range(STUCK)))
            wait_until(lambda: states(running) == {"deferred": CAMPAIGN + STUCK}, "all to be deferred", 20)
            yield running


def send(relay: Relay, sender: str, *recipients: str) -> None:
    """A message to each."""
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=10) as client:
        for recipient in recipients:
            client.sendmail(sender, recipient, f"Subject: to {recipient}\r\n\r\nbody\r\n")


def rows(relay: Relay, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    """What the queue file says, through a connection that can only read."""
    with closing(sqlite3.connect(f"file:{relay.data / FILE}?mode=ro", uri=True)) as db:
        return db.execute(sql, parameters).fetchall()


def states(relay: Relay, domain: str = "") -> Counter[str]:
    """Recipients by state, of a domain, or of all but churn."""
    pattern = f"%@{domain}" if domain else "%"
    found = rows(relay, "SELECT state FROM recipient WHERE address LIKE ? AND address NOT LIKE '%@churn.test'", pattern)
    return Counter(str(state) for (state,) in found)


def held(relay: Relay) -> list[str]:
    """Addresses that are held, in the order they were taken in."""
    return [
        str(address) for (address,) in rows(relay, "SELECT address FROM recipient WHERE state = 'held' ORDER BY id")
    ]


def audit(relay: Relay) -> list[tuple[object, ...]]:
    """Every action there was."""
    return rows(relay, "SELECT id, verb, state, done FROM action ORDER BY id")


@contextmanager
def attached(
    terminal: Tmux, relay: Relay, home: Path, columns: int = 80, rows: int = 24, before: Sequence[str] = ()
) -> Iterator[Session]:
    """A console that shows its first answers."""
    command = [*before, *MAILTUI, "--config", str(relay.config), "attach"]
    with terminal.open(command, home, columns, rows) as screen:
        screen.sees("relay.test", "LIVE", "campaign.test", timeout=30)
        yield screen


def heard(screen: Session, *texts: str) -> str:
    """A dialog, once it is seen and hears."""
    shown = screen.sees(*texts)
    time.sleep(GUARD + 0.4)  # the guard is a time: nothing else shows that it is over
    return shown


def confirm(screen: Session, number: int, *texts: str) -> None:
    """The dialog for so many recipients, its number typed where it asks for it."""
    shown = heard(screen, f"{number} recipients", *texts)
    if "Type the number" in shown:
        screen.type(str(number))
    screen.press("y")


# --- looking


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_why_a_destination_is_stuck_and_what_its_server_said(
    terminal: Tmux, relay: Relay, tmp_path: Path, columns: int, rows: int
) -> None:
    with attached(terminal, relay, tmp_path, columns, rows) as screen:
        screen.sees("stuck.test")
        screen.press("j", "Enter")
        screen.sees("overview > domain:stuck.test", f"451 4.3.2 {BUSY}")
        assert screen.pressed == 2  # why; under 6 is promised
        screen.press("Enter")
        shown = screen.sees("RCPT TO:<user0@stuck.test>", f"451 4.3.2 {BUSY}")
        assert "next" in shown
        assert screen.pressed == 3  # the dialogue; at most 4 are promised


def test_the_same_through_the_destinations(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    with attached(terminal, relay, tmp_path) as screen:
        screen.press("3")
        screen.sees("destination", "state", "stuck.test")
        screen.press("j", "Enter")
        screen.sees("stuck.test", "451 4.3.2")
        assert screen.pressed == 3


# --- changing


def test_a_campaign_is_held_half_of_it_released_and_all_undone(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    with attached(terminal, relay, tmp_path) as screen:
        screen.press("/")
        screen.sees("queue")
        screen.type(f"from:{NEWS}")
        screen.sees(f"{CAMPAIGN} of {CAMPAIGN + STUCK}")
        screen.press("Enter")
        screen.sees(f"row 1 of {CAMPAIGN}")
        screen.press("*", "H")
        confirm(screen, CAMPAIGN, "Hold by filter")
        screen.sees(f"held {CAMPAIGN} of {CAMPAIGN} recipients")
        assert states(relay) == {"held": CAMPAIGN, "deferred": STUCK}
        screen.press("v", *"j" * (CAMPAIGN // 2 - 1), "v")
        screen.sees(f"{CAMPAIGN // 2} marked")
        screen.press("L")
        confirm(screen, CAMPAIGN // 2, f"Release by {CAMPAIGN // 2} marked")
        screen.sees(f"released {CAMPAIGN // 2} of {CAMPAIGN // 2}")
        assert held(relay) == [f"reader{n}@campaign.test" for n in range(CAMPAIGN // 2, CAMPAIGN)]
        screen.press("u")
        screen.sees(f"undone {CAMPAIGN // 2} of {CAMPAIGN // 2}")
        assert len(held(relay)) == CAMPAIGN
        screen.press("u")
        screen.sees(f"undone {CAMPAIGN} of {CAMPAIGN}")
        assert states(relay) == {"deferred": CAMPAIGN + STUCK}


def test_a_purge_is_undone_from_another_console(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    with attached(terminal, relay, tmp_path) as screen:
        screen.press(":")
        screen.type("purge domain:stuck.test")
        screen.press("Enter")
        confirm(screen, STUCK, "Purge by filter")
        screen.sees(f"purged {STUCK} of {STUCK}")
        assert states(relay, "stuck.test") == {"purged": STUCK}
        screen.press("q")
        assert screen.ended() == 0
    with attached(terminal, relay, tmp_path, 120, 40) as screen:
        screen.press("7")
        screen.sees("purge")
        screen.press("u")
        heard(screen, "Undo action")
        screen.press("Enter")
        heard(screen, "y")
        screen.press("y")
        screen.sees(f"undone {STUCK} of {STUCK}")
        assert states(relay, "stuck.test") == {"deferred": STUCK}
        assert states(relay) == {"deferred": CAMPAIGN + STUCK}


def test_a_suspension_has_its_end(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    with attached(terminal, relay, tmp_path) as screen:
        screen.sees("stuck.test")
        screen.press("j", "P")
        heard(screen, "Suspend (y)")
        screen.type("their server is ill")  # the cursor begins where something is missing
        screen.press("BTab", "C-u")
        screen.type("30m")
        screen.press("Tab", "Enter")
        heard(screen, "mailtui suspend")
        screen.press("y")
        screen.sees("stuck.test suspended until")
        ((name, until),) = rows(relay, "SELECT name, until FROM suspension")
        assert name == "stuck.test"
        assert isinstance(until, float) and 1700 < until - time.time() <= 1800
        screen.sees("destination stuck.test is suspended until")  # the overview does not let it be forgotten
        screen.press("u")
        screen.until(lambda shown: "stuck.test is suspended" not in shown, "the alert to go")
        assert not rows(relay, "SELECT name FROM suspension")


def test_what_moves_is_never_hit_instead(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    """Mail comes and goes, rows above the cursor leave: marks and cursor stay with what they were put on."""
    first = rows(relay, "SELECT max(id) FROM recipient")[0][0]
    send(relay, "list@shop.test", *(f"member{n}@moving.test" for n in range(12)))
    wait_until(lambda: states(relay, "moving.test") == {"deferred": 12}, "all to be deferred", 20)
    with attached(terminal, relay, tmp_path) as screen, churn(relay):
        screen.press(":")
        screen.type("queue domain:moving.test,churn.test")
        screen.press("Enter")
        screen.sees("row 1 of", "member11@moving.test"[-11:])
        screen.press("j", "j", "j", "Space", "j", "Space")  # 4 and 6; the cursor goes on
        screen.sees("2 marked")
        purge(relay, "member0@moving.test", "member2@moving.test")
        screen.press("H")
        confirm(screen, 2, "Hold by 2 marked")
        screen.sees("held 2 of 2")
        assert held(relay) == ["member3@moving.test", "member5@moving.test"]
        screen.press("\\")
        screen.until(lambda shown: "marked" not in shown, "no marks")
        screen.press("j")  # on 7
        screen.sees("Preview", "member7@moving.test")
        purge(relay, "member1@moving.test", "member6@moving.test")
        screen.until(lambda shown: "2 more" not in shown and "member7@moving.test" in shown, "the preview to stay")
        screen.press("H")
        screen.sees("held 1 of 1")
        assert held(relay) == ["member3@moving.test", "member5@moving.test", "member7@moving.test"]
    assert rows(
        relay, "SELECT count(*) FROM action_item i JOIN recipient r ON r.id = i.recipient WHERE r.id <= ?", first
    )
    relay.post("purge", filter="domain:moving.test")


@contextmanager
def churn(relay: Relay) -> Iterator[None]:
    """Mail that flows all the time."""
    done = threading.Event()

    def flow() -> None:
        while not done.is_set():
            send(relay, "flow@shop.test", *(f"c{n}@churn.test" for n in range(20)))

    flowing = threading.Thread(target=flow)
    flowing.start()
    try:
        yield
    finally:
        done.set()
        flowing.join()


def purge(relay: Relay, *addresses: str) -> None:
    """Somebody else does."""
    for address in addresses:
        relay.post("purge", filter=f"to:{address}")


def test_a_word_without_its_slash_changes_nothing(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    before = states(relay), audit(relay)
    with attached(terminal, relay, tmp_path) as screen:
        for tab in "1234567":
            screen.press(tab)
            screen.until(lambda shown, tab=tab: f"[{tab} " in shown, f"tab {tab}")  # type: ignore[misc]
            screen.type("istio")
            screen.press("Enter")
            screen.sees("Time range")  # which `t` asks for
            screen.press("Escape")
            screen.until(lambda shown: "Time range" not in shown, "the dialog to be left")
        screen.press("1")
        screen.sees("[1 Overview]", "LIVE")
    assert (states(relay), audit(relay)) == before


# --- the terminal


@contextmanager
def by_hand(terminal: Tmux, relay: Relay, home: Path) -> Iterator[Session]:
    """A console started at the prompt of a shell."""
    shell = ["env", "PS1=$ ", "COLUMNS=80", "LINES=24", "bash", "--norc", "--noprofile", "-i"]
    with terminal.open(shell, home) as screen:
        screen.sees("$")
        screen.type(f"{shlex.join(MAILTUI)} --config {relay.config} attach; echo =$?=")
        screen.press("Enter")
        screen.sees("campaign.test", "LIVE", timeout=30)
        yield screen


def test_a_terminal_that_changes_its_size_and_goes_behind_the_shell(
    terminal: Tmux, relay: Relay, tmp_path: Path
) -> None:
    with by_hand(terminal, relay, tmp_path) as screen:
        screen.press("2")
        screen.sees("[2 Queue]", "row 1 of")
        screen.resize(60, 12)
        screen.sees("80x24 needed (now 60x12)")
        screen.press("H", "D")  # what cannot be seen is not done
        screen.resize(120, 40)
        screen.sees("[2 Queue]", "reader0@campaign.test", "Preview")
        assert not held(relay)
        screen.press("C-z")
        screen.sees("Stopped")
        assert screen.restored
        screen.type("fg")
        screen.press("Enter")
        screen.until(lambda shown: "[2 Queue]" in shown and screen.told("#{alternate_on}") == "1", "it to be back")
        screen.sees("reader0@campaign.test", "LIVE")
        screen.press("q", "q")
        screen.until(lambda _: screen.restored, "the shell's screen")
        assert "echo" in stty(screen)


def stty(screen: Session) -> list[str]:
    """How the terminal is set, as a shell sees it."""
    screen.type("clear; stty -a; echo all of it")
    screen.press("Enter")
    return screen.until(lambda shown: "\nall of it" in shown, "the settings").split()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_console_that_is_ended_leaves_the_terminal_as_it_was(
    terminal: Tmux, relay: Relay, tmp_path: Path, number: int, code: int
) -> None:
    with by_hand(terminal, relay, tmp_path) as screen:
        assert not screen.restored
        (console,) = descendants(screen.pid)
        os.kill(console, number)
        shown = screen.sees(f"={code}=")
        assert screen.restored
        assert "Traceback" not in shown
        assert "echo" in stty(screen)


@pytest.mark.parametrize("inside", [True, False], ids=["tmux", "osc52"])
def test_what_is_copied_can_be_pasted(terminal: Tmux, relay: Relay, tmp_path: Path, inside: bool) -> None:
    before = [] if inside else ["env", "-u", "TMUX"]
    with attached(terminal, relay, tmp_path, before=before) as screen:
        screen.press("2")
        screen.sees("row 1 of", "reader0@campaign.test")
        screen.press("y")
        heard(screen, "address")
        screen.press("a")
        screen.sees("copied" if inside else "sent to the terminal")
        wait_until(lambda: terminal.pasted() == "reader0@campaign.test", "the address to be copied")
        terminal.run("delete-buffer")
