"""Configuration: where it is found, what each value may be, what the errors say, and that the example is true."""

# ruff: noqa: E501 -- every bad input stands on one line with the exact message it gets

from __future__ import annotations

import pickle
import re
import stat
import tomllib
from collections.abc import Iterator
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui import times
from mailtui.config import (
    Config,
    Dsn,
    Endpoint,
    Listener,
    NextHop,
    Rate,
    Rejected,
    Relay,
    Retry,
    Route,
    Secret,
    ShapingRule,
    User,
    changed,
    load,
    locate,
    parse_next_hop,
    read_secret,
)
from mailtui.config.addresses import next_hop
from mailtui.config.reader import keys, read
from mailtui.config.settings import SHAPING_CLASSES
from mailtui.config.values import duration, rate, size
from mailtui.errors import ConfigError


@pytest.fixture
def tmp_path(short_path: Path) -> Path:
    """The default data directory lies below it, and in that a socket."""
    return short_path


RULE = "[[shaping]]\nmatch = '*'\n[[shaping.rules]]\nname = 'r'\n"
EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose home is empty and which names nothing else."""
    return {"HOME": str(tmp_path / "home")}


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def refusal(path: Path, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    text = str(caught.value)
    assert text.isprintable(), "one line, nothing that moves a cursor"
    assert caught.value.exit_code == 78
    return text


# --- one value -------------------------------------------------------------------------------------------------------

PARTS = st.tuples(*(st.none() | st.integers(0, most) for most in (3000, 10_000, 10_000, 10_000, 10_000)))


@given(PARTS)
def test_a_duration_is_the_sum_of_its_parts(parts: tuple[int | None, ...]) -> None:
    units = ("d", "h", "m", "s", "ms")
    text = "".join(f"{number}{unit}" for number, unit in zip(parts, units, strict=True) if number is not None)
    milliseconds = sum((n or 0) * f for n, f in zip(parts, (86_400_000, 3_600_000, 60_000, 1000, 1), strict=True))
    if 0 < milliseconds <= times.LONGEST * 1000:
        assert duration(text) == pytest.approx(milliseconds / 1000)
    else:
        with pytest.raises(Rejected):
            duration(text)


@given(st.integers(0, 9999), st.sampled_from(["B", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str) -> None:
    base, power = (1024 if "i" in unit else 1000), "BKMGT".index(unit[0])
    assert size(f"{number}{unit}") == number * base**power


@given(st.integers(1, 999_999_999), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_a_rate_keeps_its_count_and_its_time(count: int, unit: tuple[str, int]) -> None:
    assert rate(f"{count}/{unit[0]}") == Rate(count, unit[1])


@pytest.mark.parametrize(
    "text", ["1h 20m", "20m1h", "5", "m", "-5m", "5M5", "1e3s", "5m5m", "٣m", "", "0s", " 5m", "5m\n"]
)
def test_not_a_duration(text: str) -> None:
    with pytest.raises(Rejected):
        duration(text)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.text()) | st.none())
def test_whatever_a_value_is_a_parser_answers_or_rejects(value: object) -> None:
    for hint in every_hint():
        parser = hint.__metadata__[0]  # type: ignore[attr-defined]
        try:
            parser(value)
        except Rejected:
            continue


def every_hint() -> Iterator[object]:
    for table in keys(Config).values():
        struct = table if isinstance(table, type) else table.__args__[0]  # type: ignore[attr-defined]
        for hint in keys(struct).values():
            item = hint.__args__[0] if getattr(hint, "__origin__", None) is tuple else hint  # type: ignore[attr-defined]
            if hasattr(item, "__metadata__"):
                yield item


@pytest.mark.parametrize(
    ("text", "hop", "canonical"),
    [
        ("mx", NextHop("mx"), "mx"),
        ("discard", NextHop("discard"), "discard"),
        ("Smart.Example.NET", NextHop("smarthost", "smart.example.net"), "smart.example.net"),
        ("smart.example.net:587", NextHop("smarthost", "smart.example.net", 587), "smart.example.net:587"),
        ("192.0.2.7:25", NextHop("smarthost", "192.0.2.7", 25), "192.0.2.7:25"),
        ("[2001:DB8::1]:25", NextHop("smarthost", "2001:db8::1", 25), "[2001:db8::1]:25"),
        ("[2001:db8::1]", NextHop("smarthost", "2001:db8::1"), "[2001:db8::1]"),
        ("bücher.example", NextHop("smarthost", "xn--bcher-kva.example"), "xn--bcher-kva.example"),
    ],
)
def test_a_next_hop_is_read_and_written_back(text: str, hop: NextHop, canonical: str) -> None:
    assert parse_next_hop(text) == hop
    assert next_hop(text) == canonical
    assert parse_next_hop(canonical) == hop


@pytest.mark.parametrize(
    "text",
    ["", "host:0", "host:65536", "2001:db8::1", "[192.0.2.1]:25", "[smart.example]:25", "a b", "host:", ":25", "256.1.1.1", "-a.example"],
)  # fmt: skip
def test_not_a_next_hop(text: str) -> None:
    with pytest.raises(Rejected):
        parse_next_hop(text)


# --- a whole file ----------------------------------------------------------------------------------------------------


def test_every_kind_of_value_arrives_typed(tmp_path: Path, home: dict[str, str]) -> None:
    cert, key = write(tmp_path / "cert.pem", "x", 0o644), write(tmp_path / "key.pem", "x")
    password = write(tmp_path / "password", "hunter2\n")
    text = f"""
    [relay]
    hostname = "Mail.Example.ORG."
    data_dir = "{tmp_path}"
    [[listener]]
    bind = "[::1]:0"
    networks = ["10.0.0.0/8", "2001:db8::/32"]
    [[listener]]
    bind = "0.0.0.0:465"
    kind = "submissions"
    tls_cert = "{cert}"
    tls_key = "{key}"
    [[user]]
    name = "app"
    password_hash = "{HASH}"
    senders = ["*@Example.org"]
    rate = "100/h"
    [retry]
    schedule = ["200ms", "1h20m"]
    [dns]
    nameservers = ["127.0.0.1:5353", "192.0.2.53", "[::1]:53"]
    [[route]]
    match = "*.Example.com"
    to = "Smart.example.net:587"
    username = "u"
    password_file = "{password}"
    [dsn]
    delay_notice = ["4h"]
    """
    config = load(write(tmp_path / "c.toml", text), home)
    assert config.path == tmp_path / "c.toml"
    assert (config.relay.hostname, config.relay.socket) == ("mail.example.org", tmp_path / "control.sock")
    assert [listener.bind for listener in config.listener] == [("::1", 0), ("0.0.0.0", 465)]
    assert config.listener[0].networks == (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert [listener.auth for listener in config.listener] == ["off", "required"]
    assert config.user == (User(name="app", password_hash=HASH, senders=("*@example.org",), rate=Rate(100, 3600)),)
    assert config.retry.schedule == (0.2, 4800.0)
    assert config.dns.nameservers == (("127.0.0.1", 5353), ("192.0.2.53", 53), ("::1", 53))
    assert (config.route[0].match, config.route[0].to) == ("*.example.com", "smart.example.net:587")
    assert config.route[0].tls == "required", "the default of a route with a login"
    assert (config.dsn.postmaster, config.dsn.delay_notice) == ("postmaster@mail.example.org", (14400.0,))
    assert HASH not in repr(config)


def test_an_endpoint_is_written_as_it_was_read() -> None:
    assert [str(Endpoint("::1", 25)), str(Endpoint("a.example", 25))] == ["[::1]:25", "a.example:25"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[delivery]\nper_site = "many"', 'delivery.per_site: expected an integer ≥ 1, got "many"'),
        ("[delivery]\nper_site = true", "delivery.per_site: expected an integer ≥ 1, got true"),
        ("[delivery]\nper_site = 0", "delivery.per_site: expected an integer ≥ 1, got 0"),
        ("[delivery]\nper_site = 2147483648", "delivery.per_site: expected an integer ≤ 2147483647, got 2147483648"),
        ("[delivery]\nper_site = 0x1" + "0" * 6000, "delivery.per_site: expected an integer ≤ 2147483647, got a huge number"),
        ("[delivery]\nport = 70000", "delivery.port: expected an integer from 1 to 65535, got 70000"),
        ("[delivery]\nper_sit = 1", 'delivery.per_sit: unknown key, did you mean "per_site"?'),
        ("[delivery]\nipv6 = 1", "delivery.ipv6: expected true or false, got 1"),
        ("[delivery]\nsource_addresses = ['mail']", 'delivery.source_addresses[0]: expected an IP address such as "192.0.2.1", got "mail"'),
        ("[delivery]\nsource_addresses = '::1'", 'delivery.source_addresses: expected an array, got "::1"'),
        ("[[listener]]\nkind = 'smtp'", 'listener[0].kind: expected one of relay, submission, submissions, got "smtp"'),
        ("[[listener]]\n[[listener]]\nbind = '2525'", 'listener[1].bind: expected an address and port such as "127.0.0.1:2525" or "[::1]:2525", got "2525"'),
        ("[[listener]]\nnetworks = ['10.0.0.1/8']", 'listener[0].networks[0]: expected a network such as "192.0.2.0/24", got "10.0.0.1/8"'),
        ("[[listener]]\ntls_cert = 'cert.pem'", 'listener[0].tls_cert: expected an absolute path, got "cert.pem"'),
        ("[listener]\nbind = '[::1]:25'", "listener: expected an array of tables ([[listener]]), got a table"),
        ("[[relay]]\nhostname = 'a'", "relay: expected a table ([relay]), got an array of tables"),
        ("relay = 5", "relay: expected a table ([relay]), got 5"),
        ("[relays]", 'relays: unknown key, did you mean "relay"?'),
        ("path = '/x'", "path: unknown key"),
        ("[relay]\nhostname = 'under_score'", 'relay.hostname: expected a host name such as "mail.example.org", got "under_score"'),
        ("[relay]\nhostname = '192.0.2.1'", 'relay.hostname: expected a host name such as "mail.example.org", got "192.0.2.1"'),
        ("[relay]\n\"a\\nb\\u001b[2J\" = 1", 'relay."a\\nb\\u001b[2J": unknown key'),
        ("[relay]\nenvironment = '\u202e'", 'relay.environment: expected a name of 1 to 64 printable characters, got "\\u202e"'),
        ("[relay]\nenvironment = '" + "x" * 99 + "'", 'relay.environment: expected a name of 1 to 64 printable characters, got "' + "x" * 60 + '…"'),
        ("[relay]\nsocket_group = '@mail'", 'relay.socket_group: expected a group such as "mailtui", got "@mail"'),
        ("[queue]\nlifetime = 5", 'queue.lifetime: expected a duration such as "5m", got 5'),
        ("[queue]\nlifetime = '4000d'", 'queue.lifetime: expected a duration of at most "3650d", got "4000d"'),
        ("[queue]\nlifetime = 2025-01-01", 'queue.lifetime: expected a duration such as "5m", got a date or time'),
        ("[intake]\nmax_size = '25mb'", 'intake.max_size: expected a size such as "25MB", got "25mb"'),
        ("[intake]\nmax_size = '0MB'", 'intake.max_size: expected a size above zero, got "0MB"'),
        ("[intake]\nmin_free_disk = '99999999TB'", 'intake.min_free_disk: expected a size below "9000000TB", got "99999999TB"'),
        ("[retry]\nschedule = []", "retry.schedule: expected at least one duration"),
        ("[retry]\nschedule = ['5m', '0s']", 'retry.schedule[1]: expected a duration such as "5m", got "0s"'),
        ("[retry]\njitter = 1.5", "retry.jitter: expected a number from 0 to 1, got 1.5"),
        ("[retry]\njitter = nan", "retry.jitter: expected a number from 0 to 1, got nan"),
        ("[dns]\nnameservers = ['ns.example.org']", 'dns.nameservers[0]: expected a resolver such as "127.0.0.1:53" or "[::1]:53", got "ns.example.org"'),
        ("[[route]]\nto = 'a b'", 'route[0].to: expected mx, discard, host[:port] or [ipv6]:port, got "a b"'),
        ("[[route]]\nmatch = 'exa*mple.com'", 'route[0].match: expected a domain, "*.domain" or "*", got "exa*mple.com"'),
        ("[[route]]\nsender = 'example.org'", 'route[0].sender: expected a sender such as "app@example.org" or "*@example.org", got "example.org"'),
        ("[[route]]\npassword_env = 'hunter 2'", 'route[0].password_env: expected the name of an environment variable such as "RELAY_PASSWORD"'),
        ("[[route]]\nafter_attempts = -1", "route[0].after_attempts: expected an integer ≥ 0, got -1"),
        ("[[user]]\nname = 'a'\nsenders = ['*']", "user[0].password_hash: required key is missing"),
        ("[[user]]\npassword_hash = 'hunter2'", 'user[0].password_hash: expected an argon2id hash as printed by "mailtui passwd"'),
        (f"[[user]]\nname = 'a'\npassword_hash = '{HASH}'\nsenders = []", 'user[0].senders: expected at least one sender; "*" allows all'),
        ("[[user]]\nrate = '100'", 'user[0].rate: expected a rate such as "100/h", got "100"'),
        ("[[dkim]]\ndomain = 'example.org'", "dkim[0].selector: required key is missing"),
        ("[[dkim]]\nselector = 'a b'", 'dkim[0].selector: expected a selector such as "2025a", got "a b"'),
        ("[[shaping]]\nrate = '1/s'", "shaping[0].match: required key is missing"),
        ("[[shaping]]\nmatch = 'mx*.example.com'", 'shaping[0].match: expected a domain, "*.domain" or "*", got "mx*.example.com"'),
        ("[[shaping]]\nmatch = '*'\nrate = '100/minute'", 'shaping[0].rate: expected a rate such as "100/h", got "100/minute"'),
        ("[[shaping]]\nmatch = '*'\nmax_conections = 1", 'shaping[0].max_conections: unknown key, did you mean "max_connections"?'),
        (RULE + "class = 'slow'\npause = true", f'shaping[0].rules[0].class: expected one of {", ".join(SHAPING_CLASSES)}, got "slow"'),
        (RULE + "pattern = '('", 'shaping[0].rules[0].pattern: expected a regular expression of at most 200 characters, without a repeated repetition, got "("'),
        (RULE + "pattern = '(a+)+$'", 'shaping[0].rules[0].pattern: expected a regular expression of at most 200 characters, without a repeated repetition, got "(a+)+$"'),
        (RULE + "pattern = 'a'\nthreshold = 0", "shaping[0].rules[0].threshold: expected an integer from 1 to 1000, got 0"),
        (RULE + "pattern = 'a'\nslower = 2", "shaping[0].rules[0].slower: expected a number from 0 to 1, got 2"),
        (RULE + "pattern = 'a'\nslower = 0", "shaping[0].rules[0].slower: expected a factor above 0 and below 1; to stop for a while, pause = true"),
        (RULE + "pattern = 'a'", "shaping[0].rules[0]: does nothing; it needs slower, rate, max_connections or pause"),
        (RULE + "pause = true", "shaping[0].rules[0]: needs a class or a pattern, else it would speak of every failure"),
        (RULE + "pattern = 'a'\npause = true\n[[shaping.rules]]\nname = 'r'\npattern = 'b'\npause = true", "shaping[0].rules[1].name: the same as in shaping[0].rules[0]"),
        ("[dsn]\nrate = '0/m'", 'dsn.rate: expected a rate such as "100/h", got "0/m"'),
        ("[dsn]\npostmaster = 'me'", 'dsn.postmaster: expected an address such as "postmaster@example.org", got "me"'),
        ("[control]\noperators = ['a b']", 'control.operators[0]: expected a user such as "root" or a group such as "@wheel", got "a b"'),
        ("[log]\nlevel = 'INFO'", 'log.level: expected one of debug, info, warning, error, got "INFO"'),
        ("[tls]\nmin_version = 1.2", "tls.min_version: expected one of 1.2, 1.3, got 1.2"),
        ("[tls]\nmta_sts = true", "tls.mta_sts: unknown key"),
        ("[tls]\ndane = true", "tls.dane: unknown key"),
        ("[trust]\npreflight = 'warn'", "trust.preflight: unknown key"),
        ("[feedback]", "feedback: unknown key"),
        ("[suppression]\non = ['mailbox-full']", 'suppression.on[0]: expected one of no-such-user, mailbox-disabled, no-such-domain, moved, null-mx, got "mailbox-full"'),
        ("[suppression.expiry]\nno_such_user = '1d'", 'suppression.expiry.no_such_user: unknown key, did you mean "no-such-user"?'),
        ("[suppression.expiry]\nmoved = 3", 'suppression.expiry.moved: expected a duration such as "5m", got 3'),
        ("[http]", "http: unknown key"),
        ("[[webhook]]", "webhook: unknown key"),
        ("[relay\n", "not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 7)"),
        ("[relay]\nx = ", "not valid TOML: Invalid value (at end of document)"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line_that_says_what_would_be_right(
    text: str, message: str, tmp_path: Path, home: dict[str, str]
) -> None:
    assert refusal(write(tmp_path / "config.toml", text), home) == f"config.toml: {message}"


TLS = "tls_cert = '{cert}'\ntls_key = '{key}'\n"
ROUTE = "[[route]]\nto = 'a.example'\nusername = 'u'\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[listener]]\ntls_cert = '{cert}'", "listener[0].tls_key: required together with tls_cert"),
        ("[[listener]]\ntls_key = '{key}'", "listener[0].tls_cert: required together with tls_key"),
        ("[[listener]]\nkind = 'submissions'", "listener[0].tls_cert: a submissions listener speaks TLS from the start and needs tls_cert and tls_key"),
        ("[[listener]]\nkind = 'submission'\nauth = 'off'\n" + TLS, 'listener[0].auth: a submission listener needs "required" or "optional", got "off"'),
        ("[[listener]]\nkind = 'submission'", 'listener[0].auth: "required" needs tls_cert and tls_key, logins are accepted over TLS only'),
        ("[[listener]]\nkind = 'submission'\n" + TLS, 'listener[0].auth: "required" needs at least one [[user]], else nobody can log in'),
        ("[[listener]]\n[[listener]]", "listener[1].bind: the same as in listener[0]"),
        ("[[listener]]\ntls_cert = '{none}'\ntls_key = '{key}'", "listener[0].tls_cert: {none}: No such file or directory"),
        ("[[listener]]\ntls_cert = '{dir}'\ntls_key = '{key}'", "listener[0].tls_cert: {dir} is not a file"),
        ("[[listener]]\ntls_cert = '{cert}'\ntls_key = '{cert}'", "listener[0].tls_key: {cert} is open to every user of this machine (mode 0644), chmod o= it"),
        ("[tls]\nca_file = '{none}'", "tls.ca_file: {none}: No such file or directory"),
        (ROUTE, "route[0].username: needs password_file or password_env"),
        (ROUTE + "password_env = 'UNSET'", "route[0].password_env: $UNSET is empty or not set"),
        (ROUTE + "password_file = '{empty}'", "route[0].password_file: {empty} is empty or not set"),
        (ROUTE + "password_file = '{cert}'", "route[0].password_file: {cert} is open to every user of this machine (mode 0644), chmod o= it"),
        (ROUTE + "password_file = '{key}'\npassword_env = 'X'", "route[0].password_env: not together with password_file"),
        (ROUTE + "password_file = '{key}'\ntls = 'opportunistic'", 'route[0].tls: a route with a username needs "required" (its default) or "verified", got "opportunistic": credentials never travel in clear'),
        (ROUTE + "password_file = '{key}'\ntls = 'off'", 'route[0].tls: a route with a username needs "required" (its default) or "verified", got "off": credentials never travel in clear'),
        ("[[route]]\nusername = 'u'\npassword_env = 'X'", 'route[0].username: a login needs a host in "to", got "mx"'),
        ("[[route]]\npassword_env = 'X'", "route[0].username: required together with a password"),
        (f"[[user]]\nname = 'a'\npassword_hash = '{HASH}'\nsenders = ['*']\n" * 2, "user[1].name: the same as in user[0]"),
        ("[[dkim]]\ndomain = 'Example.org'\nselector = 's'\nkey_file = '{key}'\n" * 2, "dkim[1].selector: the same as in dkim[0]"),
        ("[[dkim]]\ndomain = 'example.org'\nselector = 's'\nkey_file = '{cert}'", "dkim[0].key_file: {cert} is open to every user of this machine (mode 0644), chmod o= it"),
        ("[relay]\ndata_dir = '/" + "d" * 120 + "'", "relay.socket: /" + "d" * 120 + "/control.sock is longer than the 107 octets of a socket path"),
    ],
)  # fmt: skip
def test_what_settings_demand_of_each_other(text: str, message: str, tmp_path: Path, home: dict[str, str]) -> None:
    names = {
        "cert": str(write(tmp_path / "cert", "x", 0o644)),
        "key": str(write(tmp_path / "key", "x")),
        "empty": str(write(tmp_path / "empty", "\n")),
        "none": str(tmp_path / "none"),
        "dir": str(tmp_path),
    }

    def fill(template: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], template)

    home["XDG_STATE_HOME"] = "/state"
    assert refusal(write(tmp_path / "config.toml", fill(text)), home) == f"config.toml: {fill(message)}"


VALUES = st.recursive(
    st.text(max_size=5) | st.integers() | st.floats() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["to", "bind", "x"]), inner, max_size=2)
    ),
)


@given(st.dictionaries(st.sampled_from([*keys(Config), "x"]), VALUES, max_size=3))
def test_whatever_a_file_holds_the_reader_answers_or_names_a_key(raw: dict[str, object]) -> None:
    try:
        assert isinstance(read(raw), Config)
    except ConfigError as error:
        assert str(error).split(":")[0].split(".")[0].split("[")[0] in {*keys(Config), "x"}


def test_bytes_that_are_not_utf8(tmp_path: Path, home: dict[str, str]) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"[relay]\nenvironment = '\xff'\n")
    assert refusal(path, home) == "config.toml: not UTF-8 text (at line 2)"


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path, home: dict[str, str]) -> None:
    path = write(tmp_path / "config.toml", "relay = " + "[" * 20_000)
    assert refusal(path, home).startswith("config.toml: not valid TOML: ")


def test_a_named_file_that_is_missing(tmp_path: Path, home: dict[str, str]) -> None:
    path = tmp_path / "config.toml"
    assert refusal(path, home) == f"config.toml: cannot read {path}: No such file or directory"


def test_clients_do_not_need_the_files_of_the_relay(tmp_path: Path, home: dict[str, str]) -> None:
    path = write(tmp_path / "config.toml", "[tls]\nca_file = '/nonexistent'")
    assert load(path, home, files=False).tls.ca_file == Path("/nonexistent")


# --- where it is found -----------------------------------------------------------------------------------------------


def test_the_places_in_their_order(tmp_path: Path, home: dict[str, str]) -> None:
    def found(explicit: Path | None = None) -> Path | None:
        return locate(explicit, home, system)

    system = tmp_path / "etc/config.toml"
    assert found() is None
    user = write(tmp_path / "home/.config/mailtui/config.toml", "")
    assert found() == user
    home["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert found() is None, "XDG_CONFIG_HOME replaces ~/.config"
    xdg = write(tmp_path / "xdg/mailtui/config.toml", "")
    assert found() == xdg
    write(system, "")
    assert found() == system
    home["MAILTUI_CONFIG"] = str(tmp_path / "named.toml")
    assert found() == tmp_path / "named.toml", "named, so missing is an error later, not silence"
    assert found(tmp_path / "explicit.toml") == tmp_path / "explicit.toml"


def test_a_relative_xdg_directory_is_ignored(tmp_path: Path, home: dict[str, str]) -> None:
    user = write(tmp_path / "home/.config/mailtui/config.toml", "")
    home["XDG_CONFIG_HOME"] = "relative"
    assert locate(None, home, tmp_path / "none") == user


def test_the_state_directory_is_the_users(tmp_path: Path, home: dict[str, str]) -> None:
    path = write(tmp_path / "c.toml", "[relay]\nenvironment = 'test'")
    assert load(path, home).relay.data_dir == tmp_path / "home/.local/state/mailtui"
    home["XDG_STATE_HOME"] = str(tmp_path / "state")
    relay = load(path, home).relay
    assert (relay.data_dir, relay.socket) == (tmp_path / "state/mailtui", tmp_path / "state/mailtui/control.sock")


def test_an_empty_file_is_the_defaults(tmp_path: Path, home: dict[str, str]) -> None:
    config = load(write(tmp_path / "c.toml", ""), home)
    assert config == Config(relay=Relay(data_dir=config.relay.data_dir), path=tmp_path / "c.toml")
    assert config.listener == (Listener(bind=Endpoint("127.0.0.1", 2525), kind="relay", auth="off"),)


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2") != Secret("hunter3")
    for text in (str(secret), repr(secret), f"{secret} {secret!r}", str([secret]), str(vars(type(secret)))):
        assert "hunter2" not in text
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_secret_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = write(tmp_path / "p", "hunter2 \r\nsecond line\n")
    assert read_secret(file, "") == Secret("hunter2 ")
    assert read_secret(None, "P", {"P": "x"}) == Secret("x")
    assert read_secret(None, "", {}) is None


def test_a_secret_that_is_not_text_is_refused_without_showing_it(tmp_path: Path) -> None:
    file = write(tmp_path / "p", "")
    file.write_bytes(b"hunter2\xff\n")
    with pytest.raises(ConfigError, match="not readable as text: UnicodeDecodeError") as caught:
        read_secret(file, "")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644])
def test_a_secret_open_to_the_world_is_refused(mode: int, tmp_path: Path) -> None:
    file = write(tmp_path / "p", "hunter2", mode)
    with pytest.raises(ConfigError, match=f"mode 0{mode:o}") as caught:
        read_secret(file, "")
    assert "hunter2" not in str(caught.value)
    file.chmod(mode & ~0o007 | stat.S_IRGRP)
    assert read_secret(file, "") == Secret("hunter2")


# --- reload ----------------------------------------------------------------------------------------------------------


def test_what_a_reload_applies_and_what_needs_a_restart() -> None:
    old = Config(relay=Relay(hostname="a.example", data_dir=Path("/a")))
    new = msgspec.structs.replace(
        old,
        relay=Relay(hostname="a.example", data_dir=Path("/b"), environment="test"),
        listener=(Listener(bind=Endpoint("127.0.0.1", 25), networks=()),),
        retry=Retry(jitter=0.1),
        route=(Route(to="discard"),),
        dsn=Dsn(postmaster="p@a.example"),
        path=Path("/elsewhere"),
    )
    assert changed(old, new) == (
        ["relay.environment", "listener[0].networks", "retry.jitter", "route", "dsn.postmaster"],
        ["relay.data_dir", "relay.socket", "listener[0].bind"],
    )
    assert changed(old, msgspec.structs.replace(old, listener=())) == ([], ["listener"])
    assert changed(new, new) == ([], [])


# --- the example -----------------------------------------------------------------------------------------------------

MACHINE_DEPENDENT = {"relay.hostname", "relay.data_dir", "relay.socket", "dsn.postmaster"}


@pytest.fixture(scope="module")
def example() -> dict[str, object]:
    """The example with every setting live."""
    return tomllib.loads(re.sub(r"(?m)^#(?=[\w-]+ = |\[\[)", "", EXAMPLE.read_text(encoding="utf-8")))


def test_the_example_names_every_key_and_no_other(example: dict[str, object]) -> None:
    named = {}
    for table, entry in example.items():
        first = entry[0] if isinstance(entry, list) else entry
        assert isinstance(first, dict)
        named[table] = sorted(first)
    expected = {}
    for table, hint in keys(Config).items():
        struct = hint if isinstance(hint, type) else hint.__args__[0]  # type: ignore[attr-defined]
        expected[table] = sorted(keys(struct))
    assert named == expected


def test_the_example_shows_the_defaults(example: dict[str, object]) -> None:
    shown, defaults = read(example), Config()
    for table in keys(Config):
        if table in ("user", "route", "shaping", "dkim"):
            assert len(getattr(shown, table)) == 1, "an example entry with valid values"
        elif table == "listener":
            assert shown.listener == defaults.listener
        else:
            mine, theirs = getattr(shown, table), getattr(defaults, table)
            differing = {f"{table}.{key}" for key in keys(type(mine)) if getattr(mine, key) != getattr(theirs, key)}
            assert differing <= MACHINE_DEPENDENT
    shaping = example["shaping"]
    assert isinstance(shaping, list) and sorted(shaping[0]["rules"][0]) == sorted(keys(ShapingRule))
    relay = example["relay"]
    dsn = example["dsn"]
    assert isinstance(relay, dict) and relay["socket"] == "<data_dir>/control.sock"
    assert isinstance(dsn, dict) and dsn["postmaster"] == "postmaster@<hostname>"


def test_the_example_as_it_stands_changes_nothing(home: dict[str, str]) -> None:
    config = load(EXAMPLE, home)
    assert config == Config(relay=Relay(data_dir=config.relay.data_dir), path=EXAMPLE)


def test_every_key_of_the_example_has_its_line_of_meaning() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for above, line in pairwise(lines):
        if re.match(r"#[\w-]+ = ", line):
            assert re.match(r"# .+[.)]$", above), line
