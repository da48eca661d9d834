"""SMTP AUTH (RFC 4954): the PLAIN and LOGIN dialogues, and the check of a password without stopping the loop.

Owned here: decoding what a client sends as credentials, argon2id in two threads of its own, the cache of recent
successes and the limits on guessing. A password exists only in `Credentials` while it is checked; nothing here logs
one. The steps between command and reply are in `login`.
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import hmac
import ipaddress
import os
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import argon2
import msgspec

from . import replies
from .limits import Buckets
from .replies import Refusal

MECHANISMS: Final = (b"PLAIN", b"LOGIN")
MAX_PASSWORD: Final = 1024
CACHE_SECONDS: Final = 300.0
CACHE_ENTRIES: Final = 1024
HASHING_THREADS: Final = 2
#: Checks that may wait for a thread; beyond it a client is told to come back (454): a flood must not grow a queue.
MAX_WAITING: Final = 100
#: Seconds a check for a user under attack is put off at most. It is never refused: that would lock the owner out.
MAX_DELAY: Final = 8.0

_HASHER: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=argon2.Type.ID)


def hash_password(text: str) -> str:
    """The argon2id line (19 MiB, 2 passes, 1 lane) for `password_hash`. ValueError when empty or above 1 KiB."""
    if not text or len(text.encode()) > MAX_PASSWORD:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD} octets")
    return _HASHER.hash(text)


class Credentials(msgspec.Struct, frozen=True):
    """What a client claims: `user` as UTF-8 text, `password` as octets."""

    user: str
    password: bytes

    def __repr__(self) -> str:
        return "Credentials(…)"


class Exchange:
    """One AUTH dialogue. `start` and `answer` return the next challenge (reply bytes) or the credentials at its end."""

    __slots__ = ("_mechanism", "_user")

    def __init__(self, mechanism: bytes) -> None:
        self._mechanism = mechanism
        self._user: bytes | None = None

    def start(self, initial: bytes) -> bytes | Credentials:
        """Begin with the initial response of the AUTH command (b"" for none). Refusal when it cannot be read."""
        if initial:
            return self.answer(b"" if initial == b"=" else initial)
        return replies.AUTH_CONTINUE if self._mechanism == b"PLAIN" else replies.AUTH_USERNAME

    def answer(self, line: bytes) -> bytes | Credentials:
        """Take one line of the client, without CRLF. Refusal (501 5.5.2, 5.7.0) when it is no base64 or cancels."""
        if line == b"*":
            raise Refusal(replies.AUTH_CANCELLED)
        data = _decode(line)
        if self._mechanism == b"PLAIN":
            return _plain(data)
        if self._user is None:
            self._user = data
            return replies.AUTH_PASSWORD
        return _credentials(self._user, data)


def _decode(line: bytes) -> bytes:
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise Refusal(replies.AUTH_BASE64) from None


def _plain(data: bytes) -> Credentials:
    """RFC 4616: [authorisation identity] NUL authentication identity NUL password. Nobody acts for another user."""
    parts = data.split(b"\0")
    if len(parts) != 3:
        raise Refusal(replies.AUTH_BASE64)
    acting_for, user, password = parts
    if acting_for not in (b"", user):
        raise Refusal(replies.AUTH_FAILED)
    return _credentials(user, password)


def _credentials(user: bytes, password: bytes) -> Credentials:
    if not user or not password:
        raise Refusal(replies.AUTH_FAILED)
    if len(password) > MAX_PASSWORD or len(user) > MAX_PASSWORD:
        raise Refusal(replies.AUTH_FAILED)
    return Credentials(user.decode("utf-8", "backslashreplace"), password)


def client_key(client: str) -> str:
    """What limits per client count by: an IPv4 address, or the /64 an IPv6 address is in."""
    if ":" not in client:
        return client
    try:
        return str(ipaddress.ip_network((client.partition("%")[0], 64), strict=False))
    except ValueError:
        return client


class TooManyFailures(Exception):
    """No check was made: too many failures from this address."""


class Busy(Exception):
    """No check was made: too many wait already."""


class Authenticator:
    """Checks credentials against the configured hashes, in two threads, with limits on guessing.

    A client address has 20 failures and regains one every 6 s. A user has 10 failures from addresses that never
    succeeded; beyond them such attempts are put off by up to MAX_DELAY seconds, never refused.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self._key = os.urandom(32)
        self._dummy = ""
        self._pool = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="mailtui-auth")
        self._by_client = Buckets(rate=1 / 6, burst=20)
        self._by_user = Buckets(rate=1 / 6, burst=10)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._cache: OrderedDict[bytes, float] = OrderedDict()
        self._waiting = 0
        self._users: Mapping[str, str] = {}
        self.replace_users(users)

    def replace_users(self, users: Mapping[str, str]) -> None:
        """Take `users` (name to argon2 line) from now on; successes remembered before count no more."""
        self._users = dict(users)
        self._cache.clear()
        if users and not self._dummy:
            self._dummy = _HASHER.hash(os.urandom(16).hex())  # what a user who does not exist is checked against

    def close(self) -> None:
        """Let the threads end; checks that wait are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def check(self, credentials: Credentials, client: str, now: float) -> bool:
        """Whether user and password belong together. TooManyFailures or Busy when nobody looked; `now` is monotonic."""
        key = client_key(client)
        if not self._by_client.take(key, now):
            raise TooManyFailures
        # The bucket comes first: a cache asked without one would answer guesses as fast as a network carries them.
        proof = self._proof(credentials)
        if not self._cached(proof, now):
            if not await self._verify(credentials, key, now):
                return False
            self._remember(proof, credentials.user, key, now)
        self._by_client.give_back(key, now)
        return True

    async def _verify(self, credentials: Credentials, key: str, now: float) -> bool:
        await self._slow_down(credentials.user, key, now)
        if self._waiting >= MAX_WAITING:
            raise Busy
        self._waiting += 1
        try:
            line = self._users.get(credentials.user)
            loop = asyncio.get_running_loop()
            matches = await loop.run_in_executor(self._pool, _matches, line or self._dummy, credentials.password)
            return matches and line is not None and self._users.get(credentials.user) == line
        finally:
            self._waiting -= 1

    async def _slow_down(self, user: str, key: str, now: float) -> None:
        """Delay an attempt on a user who is being guessed at, unless the address has succeeded before."""
        if (user, key) in self._known:
            return
        level = self._by_user.overdraw(user, now, floor=-MAX_DELAY)
        if level < 0:
            await asyncio.sleep(-level)

    def _proof(self, credentials: Credentials) -> bytes:
        user = credentials.user.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, len(user).to_bytes(4, "big") + user + credentials.password, hashlib.sha256)

    def _cached(self, proof: bytes, now: float) -> bool:
        return self._cache.get(proof, 0.0) > now

    def _remember(self, proof: bytes, user: str, key: str, now: float) -> None:
        self._by_user.give_back(user, now)
        self._known[user, key] = None
        self._known.move_to_end((user, key))
        if len(self._known) > CACHE_ENTRIES:
            self._known.popitem(last=False)
        self._cache[proof] = now + CACHE_SECONDS
        self._cache.move_to_end(proof)
        if len(self._cache) > CACHE_ENTRIES:
            self._cache.popitem(last=False)


def _matches(line: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(line, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
