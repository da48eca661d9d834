"""The command line against a real relay and without one: shapes, exit codes, manners, one line per error."""

from __future__ import annotations

import getpass
import json
import os
import pty
import pwd
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import argon2
import pytest
from tests.control.conftest import put, put_deferred, settled
from tests.kit.processes import free_port, wait_until
from tests.kit.relay import MAILTUI, Relay

from mailtui.model import decode_id

Done = subprocess.CompletedProcess[str]


def mailtui(*arguments: str, input: str | None = None, cwd: Path | None = None, **env: str) -> Done:
    """The command line on its own."""
    return subprocess.run(
        [*MAILTUI, *arguments],
        capture_output=True,
        text=True,
        input=input,
        cwd=cwd,
        env={**os.environ, **env},
        timeout=60,
        check=False,
    )


def rows(done: Done) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def fails(done: Done, code: int, part: str) -> None:
    """It ended with `code` and one line that says why."""
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("mailtui: ") and done.stderr.count("\n") == 1, done.stderr
    assert part in done.stderr


# ---------------------------------------------------------------------- before any relay

HEAVY = """
import sys
sys.argv = ["mailtui", *sys.argv[1:]]
from mailtui.__main__ import run
code = run(sys.argv[1:])
heavy = {"aiohttp", "dns", "dkim", "aiosmtplib", "aiosqlite", "sqlite3", "textual", "rich", "argon2", "cryptography"}
print(code, sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["queue", "list", "--help"], ["purge"], ["--version"], []])
def test_help_and_parsing_load_nothing_heavy(arguments: Sequence[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAVY, *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr.splitlines()[-1] in ("0 []", "64 []")


@pytest.mark.parametrize("verb", ["status", "queue count", "serve"])
def test_the_relay_and_its_clients_load_no_console(verb: str, relay: Relay) -> None:
    arguments = ["--config", str(relay.config), *verb.split()]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mailtui", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "aiohttp" in loaded and not {"textual", "rich"} & loaded


def test_alone_it_tells_the_ways_to_begin() -> None:
    done = mailtui()
    assert done.returncode == 0 and "mailtui serve" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["frob"], "No such command 'frob'"),
        (["queue"], "Missing command"),
        (["queue", "list", "--limit", "many"], "--limit"),
        (["queue", "list", "--limit", "0"], "--limit"),
        (["queue", "ages", "--by", "moon"], "--by"),
        (["show"], "Missing argument 'ID'"),
        (["show", "x", "--raw", "--headers"], "exclude each other"),
        (["purge", "--yes"], "Give ids, filter words, or --all"),
        (["status", "--check", "--warn-oldest", "soon"], "--warn-oldest"),
        (["dkim", "keygen", "--domain", "not a domain", "--selector", "s", "--out", "x"], "expected a domain"),
    ],
)
def test_wrong_usage_is_64(arguments: list[str], part: str) -> None:
    fails(mailtui(*arguments), 64, part)


def test_without_a_relay_it_is_69(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[relay]\ndata_dir = "{tmp_path}/d"\n')
    for verb in ("status", "queue list", "log", "hold --all", "stop"):
        fails(mailtui("--config", str(config), *verb.split()), 69, f"no relay answers on {tmp_path}/d/control.sock")
    checked = mailtui("--config", str(config), "status", "--check")
    assert checked.returncode == 2 and checked.stdout.startswith("CRITICAL: no relay answers")
    for verb in ("backup x", "prune", "check-queue"):
        fails(mailtui("--config", str(config), *verb.split()), 66, "there is no queue yet")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[delivery]\nper_site = 'many'\n", 'c.toml: delivery.per_site: expected an integer ≥ 1, got "many"'),
        ("[delivery]\nper_sight = 3\n", "per_site"),
        ("[relay\n", "not valid TOML"),
        ('[[dkim]]\ndomain = "a.example"\nselector = "s"\nkey_file = "/no/such/key"\n', "No such file"),
    ],
)
def test_a_bad_configuration_is_78(tmp_path: Path, text: str, part: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(text)
    for verb in ("check-config", "serve"):
        fails(mailtui("--config", str(config), verb), 78, part)
    fails(mailtui("check-config", MAILTUI_CONFIG=str(config)), 78, part)
    fails(mailtui("--config", str(tmp_path / "none.toml"), "check-config"), 78, "No such file or directory")


def test_a_running_relay_is_reached_while_its_file_is_wrong(relay: Relay, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"{relay.config.read_text()}\n[[shaping]]\nmatch = '*.b.test'\nrate = 'lots'\n")
    done = mailtui("--config", str(config), "queue", "count")
    assert done.returncode == 0 and done.stdout
    assert 'c.toml: shaping[0].rate: expected a rate such as "100/h", got "lots"; the relay goes on' in done.stderr
    config.write_text(f"[relay]\ndata_dir = '{tmp_path}/none'\n[delivery]\nper_site = 'many'\n")
    fails(mailtui("--config", str(config), "queue", "count"), 78, "per_site")


def test_check_config_looks_into_keys(tmp_path: Path) -> None:
    key, config = tmp_path / "k.pem", tmp_path / "c.toml"
    config.write_text(f'[[dkim]]\ndomain = "a.example"\nselector = "s"\nkey_file = "{key}"\n')
    key.write_text("nonsense")
    key.chmod(0o600)
    fails(mailtui("--config", str(config), "check-config"), 78, "dkim[0].key_file: ")
    key.unlink()
    made = mailtui("dkim", "keygen", "--domain", "a.example", "--selector", "s", "--out", str(key))
    assert made.returncode == 0
    done = mailtui("--config", str(config), "check-config")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout == f"{config}: good\n"


def test_passwd_makes_a_hash_of_a_line() -> None:
    done = mailtui("passwd", input="correct horse\nsecond line\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert argon2.PasswordHasher().verify(done.stdout.strip(), "correct horse")
    fails(mailtui("passwd", input="\n"), 65, "a password has 1 to 1024 octets")
    fails(mailtui("passwd", input=""), 65, "a password has 1 to 1024 octets")


@pytest.mark.parametrize(
    ("algorithm", "record"), [("rsa", '"v=DKIM1; k=rsa; p='), ("ed25519", '"v=DKIM1; k=ed25519; p=')]
)
def test_dkim_keygen_keeps_the_key_and_prints_the_record(tmp_path: Path, algorithm: str, record: str) -> None:
    out = tmp_path / "key.pem"
    command = (
        "dkim",
        "keygen",
        "--domain",
        "Example.ORG",
        "--selector",
        "2025a",
        "--algorithm",
        algorithm,
        "--out",
        str(out),
    )
    done = mailtui(*command)
    assert done.returncode == 0
    assert done.stdout.startswith(f"2025a._domainkey.example.org. IN TXT ( {record}")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    before = out.read_bytes()
    fails(mailtui(*command), 73, "is there already")
    assert out.read_bytes() == before
    fails(mailtui(*command[:-1], str(tmp_path / "no" / "x")), 73, "No such file or directory")


# ---------------------------------------------------------------------- with a relay


def test_rows_of_the_queue_have_their_fixed_shape(relay: Relay) -> None:
    queue_id = put_deferred(
        relay, "a@shape.test", "b@shape.test", body="Subject: s\x1b[2J\r\nMessage-ID: <m@x>\r\n\r\nx\r\n"
    )
    done = relay.cli("queue", "list", "--json", "--limit", "1", "state:deferred", "domain:shape.test")
    (row,) = rows(done)
    assert set(row) == {
        *(
            "id",
            "recipient",
            "sender",
            "subject",
            "message_id",
            "state",
            "destination",
            "site",
            "attempts",
            "next_attempt",
        ),
        *("age_seconds", "size", "last_code", "last_enhanced", "last_text", "class"),
    }
    assert (row["id"], row["recipient"], row["sender"]) == (f"{queue_id}.1", "a@shape.test", "app@example.org")
    assert "\x1b" not in done.stdout and row["subject"] == "s\x1b[2J"
    assert str(row["next_attempt"]).endswith("Z")
    assert done.stderr == f"more: --after {queue_id}.1\n"
    (second,) = rows(relay.cli("queue", "list", "--json", "--after", f"{queue_id}.1", "domain:shape.test"))
    assert second["recipient"] == "b@shape.test"


def test_the_other_reads_have_their_fixed_shapes(relay: Relay) -> None:
    queue_id = put_deferred(relay, "a@grids.test")
    (count,) = rows(relay.cli("queue", "count", "--json", "domain:grids.test"))
    assert (count["recipients"], count["messages"]) == (1, 1) and set(count) == {"recipients", "messages", "by_state"}
    (domain,) = rows(relay.cli("queue", "domains", "--json", "domain:grids.test"))
    assert set(domain) == {
        *("destination", "site", "waiting", "held", "oldest_seconds", "delivered_15m", "deferred_15m", "bounced_15m"),
        *("top_class", "suspended_until", "suspended"),
    }
    assert rows(relay.cli("queue", "reasons", "--json")) and rows(relay.cli("queue", "ages", "--json"))
    (message,) = rows(relay.cli("show", queue_id, "--json"))
    assert set(message) == {"id", "envelope", "recipients", "events"}
    (recipient,) = message["recipients"]  # type: ignore[misc]
    assert {
        "started",
        "host",
        "address",
        "tls",
        "code",
        "enhanced",
        "text",
        "class",
        "disposition",
        "stage",
        "transcript",
    } <= set(recipient["attempts"][0])
    (status,) = rows(relay.cli("status", "--json"))
    assert status["ready"] is True
    assert all(set(row) >= {"seq", "event", "at"} for row in rows(relay.cli("log", "--json", "--limit", "5")))


REASON_KEYS = {
    "group",
    *("destinations", "fingerprint", "count", "class", "sentence", "first_seen", "last_seen", "oldest_seconds"),
    *("next_attempt", "sample_id", "top_destinations", "behind"),
}


def test_reasons_have_the_field_that_was_asked_for(relay: Relay) -> None:
    queue_id = put_deferred(relay, "a@why.test", "b@why.test")
    for by in ("site", "destination", "sender", "user", "class"):
        (row,) = rows(relay.cli("queue", "reasons", "--json", "--by", by, "domain:why.test"))
        assert set(row) == REASON_KEYS | {by}
        assert (row["count"], row["class"], row["sample_id"]) == (2, "connection", f"{queue_id}.1")
        assert row["top_destinations"] == [{"destination": "why.test", "count": 2}]
    assert rows(relay.cli("queue", "reasons", "--json", "--by", "destination"))  # read from the tally
    (row,) = rows(relay.cli("queue", "reasons", "--json", "--window", "15m", "domain:why.test"))
    assert int(str(row["count"])) >= 2
    settled(relay, f"id:{queue_id}", "deferred")
    assert "why.test" in relay.cli("queue", "reasons", "--by", "destination", "--window", "1h").stdout
    for wrong in ("soon", "0m", "9d"):
        fails(relay.cli("queue", "reasons", "--window", wrong, check=False), 65, "a window of time is written like 15m")


def test_why_answers_in_one_sentence(relay: Relay) -> None:
    queue_id = put_deferred(relay, "a@answer.test", "b@answer.test")
    (row,) = rows(relay.cli("why", f"{queue_id}.1", "--json"))
    assert set(row) == {"id", "recipient", "state", "answer", "next_attempt", "causes", "others"}
    assert row["state"] == "deferred" and str(row["next_attempt"]).endswith("Z")
    kinds = [cause["kind"] for cause in row["causes"]]  # type: ignore[attr-defined]
    assert set(kinds) == {"breaker", "back-off", "expiry"} and kinds[-1] == "expiry"
    (both,) = rows(relay.cli("why", queue_id, "--json"))
    assert "2 of 2 recipients wait" in str(both["answer"]) and len(both["others"]) == 1  # type: ignore[arg-type]
    relay.cli("hold", f"{queue_id}.2", "--reason", "loop?")
    held = relay.cli("why", f"{queue_id}.2").stdout.splitlines()
    assert held[0].startswith("Held by ") and "(loop?)" in held[0] and held[2].startswith("  held ")
    fails(relay.cli("why", "00000000", check=False), 65, "no such message or recipient: 00000000")


def test_incidents_tell_what_is_new(relay: Relay) -> None:
    put_deferred(relay, "a@incident.test")
    found = rows(relay.cli("incidents", "--json", "--window", "1h"))
    assert {row["change"] for row in found} >= {"NEW"}
    assert set(found[0]) == {
        *(
            "change",
            "site",
            "class",
            "count",
            "usual",
            "delivered",
            "destinations",
            "fingerprint",
            "sentence",
            "sample",
        ),
        *("first_seen", "last_seen"),
    }
    assert "NEW" in relay.cli("incidents").stdout


def test_the_past_and_the_hour_ahead(relay: Relay) -> None:
    put_deferred(relay, "a@ahead.test")
    everything, *each = rows(relay.cli("forecast", "--json", "--limit", "1000"))
    assert everything["destination"] == "" and len(everything["minutes"]) == 60  # type: ignore[arg-type]
    assert "ahead.test" in {row["destination"] for row in each}
    assert relay.cli("forecast").stdout.splitlines()[1].startswith("(all) ")
    for since in ("2h", "00:00", "2026-01-01", "2026-01-01T00:00Z"):
        relay.cli("samples", "--since", since, "--json")
        relay.cli("samples", "--since", since, "--by", "hour", "--destination", "ahead.test", "--json")
    fails(relay.cli("samples", "--since", "soon", check=False), 65, '"soon" is not a moment (write 18:00')
    fails(relay.cli("samples", "--since", "1m", "--until", "1h", check=False), 65, 'the range ends ("1h") before')
    long_ago = ("--since", "9d", "--until", "8d")
    fails(relay.cli("samples", *long_ago, "--by", "minute", check=False), 65, "minutes are kept for 48 hours")
    assert rows(relay.cli("failures", *long_ago, "--json")) == []


def test_what_failed_is_found_by_time_and_destination(relay: Relay) -> None:
    put_deferred(relay, "a@failed.test", "b@failed.test")
    (now,) = rows(relay.cli("failures", "--since", "5m", "--destination", "failed.test", "--json"))
    (hour,) = rows(relay.cli("failures", "--since", "3d", "--destination", "Failed.test", "--json"))
    assert (now["destination"], now["class"], now["bounced"]) == ("failed.test", "connection", 0)
    assert now["count"] == now["deferred"] and int(str(now["count"])) >= 2
    assert {**now, "first_seen": "", "last_seen": ""} == {**hour, "first_seen": "", "last_seen": ""}
    minutes = rows(relay.cli("samples", "--since", "5m", "--destination", "failed.test", "--json"))
    assert sum(int(str(minute["deferrals"])) for minute in minutes) == now["count"]
    assert {(minute["delivered"], minute["class"]) for minute in minutes} == {(0, "connection")}
    table = relay.cli("failures", "--since", "5m").stdout.splitlines()
    assert table[0].split()[:3] == ["DESTINATION", "COUNT", "BOUNCED"]
    assert relay.cli("samples", "--by", "hour", "--destination", "failed.test").stdout.split()[:2] == ["AT", "OK"]


def test_people_get_tables_and_screens(relay: Relay) -> None:
    queue_id = put_deferred(relay, "a@people.test")
    assert relay.cli("queue", "list", "domain:people.test").stdout.splitlines()[0].startswith("ID ")
    shown = relay.cli("show", queue_id, "--transcript").stdout
    assert f"{queue_id}.1  deferred  <a@people.test>" in shown and " ms  " in shown
    assert relay.cli("show", queue_id, "--headers").stdout.startswith("Received: ")
    assert relay.cli("show", queue_id, "--raw").stdout.endswith("\nbody\n")
    assert "listens  " in relay.cli("status").stdout
    assert "accepted from=<app@example.org>" in relay.cli("log").stdout
    assert relay.cli("dns", "flush", "people.test").stdout.startswith("forgot ")
    fails(relay.cli("show", "00000000", check=False), 65, "no such message or recipient: 00000000")
    fails(relay.cli("queue", "list", "stat:x", check=False), 65, 'unknown field "stat"')


def test_status_check_judges(relay: Relay) -> None:
    put(relay, "a@check.test")
    assert relay.cli("status", "--check").stdout.startswith("OK: ")
    fails(relay.cli("dns", "flush", check=False), 64, "name one domain, or all of them (--all)")
    fails(relay.cli("dns", "flush", "a.test", "--all", check=False), 64, "name one domain")
    assert relay.cli("dns", "flush", "--all").stdout.startswith("forgot ")
    warned = relay.cli("status", "--check", "--warn-queued", "1", "--crit-queued", "99999", check=False)
    assert warned.returncode == 1 and warned.stdout.startswith("WARNING: ")
    assert relay.cli("status", "--check", "--crit-queued", "1", check=False).returncode == 2
    assert relay.cli("status", "--check", "--crit-oldest", "3650d").returncode == 0


def test_off_a_terminal_what_is_final_needs_yes(relay: Relay) -> None:
    queue_id = put(relay, "a@final.test", "b@final.test")
    for verb in ("purge", "bounce"):
        fails(
            relay.cli(verb, queue_id, check=False),
            64,
            f"{verb} would change 2 recipients of 1 message: --yes is needed",
        )
    planned = relay.cli("purge", queue_id, "--dry-run", "--json")
    assert rows(planned)[0]["done"] == 2
    assert relay.get("queue.count?filter=domain:final.test")["recipients"] == 2
    fails(
        relay.cli("purge", queue_id, "--yes", "--expect", "3", check=False), 65, "2 recipients are selected now, not 3"
    )
    (done,) = rows(relay.cli("purge", f"{queue_id}.1", "--yes", "--reason", "test", "--json"))
    assert (done["verb"], done["done"], done["messages"]) == ("purge", 1, 1)
    settled(relay, f"id:{queue_id}.1", "purged")
    for verb in ("hold", "release", "retry"):
        first, last = relay.cli(verb, "domain:final.test").stdout.splitlines()
        assert first == f"{verb}: 1 recipient of 1 message" and last.startswith("to take it back: mailtui undo ")


def schedule(relay: Relay, queue_id: str) -> list[tuple[object, ...]]:
    """Everything the queue file has on the recipients of a message."""
    with closing(sqlite3.connect(f"file:{relay.data}/queue.sqlite3?mode=ro", uri=True)) as db:
        return db.execute("SELECT * FROM recipient WHERE id >> 20 = ?", (decode_id(queue_id),)).fetchall()


def test_a_change_is_looked_at_applied_told_and_taken_back(relay: Relay) -> None:
    queue_id = put_deferred(relay, "a@undo.test", "b@undo.test")
    before = schedule(relay, queue_id)
    (preview,) = rows(relay.cli("purge", "domain:undo.test", "--dry-run", "--json"))
    assert set(preview) == {
        *("verb", "filter", "matched", "done", "skipped", "failed", "messages", "bytes", "irreversible", "plan"),
        *("by_site", "by_destination", "by_sender", "by_state", "by_class", "by_age"),
    }
    assert (preview["filter"], preview["matched"], preview["messages"]) == ("domain:undo.test", 2, 1)
    assert preview["by_destination"] == [{"name": "undo.test", "count": 2}]
    shown = relay.cli("purge", "domain:undo.test", "--dry-run").stdout
    assert shown.startswith("purge would change 2 recipients of 1 message, ") and "mailtui purge --plan p-" in shown
    put_deferred(relay, "late@undo.test")
    plan = str(preview["plan"])
    (done,) = rows(relay.cli("purge", "--plan", plan, "--yes", "--reason", "a mistake", "--json"))
    assert set(done) == {"action", "verb", "matched", "done", "skipped", "failed", "messages", "reasons"}
    assert (done["matched"], done["done"]) == (2, 2)
    fails(relay.cli("purge", "--plan", plan, "--yes", check=False), 65, f"there is no plan {plan} (any more)")
    action = str(done["action"])
    (undone,) = rows(relay.cli("undo", action, "--json"))
    assert set(undone) == set(done) and (undone["verb"], undone["matched"], undone["done"]) == ("undo", 2, 2)
    assert schedule(relay, queue_id) == before and len(before) == 2
    fails(relay.cli("undo", action, check=False), 65, f"action {action} was undone already")
    fails(relay.cli("undo", "999999", check=False), 65, "there is no action 999999")
    fails(relay.cli("undo", "many", check=False), 64, "'many' is not a valid integer")
    fails(relay.cli("cancel", action, check=False), 65, f"action {action} is not being applied")
    told = rows(relay.cli("audit", "--json", "--limit", "2"))
    assert [(row["action"], row["verb"], row["undone"], row["undoes"]) for row in told] == [
        (undone["action"], "undo", False, done["action"]),
        (done["action"], "purge", True, None),
    ]
    assert {"action", "at", "actor", "verb", "filter", "reason", "matched", "done", "undone"} <= set(told[1])
    assert (told[1]["reason"], told[1]["filter"], told[1]["actor"]) == (
        *("a mistake", "domain:undo.test"),
        pwd.getpwuid(os.getuid()).pw_name,
    )
    assert "2 of 2, undone by" in relay.cli("audit").stdout


def test_a_bounce_that_is_undone_tells_nobody(relay: Relay) -> None:
    put_deferred(relay, "a@recall.test")
    (done,) = rows(relay.cli("bounce", "domain:recall.test", "--yes", "--json"))
    (undone,) = rows(relay.cli("undo", str(done["action"]), "--json"))
    assert (undone["done"], undone["failed"]) == (1, 0)
    settled(relay, "domain:recall.test", "deferred")
    assert relay.ledger_holds()


def test_what_was_done_can_be_undone_after_a_restart() -> None:
    with Relay({"route": [{"to": "127.0.0.1:9"}]}) as relay:
        fails(relay.cli("undo", "1", check=False), 65, "there is no action 1")
        assert relay.cli("audit").stdout == "nothing was changed by anybody yet\n"
        queue_id = put_deferred(relay, "a@again.test")
        before = schedule(relay, queue_id)
        plan = rows(relay.cli("hold", "--all", "--dry-run", "--json"))[0]["plan"]
        (done,) = rows(relay.cli("purge", "domain:again.test", "--yes", "--json"))
        relay.stop()
        relay.start()
        fails(relay.cli("hold", "--plan", str(plan), check=False), 65, f"there is no plan {plan} (any more)")
        assert relay.cli("undo", str(done["action"])).stdout == "undo: 1 recipient of 1 message\n"
        assert schedule(relay, queue_id) == before
        assert relay.ledger_holds()
        relay.stop()
        assert relay.cli("check-queue").stdout.startswith("sound: ")


def test_no_purge_above_the_configured_limit(relay: Relay) -> None:
    with Relay({"control": {"max_purge": 1}, "route": [{"to": "127.0.0.1:9"}]}) as small:
        put(small, "a@limit.test", "b@limit.test")
        seen = small.cli("purge", "--all", "--dry-run").stdout
        assert "note: it would be refused: control.max_purge allows 1 recipient at once\n" in seen
        fails(small.cli("purge", "--all", "--yes", check=False), 65, "purge would change 2 recipients, the limit is 1")
        assert small.waiting() == 2


class Terminal:
    """A command on a terminal of its own, spoken to like a person does."""

    def __init__(self, relay: Relay, *arguments: str) -> None:
        master, slave = pty.openpty()
        self.seen, self._master = "", master
        command = [*MAILTUI, "--config", str(relay.config), *arguments]
        self.child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, close_fds=True)
        os.close(slave)

    def read_until(self, text: str) -> None:
        while text not in self.seen:
            try:
                piece = os.read(self._master, 4096)
            except OSError:  # EIO: the child has closed the terminal
                piece = b""
            assert piece, f"{text!r} is not in {self.seen!r}"
            self.seen += piece.decode()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        code = self.child.wait(20)
        os.close(self._master)
        return code


def test_on_a_terminal_a_person_is_asked(relay: Relay) -> None:
    queue_id = put(relay, *(f"r{n}@ask.test" for n in range(12)))
    terminal = Terminal(relay, "purge", queue_id)
    terminal.read_until("Type 12 to go on: ")
    terminal.type("11\n")
    assert terminal.end() == 130
    assert relay.get("queue.count?filter=domain:ask.test")["recipients"] == 12
    terminal = Terminal(relay, "bounce", f"{queue_id}.1")
    terminal.read_until(
        "bounce changes 1 recipient of 1 message\r\n1 DSN will be sent after 60 s; until then `mailtui undo` takes"
    )
    terminal.read_until("Go on? [y/N]: ")
    terminal.type("n\n")
    assert terminal.end() == 130
    terminal = Terminal(relay, "purge", queue_id)
    terminal.read_until("Type 12 to go on: ")
    terminal.type("12\n")
    terminal.read_until("purge: 12 recipients of 1 message")
    assert terminal.end() == 0


def test_a_long_change_shows_how_far_it_is_and_ctrl_c_stops_it() -> None:
    with Relay({"route": [{"to": "127.0.0.1:9"}], "intake": {"min_free_disk": "1MB"}}) as own:
        for n in range(20):
            put(own, *(f"r{n}-{i}@long.test" for i in range(1000)), sender=f"a{n}@long.test")
        own.cli("hold", "--all", "--yes")
        terminal = Terminal(own, "bounce", "state:held", "--yes")
        terminal.read_until("of 20,000; Ctrl-C stops")
        terminal.child.send_signal(signal.SIGINT)
        terminal.read_until("of 20,000 were not touched")
        assert terminal.end() == 130
        (row,) = rows(own.cli("audit", "--verb", "bounce", "--json"))
        assert row["state"] == "stopped" and 0 < int(str(row["done"])) < 20_000
        assert own.get("queue.count?filter=state:held")["recipients"] == 20_000 - int(str(row["done"]))
        assert f"{20_000 - int(str(row['done'])):,} recipients of 20,000 were not touched" in terminal.seen
        (cancel,) = rows(own.cli("audit", "--verb", "cancel", "--json"))
        assert (cancel["reason"], cancel["filter"]) == ("Ctrl-C", f"action {row['action']}")
        piped = own.cli("hold", "--all")
        assert piped.stderr == "" and "Ctrl-C" not in piped.stdout
        assert own.ledger_holds()


def test_log_follows_until_interrupted(relay: Relay) -> None:
    command = [*MAILTUI, "--config", str(relay.config), "log", "--follow", "--json", "--limit", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout and child.stderr
        child.stdout.readline()
        queue_id = put(relay, "a@follow.test")
        while queue_id not in child.stdout.readline():
            pass
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
        assert child.stderr.read().strip() == ""


def test_a_relay_that_stops_ends_those_who_follow() -> None:
    with Relay() as relay:
        command = [*MAILTUI, "--config", str(relay.config), "log", "--follow"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            assert child.stdout and child.stderr
            child.stdout.readline()
            began = time.monotonic()
            assert relay.stop() == 0
            assert time.monotonic() - began < 5
            assert child.wait(20) == 69
            assert child.stderr.read() == "mailtui: the relay has stopped\n"


def test_a_reader_that_leaves_is_no_error(relay: Relay) -> None:
    put(relay, *(f"r{n}@pipe.test" for n in range(900)))
    command = f"{' '.join(MAILTUI)} --config {relay.config} queue list --limit 1000 --json domain:pipe.test | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.count("\n") == 1 and done.stderr == ""


def test_a_second_relay_is_refused_with_the_pid_of_the_first(relay: Relay) -> None:
    fails(relay.cli("serve", check=False), 75, f"pid {relay.pid}")


def test_backup_prune_and_check_with_and_without_a_relay(tmp_path: Path) -> None:
    with Relay({"route": [{"to": "127.0.0.1:9"}]}) as relay:
        put(relay, "a@copy.test")
        for name in ("running.db", "stopped.db"):
            target = tmp_path / name
            assert rows(relay.cli("backup", str(target), "--json"))[0]["path"] == str(target)
            assert sqlite3.connect(target).execute("SELECT count(*) FROM recipient").fetchone() == (1,)
            assert stat.S_IMODE(target.stat().st_mode) == 0o600
            fails(relay.cli("backup", str(target), check=False), 73, "is there already")
            assert set(rows(relay.cli("prune", "--json"))[0]) == {"messages", "bodies", "freed"}
            assert relay.cli("check-queue").stdout.startswith("sound: ")
            relay.stop()
        saved = tmp_path / "saved.db"
        assert relay.cli("check-queue", "--recover", str(saved)).stdout.startswith(f"{saved}: saved ")
        with sqlite3.connect(relay.data / "queue.sqlite3") as db:
            db.execute("UPDATE counter SET n = n + 1 WHERE name = 'delivered'")
        checked = relay.cli("check-queue", check=False)
        assert checked.returncode == 65 and "the ledger does not balance" in checked.stdout


def test_reload_drain_and_stop() -> None:
    with Relay({"log": {"level": "info"}}) as relay:
        relay.configure({"log": {"level": "warning"}, "delivery": {"per_site": 3}})
        (told,) = rows(relay.cli("reload", "--json"))
        assert set(told["applied"]) >= {"delivery.per_site"} and told["needs_restart"] == []  # type: ignore[call-overload]
        relay.config.write_text("[delivery]\nper_site = 0\n")
        fails(relay.cli("--socket", str(relay.socket), "reload", check=False), 78, "delivery.per_site")
        client = [*MAILTUI, "--socket", str(relay.socket)]
        drained = subprocess.run([*client, "drain"], capture_output=True, text=True, timeout=30, check=True)
        assert drained.stdout == "nothing new is taken; 0 recipients being sent\n"
        assert relay.status()["ready"] is False
        began = time.monotonic()
        subprocess.run([*client, "stop"], capture_output=True, timeout=30, check=True)
        wait_until(lambda: not relay.running, "the relay to end", 30)
        assert time.monotonic() - began < 30 and not relay.socket.exists()


def test_what_is_done_to_the_relay_is_in_the_audit(tmp_path: Path) -> None:
    settings = {"route": [{"to": f"127.0.0.1:{free_port()}"}], "intake": {"min_free_disk": "1MB"}}
    with Relay(settings, keep=True) as own:
        copy = str(tmp_path / "copy.sqlite3")
        own.cli("reload", "--reason", "new key", "--yes")
        own.cli("dns", "flush", "example.org", "--reason", "they moved")
        own.cli("prune", "--yes")
        own.cli("backup", copy, "--reason", "before the change")
        os.kill(own.pid, signal.SIGHUP)
        wait_until(lambda: len(rows(own.cli("audit", "--json"))) == 5, "the signal to be noted")
        fails(own.cli("undo", "1", check=False), 65, "action 1 is a reload, which cannot be undone")
        own.cli("drain", "--reason", "moving away")
        own.cli("stop", "-y", "--reason", "done")
        wait_until(lambda: not own.running, "the end")
        own.stop()
        mailtui("--config", str(own.config), "prune", "--reason", "nobody runs")
        own.start()
        told = [(row["verb"], row["filter"], row["reason"], row["done"]) for row in rows(own.cli("audit", "--json"))]
        assert told[::-1] == [
            *(("reload", "", "new key", 1), ("dns.flush", "example.org", "they moved", 1), ("prune", "", "", 1)),
            *(("backup", copy, "before the change", 1), ("reload", "", "", 1), ("drain", "", "moving away", 1)),
            *(("stop", "", "done", 1), ("prune", "", "nobody runs", 1)),
        ]
        assert {row["actor"] for row in rows(own.cli("audit", "--json", "--verb", "reload"))} == {
            getpass.getuser(),
            "SIGHUP",
        }
        own.stop()
    shutil.rmtree(own.root)


def test_the_log_takes_filter_words(relay: Relay) -> None:
    queue_id = put_deferred(relay, "a@heard.test", "b@heard.test")
    found = rows(relay.cli("log", "state:deferred", "domain:heard.test", "not", "to:b@*", "--json"))
    assert found and {(row["event"], row["recipient"]) for row in found} == {("attempted", "a@heard.test")}
    events = {row["event"] for row in rows(relay.cli("log", f"id:{queue_id}", "--json"))}
    assert {"accepted", "attempted"} <= events
    assert relay.cli("log", "nothing says this at all").stdout == ""
    fails(relay.cli("log", "subject:x", check=False), 65, "subject says nothing of events, which have class, client,")
    fails(relay.cli("log", "color:red", check=False), 65, 'unknown field "color"')
