"""What a relay would meet at its start and cannot get over, looked at without starting one: for `mailtui check-config`.

Owned here: those looks. They change nothing, and judge as the user who asks: run them as the relay's own. What the configuration says
of itself is `config`'s to check.
"""

from __future__ import annotations

import grp
import os
import ssl
from pathlib import Path

from mailtui.config import Config
from mailtui.delivery.tls import verified
from mailtui.errors import ConfigError
from mailtui.intake.profile import tls_context


def check_start(config: Config) -> None:
    """ConfigError with the key that stands in the way."""
    _group(config.relay.socket_group)
    _directory("relay.data_dir", config.relay.data_dir)
    if config.relay.socket.parent != config.relay.data_dir:
        _place("relay.socket", config.relay.socket.parent)
    for index, listener in enumerate(config.listener):
        try:
            tls_context(listener.tls_cert, listener.tls_key, config.tls.min_version)
        except ConfigError as error:
            raise ConfigError(f"listener[{index}].tls_cert: {error}") from None
    _authorities(config)


def _group(name: str) -> None:
    """The socket is given to this group: it must exist, and only root may give to one it is not in (chown(2))."""
    if not name:
        return
    try:
        gid = grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(f"relay.socket_group: there is no group {name}") from None
    if os.geteuid() != 0 and gid not in (os.getegid(), *os.getgroups()):
        raise ConfigError(f"relay.socket_group: this user is not in the group {name} and cannot give the socket to it")


def _directory(key: str, path: Path) -> None:
    """A directory that is there and ours to use, or that can be made."""
    if path.exists():
        _place(key, path)
        return
    above = next(parent for parent in path.parents if parent.exists())
    if not above.is_dir():
        raise ConfigError(f"{key}: {path} cannot be made, {above} is not a directory")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ConfigError(f"{key}: {path} cannot be made, no permission to write in {above}")


def _place(key: str, path: Path) -> None:
    if not path.is_dir():
        raise ConfigError(f"{key}: {path} is not a directory")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(f"{key}: {path}: no permission to read and write there")


def _authorities(config: Config) -> None:
    """The certificates that others' are checked against: read as a delivery would."""
    path = config.tls.ca_file
    if path is None:
        return
    try:
        verified(str(path), config.tls.min_version)
    except ssl.SSLError as error:
        said = (error.reason or "no certificate in it").replace("_", " ").lower()
        raise ConfigError(f"tls.ca_file: {path}: {said}") from None
    except OSError as error:
        raise ConfigError(f"tls.ca_file: {path}: {error.strerror}") from None
