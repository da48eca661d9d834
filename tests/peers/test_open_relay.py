"""nmap's open-relay script, run from an address that may not send, finds nothing; from one that may, it finds what it looks for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.kit.processes import program
from tests.kit.relay import Relay

from mailtui.lab.remote import RemoteServer

SCRIPT = Path("/usr/share/nmap/scripts/smtp-open-relay.nse")

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not (program("nmap") and SCRIPT.exists()), reason="nmap is not installed (Debian package nmap)"),
]


def scan(relay: Relay) -> str:
    """What nmap says about the relay's port; the plus sign runs the script on any port."""
    command = [program("nmap"), "-v", "-Pn", "-n", "-sT", "-p", str(relay.port), "--script", f"+{SCRIPT}"]
    command += ["--script-args", "smtp-open-relay.domain=client.test", "--script-timeout", "60s", "127.0.0.1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=True).stdout


def relay_for(remote: RemoteServer, network: str) -> Relay:
    relay = Relay()
    listener = {"bind": f"127.0.0.1:{relay.port}", "networks": [network]}
    relay.configure({"listener": [listener], "route": [{"to": f"127.0.0.1:{remote.address[1]}"}]})
    return relay


def test_a_stranger_finds_no_open_relay(remote: RemoteServer) -> None:
    with relay_for(remote, "127.0.0.2/32") as relay:
        found = scan(relay)
        assert relay.totals()["accepted"] == 0
    assert "smtp-open-relay" in found, "the script did not run"
    assert "Server doesn't seem to be an open relay, all tests failed" in found
    assert not remote.mailbox


def test_the_script_would_find_one(remote: RemoteServer) -> None:
    with relay_for(remote, "127.0.0.1/32") as relay:
        assert "Server is an open relay" in scan(relay)
