"""A private Exim: Debian's program on its own configuration, spool and mailbox, listening on loopback, gone without a trace afterwards.

Owned here: writing that configuration, starting and stopping the one daemon, its queue and its log. Exim cannot be
installed beside Postfix, so the program comes from `.ci/exim`, which keeps it in `.peers/`; the mail system of the machine is never
touched. It was built to run as the user Debian-exim and goes there from root by itself; not being setuid it never comes back.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.kit.peer import Peer
from tests.kit.processes import Child, is_open, program

FETCHED: Final = Path(__file__).resolve().parents[2] / ".peers" / "exim4"
USER: Final = "Debian-exim"

#: No look-ups in the world's DNS; every RCPT goes to the log as it came. What else differs from Exim's own defaults is `_DEFAULTS`:
#: each extension it can offer, and delivery at once however many messages a connection brings.
_CONFIG: Final = """\
exim_path = {root}/exim4
spool_directory = {root}/spool
log_file_path = {root}/log/%s
pid_file_path = {root}/spool/exim.pid
primary_hostname = {hostname}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
host_lookup =
dkim_verify_signers =
keep_environment =
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
{settings}begin acl
rcpt:
  warn logwrite = HEARD: $smtp_command
{rcpt}  accept
begin routers
{router}begin transports
maildir:
  driver = appendfile
  directory = {root}/mail
  maildir_format
  user = {user}
  return_path_add
next_hop:
  driver = smtp
  port = {next_hop}
  allow_localhost
{transport}begin retry
* * F,1h,1s
"""
_DEFAULTS: Final[Mapping[str, object]] = {
    "dsn_advertise_hosts": "*",
    "pipelining_connect_advertise_hosts": "*",
    "prdr_enable": "true",
    "tls_advertise_hosts": "",
    "smtp_accept_queue_per_connection": 0,
}
_KEEPING: Final = "keeping:\n  driver = accept\n  transport = maildir\n"
_RELAYING: Final = (
    "relaying:\n  driver = manualroute\n  route_list = * 127.0.0.1\n  self = send\n  transport = next_hop\n"
)


def found() -> str:
    """The path of the program, installed or fetched; "" when there is none."""
    return program("exim4") or (str(FETCHED) if FETCHED.exists() else "")


def missing() -> str:
    """Why no Exim can be started here, "" when one can."""
    if not found():
        return "Exim was not fetched (.ci/exim does that, without installing it)"
    if os.geteuid() != 0:
        return "Exim can only be started by root"
    if USER not in {entry.pw_name for entry in pwd.getpwall()}:
        return f"there is no user {USER}, which Exim was built for (.ci/exim makes it)"
    return ""


class Exim(Peer):
    """`with Exim(next_hop=2526) as exim:` takes mail on `exim.port` and relays all of it to 127.0.0.1:2526.

    Without a `next_hop` it is the last stop and files every message in a maildir (`messages`). `settings` are options of the main
    section, `transport` of the one that relays; `rcpt` are lines of the ACL for RCPT before it accepts. With a `certificate` (chain
    and key) it offers STARTTLS; with `authorities` it relays only under TLS, to hosts they vouch for.
    """

    def __init__(
        self,
        *,
        next_hop: int = 0,
        port: int = 0,
        hostname: str = "exim.test",
        settings: Mapping[str, object] | None = None,
        rcpt: tuple[str, ...] = (),
        transport: Mapping[str, object] | None = None,
        certificate: tuple[Path, Path] | None = None,
        authorities: Path | None = None,
    ) -> None:
        super().__init__("Exim", "mail", port, hostname)
        self.config = self.root / "exim.conf"
        self._next_hop = next_hop
        self._settings, self._transport, self._rcpt = {**_DEFAULTS, **(settings or {})}, dict(transport or {}), rcpt
        self._certificate, self._authorities = certificate, authorities
        self._daemon: Child | None = None

    def start(self) -> None:
        """Start it in the foreground and wait until it listens."""
        self._daemon = Child([*self._exim, "-bdf"], self.root / "start.log")
        self._daemon.wait_until(lambda: is_open(self.port), f"Exim to listen on port {self.port}", 20)

    def stop(self) -> None:
        """Stop it; mail in its queue stays there for the next `start`."""
        if self._daemon is not None:
            self._daemon.stop(10)
            self._daemon = None

    def log(self) -> str:
        """Everything it logged: what came, what went, and what it refused or panicked about."""
        return "".join(
            path.read_text(encoding="utf-8", errors="replace") for path in sorted((self.root / "log").iterdir())
        )

    # --- its queue

    def queued(self) -> int:
        """How many messages stand in its queue, by counting files: cheap enough to be asked often."""
        return sum(name.endswith("-H") for _, _, names in os.walk(self.root / "spool" / "input") for name in names)

    def flush(self) -> None:
        """Try everything now, frozen messages and those not due too; returns when every one of them was tried."""
        subprocess.run([*self._exim, "-qff"], check=True, capture_output=True, timeout=60)

    # --- inside

    @property
    def _exim(self) -> list[str]:
        return [str(self.root / "exim4"), "-C", str(self.config)]

    def _write(self) -> None:
        self.root.chmod(0o755)
        for folder in ("spool", "log", "mail"):
            (self.root / folder).mkdir()
            shutil.chown(self.root / folder, USER, USER)
        self._own(Path(found()), "exim4").chmod(0o755)
        self._write_tls()
        values = {
            "root": self.root,
            "port": self.port,
            "hostname": self.hostname,
            "user": USER,
            "next_hop": self._next_hop or self.port,
            "settings": "".join(f"{name} = {value}\n" for name, value in self._settings.items()),
            "rcpt": "".join(f"  {line}\n" for line in self._rcpt),
            "router": _RELAYING if self._next_hop else _KEEPING,
            "transport": "".join(f"  {name} = {value}\n" for name, value in self._transport.items()),
        }
        self.config.write_text(_CONFIG.format(**values))

    def _write_tls(self) -> None:
        if self._certificate:
            chain, key = self._certificate
            self._settings["tls_certificate"] = self._own(chain, "chain.pem")
            self._settings["tls_privatekey"] = self._own(key, "key.pem")
            self._settings["tls_advertise_hosts"] = "*"
        if self._authorities:
            self._transport["tls_verify_certificates"] = self._own(self._authorities, "authorities.pem")
            self._transport["tls_verify_hosts"] = self._transport["hosts_require_tls"] = "*"

    def _own(self, file: Path, name: str) -> Path:
        """A copy that Exim's user can read: where the file stands may be out of its reach."""
        copy = Path(shutil.copyfile(file, self.root / name))
        copy.chmod(0o400)
        shutil.chown(copy, USER, USER)
        return copy
