"""A private Postfix: its own configuration, queue and data directory, listening on loopback, gone without a trace afterwards.

Owned here: writing main.cf and master.cf, starting and stopping that one instance, its queue and its log. The instance of the
system is never touched. Needs root, because Postfix does. Postfix reads its files under other users too, so everything stands in
a directory they can reach (pytest's own is not one).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.kit.peer import Peer
from tests.kit.processes import Child, cpu_seconds, program, wait_until

DAEMONS: Final = "/usr/lib/postfix/sbin"
NOBODY: Final = 65534

_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
mail_spool_directory = {root}/mail
meta_directory = {root}/etc
maillog_file = {maillog}
maillog_file_prefixes = {root}
myhostname = {hostname}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
biff = no
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject
"""
_RELAYING: Final = """\
relayhost = [{host}]:{next_hop}
"""
_KEEPING: Final = """\
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:inbox/
virtual_mailbox_base = {root}/mail
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_mailbox_limit = 0
"""
_MASTER: Final = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
verify    unix  - - n -     1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -     - proxymap
proxywrite unix - - n -     1 proxymap
smtp      unix  - - n -     - smtp
relay     unix  - - n -     - smtp
showq     unix  n - n -     - showq
error     unix  - - n -     - error
retry     unix  - - n -     - error
discard   unix  - - n -     - discard
virtual   unix  - n n -     - virtual
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


def missing() -> str:
    """Why no Postfix can be started here, "" when one can."""
    if not program("postfix"):
        return "Postfix is not installed (Debian package postfix)"
    if os.geteuid() != 0:
        return "Postfix can only be started by root"
    return ""


class Postfix(Peer):
    """`with Postfix(next_hop=2526) as postfix:` takes mail on `postfix.port` and relays all of it to 127.0.0.1:2526.

    Without a `next_hop` it is the last stop and files every message in a maildir (`messages`). `settings` are further lines of
    main.cf, the last word. With `log=False` it logs nowhere. Settings not named here are Postfix's own defaults.
    """

    def __init__(
        self,
        *,
        next_hop: int = 0,
        next_hop_host: str = "127.0.0.1",
        port: int = 0,
        hostname: str = "postfix.test",
        settings: dict[str, str] | None = None,
        log: bool = True,
    ) -> None:
        super().__init__("Postfix", "mail/inbox", port, hostname)
        self.config = self.root / "etc"
        self.maillog = self.root / "mail.log"
        self._next_hop, self._next_hop_host = next_hop, next_hop_host
        self._settings = settings or {}
        self._log = log
        self._master: Child | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        wait_until(self._sound, "postfix check", 30)
        # The master itself: it leads a process group of its own daemons, which `postfix start-fg` would leave behind.
        self._master = Child([f"{DAEMONS}/master", "-c", str(self.config), "-s"], self.root / "start.log")
        self._master.wait_until(self._listens, f"Postfix to listen on port {self.port}", 20)

    def _sound(self) -> bool:
        """Its own check; it walks the queue, and fails when a file goes that a daemon of the last master still had."""
        command = [program("postfix"), "-c", str(self.config), "check"]
        return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0

    def stop(self) -> None:
        """Stop it; mail in its queue stays there for the next `start`."""
        if self._master is not None:
            self._master.stop(10)
            self._master = None

    @property
    def pid(self) -> int:
        """The process all of its others descend from."""
        assert self._master is not None, "not started"
        return self._master.pid

    def cpu_seconds(self) -> float:
        """What all of its processes have used, the ones that ended included."""
        return cpu_seconds(self.pid)

    def setting(self, name: str) -> str:
        """What one of its settings is."""
        return self._run("postconf", "-h", name).strip()

    def log(self) -> str:
        """Everything it logged."""
        return self.maillog.read_text(encoding="utf-8", errors="replace") if self.maillog.exists() else ""

    # --- its queue

    def send(self, content: bytes, sender: str, *recipients: str) -> None:
        """Hand it a message the local way, as `sendmail` does: LF or CRLF line ends."""
        self.send_with([], content, sender, *recipients)

    def send_with(self, options: list[str], content: bytes, sender: str, *recipients: str) -> None:
        """The same with options of sendmail, such as `-N success` for a DSN."""
        command = [program("sendmail"), "-C", str(self.config), "-G", "-i", *options, "-f", sender, "--", *recipients]
        subprocess.run(command, input=content, check=True, capture_output=True, timeout=30)

    def queue(self) -> list[dict[str, object]]:
        """What waits in it, as `postqueue -j` tells it."""
        return [json.loads(line) for line in self._run("postqueue", "-j").splitlines()]

    def queued(self) -> int:
        """How many messages stand in its queue, by counting files: cheap enough to be asked often."""
        folders = ("maildrop", "incoming", "active", "deferred")
        return sum(len(files) for folder in folders for _, _, files in os.walk(self.root / "spool" / folder))

    def flush(self) -> None:
        """Try everything now."""
        self._run("postqueue", "-f")

    # --- inside

    def _listens(self) -> bool:
        """Whether the master has opened its sockets; asked without a connection, which would cost a session."""
        wanted = f"0100007F:{self.port:04X} 00000000:0000 0A"
        return wanted in Path("/proc/net/tcp").read_text()

    def _write(self) -> None:
        for folder in ("etc", "spool", "data", "mail"):
            (self.root / folder).mkdir()
        self.root.chmod(0o755)
        shutil.chown(self.root / "data", "postfix")
        os.chown(self.root / "mail", NOBODY, NOBODY)
        for name in ("postfix-files", "dynamicmaps.cf"):
            if Path("/etc/postfix", name).exists():
                shutil.copy(Path("/etc/postfix", name), self.config)
        maillog = str(self.maillog) if self._log else ""
        values = {
            "root": self.root,
            "port": self.port,
            "hostname": self.hostname,
            "maillog": maillog,
            "next_hop": self._next_hop,
            "host": self._next_hop_host,
        }
        main = _MAIN + (_RELAYING if self._next_hop else _KEEPING)
        extra = "".join(f"{name} = {value}\n" for name, value in self._settings.items())
        (self.config / "main.cf").write_text(main.format(**values) + extra)
        (self.config / "master.cf").write_text(_MASTER.format(**values))

    def _run(self, name: str, *arguments: str) -> str:
        command = [program(name), "-c", str(self.config), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def version() -> str:
    """The version of the Postfix installed."""
    return subprocess.run(
        [program("postconf"), "-dh", "mail_version"], capture_output=True, text=True, check=True
    ).stdout.strip()
