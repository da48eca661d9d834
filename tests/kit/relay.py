"""A real relay for tests and benchmarks: `mailtui serve` in a process of its own, with a configuration made for the occasion.

Owned here: writing that configuration, starting, stopping and killing the process, and asking it things over its control socket
or by the command line. Its data stands in a directory of its own with a short path: a socket's path has room for 107 octets.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from tests.kit.processes import Child, cpu_seconds, free_port, wait_until

Table = Mapping[str, object]

MAILTUI: Final = (sys.executable, "-m", "mailtui")
_READY: Final = re.compile(r"^ready\b", re.MULTILINE)


class Relay:
    """`with Relay({"route": [{"to": "127.0.0.1:2526"}]}) as relay:` takes mail on `relay.port`.

    `settings` are tables of the configuration, laid over the kit's own: a name, a data directory, one relay listener. `root` of
    an earlier relay (kept with `keep=True`) starts on its queue. `env` is added to the environment; `program` is what is run as `mailtui`.
    """

    def __init__(
        self,
        settings: Mapping[str, Table | Sequence[Table]] | None = None,
        *,
        port: int = 0,
        root: Path | None = None,
        keep: bool = False,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = MAILTUI,
    ) -> None:
        self.port = port or free_port()
        self.root = root or Path(tempfile.mkdtemp(prefix="mt-"))
        self.data = self.root / "data"
        self.socket = self.data / "control.sock"
        self.config = self.root / "config.toml"
        self.log = self.root / "relay.log"
        self._keep = keep
        self._env = env
        self._program = program
        self._child: Child | None = None
        self._before = 0
        self.configure(settings or {})

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if not self._keep:
            shutil.rmtree(self.root, ignore_errors=True)

    # --- its life

    def configure(self, settings: Mapping[str, Table | Sequence[Table]]) -> None:
        """Write its configuration; a relay that runs hears of it by `reload`."""
        tables: dict[str, Table | Sequence[Table]] = {
            "relay": {"hostname": "relay.test", "data_dir": self.data},
            "listener": [{"bind": f"127.0.0.1:{self.port}"}],
        }
        for name, table in settings.items():
            ours = tables.get(name)
            tables[name] = {**ours, **table} if isinstance(ours, Mapping) and isinstance(table, Mapping) else table
        self.config.write_text(to_toml(tables), encoding="utf-8")
        self.config.chmod(0o600)

    def start(self, timeout: float = 20.0) -> None:
        """Start it and wait for its ready line; does nothing when it was launched already."""
        if self._child is None:
            self.launch()
        self.wait_until_ready(timeout)

    def launch(self) -> None:
        """Start it without waiting for anything."""
        self._before = len(self.said())
        self._child = Child(
            [*self._program, "--config", str(self.config), "serve"], self.log, env=self._env, cwd=self.root
        )

    def wait_until_ready(self, timeout: float = 20.0) -> None:
        """Until this process has said that it is ready."""
        self.child.wait_until(lambda: _READY.search(self.said()[self._before :]), "the ready line", timeout)

    def stop(self, patience: float = 60.0) -> int | None:
        """SIGTERM, and wait for the drain; the exit code. None when it does not run."""
        child, self._child = self._child, None
        return child.stop(patience) if child else None

    def kill(self) -> None:
        """kill -9."""
        child, self._child = self._child, None
        if child:
            child.kill()

    @property
    def pid(self) -> int:
        """The process."""
        return self.child.pid

    @property
    def child(self) -> Child:
        """The process, as the kit holds it."""
        assert self._child is not None, "not started"
        return self._child

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.running

    def said(self) -> str:
        """Everything it wrote to standard output and error."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def cpu_seconds(self) -> float:
        """User and system time used so far."""
        return cpu_seconds(self.pid)

    # --- asking

    def get(self, request: str) -> Any:
        """What `GET /v1/<request>` on the control socket answers, decoded."""
        return ask(self.socket, "GET", f"/v1/{request}")

    def post(self, request: str, **arguments: object) -> Any:
        """What `POST /v1/<request>` answers, decoded."""
        return ask(self.socket, "POST", f"/v1/{request}", arguments)

    def status(self) -> dict[str, Any]:
        """Its status, over the socket."""
        status: dict[str, Any] = self.get("status")
        return status

    def totals(self) -> dict[str, int]:
        """The life-long counters of the ledger, in recipients."""
        totals: dict[str, int] = self.status()["totals"]
        return totals

    def waiting(self) -> int:
        """Recipients not finished."""
        queue = self.status()["queue"]
        return sum(queue[state] for state in ("queued", "sending", "deferred", "held"))

    def wait_until_idle(self, timeout: float = 30.0) -> None:
        """Until nothing is queued or being sent; what is deferred or held may wait on."""

        def idle() -> bool:
            queue = self.status()["queue"]
            return not queue["queued"] and not queue["sending"]

        wait_until(idle, "the relay to be idle", timeout, 0.05)

    def wait_until_empty(self, timeout: float = 30.0) -> None:
        """Until no recipient waits in any state."""
        wait_until(lambda: self.waiting() == 0, "the relay's queue to empty", timeout, 0.05)

    def ledger_holds(self) -> bool:
        """accepted = waiting + delivered + bounced + suppressed + purged, from one status."""
        status = self.status()
        waiting = sum(status["queue"][state] for state in ("queued", "sending", "deferred", "held"))
        totals = status["totals"]
        return bool(
            totals["accepted"]
            == waiting + sum(totals[name] for name in ("delivered", "bounced", "suppressed", "purged"))
        )

    def cli(
        self, *arguments: str, check: bool = True, input: str | None = None, timeout: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """`mailtui --config FILE <arguments>`."""
        command = [*MAILTUI, "--config", str(self.config), *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True, input=input, timeout=timeout)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, by the standard library: a client that shares no code with ours."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str, body: object = None, timeout: float = 30.0) -> Any:
    """One request on a control socket; the decoded answer. AssertionError with the answer when it is not a success."""
    connection = _UnixConnection(path, timeout)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, target, content, {"Content-Type": "application/json"} if content else {})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert 200 <= answer.status < 300, f"{method} {target}: {answer.status} {text[:500]}"
        return json.loads(text) if text else None
    finally:
        connection.close()


def to_toml(tables: Mapping[str, Table | Sequence[Table]]) -> str:
    """Tables, and lists of tables, of plain values as TOML."""
    parts: list[str] = []
    for name, content in tables.items():
        heads = (
            [(f"[{name}]", content)] if isinstance(content, Mapping) else [(f"[[{name}]]", table) for table in content]
        )
        for head, table in heads:
            parts.append("\n".join([head, *(f"{key} = {_value(value)}" for key, value in table.items())]))
    return "\n\n".join(parts) + "\n"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(item)}' for key, item in value.items())} }}"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)
