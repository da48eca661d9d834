"""Who may change things, and the socket that lets them in."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailtui.control.peer import bind, may_change, peer_uid, user_name
from mailtui.errors import ConfigError

DAEMON = pwd.getpwnam("daemon")
UNKNOWN = 3_999_999_999


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mt-"))
    yield made
    shutil.rmtree(made)


def test_root_and_the_relay_itself_may_change_things() -> None:
    assert may_change(0, 1000, ())
    assert may_change(1000, 1000, ())
    assert not may_change(DAEMON.pw_uid, 1000, ())


def test_operators_are_users_and_groups() -> None:
    group = grp.getgrgid(DAEMON.pw_gid).gr_name
    assert may_change(DAEMON.pw_uid, 1000, ("daemon",))
    assert may_change(DAEMON.pw_uid, 1000, ("bin", f"@{group}"))
    assert not may_change(DAEMON.pw_uid, 1000, ("@daemonic", "@no-such-group", "root", group + "x"))
    assert not may_change(UNKNOWN, 1000, ("daemon", "@daemon"))


def test_a_peer_is_named() -> None:
    assert user_name(0) == "root"
    assert user_name(UNKNOWN) == f"uid {UNKNOWN}"


def test_the_kernel_says_who_the_peer_is() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_uid(ours) == os.geteuid()


def test_the_socket_is_closed_to_others_and_replaces_a_stale_one(folder: Path) -> None:
    path = folder / "control.sock"
    bind(path, "").close()  # closed without unlinking: what a killed relay leaves
    with bind(path, "") as listening:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        assert listening.getsockname() == str(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
def test_the_socket_and_its_directory_are_the_groups(folder: Path) -> None:
    with bind(folder / "control.sock", "daemon"):
        gid = grp.getgrnam("daemon").gr_gid
        assert (folder / "control.sock").stat().st_gid == folder.stat().st_gid == gid


def test_what_is_in_the_way_is_named(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(ConfigError, match="is there and is not a socket"):
        bind(folder / "file", "")
    with pytest.raises(ConfigError, match="there is no group no-such-group"):
        bind(folder / "s", "no-such-group")
    with pytest.raises(ConfigError, match="No such file or directory"):
        bind(folder / "missing" / "s", "")
    assert (folder / "file").exists() and not (folder / "s").exists()
