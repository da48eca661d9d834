"""Signing as the runner asks for it, against an independent verifier: once, off the loop, the same bytes every time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from mailtui.config import Config, Dkim, Trust
from mailtui.errors import ConfigError
from mailtui.model import Address, Claim
from mailtui.trust.seal import Sealer
from mailtui.trust.signer import Signer

CONTENT = b"From: App <app@shop.test>\r\nTo: u@d.test\r\nSubject: hello\r\n\r\nbody\r\n" + b"line\r\n" * 100
PREFIX = b"Received: by relay.test\r\n"
Make = Callable[..., Sealer]


def claim(content: bytes | None = CONTENT, received_at: float = 1_790_000_000.0) -> Claim:
    return Claim(
        message=5, lane=1, destination="d.test", route="mx", sender=Address("app", "shop.test"), recipients=(), size=0,
        received_at=received_at, prefix=PREFIX, signature=None, content=content,
    )  # fmt: skip


def settings(key_file: Path | None, on_error: str = "hold") -> Config:
    """Key files are named for their algorithm."""
    algorithm = "ed25519-sha256" if key_file and key_file.stem.startswith("ed25519") else "rsa-sha256"
    keys = (Dkim(domain="shop.test", selector="s1", key_file=key_file, algorithm=algorithm),) if key_file else ()
    return Config(dkim=keys, trust=Trust(on_error=on_error))  # type: ignore[arg-type]


class Contents:
    """Chunks of long messages, as the store gives them, and in which thread they were asked for."""

    def __init__(self, *chunks: bytes, failure: Exception | None = None) -> None:
        self.chunks, self.failure = chunks, failure
        self.threads: set[int] = set()

    async def read(self, message: int, sequence: int) -> bytes | None:
        self.threads.add(threading.get_ident())
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return self.chunks[sequence] if sequence < len(self.chunks) else None


@pytest.fixture
async def make(key_files: dict[str, Path]) -> AsyncIterator[Make]:
    sealers: list[Sealer] = []

    def build(
        contents: Contents | None = None, *, kind: str = "ed25519-sha256", keys: bool = True, on_error: str = "hold"
    ) -> Sealer:
        sealers.append(Sealer(settings(key_files[kind] if keys else None, on_error), (contents or Contents()).read))
        return sealers[-1]

    yield build
    for sealer in sealers:
        sealer.close()


@pytest.mark.parametrize("kind", ["rsa-sha256", "ed25519-sha256"])
async def test_a_signature_stands_before_prefix_and_content_and_holds(
    make: Make, verify: Callable[[Signer, bytes], list[bool]], kind: str
) -> None:
    sealer = make(kind=kind)
    seal = await sealer.seal(claim())

    assert (seal.note, seal.hold) == ("signed 1 x", False)
    assert verify(sealer.signer, seal.header + PREFIX + CONTENT) == [True]
    assert verify(sealer.signer, seal.header + PREFIX + CONTENT + b"more\r\n") == [False]


@pytest.mark.parametrize("size", [1, 7, 60, 500])
async def test_a_long_content_gets_the_same_signature_however_it_is_stored(make: Make, size: int) -> None:
    chunks = [CONTENT[n : n + size] for n in range(0, len(CONTENT), size)]
    contents = Contents(*chunks)

    whole, pieces = await make().seal(claim()), await make(contents).seal(claim(None))

    assert pieces == whole
    assert contents.threads == {threading.get_ident()}, "the queue is only ever asked in the loop"


async def test_signing_again_after_a_crash_gives_the_very_same_bytes(make: Make) -> None:
    assert (await make(kind="rsa-sha256").seal(claim())).header == (await make(kind="rsa-sha256").seal(claim())).header
    assert b"t=1790000000" in (await make().seal(claim())).header
    assert (await make().seal(claim())).header != (await make().seal(claim(received_at=1.0))).header


async def test_without_keys_nothing_is_read(make: Make) -> None:
    contents = Contents(failure=AssertionError("asked"))

    seal = await make(contents, keys=False).seal(claim(None))

    assert (seal.header, seal.note, seal.hold, contents.threads) == (b"", "", False, set())


async def test_a_sender_without_a_key(make: Make) -> None:
    seal = await make().seal(claim(CONTENT.replace(b"shop.test", b"other.test")))

    assert (seal.header, seal.note, seal.hold) == (b"", "no key for this sender", False)


@pytest.mark.parametrize(
    "content",
    [b"no header\r\n\r\nx\r\n", b"From: a@shop.test\r\nFrom: b@shop.test\r\n\r\n", b"Subject: no from\r\n\r\n", b""],
)
async def test_malformed_mail_leaves_unsigned(make: Make, content: bytes) -> None:
    sealer = make()
    seal = await sealer.seal(claim(content))

    assert seal.header == b""
    assert seal.note.startswith("unsigned: ")
    assert (seal.hold, sealer.failures) == (False, 0)


@pytest.mark.parametrize(("on_error", "held"), [("hold", True), ("unsigned", False)])
async def test_a_failure_of_ours_is_counted_and_follows_the_setting(make: Make, on_error: str, held: bool) -> None:
    sealer = make(Contents(failure=RuntimeError("gone")), on_error=on_error)
    seal = await sealer.seal(claim(None))

    assert (seal.header, seal.hold, sealer.failures) == (b"", held, 1)
    assert seal.note == "signing failed: RuntimeError: gone"


async def test_the_loop_goes_on_while_many_are_signed(
    make: Make, verify: Callable[[Signer, bytes], list[bool]]
) -> None:
    sealer = make(kind="rsa-sha256")
    seals = await asyncio.gather(*(sealer.seal(claim(CONTENT + b"%d\r\n" % n)) for n in range(20)))

    assert all(
        verify(sealer.signer, seal.header + PREFIX + CONTENT + b"%d\r\n" % n) == [True] for n, seal in enumerate(seals)
    )


async def test_new_keys_serve_from_the_next_message_on(make: Make) -> None:
    sealer = make()
    later = settings(None)
    sealer.use(Signer(later.dkim), later)

    assert (await sealer.seal(claim())).header == b""


def test_a_bad_key_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Sealer(settings(tmp_path / "missing.pem"), Contents().read)
