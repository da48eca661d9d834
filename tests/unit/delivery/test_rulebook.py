"""The data file of rules: what it may say, and that a slip in it is told clearly."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.delivery.phrases import TEXT_LIMIT, PhraseError, parse, plain
from mailtui.delivery.rulebook import Rulebook, RulesError, rulebook
from mailtui.model import Stage

CLASSES = {"policy": {"fault": "policy", "sentence": "s", "advice": "a"}}


def book(*rules: dict[str, object], **changes: object) -> Rulebook:
    data: dict[str, object] = {
        "vocabulary": {"who": "user|mailbox"},
        "guards": {},
        "classes": CLASSES,
        "providers": {"p": [".p.net"]},
    }
    return Rulebook({**data, "rules": list(rules), **changes})


def finds(phrase: str, text: str) -> bool:
    return parse(phrase, {"who": "user|mail_box"}).found_in(plain(text))


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("user unknown", "550 <x@y.z>: User... UNKNOWN!", True),
        ("user unknown", "superuser unknown", False),
        ("user ?is unknown", "user is unknown", True),
        ("user ... unknown", "user a b c d e f unknown", True),
        ("user ... unknown", "user a b c d e f g unknown", False),
        ("greylist*", "Greylisting in effect", True),
        ("over_quota|full", "he is over quota", True),
        ("<who> full", "mail box full", True),
        ("wait # seconds", "wait 30 seconds", True),
        ("^ rejected $", "Rejected.", True),
        ("^ rejected", "was rejected", False),
        ("doesnt exist", "doesn\u2019t exist", True),
        ("recipient mailbox", "the recipient's mailbox", True),
        ("refuse", "refusé", True),
        ("5.1.1 unknown", "(#5.1.1) unknown", True),
        ("spam", "spam@example.com", False),
    ],
)
def test_phrases(phrase: str, text: str, found: bool) -> None:
    assert finds(phrase, text) is found


@pytest.mark.parametrize(
    "phrase", ["", "...", "?maybe", "ab* ...", "user.*", "(user)", "user <nobody>", "# ^", "us$er"]
)
def test_broken_phrases_are_refused(phrase: str) -> None:
    with pytest.raises(PhraseError):
        parse(phrase, {})


@given(st.text(max_size=3000))
def test_plain_is_words_between_single_spaces(text: str) -> None:
    words = plain(text)
    assert words.startswith(" ") and words.endswith(" ")
    assert words == " " + " ".join(words.split()) + " " or words == "  "
    assert len(words) <= 2 * TEXT_LIMIT + 2


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"class": "nobody", "text": ["blocked"]}, "unknown class 'nobody'"),
        ({"class": "policy"}, "no condition"),
        ({"class": "policy", "text": ["blocked"], "fault": "them"}, "unknown fault 'them'"),
        ({"class": "policy", "text": ["blocked"], "provider": ["q"]}, "unknown provider 'q'"),
        ({"class": "policy", "code": ["55"]}, "code '55'"),
        ({"class": "policy", "enhanced": ["5.1"]}, "enhanced code '5.1'"),
        ({"class": "policy", "text": ["a.b*c"]}, "is not a word"),
        ({"class": "policy", "stage": ["lunch"], "text": ["blocked"]}, "lunch"),
        ({"class": "policy", "txt": ["blocked"]}, "txt"),
    ],
)
def test_a_slip_is_told_with_its_rule(rule: dict[str, object], says: str) -> None:
    with pytest.raises(RulesError, match=r"rule 2 \(") as told:
        book({"class": "policy", "text": ["fine"]}, rule)
    assert says in str(told.value)


def test_a_slip_outside_the_rules_is_told_too() -> None:
    with pytest.raises(RulesError, match="class policy: unknown fault"):
        book(classes={"policy": {"fault": "x", "sentence": "s", "advice": "a"}})
    with pytest.raises(RulesError, match="guards"):
        book(guards={"never_suppress": ["(x"]})
    with pytest.raises(RulesError, match=r"rules\.toml"):
        book(nonsense=1)


def test_the_first_rule_that_fits_decides() -> None:
    rules = book(
        {"class": "policy", "text": ["blocked"], "provider": ["p"], "fault": "remote"},
        {"class": "policy", "text": ["blocked"], "unless": ["not blocked"], "code": ["550"], "fault": "network"},
        {"class": "policy", "text": ["blocked"], "fault": "recipient"},
        {"class": "policy", "enhanced": ["x.7.1"], "fault": "our-auth"},
        {"class": "policy", "stage": ["data"], "fault": "our-content"},
    )

    def fault(text: str, stage: Stage = Stage.RCPT, code: str = "550", enhanced: str = "", provider: str = "") -> str:
        rule = rules.match(plain(text), stage, code, enhanced, provider)
        return rule.fault if rule else "nothing"

    assert fault("Blocked", provider="p") == "remote"
    assert fault("Blocked") == "network"
    assert fault("not blocked") == "recipient"
    assert fault("Blocked", code="450") == "recipient"
    assert fault("", enhanced="4.7.1") == "our-auth"
    assert fault("", stage=Stage.DATA) == "our-content"
    assert fault("") == "nothing"


def test_the_shipped_rules_are_whole() -> None:
    rules = rulebook()
    assert rules.compile_all() > 500
    data = tomllib.loads(files("mailtui.delivery").joinpath("rules.toml").read_text(encoding="utf-8"))
    used = {rule["class"] for rule in data["rules"]}
    without_a_reply = {"success", "unknown-outcome", "interrupted", "expired", "suppressed"}
    assert set(rules.kinds) == used | without_a_reply
    for kind in rules.kinds.values():
        assert kind.sentence.endswith(".") and kind.advice.endswith(".") and "{" not in kind.sentence
