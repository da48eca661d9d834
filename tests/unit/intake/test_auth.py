"""AUTH: what a client may send, and how a password is checked without stopping the loop or helping who guesses."""

from __future__ import annotations

import asyncio
import base64
import statistics
import time
from collections.abc import AsyncIterator

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.intake import auth, replies
from mailtui.intake.auth import Authenticator, Busy, Credentials, Exchange, TooManyFailures, client_key, hash_password
from mailtui.intake.replies import Refusal

RIGHT = Credentials("ann", b"correct horse")
WRONG = Credentials("ann", b"battery staple")
STRANGER = Credentials("nobody", b"correct horse")


def encoded(octets: bytes) -> bytes:
    return base64.b64encode(octets)


@pytest.fixture(scope="module")
def line() -> str:
    return hash_password("correct horse")


@pytest.fixture
async def authenticator(line: str) -> AsyncIterator[Authenticator]:
    made = Authenticator({"ann": line})
    yield made
    made.close()


def test_a_hash_is_argon2id_with_the_agreed_cost(line: str) -> None:
    parameters = argon2.extract_parameters(line)
    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19 * 1024, 2, 1)
    assert hash_password("correct horse") != line, "a salt of its own each time"


@pytest.mark.parametrize("password", ["", "x" * 1025, "ü" * 513])
def test_no_hash_of_nothing_and_of_too_much(password: str) -> None:
    with pytest.raises(ValueError, match="octets"):
        hash_password(password)


# --- the dialogue ---


def refused(exchange: Exchange, sent: bytes) -> bytes:
    with pytest.raises(Refusal) as refusal:
        exchange.answer(sent)
    return refusal.value.reply


def test_plain_in_one_step_and_in_two() -> None:
    assert Exchange(b"PLAIN").start(encoded(b"\0ann\0correct horse")) == RIGHT
    exchange = Exchange(b"PLAIN")
    assert exchange.start(b"") == replies.AUTH_CONTINUE
    assert exchange.answer(encoded(b"ann\0ann\0correct horse")) == RIGHT


def test_login_asks_for_user_and_password() -> None:
    exchange = Exchange(b"LOGIN")
    assert exchange.start(b"") == b"334 " + encoded(b"Username:") + b"\r\n"
    assert exchange.answer(encoded(b"ann")) == b"334 " + encoded(b"Password:") + b"\r\n"
    assert exchange.answer(encoded(b"correct horse")) == RIGHT


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"LOGIN"])
@pytest.mark.parametrize("sent", [b"not base64!", b"YQ", b"YQ=", b"=YQ=", b"YQ==YQ==", b"Y Q=", b"\xff\xfe"])
def test_what_is_no_base64_is_a_syntax_error(mechanism: bytes, sent: bytes) -> None:
    assert refused(Exchange(mechanism), sent) == replies.AUTH_BASE64


@pytest.mark.parametrize("data", [b"", b"ann", b"ann\0pw", b"\0ann\0correct\0horse", b"\0\0\0\0"])
def test_plain_has_exactly_three_parts(data: bytes) -> None:
    assert refused(Exchange(b"PLAIN"), encoded(data)) == replies.AUTH_BASE64


@pytest.mark.parametrize("data", [b"root\0ann\0correct horse", b"\0\0pw", b"\0ann\0", b"\0ann\0" + b"x" * 1025])
def test_credentials_that_can_never_be_right_are_refused_as_wrong_ones(data: bytes) -> None:
    assert refused(Exchange(b"PLAIN"), encoded(data)) == replies.AUTH_FAILED


def test_a_star_cancels() -> None:
    assert refused(Exchange(b"PLAIN"), b"*") == replies.AUTH_CANCELLED


@given(st.binary(max_size=60))
def test_any_line_gives_a_challenge_credentials_or_a_refusal(sent: bytes) -> None:
    for mechanism in auth.MECHANISMS:
        try:
            answer = Exchange(mechanism).answer(sent)
        except Refusal as refusal:
            assert refusal.reply[:1] == b"5"
        else:
            assert isinstance(answer, Credentials) or answer == replies.AUTH_PASSWORD


@given(st.binary(min_size=1, max_size=40).filter(lambda user: b"\0" not in user), st.text("abc é", min_size=1))
def test_plain_round_trip(user: bytes, password: str) -> None:
    found = Exchange(b"PLAIN").start(encoded(b"\0" + user + b"\0" + password.encode()))
    assert isinstance(found, Credentials)
    assert found.password == password.encode()


def test_credentials_do_not_show_themselves() -> None:
    assert "horse" not in repr(RIGHT) + str(RIGHT) + f"{RIGHT}"


