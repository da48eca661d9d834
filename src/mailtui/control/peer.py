"""Who is at the other end of the control socket, and what that user may do.

Owned here: the kernel's word for the peer (SO_PEERCRED), its name, the rule of who may change things, and making the socket with
the modes that keep everybody else out.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from pathlib import Path
from typing import Final

from mailtui.errors import ConfigError

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid: unix(7)


def peer_uid(connection: socket.socket) -> int:
    """The user that connected, as the kernel saw it then. The socket may be any object with `getsockopt`."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    uid: int = _UCRED.unpack(data)[1]
    return uid


def user_name(uid: int) -> str:
    """The login name, or `uid 1234` when the system knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def may_change(uid: int, own: int, operators: tuple[str, ...]) -> bool:
    """Whether a user may change things: root, the relay's own user, and the operators (users and @groups) named."""
    if uid in (0, own):
        return True
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return False
    if user.pw_name in operators:
        return True
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    return any(_group_id(name[1:]) in groups for name in operators if name.startswith("@"))


def _group_id(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def bind(path: Path, group: str) -> socket.socket:
    """A listening socket at `path`, mode 0660 and of `group` ("": the relay's own), in place of a stale one.

    Only for the holder of the relay's lock: a socket that is there can then only be a dead relay's. The directory is opened to
    the group as well when it is a private one of ours (0750). ConfigError says what is in the way.
    """
    gid = -1 if not group else _group_id(group)
    if gid is None:
        raise ConfigError(f"relay.socket_group: there is no group {group}")
    if not path.is_socket() and path.exists():
        raise ConfigError(f"relay.socket: {path} is there and is not a socket")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    umask = os.umask(0o177)  # nobody else may connect before owner and mode are right
    try:
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        os.chown(path, -1, gid)
        os.chmod(path, 0o660)
        if group and path.parent.stat().st_uid == os.geteuid():
            os.chown(path.parent, -1, gid)
    except OSError as error:
        listening.close()
        raise ConfigError(f"relay.socket: {path}: {error.strerror}") from None
    finally:
        os.umask(umask)
    listening.listen(64)
    listening.setblocking(False)
    return listening
