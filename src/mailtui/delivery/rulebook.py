"""The rules of `rules.toml`, loaded, checked and made fast to search.

Owned here: what a class and a rule are, the checks that turn a slip in the data file into a clear error, and the index that finds
the few rules whose words occur in a reply. What a match means for a recipient is decided in `delivery.classify`; the language of the
phrases is `delivery.phrases`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from operator import attrgetter
from typing import Final

import msgspec

from mailtui.delivery.phrases import Phrase, PhraseError, compiled, parse
from mailtui.model import Stage

_ENHANCED: Final = re.compile(r"[x45](\.\d{1,3}){2}")
_CODE: Final = re.compile(r"0|[45](\d\d)?")
FAULTS: Final = frozenset(
    ("none", "recipient", "our-reputation", "our-content", "our-auth", "our-config", "remote", "network", "policy")
)


class RulesError(ValueError):
    """`rules.toml` is wrong; the text says which class or rule and why."""


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of replies: whose fault, the sentence for an operator, what to do.

    `fault_at` overrides the fault by stage; `final` is false where even a 5yz keeps the recipient; `suppress` marks facts about
    the recipient.
    """

    name: str
    fault: str
    sentence: str
    advice: str
    fault_at: dict[Stage, str] = {}
    suppress: bool = False
    final: bool = True


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Conditions (empty ones hold always), the class they mean, and what they override of the class.

    One of the phrases of `text` must occur and none of `unless`. `code` holds basic codes or their first digit ("0": no code);
    `enhanced` may write the class digit as "x". `wait` is seconds, for replies that mean a time without naming it.
    """

    class_: str = msgspec.field(name="class")
    text: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    provider: frozenset[str] = frozenset()
    stage: frozenset[Stage] = frozenset()
    code: tuple[str, ...] = ()
    enhanced: frozenset[str] = frozenset()
    fault: str = ""
    final: bool | None = None
    suppress: bool | None = None
    wait: int | None = None

    def fits(self, stage: Stage, code: str, enhanced: str, provider: str) -> bool:
        """Whether all conditions but the text hold."""
        return (
            (not self.provider or provider in self.provider)
            and (not self.code or code.startswith(self.code))
            and (not self.stage or stage in self.stage)
            and (not self.enhanced or enhanced in self.enhanced or "x" + enhanced[1:] in self.enhanced)
        )


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """The shape of `rules.toml`."""

    vocabulary: dict[str, str]
    guards: dict[str, list[str]]
    classes: dict[str, dict[str, object]]
    providers: dict[str, list[str]]
    rules: list[dict[str, object]]


class _Candidate(msgspec.Struct, frozen=True):
    """One phrase of a rule (None: the rule has none), with the place of the rule in the file."""

    order: int
    rule: Rule
    phrase: Phrase | None
    unless: tuple[Phrase, ...]

    def matches(self, text: str) -> bool:
        return (self.phrase is None or self.phrase.found_in(text)) and not any(p.found_in(text) for p in self.unless)


class Rulebook:
    """All rules, indexed by the words they need. Build it from the parsed data file; RulesError says what is wrong with it."""

    def __init__(self, data: Mapping[str, object]) -> None:
        try:
            file = msgspec.convert(data, _File)
        except msgspec.ValidationError as error:
            raise RulesError(f"rules.toml: {error}") from None
        self.kinds: dict[str, Kind] = {name: _kind(name, entry) for name, entry in file.classes.items()}
        self.providers: frozenset[str] = frozenset(file.providers)
        self._vocabulary = {name: "|".join(text.split()) for name, text in file.vocabulary.items()}
        self._suffixes = {suffix: name for name, group in file.providers.items() for suffix in group}
        self._words: dict[str, list[_Candidate]] = {}
        self._stems: dict[str, list[_Candidate]] = {}
        self._codes: dict[str, list[_Candidate]] = {}
        try:
            self._guards = [parse(phrase, self._vocabulary) for phrase in file.guards.get("never_suppress", ())]
        except PhraseError as error:
            raise RulesError(f"rules.toml: guards: {error}") from None
        for order, entry in enumerate(file.rules):
            try:
                self._add(order, msgspec.convert(entry, Rule, strict=False))
            except (RulesError, PhraseError, msgspec.ValidationError) as error:
                raise RulesError(f"rules.toml: rule {order + 1} ({entry.get('class', 'no class')}): {error}") from None

    def provider(self, host: str) -> str:
        """The group an MX host belongs to by the longest listed suffix, "" when none lists it."""
        labels = "." + host.rstrip(".").lower()
        start = 0
        while start != -1:
            name = self._suffixes.get(labels[start:])
            if name is not None:
                return name
            start = labels.find(".", start + 1)
        return ""

    def match(self, text: str, stage: Stage, code: str, enhanced: str, provider: str) -> Rule | None:
        """The first rule that fits a reply; `text` as `phrases.plain` gives it, `code` "0" when there is none."""
        found: list[_Candidate] = []
        for word in set(text.split()):
            found += self._words.get(word, ())
            found += self._stems.get(word[:3], ())
        for key in (enhanced, "x" + enhanced[1:], code, code[0], "any"):
            found += self._codes.get(key, ())
        found.sort(key=attrgetter("order"))
        for candidate in found:
            if candidate.rule.fits(stage, code, enhanced, provider) and candidate.matches(text):
                return candidate.rule
        return None

    def speaks_of_us(self, text: str) -> bool:
        """Whether a guard phrase occurs in a plain text: such a reply is no evidence against an address."""
        return any(phrase.found_in(text) for phrase in self._guards)

    def compile_all(self) -> int:
        """Compile every phrase now and say how many there are. Matching compiles them one by one, as replies need them."""
        index = (*self._words.values(), *self._stems.values(), *self._codes.values())
        phrases = {
            phrase for entries in index for c in entries for phrase in (c.phrase, *c.unless) if phrase is not None
        }
        return len([compiled(phrase.source) for phrase in (*phrases, *self._guards)])

    def _add(self, order: int, rule: Rule) -> None:
        self._check(rule)
        unless = tuple(parse(phrase, self._vocabulary) for phrase in rule.unless)
        if not rule.text:
            for key in rule.enhanced or rule.code or ("any",):
                self._codes.setdefault(key, []).append(_Candidate(order, rule, None, unless))
        for text in rule.text:
            phrase = parse(text, self._vocabulary)
            candidate = _Candidate(order, rule, phrase, unless)
            for key in phrase.keys:
                if key.endswith("*"):
                    self._stems.setdefault(key[:3], []).append(candidate)
                else:
                    self._words.setdefault(key, []).append(candidate)

    def _check(self, rule: Rule) -> None:
        if rule.class_ not in self.kinds:
            raise RulesError(f"unknown class {rule.class_!r}")
        if rule.fault and rule.fault not in FAULTS:
            raise RulesError(f"unknown fault {rule.fault!r}, known are {', '.join(sorted(FAULTS))}")
        for name in rule.provider - self.providers:
            raise RulesError(f"unknown provider {name!r}")
        for code in rule.code:
            if not _CODE.fullmatch(code):
                raise RulesError(f"code {code!r} is not 0, 4, 5 or a code of three digits")
        for code in rule.enhanced:
            if not _ENHANCED.fullmatch(code):
                raise RulesError(f"enhanced code {code!r} is not like 5.1.1 or x.1.1")
        if not (rule.text or rule.code or rule.enhanced or rule.stage):
            raise RulesError("it has no condition")


def _kind(name: str, entry: dict[str, object]) -> Kind:
    try:
        kind = msgspec.convert({"name": name, **entry}, Kind)
    except msgspec.ValidationError as error:
        raise RulesError(f"rules.toml: class {name}: {error}") from None
    for fault in (kind.fault, *kind.fault_at.values()):
        if fault not in FAULTS:
            raise RulesError(
                f"rules.toml: class {name}: unknown fault {fault!r}, known are {', '.join(sorted(FAULTS))}"
            )
    return kind


@cache
def rulebook() -> Rulebook:
    """The rules shipped with the package, read on first use."""
    return Rulebook(tomllib.loads(files(__package__).joinpath("rules.toml").read_text(encoding="utf-8")))
