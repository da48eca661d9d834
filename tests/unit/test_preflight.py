"""What stands in the way of a start is named by its key, and looking changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.kit.certificates import self_signed

from mailtui import preflight
from mailtui.config import Config, Listener, Relay, Tls
from mailtui.errors import ConfigError


def settings(folder: Path, **relay: object) -> Config:
    return Config(relay=Relay(hostname="relay.example", **{"data_dir": folder / "data", **relay}))  # type: ignore[arg-type]


def wrong(config: Config) -> str:
    with pytest.raises(ConfigError) as error:
        preflight.check_start(config)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_nothing_is_made(tmp_path: Path) -> None:
    preflight.check_start(settings(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        wrong(settings(tmp_path, socket_group="no-such-group")) == "relay.socket_group: there is no group no-such-group"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    preflight.check_start(settings(tmp_path, socket_group="root"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [1000])
    assert "this user is not in the group root" in wrong(settings(tmp_path, socket_group="root"))


def test_the_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    assert wrong(settings(tmp_path, data_dir=file)) == f"relay.data_dir: {file} is not a directory"
    assert wrong(settings(tmp_path, data_dir=file / "x" / "y")).endswith(f"cannot be made, {file} is not a directory")
    assert wrong(settings(tmp_path, socket=tmp_path / "none" / "s")).startswith("relay.socket: ")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert wrong(settings(tmp_path, data_dir=tmp_path)).endswith("no permission to read and write there")
    assert wrong(settings(tmp_path)).endswith(f"no permission to write in {tmp_path}")


def test_certificates(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate\n")
    config = settings(tmp_path)
    cert, key = self_signed(tmp_path)
    good = Listener(kind="submission", tls_cert=cert, tls_key=key)
    preflight.check_start(replace(config, tls=Tls(ca_file=cert), listener=(good,)))
    assert wrong(replace(config, tls=Tls(ca_file=bad))).startswith(f"tls.ca_file: {bad}: no certificate")
    assert wrong(replace(config, tls=Tls(ca_file=tmp_path / "none"))).endswith("No such file or directory")
    listener = Listener(kind="submission", tls_cert=bad, tls_key=bad)
    assert wrong(replace(config, listener=(listener,))).startswith(f"listener[0].tls_cert: TLS certificate {bad}")
