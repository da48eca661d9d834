"""The control socket of a real relay: what it answers, what it refuses, and that nothing makes it stumble."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.control.conftest import put, settled
from tests.kit.relay import Relay

from mailtui import __version__
from mailtui.control.api import Content, DnsFlush, Hold, Log, QueueList, Release, Show, Status
from mailtui.control.client import Client
from mailtui.errors import ControlError, RelayNotRunning, Unavailable
from mailtui.events import Accepted, Changed
from mailtui.views import Affected, Preview


class Answer(msgspec.Struct):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)["error"]
        return found


def ask(relay: Relay, method: str, target: str, body: bytes | None = None, **headers: str) -> Answer:
    """One request by the standard library, errors included."""
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    connection.sock.connect(str(relay.socket))
    try:
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


# ---------------------------------------------------------------------- the fixed shapes


def test_status_has_its_fixed_shape(relay: Relay) -> None:
    answer = ask(relay, "GET", "/v1/status")
    status = json.loads(answer.body)
    assert answer.status == 200
    assert answer.headers["Mailtui-Version"] == __version__
    assert answer.headers["Content-Type"] == "application/json"
    assert status["ready"] is True and status["pid"] == relay.pid and status["version"] == __version__
    assert set(status["queue"]) == {"queued", "sending", "deferred", "held"}
    assert set(status["totals"]) == {"accepted", "delivered", "bounced", "suppressed", "purged"}
    assert set(status["rates"]) == {"accepted", "refused_4xx", "refused_5xx", "delivered", "deferred", "bounced"}
    assert all(set(rate) == {"1m", "15m"} for rate in status["rates"].values())
    assert isinstance(status["oldest_seconds"], int) and status["disk"]["free"] > 0


def test_curl_can_ask(relay: Relay) -> None:
    command = ["curl", "--silent", "--fail", "--unix-socket", str(relay.socket), "http://x/v1/queue.count"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=True)
    except FileNotFoundError:
        pytest.skip("curl is not installed")
    assert set(json.loads(done.stdout)) == {"recipients", "messages", "by_state"}


async def test_a_message_is_found_shown_and_read(relay: Relay) -> None:
    queue_id = put(relay, "one@found.test", "two@found.test", body="Subject: s\r\nX-Mine: 1\r\n\r\nthe body\r\n")
    async with Client(relay.socket) as client:
        page = await client.call(QueueList("domain:found.test"))
        assert [row.id for row in page.rows] == [f"{queue_id}.1", f"{queue_id}.2"]
        message = await client.call(Show(f"{queue_id}.2"))
        assert [recipient.recipient for recipient in message.recipients] == ["two@found.test"]
        whole = b"".join([piece async for piece in client.content(Content(queue_id))])
        header = b"".join([piece async for piece in client.content(Content(queue_id, headers=True))])
    assert whole.startswith(b"Received: ") and whole.endswith(b"X-Mine: 1\r\n\r\nthe body\r\n")
    assert whole.startswith(header + b"\r\n") and header.endswith(b"X-Mine: 1\r\n")


async def test_pages_follow_each_other(relay: Relay) -> None:
    put(relay, *(f"r{n}@pages.test" for n in range(5)))
    seen: list[str] = []
    async with Client(relay.socket) as client:
        after: str | None = ""
        while after is not None:
            page = await client.call(QueueList("domain:pages.test", limit=2, after=after))
            seen += [row.recipient for row in page.rows]
            after = page.after
    assert seen == [f"r{n}@pages.test" for n in range(5)]


async def test_verbs_change_and_tell(relay: Relay) -> None:
    put(relay, "x@verbs.test", "y@verbs.test")
    async with Client(relay.socket) as client:
        plan = await client.call(Hold(filter="domain:verbs.test", dry_run=True))
        with pytest.raises(ControlError, match="2 recipients are selected now, not 7"):
            await client.call(Hold(filter="domain:verbs.test", expect=7))
        done = await client.call(Hold(filter="domain:verbs.test", reason="because", expect=2))
        assert isinstance(plan, Preview) and isinstance(done, Affected)
        assert (plan.done, done.done, done.messages) == (2, 2, 1)
        settled(relay, "domain:verbs.test", "held")
        assert (await client.call(Release(filter="domain:verbs.test"))).done == 2
        with pytest.raises(ControlError, match="nothing is selected"):
            await client.call(Hold())
        with pytest.raises(ControlError, match="no such message or recipient: 00000000") as caught:
            await client.call(Hold(ids=("00000000",)))
        assert caught.value.code == "unknown-id"
        assert (await client.call(DnsFlush("verbs.test"))).answers >= 0


# ---------------------------------------------------------------------- events


async def test_events_are_replayed_and_followed(relay: Relay) -> None:
    first = put(relay, "a@events.test")
    seen: list[Accepted | Changed] = []
    async with Client(relay.socket) as client, Client(relay.socket) as other:
        async for entry in client.events(Log(limit=10_000, follow=True)):
            event = entry.event
            if isinstance(event, Accepted) and event.id == first:
                seen.append(event)
                await other.call(Hold(ids=(first,), reason="watch"))
            elif isinstance(event, Changed) and f"{first}.1" in event.ids:
                seen.append(event)
                break
    assert [type(event) for event in seen] == [Accepted, Changed]


def test_history_ends_and_the_stream_does_not(relay: Relay) -> None:
    put(relay, "b@events.test")
    lines = ask(relay, "GET", "/v1/log?limit=2").body.splitlines()
    assert len(lines) == 2
    numbers = [json.loads(line)["seq"] for line in lines]
    assert numbers[1] == numbers[0] + 1
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        stream.connect(str(relay.socket))
        stream.sendall(b"GET /v1/events?after_seq=%d HTTP/1.1\r\nHost: x\r\n\r\n" % numbers[0])
        received = b""
        while b'"seq":%d' % numbers[1] not in received:
            piece = stream.recv(65536)
            assert piece
            received += piece
        assert b"application/x-ndjson" in received and b'"seq":%d,' % numbers[0] not in received
        put(relay, "c@events.test")
        while b"c@events.test" not in received and b'"event":"accepted"' not in received.partition(b"\r\n\r\n")[2]:
            received += stream.recv(65536)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("GET", "/v1/frob", None, 404, "unknown-request"),
        ("GET", "/", None, 404, "unknown-request"),
        ("GET", "/v1/status/x", None, 404, "unknown-request"),
        ("GET", "/v1/..%2fstatus", None, 404, "unknown-request"),
        ("POST", "/v1/status", b"{}", 405, "wrong-method"),
        ("GET", "/v1/purge?everything=true", None, 405, "wrong-method"),
        ("DELETE", "/v1/purge", None, 405, "wrong-method"),
        ("POST", "/v1/purge", b"{", 400, "bad-request"),
        ("POST", "/v1/purge", b"[]", 400, "bad-request"),
        ("POST", "/v1/purge", b'{"everything": "yes"}', 400, "bad-request"),
        ("POST", "/v1/purge", b'{"all": true}', 400, "bad-request"),
        ("POST", "/v1/purge", b"", 400, "empty-selection"),
        ("POST", "/v1/purge", b'{"filter": "colour:red"}', 400, "filter-error"),
        ("POST", "/v1/hold", b'{"ids": ["00000000"]}', 404, "unknown-id"),
        ("POST", "/v1/hold", b'{"plan": "p-0"}', 409, "stale-plan"),
        ("POST", "/v1/hold", b'{"plan": "p-0", "everything": true}', 400, "filter-error"),
        ("POST", "/v1/undo", b'{"action": 999999}', 404, "unknown-action"),
        ("POST", "/v1/undo", b"{}", 400, "bad-request"),
        ("POST", "/v1/cancel", b'{"action": 999999}', 409, "not-running"),
        ("GET", "/v1/audit?limit=0", None, 400, "bad-request"),
        ("POST", "/v1/backup", b'{"path": "x"}', 400, "bad-path"),
        ("POST", "/v1/backup", b'{"path": "/dev/null"}', 409, "cannot-create"),
        ("POST", "/v1/backup", b'{"path": "/no/such/place"}', 409, "cannot-create"),
        ("POST", "/v1/hold", b"x" * 1_100_000, 413, "too-large"),
        ("GET", "/v1/queue.list?limit=0", None, 400, "bad-request"),
        ("GET", "/v1/queue.list?limit=1&limit=2", None, 400, "bad-request"),
        ("GET", "/v1/queue.list?colour=red", None, 400, "bad-request"),
        ("GET", "/v1/queue.list?after=%00", None, 400, "filter-error"),
        ("GET", "/v1/show", None, 400, "bad-request"),
        ("GET", "/v1/show?id=00000000", None, 404, "unknown-id"),
        ("GET", "/v1/content?id=00000000", None, 404, "unknown-id"),
        ("GET", "/v1/content?id=zzz", None, 404, "unknown-id"),
        ("GET", "/v1/events?after_seq=-1", None, 400, "bad-request"),
        ("GET", "/v1/log?limit=99999999", None, 400, "bad-request"),
    ],
)
def test_bad_requests_are_refused_with_a_reason(
    relay: Relay, method: str, target: str, body: bytes | None, status: int, code: str
) -> None:
    answer = ask(relay, method, target, body)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error["message"] and set(answer.error) == {"code", "message", "hint", "exit_code"}
    assert answer.headers["Mailtui-Version"] == __version__


def test_another_major_version_is_told_which_side_to_update(relay: Relay) -> None:
    answer = ask(relay, "GET", "/v1/status", Mailtui_Version="7.0.0")
    assert (answer.status, answer.error["code"], answer.error["hint"]) == (503, "version", "update the relay")
    assert ask(relay, "GET", "/v1/status", Mailtui_Version=__version__).status == 200


def test_garbage_on_the_socket_harms_nobody(relay: Relay) -> None:
    for garbage in (
        b"\x00\xff" * 1000,
        b"GET /" + b"x" * 300_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\n" * 9999,
    ):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(10)
            stream.connect(str(relay.socket))
            try:
                stream.sendall(garbage)
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert relay.status()["ready"]
    assert "Traceback" not in relay.said()


def test_the_socket_is_closed_to_others(relay: Relay) -> None:
    assert stat.S_IMODE(relay.socket.stat().st_mode) == 0o660
    assert stat.S_IMODE(relay.data.stat().st_mode) == 0o750


async def test_a_client_without_a_relay_says_so(tmp_path: Path) -> None:
    async with Client(tmp_path / "none.sock") as client:
        with pytest.raises(RelayNotRunning, match=r"no relay answers on .*none\.sock"):
            await client.call(Status())
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    async with Client(tmp_path / "dead.sock") as client:
        with pytest.raises(RelayNotRunning):
            await client.call(Status())


async def test_a_client_of_something_else_says_so(tmp_path: Path) -> None:
    import asyncio

    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nno\n",
        b"220 hi\r\n",
    ]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        writer.close()

    async with await asyncio.start_unix_server(talk, tmp_path / "s"), Client(tmp_path / "s") as client:
        with pytest.raises(ControlError, match="not understood"):
            await client.call(Status())
        with pytest.raises(ControlError, match="the relay answered 500: no"):
            await client.call(Status())
        with pytest.raises(Unavailable, match="before its answer was complete"):
            await client.call(Status())


# ---------------------------------------------------------------------- who may what

AS_NOBODY = """
import os, sys  # a stranger may not read what is imported here
import mailtui.cli.root, mailtui.control.client, mailtui.text, asyncio.runners, mailtui.config, mailtui.preflight, tomllib, encodings.idna
from mailtui.__main__ import main
os.setgroups([int(sys.argv[2])] if sys.argv[2] else [])
os.setgid(65534), os.setuid(65534)
sys.argv = ["mailtui", "--socket", sys.argv[1], *sys.argv[3:]]
main()
"""
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_nobody(relay: Relay, group: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", AS_NOBODY, str(relay.socket), group, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@only_root
def test_a_stranger_cannot_connect(relay: Relay) -> None:
    done = as_nobody(relay, "", "status")
    assert done.returncode == 77
    assert done.stderr.startswith(f"mailtui: {relay.socket} is closed to this user") and done.stderr.count("\n") == 1


@only_root
def test_the_group_may_look_and_operators_may_change() -> None:
    import grp

    group = grp.getgrnam("daemon")
    with Relay({"relay": {"socket_group": "daemon"}}) as relay:
        relay.root.chmod(0o755)
        assert as_nobody(relay, str(group.gr_gid), "status", "--check").returncode == 0
        refused = as_nobody(relay, str(group.gr_gid), "hold", "--all", "--yes")
        assert refused.returncode == 77
        assert refused.stderr == (
            'mailtui: nobody may look but not hold (add "nobody" or one of its @groups to control.operators)\n'
        )
        relay.configure({"relay": {"socket_group": "daemon"}, "control": {"operators": ["nobody"]}})
        relay.cli("reload")
        assert as_nobody(relay, str(group.gr_gid), "hold", "--all", "--yes").returncode == 0
