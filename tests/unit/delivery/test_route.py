"""Which rule a recipient falls under, and that a password never shows."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mailtui import config
from mailtui.delivery.route import Route, choose, read_rules
from mailtui.errors import ConfigError
from mailtui.model import NULL_SENDER, Address

APP = Address("App", "example.org")


def chosen(*routes: config.Route, to: str = "example.com", sender: Address = APP, attempts: int = 0) -> str:
    return choose(read_rules(routes), sender, to, attempts).rule


def test_everything_goes_by_mx_without_rules() -> None:
    assert choose(read_rules((), 2526), APP, "example.com", 9) == Route("mx", "", 2526, "opportunistic")


@pytest.mark.parametrize(
    ("match", "destination", "fits"),
    [
        ("*", "example.com", True),
        ("*", "[192.0.2.1]", True),
        ("example.com", "example.com", True),
        ("example.com", "mail.example.com", False),
        ("example.com", "notexample.com", False),
        ("*.example.com", "mail.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "notexample.com", False),
    ],
)
def test_match(match: str, destination: str, fits: bool) -> None:
    assert (chosen(config.Route(match=match, to="discard"), to=destination) != "default") is fits


@pytest.mark.parametrize(
    ("glob", "sender", "fits"),
    [
        ("*", APP, True),
        ("*", NULL_SENDER, True),
        ("*@example.org", APP, True),
        ("*@example.org", NULL_SENDER, False),
        ("app@example.org", APP, True),
        ("app?@example.org", APP, False),
        ("*@example.org", Address("app", "sub.example.org"), False),
        ("*@*.example.org", Address("app", "sub.example.org"), True),
        ("news-*@example.org", Address("news-7", "example.org"), True),
        ("news.*@example.org", Address("newsX7", "example.org"), False),
        ("*@example.org", Address('"a\nb"', "example.org"), True),
    ],
)
def test_sender(glob: str, sender: Address, fits: bool) -> None:
    assert (chosen(config.Route(sender=glob, to="discard"), sender=sender) != "default") is fits


def test_first_rule_that_fits_wins() -> None:
    first = config.Route(match="*.com", to="smart.example.net:587")
    second = config.Route(match="example.com", to="discard")
    assert chosen(first, second) == "*.com → smart.example.net:587"
    assert chosen(second, first) == "example.com → discard"


def test_fallback_applies_from_its_attempt_on() -> None:
    fallback = config.Route(match="example.com", to="smart.example.net", after_attempts=3)
    assert [chosen(fallback, attempts=n) for n in (0, 2)] == ["default", "default"]
    assert {chosen(fallback, attempts=n) for n in (3, 99)} == {"example.com after 3 attempts → smart.example.net"}


def test_rule_is_shown_with_its_sender() -> None:
    assert chosen(config.Route(sender="*@example.org", to="mx")) == "* from *@example.org → mx"


@pytest.mark.parametrize(
    ("to", "kind", "host", "port"),
    [
        ("mx", "mx", "", 2526),
        ("discard", "discard", "", 0),
        ("smart.example.net", "smarthost", "smart.example.net", 2526),
        ("smart.example.net:587", "smarthost", "smart.example.net", 587),
        ("[2001:db8::1]:587", "smarthost", "2001:db8::1", 587),
    ],
)
def test_next_hop(to: str, kind: str, host: str, port: int) -> None:
    route = choose(read_rules((config.Route(to=to),), 2526), APP, "example.com", 0)
    assert (route.kind, route.host, route.port) == (kind, host, port)


def test_password_is_read_once_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("open sesame\n")
    file.chmod(0o600)
    item = config.Route(to="smart.example.net:587", username="app", password_file=file)
    rules = read_rules((item,))
    file.unlink()
    route = choose(rules, APP, "example.com", 0)
    assert route.password is not None
    assert route.password.reveal() == "open sesame"
    assert route.tls == "required"
    assert "sesame" not in repr(rules) + str(rules)
    with pytest.raises(ConfigError):
        read_rules((item,))


def test_connections_are_shared_by_server_security_and_login() -> None:
    def key(**keys: object) -> object:
        item = config.Route(**{"to": "smart.example.net:587"} | keys)  # type: ignore[arg-type]
        return read_rules((item,), environ={"P": "x"})[0].route.key

    assert key() == key(match="example.com") == ("smarthost", "smart.example.net", 587, "opportunistic", "")
    others = {key(to="smart.example.net:25"), key(tls="verified"), key(username="a", password_env="P"), key(to="mx")}
    assert len(others | {key()}) == 5


def test_a_password_is_known_in_every_form_it_is_said() -> None:
    route = Route("smarthost", "smart.example", 587, "required", "relay", config.Secret("hunter22"))
    assert route.secrets[0] == "hunter22"
    assert {base64.b64encode(form).decode() for form in (b"hunter22", b"\0relay\0hunter22")} <= set(route.secrets)
    assert Route("mx", "", 25, "opportunistic").secrets == ()
