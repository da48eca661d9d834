"""Trouble told to the other side's postmaster: what the bundle says, what no reply can do to it, and what it keeps to itself."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.kit.relays import (
    Net,
    attempted,
    counters,
    in_state,
    letter,
    net,
    recipient,
    running_relay,
    submit,
    until,
)  # fmt: skip

from mailtui import bundle_text
from mailtui.bundles import Bundle
from mailtui.config import Route
from mailtui.delivery.transcript import unpack
from mailtui.errors import ControlError
from mailtui.lab.personality import Act, Personality, Tls, with_auth
from mailtui.lab.zone import SERVFAIL
from mailtui.model import Stage, format_recipient_id
from mailtui.queue.operate import Operator
from mailtui.queue.reader import Reader
from mailtui.queue.selection import UnknownId, select
from mailtui.queue.verbs import Verb
from mailtui.relay import Relay
from mailtui.report_desk import ReportDesk

EVIL = (
    b"450-4.7.1 ``` \x1b[31mred\x1b[0m ``````\r\n"
    b"450-4.7.1 # Not a heading | <script>alert(1)</script> [x](http://evil.test)\r\n"
    b"450 4.7.1 for <victim@evil.test> and (victim) see postmaster@evil.test\r\n"
)
PASSWORD = "correct horse battery staple"
TOKEN = base64.b64encode(f"\0relay\0{PASSWORD}".encode()).decode()
HOST = "smart.relay.example"
PATIENT = {"schedule": (600.0,)}


@asynccontextmanager
async def reporting(relay: Relay) -> AsyncIterator[tuple[ReportDesk, Operator]]:
    reader = await Reader.open(relay.store.path, unpack)
    try:
        yield (
            ReportDesk(relay, reader),
            Operator(relay.store, reader, relay.runner.unblock, relay.journal.publish),
        )
    finally:
        await reader.close()


def evil(around: Net) -> None:
    full = Act("452 4.2.2 <{address}>: Mailbox full")
    gone = Act("550 5.1.1 <{address}>: User unknown")
    mailboxes = (("bad*", Act(EVIL)), ("victim*", Act(EVIL)), ("full*", full), ("gone*", gone))
    around.behave("evil.test", Personality(tls=Tls.SELF_SIGNED, mailboxes=mailboxes))


def everything(bundle: Bundle) -> str:
    """All a stranger would read, JSON included."""
    return "\n".join([msgspec.json.encode(bundle).decode(), *(text for _, text in bundle_text.files(bundle))])


def outside_of_fences(report: str) -> list[str]:
    """The lines a reader of Markdown takes for prose, by the rule of CommonMark 4.5."""
    prose, fence = [], ""
    for line in report.split("\n"):
        ticks = re.match("`{3,}", line)
        if fence:
            fence = "" if re.fullmatch("`+", line.rstrip()) and len(line.rstrip()) >= len(fence) else fence
        elif ticks:
            fence = ticks[0]
        else:
            prose.append(line)
    assert not fence, "a block that is never closed"
    return prose


async def test_a_destination_with_failures_of_three_kinds(tmp_path: Path) -> None:
    async with net("evil.test", "good.test") as around, running_relay(tmp_path, around, retry=PATIENT) as relay:
        evil(around)
        content = letter("one", header=b"")
        id_ = await submit(
            relay, "bad@evil.test", "victim@evil.test", "friend@good.test", sender="app@sender.test", content=content
        )
        for name in ("full1", "full2", "gone", "fine"):
            await submit(relay, f"{name}@evil.test")
        await in_state(relay, "fine@evil.test", "delivered")
        await in_state(relay, "gone@evil.test", "bounced")
        for name in ("bad", "victim", "full1", "full2"):
            await in_state(relay, f"{name}@evil.test", "deferred")
        await in_state(relay, "friend@good.test", "delivered")

        async with reporting(relay) as (desk, operator):
            await operator.act(Verb.HOLD, select((f"{id_}.1",)), "mallory", "customer Acme is angry")
            bundle = await desk.report("EVIL.test", "24h", False)
            inside = await desk.report("evil.test", "1h", True)
            one = await desk.report(f"{id_}.1", "24h", False)
            whole = await desk.report(id_, "24h", True)

        # what it says
        assert (bundle.destination, bundle.site, bundle.ours.hostname) == ("evil.test", "mx.evil.test", "relay.test")
        assert (bundle.numbers.waiting, bundle.numbers.held) == (4, 1)
        assert (bundle.numbers.delivered, bundle.numbers.deferred, bundle.numbers.bounced) == (1, 4, 1)
        assert sum(row.deferred for row in bundle.hours) == 4
        groups = {group.class_: (group.attempts, group.waiting, len(group.samples)) for group in bundle.groups}
        assert groups["mailbox-full"] == (2, 2, 2) and groups["no-such-user"] == (1, 0, 1) and len(groups) == 3
        (mx, a, *_) = bundle.dns
        assert (mx.name, mx.type, mx.answers, mx.note) == ("evil.test", "MX", ("10 mx.evil.test",), "")
        assert (a.name, a.type, a.answers) == ("mx.evil.test", "A", (around["evil.test"].address[0],)) and a.ttl >= 5
        assert {row.tls.split()[-1] for row in bundle.tls} == {"unverified"}
        assert sum(row.attempts for row in bundle.tls) == 6
        settings = {setting.name: setting.value for setting in bundle.settings}
        assert settings["route"] == f"by MX, port {around.port}" and settings["retries after"].startswith("10m")
        assert [(done.verb, done.recipients, done.actor, done.reason, done.filter) for done in bundle.done] == [
            ("hold", 1, "", "", "")
        ]
        assert [(done.actor, done.reason) for done in inside.done] == [("mallory", "customer Acme is angry")]
        kinds = [row.kind for row in bundle.timeline]
        assert {"delivered", "deferred", "bounced", "action", "incident"} <= set(kinds)
        by_name = {sample.name: sample for sample in bundle.samples}
        hostile = by_name[
            next(name for name in by_name if by_name[name].recipient in ("bad@evil.test", "victim@evil.test"))
        ]
        assert any(line.line.startswith("RCPT TO:<***@evil.test>") for line in hostile.transcript)
        assert any(line.line.startswith(f"RCPT TO:<{hostile.recipient}>") for line in hostile.transcript)
        assert "postmaster@evil.test" in hostile.text  # their own words stay

        # what no reply can do
        report = bundle_text.markdown(bundle)
        assert "\x1b" not in report and "\\x1b[31mred" in report
        prose = "\n".join(outside_of_fences(report))
        for piece in ("Not a heading", "<script>", "[x](http", "x1b"):
            assert piece in report and piece not in prose

        # what it keeps to itself
        outside = everything(one)
        for secret in ("victim", "friend", "mallory", "Acme", "app.sender.test", "X-Test-ID"):
            assert secret not in outside, secret
        told = everything(bundle)
        for secret in ("friend", "mallory", "Acme", "app.sender.test"):
            assert secret not in told, secret
        assert not re.search(r"127\.0\.0\.1(?!\d)", told + outside)
        assert "Subject" not in re.sub("- Subject, and From.*", "", report)
        assert "client: 127.0.0.1 (app.sender.test)".lower() in everything(inside).lower() and "mallory" in everything(
            inside
        )

        # one recipient
        assert one.one is not None and one.one.id == f"{id_}.1" and one.one.state == "held"
        assert (one.one.others, one.one.elsewhere) == (("***@evil.test",), 1)
        assert "held by an operator" in one.one.answer.lower() and one.groups == ()
        assert [sample.name for sample in one.samples] == [f"{id_}.1-1"]
        assert one.one.message_id == "<one@sender.test>" and "`<one@sender.test>`" in bundle_text.markdown(one)
        assert whole.one is not None and set(whole.one.others) >= {"friend@good.test"} and whole.one.elsewhere == 0
        assert counters(relay)["accepted"] >= 7


async def test_passwords_stay_even_when_the_server_says_them_back(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    async with net(hosts=(HOST,)) as around:
        route = (Route(match="*", to=f"{HOST}:{around.port}", username="relay", password_file=file, tls="required"),)
        async with running_relay(tmp_path, around, route=route, retry=PATIENT) as relay:
            refuse = Act(f"535 5.7.8 no such login: {TOKEN} is {PASSWORD}")
            around.behave(HOST, with_auth("relay", PASSWORD).but(hooks={Stage.AUTH: refuse}))
            await submit(relay, "one@anywhere.example")
            await attempted(relay, "one@anywhere.example")
            row = (await in_state(relay, "one@anywhere.example", "deferred"))["id"]
            assert PASSWORD in recipient(relay, "one@anywhere.example")["text"]

            async with reporting(relay) as (desk, _):
                for subject in ("anywhere.example", format_recipient_id(row)):
                    for internal in (False, True):
                        bundle = await desk.report(subject, "24h", internal)
                        text = everything(bundle)
                        assert PASSWORD not in text and TOKEN not in text
                        assert "no such login: *** is ***" in text
                        logins = [setting.value for setting in bundle.settings if setting.name == "login"]
                        assert logins == [f"as {'relay' if internal else '***'}, password ***"]
                        assert any(row.name == HOST and row.answers for row in bundle.dns)


async def test_dns_that_fails_is_written_down(tmp_path: Path) -> None:
    async with net("good.test") as around, running_relay(tmp_path, around, retry=PATIENT) as relay:
        around.zone.behave("broken.test", SERVFAIL)
        await submit(relay, "one@broken.test")
        await until(lambda: recipient(relay, "one@broken.test")["lane_failures"], "the failing look-up")

        async with reporting(relay) as (desk, _):
            bundle = await desk.report("broken.test", "1h", False)
            assert bundle.dns[0].type == "MX" and "SERVFAIL" in bundle.dns[0].note
            assert "SERVFAIL" in bundle_text.markdown(bundle)
            for subject in ("nobody.test", "GOOD.test"):
                with pytest.raises(ControlError, match="no mail for"):
                    await desk.report(subject, "1h", False)
            with pytest.raises(UnknownId):
                await desk.report("00000000.1", "1h", False)
            for subject in ("", "a b", "*.test", "-x.test", "\x1b[31m"):
                with pytest.raises(ControlError, match="neither a domain nor an id"):
                    await desk.report(subject, "1h", False)
            for window in ("", "soon", "30s", "3d"):
                with pytest.raises(ControlError, match="a window of time"):
                    await desk.report("broken.test", window, False)
