"""Real DNS for tests: knot as the authority for `test.`, unbound in front of it as the resolver the relay asks.

Owned here: their configuration and their processes. Unbound answers SERVFAIL for everything below `broken.`, because the
authority it is sent to there refuses to speak for it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from tests.kit.processes import Child, free_port, program

_ZONE: Final = """\
$ORIGIN test.
$TTL 60
@ SOA ns.test. hostmaster.test. 1 3600 600 86400 5
@ NS ns.test.
ns A 127.0.0.1
"""
_KNOT: Final = """\
server:
    listen: 127.0.0.1@{port}
    rundir: "{root}"
    user: {user}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{root}/db"
log:
  - target: stderr
    any: notice
template:
  - id: default
    storage: "{root}"
zone:
  - domain: test.
    file: "{root}/test.zone"
"""
_UNBOUND: Final = """\
server:
    interface: 127.0.0.1@{port}
    port: {port}
    access-control: 127.0.0.0/8 allow
    do-daemonize: no
    use-syslog: no
    username: ""
    chroot: ""
    directory: "{root}"
    pidfile: ""
    num-threads: 1
    do-ip6: no
    do-not-query-localhost: no
    module-config: "iterator"
    local-zone: "test." nodefault
    cache-max-negative-ttl: 5
remote-control:
    control-enable: no
stub-zone:
    name: "test."
    stub-addr: 127.0.0.1@{authority}
stub-zone:
    name: "broken."
    stub-addr: 127.0.0.1@{authority}
"""


def missing() -> str:
    """Why there can be no real DNS here, "" when there can."""
    absent = [name for name in ("knotd", "unbound", "kdig") if not program(name)]
    return f"not installed: {', '.join(absent)} (Debian packages knot, unbound, knot-dnsutils)" if absent else ""


class NameServers:
    """`with NameServers("shop MX 10 mx.shop", "mx.shop A 127.0.0.11") as dns:` is asked at `dns.address`.

    Records are lines of the zone `test.`; names without a final dot are below it.
    """

    def __init__(self, *records: str) -> None:
        self.port, self._authority = free_port(), free_port()
        self._records = records
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            root = Path(tempfile.mkdtemp(prefix="mailtui-dns-"))
            stack.callback(shutil.rmtree, root, ignore_errors=True)
            (root / "test.zone").write_text(_ZONE + "".join(f"{record}\n" for record in self._records))
            values = {"root": root, "authority": self._authority, "user": _user()}
            knot, unbound = root / "knot.conf", root / "unbound.conf"
            knot.write_text(_KNOT.format(port=self._authority, **values))
            unbound.write_text(_UNBOUND.format(port=self.port, **values))
            authority = stack.enter_context(Child([program("knotd"), "-c", str(knot)], root / "knot.log"))
            authority.wait_until(lambda: _answers(self._authority), "knot to answer")
            resolver = stack.enter_context(
                Child([program("unbound"), "-d", "-p", "-c", str(unbound)], root / "unbound.log")
            )
            resolver.wait_until(lambda: _answers(self.port), "unbound to answer")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def address(self) -> str:
        """Where the resolver is asked, as a configuration writes it."""
        return f"127.0.0.1:{self.port}"

    def ask(self, name: str, type_: str) -> str:
        """What kdig, a client that is not ours, is told: the status and the answers."""
        return _dig(self.port, name, type_)


def _answers(port: int) -> bool:
    return "NOERROR" in _dig(port, "test.", "SOA")


def _dig(port: int, name: str, type_: str) -> str:
    command = [program("kdig"), "@127.0.0.1", "-p", str(port), name, type_, "+retry=0", "+timeout=1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


def _user() -> str:
    """Who knot is to run as: whoever runs the tests."""
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
