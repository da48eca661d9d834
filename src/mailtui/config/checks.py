"""What settings demand of each other and of the files they name.

Owned here: `check` (values alone) and `check_files` (the disk and the environment). Both raise ConfigError (`key: …`)
at the first problem. What a certificate or key file contains is judged by the room that uses it.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Final

from mailtui.errors import ConfigError

from .secret import exposed, read_secret, unreadable
from .settings import Config, Listener, Route, Shaping, ShapingRule

SOCKET_PATH_MAX: Final = 107  # sockaddr_un.sun_path on Linux, less its terminating zero


def check(config: Config) -> None:
    """The demands that values make of each other."""
    if len(os.fsencode(config.relay.socket)) > SOCKET_PATH_MAX:
        raise ConfigError(
            f"relay.socket: {config.relay.socket} is longer than the {SOCKET_PATH_MAX} octets of a socket path"
        )
    if not config.retry.schedule:
        raise ConfigError("retry.schedule: expected at least one duration")
    _listeners(config)
    for index, user in enumerate(config.user):
        if not user.senders:
            raise ConfigError(f'user[{index}].senders: expected at least one sender; "*" allows all')
    for index, route in enumerate(config.route):
        _route(route, f"route[{index}]")
    for index, shaping in enumerate(config.shaping):
        _shaping(shaping, f"shaping[{index}]")
    _distinct("user", "name", (user.name for user in config.user))
    _distinct("dkim", "selector", ((key.domain, key.selector) for key in config.dkim))


def check_files(config: Config, environ: Mapping[str, str]) -> None:
    """Every named file is there and readable, and secrets are closed to others. For a relay, not for its clients."""
    for index, listener in enumerate(config.listener):
        _readable(f"listener[{index}].tls_cert", listener.tls_cert)
        _closed(f"listener[{index}].tls_key", listener.tls_key)
    for index, route in enumerate(config.route):
        key = f"route[{index}].{'password_file' if route.password_file else 'password_env'}"
        try:
            read_secret(route.password_file, route.password_env, environ)
        except ConfigError as error:
            raise ConfigError(f"{key}: {error}") from None
    _readable("tls.ca_file", config.tls.ca_file)
    for index, dkim in enumerate(config.dkim):
        _closed(f"dkim[{index}].key_file", dkim.key_file)


def _listeners(config: Config) -> None:
    for index, listener in enumerate(config.listener):
        _listener(listener, f"listener[{index}]", bool(config.user))
    fixed = (listener.bind if listener.bind.port else index for index, listener in enumerate(config.listener))
    _distinct("listener", "bind", fixed)


def _listener(listener: Listener, key: str, users: bool) -> None:
    if (listener.tls_cert is None) != (listener.tls_key is None):
        missing, present = ("tls_cert", "tls_key") if listener.tls_cert is None else ("tls_key", "tls_cert")
        raise ConfigError(f"{key}.{missing}: required together with {present}")
    if listener.kind == "submissions" and listener.tls_cert is None:
        raise ConfigError(
            f"{key}.tls_cert: a submissions listener speaks TLS from the start and needs tls_cert and tls_key"
        )
    if listener.kind != "relay" and listener.auth == "off":
        raise ConfigError(f'{key}.auth: a {listener.kind} listener needs "required" or "optional", got "off"')
    if listener.auth != "off" and listener.tls_cert is None:
        raise ConfigError(
            f'{key}.auth: "{listener.auth}" needs tls_cert and tls_key, logins are accepted over TLS only'
        )
    if listener.auth == "required" and not users:
        raise ConfigError(f'{key}.auth: "required" needs at least one [[user]], else nobody can log in')


def _route(route: Route, key: str) -> None:
    if route.password_file and route.password_env:
        raise ConfigError(f"{key}.password_env: not together with password_file")
    if not route.username:
        if route.password_file or route.password_env:
            raise ConfigError(f"{key}.username: required together with a password")
        return
    if not (route.password_file or route.password_env):
        raise ConfigError(f"{key}.username: needs password_file or password_env")
    if route.to in ("mx", "discard"):
        raise ConfigError(f'{key}.username: a login needs a host in "to", got "{route.to}"')
    if route.tls in ("off", "opportunistic"):
        raise ConfigError(
            f'{key}.tls: a route with a username needs "required" (its default) or "verified", got "{route.tls}": '
            "credentials never travel in clear"
        )


def _shaping(shaping: Shaping, key: str) -> None:
    for index, rule in enumerate(shaping.rules):
        _shaping_rule(rule, f"{key}.rules[{index}]")
    _distinct(f"{key}.rules", "name", (rule.name for rule in shaping.rules))


def _shaping_rule(rule: ShapingRule, key: str) -> None:
    if not (rule.class_ or rule.pattern):
        raise ConfigError(f"{key}: needs a class or a pattern, else it would speak of every failure")
    if rule.slower == 0:
        raise ConfigError(f"{key}.slower: expected a factor above 0 and below 1; to stop for a while, pause = true")
    if rule.slower == 1 and rule.rate is None and not rule.max_connections and not rule.pause:
        raise ConfigError(f"{key}: does nothing; it needs slower, rate, max_connections or pause")


def _distinct(table: str, name: str, identities: Iterable[Hashable]) -> None:
    first: dict[Hashable, int] = {}
    for index, identity in enumerate(identities):
        if identity in first:
            raise ConfigError(f"{table}[{index}].{name}: the same as in {table}[{first[identity]}]")
        first[identity] = index


def _readable(key: str, path: Path | None) -> None:
    if path is not None and (problem := unreadable(path)):
        raise ConfigError(f"{key}: {problem}")


def _closed(key: str, path: Path | None) -> None:
    if path is not None and (problem := exposed(path)):
        raise ConfigError(f"{key}: {problem}")
