"""What is taken out of texts for strangers, and what stays word for word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.masking import MASK, Mask, without_local
from mailtui.model import TranscriptLine

OTHERS = ("bob@example.org", "a.b+c@example.org", '"odd > one"@example.org', "x@[192.0.2.1]")


@pytest.fixture
def mask() -> Mask:
    return Mask(secrets=("hunter22",), others=(*OTHERS, "ana@example.org"), shown="ana@example.org")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("550 <bob@example.org> unknown", "550 <***@example.org> unknown"),
        ("550 <BOB@Example.ORG> unknown", "550 <***@Example.ORG> unknown"),
        ("550 user (bob) unknown", "550 user (***) unknown"),
        ('550 "a.b+c" and a.b+c@example.org', '550 "***" and ***@example.org'),
        ("550 bob is a word, bobby too", "550 bob is a word, bobby too"),
        ("550 jimbob@example.org", "550 jimbob@example.org"),
        ("550 <ana@example.org> ask postmaster@example.org", "550 <ana@example.org> ask postmaster@example.org"),
        ("535 hunter22 is wrong", "535 *** is wrong"),
    ],
)
def test_a_reply(mask: Mask, said: str, told: str) -> None:
    assert mask.text(said) == told
    assert mask.line(TranscriptLine(7, "<", said)) == TranscriptLine(7, "<", told)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("RCPT TO:<ana@example.org> NOTIFY=NEVER", "RCPT TO:<ana@example.org> NOTIFY=NEVER"),
        ("RCPT TO:<ana@example.org> ORCPT=rfc822;ana@example.org", "RCPT TO:<ana@example.org> ORCPT=rfc822;ana@example.org"),
        ("RCPT TO:<ana@example.org> ORCPT=rfc822;boss@secret.example", "RCPT TO:<ana@example.org> ORCPT=***"),
        ("RCPT TO:<nobody.knows@example.org> ORCPT=rfc822;x NOTIFY=DELAY", "RCPT TO:<***@example.org> ORCPT=*** NOTIFY=DELAY"),
        ('RCPT TO:<"odd > one"@example.org>', "RCPT TO:<***@example.org>"),
        ("MAIL FROM:<app@sender.test> SIZE=9", "MAIL FROM:<app@sender.test> SIZE=9"),
    ],
)  # fmt: skip
def test_a_command_of_ours(mask: Mask, said: str, told: str) -> None:
    assert mask.line(TranscriptLine(0, ">", said)).line == told


def test_for_ourselves_only_secrets_go() -> None:
    mask = Mask(secrets=("hunter22",), others=OTHERS, shown="ana@example.org", internal=True)
    said = "RCPT TO:<bob@example.org> ORCPT=rfc822;hunter22"
    assert mask.line(TranscriptLine(0, ">", said)).line == "RCPT TO:<bob@example.org> ORCPT=rfc822;***"


def test_a_longer_secret_goes_whole() -> None:
    assert Mask(secrets=("abc", "abcdef", "")).text("abcdef abc ab") == f"{MASK} {MASK} ab"
    assert Mask().text("nothing to hide") == "nothing to hide"


@given(st.text(max_size=60), st.lists(st.emails(), max_size=4), st.emails())
def test_no_other_address_is_left(text: str, others: list[str], shown: str) -> None:
    others = [other for other in others if other.casefold() != shown.casefold()]
    told = Mask(others=others, shown=shown).text(" ".join([text, *others]))
    assert not any(f" {other} " in f" {told} " for other in others)


@given(st.text(max_size=80))
def test_a_recipient_never_stays_by_accident(local: str) -> None:
    line = Mask(shown="ana@example.org").line(TranscriptLine(0, ">", f"RCPT TO:<{local}0123456789@example.org>")).line
    assert "0123456789" not in line


def test_without_local() -> None:
    assert [without_local(text) for text in ("a@b.example", '"x@y"@b.example', "root", "")] == [
        *("***@b.example", "***@b.example"), "***", "***",
    ]  # fmt: skip