# --- the check ---


async def test_right_wrong_and_unknown(authenticator: Authenticator) -> None:
    assert await authenticator.check(RIGHT, "192.0.2.1", 0.0)
    assert not await authenticator.check(WRONG, "192.0.2.1", 0.0)
    assert not await authenticator.check(STRANGER, "192.0.2.1", 0.0)
    assert not await authenticator.check(Credentials("Ann", b"correct horse"), "192.0.2.1", 0.0)


async def test_the_loop_goes_on_while_a_password_is_checked(authenticator: Authenticator) -> None:
    check = asyncio.ensure_future(authenticator.check(RIGHT, "192.0.2.1", 0.0))
    turns = 0
    while not check.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20


async def test_an_unknown_user_takes_as_long_as_a_wrong_password(authenticator: Authenticator) -> None:
    async def seconds(credentials: Credentials) -> float:
        begun = time.perf_counter()
        await authenticator.check(credentials, "192.0.2.1", 0.0)
        return time.perf_counter() - begun

    wrong, unknown = [], []
    for _ in range(7):
        wrong.append(await seconds(WRONG))
        unknown.append(await seconds(STRANGER))
    assert 0.5 < statistics.median(unknown) / statistics.median(wrong) < 2


async def test_a_success_is_remembered_for_five_minutes(authenticator: Authenticator) -> None:
    async def hashed(now: float) -> bool:
        begun = time.process_time()
        assert await authenticator.check(RIGHT, "192.0.2.1", now)
        return time.process_time() - begun > 0.005

    assert await hashed(1000.0)
    assert not await hashed(1299.0)
    assert await hashed(1301.0)


async def test_users_that_changed_are_not_remembered(authenticator: Authenticator) -> None:
    assert await authenticator.check(RIGHT, "192.0.2.1", 0.0)
    authenticator.replace_users({"ann": hash_password("new")})
    assert not await authenticator.check(RIGHT, "192.0.2.1", 1.0)
    authenticator.replace_users({})
    assert not await authenticator.check(Credentials("ann", b"new"), "192.0.2.1", 2.0)


async def test_an_address_that_guesses_is_stopped_and_its_tokens_come_back(authenticator: Authenticator) -> None:
    for number in range(20):
        await authenticator.check(Credentials(f"user{number}", b"x"), "192.0.2.1", 0.0)
    with pytest.raises(TooManyFailures):
        await authenticator.check(STRANGER, "192.0.2.1", 0.0)
    with pytest.raises(TooManyFailures):
        await authenticator.check(RIGHT, "192.0.2.1", 0.0)
    assert await authenticator.check(RIGHT, "192.0.2.2", 0.0), "another address is not concerned"
    assert await authenticator.check(RIGHT, "192.0.2.1", 6.5)


async def test_successes_use_no_tokens_up(authenticator: Authenticator) -> None:
    assert all([await authenticator.check(RIGHT, "192.0.2.1", 0.0) for _ in range(50)])


async def test_a_user_under_attack_is_never_locked_out(authenticator: Authenticator) -> None:
    assert await authenticator.check(RIGHT, "192.0.2.1", 0.0)
    for number in range(10):
        assert not await authenticator.check(WRONG, f"198.51.100.{number}", 0.0)
    # From now on an address that never succeeded waits, and is let in all the same ...
    stranger = asyncio.ensure_future(authenticator.check(RIGHT, "203.0.113.1", 400.0))
    assert await stranger
    attackers = [asyncio.ensure_future(authenticator.check(WRONG, f"198.51.100.{n}", 0.0)) for n in range(100, 110)]
    await asyncio.sleep(0)
    # ... and one that did does not wait behind them.
    async with asyncio.timeout(2):
        assert await authenticator.check(RIGHT, "192.0.2.1", 400.0)
    for attacker in attackers:
        attacker.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)


async def test_checks_that_wait_are_bounded(authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MAX_WAITING", 3)
    users = [Credentials(f"user{number}", b"x") for number in range(6)]
    checks = [authenticator.check(user, f"192.0.2.{number}", 0.0) for number, user in enumerate(users)]
    results = await asyncio.gather(*checks, return_exceptions=True)
    assert results[:3] == [False] * 3
    assert all(isinstance(result, Busy) for result in results[3:])


async def test_a_hash_that_is_none_fails_and_does_not_raise() -> None:
    authenticator = Authenticator({"ann": "$argon2id$nonsense"})
    assert not await authenticator.check(RIGHT, "192.0.2.1", 0.0)
    authenticator.close()


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_ipv6_clients_are_counted_by_network(client: str, key: str) -> None:
    assert client_key(client) == key
