"""nmap's open-relay script, run from an address that may not send: it must find nothing."""

from __future__ import annotations

import re
import smtplib
import subprocess
from pathlib import Path

import pytest

from mailtui.lab.remote import RemoteServer
from tests.kit.mail import message
from tests.kit.processes import program
from tests.kit.relay import Relay

SCRIPT = Path("/usr/share/nmap/scripts/smtp-open-relay.nse")
STRANGER = "127.0.0.2"

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not (program("nmap") and SCRIPT.exists()), reason="nmap is not installed (Debian package nmap)"),
]


def scan(port: int) -> str:
    """What nmap says about the port, as seen from the stranger's address."""
    command = [program("nmap"), "-Pn", "-n", "-sT", "-p", str(port), "-S", STRANGER, "-e", "lo", "--script", str(SCRIPT)]
    command += ["--script-args", "smtp-open-relay.domain=client.test", "--script-timeout", "60s", "127.0.0.1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=True).stdout


def settings(remote: RemoteServer, *networks: str) -> dict[str, object]:
    return {"listener": [{"bind": "127.0.0.1:{port}", "networks": networks}], "route": [{"to": f"127.0.0.1:{remote.address[1]}"}]}
