"""B6: what reads cost while 1,000,000 recipients wait: asked over the control socket, one connection each, on an otherwise idle relay
and, for information, while mail flows (`--busy`).

Every read is asked `--times` times after one that does not count (`first` is that one: pages come from the disk). Numbers to reach:
status 20 ms, pages 50 ms, grids and groups 100 ms. A dear answer without a filter is given again for a moment (queue/kept): `first` is what
making it takes. What scans is allowed more, but should end when its asker goes away: the last table says what it still used.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from tests.bench import depth, table
from tests.bench.load import Load, Sink
from tests.kit.processes import cpu_seconds, free_port
from tests.kit.relay import Relay, ask

PATIENCE: Final = 120.0


class Read(NamedTuple):
    """A name for the table, the request, and the milliseconds it may take (0: told only)."""

    name: str
    request: str
    limit: float = 0.0


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.add_argument("--times", type=int, default=20, help="how often each is asked (default: 20)")
    parser.add_argument("--cache", type=Path, default=depth.CACHE, help="where the queue file is kept")
    parser.add_argument("--only", default="", help="reads whose name contains one of these (a,b,c)")
    parser.add_argument("--busy", action="store_true", help="while mail flows as fast as it can, too")
    options = parser.parse_args()
    recipients = table.scaled(depth.RECIPIENTS, options.scale, 1000)
    source = depth.made(options.cache, recipients)
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        relay = Relay(settings(sink))
        depth.copied(source, relay.data)
        stack.enter_context(relay)
        depth.wait_until_filed(relay)
        chosen = _chosen(reads(relay), options.only)
        rows = [_row(relay, read, options.times) for read in chosen]
        heads = ["read", "first ms", "median ms", "p95 ms", "to reach"]
        table.show(f"B6: reads with {recipients} recipients waiting, idle", heads, rows)
        if options.busy:
            with _Flow(relay.port):
                rows = [_row(relay, read, options.times) for read in chosen]
            table.show(f"B6: reads with {recipients} recipients waiting, 20 sessions sending", heads, rows)
        heads = ["scan", "asker gone after ms", "CPU s used after that"]
        left = [_left(relay, read) for read in _chosen(scans(), options.only)]
        table.show("B6: scans whose asker goes away", heads, left)


def settings(sink: Sink) -> dict[str, object]:
    """Mail of the load goes to the sink; what waits goes by MX and nobody answers what that is."""
    return {
        "route": [{"match": "dst.test", "to": f"{sink.host}:{sink.port}"}],
        "dns": {"nameservers": [f"127.0.0.1:{free_port()}"]},
    }


def reads(relay: Relay) -> list[Read]:
    """What operators and the console ask."""
    middle = _middle(relay)
    page = middle["id"]
    one = page.partition(".")[0]
    subject = middle["subject"]
    return [
        Read("status", "status", 20),
        Read("list, first page", "queue.list", 50),
        Read("list, page in the middle", _list("", after=page), 50),
        Read("list, 1000 rows", _list("", limit=1000), 50),
        Read("list id: (a message)", _list(f"id:{one}"), 50),
        Read("list id: (a beginning)", _list(f"id:{one[:4]}*"), 50),
        Read("list age:2h+", _list("age:2h+"), 50),
        Read("list age:23h-", _list("age:23h-"), 50),
        Read("list age:10m-", _list("age:10m-"), 50),
        Read("list since:", _list("since:00:00"), 50),
        Read("list state:deferred", _list("state:deferred"), 50),
        Read("list state:held (none)", _list("state:held"), 50),
        Read("list state:queued (none)", _list("state:queued"), 50),
        Read("list domain: (the largest)", _list("domain:d00001.example"), 50),
        Read("list domain: (the largest, middle)", _list("domain:d00001.example", after=page), 50),
        Read("list domain: (of 100)", _list("domain:d01000.example"), 50),
        Read("list domain: (of 1,000)", _list("domain:d00100.example"), 50),
        Read("list domain: (of 10,000)", _list("domain:d00010.example"), 50),
        Read("list domain: (unknown)", _list("domain:unknown.example"), 50),
        Read("list domain: state:deferred (largest)", _list("domain:d00001.example state:deferred"), 50),
        Read("list domain: state:deferred (of 100)", _list("domain:d01000.example state:deferred"), 50),
        Read("list site: (the largest)", _list("site:mx.site001.test"), 50),
        Read("list site: (small)", _list("site:mx.site190.test"), 50),
        Read("list route:mx", _list("route:mx"), 50),
        Read("list route:smarthost", _list("route:smarthost"), 50),
        Read("list msgid: (whole)", _list(f"msgid:{middle['message_id']}"), 50),
        Read("list domain: class:throttled", _list("domain:d00001.example class:throttled"), 0),
        Read("list from: (common)", _list(f"from:{middle['sender']}")),
        Read("list from: (nobody)", _list("from:nobody@src.test")),
        Read("list to: (one)", _list(f"to:{middle['recipient']}")),
        Read("list subject: (one)", _list(f'subject:"{subject}"')),
        Read("list class: (common)", _list(f"class:{middle['class']}")),
        Read("list class: (nothing)", _list("class:no-such-user")),
        Read("list code:421", _list("code:421")),
        Read("list reply~ (nothing)", _list("reply~zzz")),
        Read("list tries:3+", _list("tries:3+")),
        Read("list size:1MB+ (nothing)", _list("size:1MB+")),
        Read("list next:1h-", _list("next:1h-")),
        Read("list stage:rcpt", _list("stage:rcpt")),
        Read("list tls:yes (nothing)", _list("tls:yes")),
        Read("list host: (nothing)", _list("host:nowhere.*")),
        Read("list zzz (nothing)", _list("zzz")),
        Read("list, history", _list("", history="true"), 50),
        Read("count", "queue.count", 100),
        Read("count domain: (the largest)", _query("queue.count", filter="domain:d00001.example")),
        Read("count domain: (of 100)", _query("queue.count", filter="domain:d01000.example")),
        Read("count class:", _query("queue.count", filter=f"class:{middle['class']}")),
        Read("domains", "queue.domains", 100),
        Read("domains, 1,000 rows", _query("queue.domains", limit=1000), 100),
        Read("domains domain:", _query("queue.domains", filter="domain:d01000.example")),
        Read("domains class:", _query("queue.domains", filter=f"class:{middle['class']}")),
        *(Read(f"reasons by {by}", _query("queue.reasons", by=by), 100) for by in ("site", "destination", "class")),
        *(Read(f"reasons by {by}", _query("queue.reasons", by=by)) for by in ("sender", "user")),
        Read("reasons site:", _query("queue.reasons", filter="site:mx.site010.test")),
        Read("reasons, last 15m", _query("queue.reasons", window="15m"), 100),
        *(Read(f"ages by {by}", _query("queue.ages", by=by), 100) for by in ("site", "destination")),
        Read("ages domain:", _query("queue.ages", filter="domain:d01000.example")),
        Read("incidents", "incidents", 100),
        Read("forecast", "forecast", 100),
        Read("samples, 3h", "samples", 100),
        Read("samples of a destination", _query("samples", destination="d00001.example"), 100),
        Read("failures", "failures", 100),
        Read("shaping", "shaping.list", 100),
        Read("suspensions", "suspensions", 20),
        Read("show", _query("show", id=page), 50),
        Read("why", _query("why", id=page), 50),
        Read("audit", "audit", 50),
        Read("report on a domain", _query("report", subject="d00010.example")),
    ]


def scans() -> list[Read]:
    """Reads that look at every recipient."""
    return [
        Read("list reply~ (nothing)", _list("reply~zzz")),
        Read("list stage: tls: (nothing)", _list("tls:yes stage:banner,greeting")),
        Read("ages by site", "queue.ages"),
        Read("reasons by sender", _query("queue.reasons", by="sender")),
        Read("count class:", _query("queue.count", filter="class:throttled")),
    ]


def _chosen(all: list[Read], only: str) -> list[Read]:
    return [read for read in all if any(part in read.name for part in only.split(","))]


def _query(name: str, **arguments: object) -> str:
    return f"{name}?{urlencode(arguments)}"


def _list(filter: str, **arguments: object) -> str:
    return _query("queue.list", filter=filter, **arguments)


def _middle(relay: Relay) -> dict[str, Any]:
    """A row half-way."""
    rows: list[dict[str, Any]] = relay.get(_list("age:12h-", limit=1))["rows"]
    return rows[0]


def _row(relay: Relay, read: Read, times: int) -> list[object]:
    first = once(relay, read)
    found = [once(relay, read) for _ in range(times if first < 2000 else 1)]
    limit = f"≤ {read.limit:.0f}" if read.limit else ""
    row = [read.name, first, table.median(found), table.percentile(found, 0.95), limit]
    table.progress(" ".join(f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row))
    return row


def once(relay: Relay, read: Read) -> float:
    """Milliseconds until its answer is there; also one that says it took too long."""
    began = time.monotonic()
    try:
        ask(relay.socket, "GET", f"/v1/{read.request}", timeout=PATIENCE)
    except AssertionError as error:
        if "took longer" not in str(error):
            raise
    return 1000 * (time.monotonic() - began)


def _left(relay: Relay, read: Read) -> list[object]:
    """Ask, go away, and see what the relay still does."""
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(str(relay.socket))
        asker.sendall(f"GET /v1/{read.request} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.1)
    time.sleep(0.05)
    before = cpu_seconds(relay.pid)
    time.sleep(3)
    return [read.name, 100, cpu_seconds(relay.pid) - before]


class _Flow:
    """Mail that flows as long as this is entered."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __enter__(self) -> None:
        self._process = Load(10_000_000).start(self._port)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    main()
