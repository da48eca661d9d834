"""The rules of `rules.toml`, loaded, checked and made fast to search.

Owned here: the small phrase language (see the head of the data file), what a class and a rule are, how the reply text is reduced to
plain words, and the index that finds the few rules whose words occur in a reply. What a match means for a recipient is decided in
`delivery.classify`. Patterns are built from words, bounded gaps and alternatives only, so no rule can make matching blow up.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from operator import attrgetter
from typing import Final

import msgspec

from mailtui.model import Stage

TEXT_LIMIT: Final = 2000  # characters of a reply that rules see; real replies end long before
_GAP: Final = r"(?:[^ ]+ ){0,6}"
_ADDRESS: Final = re.compile(r"[\w.+=~!#$%&*/^{|}-]{1,64}+@[\w.\[\]-]{1,255}")
_WORDS: Final = re.compile(r"\d{1,5}(?:\.\d{1,5})+|[^\W_]+")
_WORD_OF_A_RULE: Final = re.compile(r"(?:[^\W_]+|\d+(?:\.\d+)+\.?)\*?(?:_(?:[^\W_]+|\d+(?:\.\d+)+)\*?)*|#")
_ENHANCED: Final = re.compile(r"[x45](\.\d{1,3}){2}")
_CODE: Final = re.compile(r"0|[45](\d\d)?")
FAULTS: Final = frozenset(
    ("none", "recipient", "our-reputation", "our-content", "our-auth", "our-config", "remote", "network", "policy")
)


class RulesError(ValueError):
    """`rules.toml` is wrong; the text says which rule and why."""


class Kind(msgspec.Struct, frozen=True):
    """A class of replies: whose fault, the sentence for an operator, what to do. `fault_at` overrides the fault by stage;
    `final` is false where even a 5yz keeps the recipient; `suppress` marks facts about the recipient."""

    name: str
    fault: str
    sentence: str
    advice: str
    fault_at: dict[Stage, str] = {}
    suppress: bool = False
    final: bool = True


class Rule(msgspec.Struct, frozen=True):
    """One line of judgement: conditions (empty ones hold always), the class, and what it overrides of the class.

    `code` holds basic codes or their first digit ("0": no code); `enhanced` may write the class digit as "x".
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
    classes: dict[str, dict[str, object]]
    providers: dict[str, list[str]]
    rules: list[dict[str, object]]


class _Phrase:
    """One phrase of a rule; its pattern is compiled when a reply first contains its key word. No source: holds always."""

    __slots__ = ("_pattern", "order", "rule", "source", "unless")

    def __init__(self, order: int, rule: Rule, source: str, unless: tuple[str, ...] = ()) -> None:
        self.order = order
        self.rule = rule
        self.source = source
        self.unless = unless
        self._pattern: re.Pattern[str] | None = None

    def matches(self, text: str) -> bool:
        if not self.source:
            return not any(_compiled(source).search(text) for source in self.unless)
        if self._pattern is None:
            self._pattern = _compiled(self.source)
        return self._pattern.search(text) is not None and not any(_compiled(s).search(text) for s in self.unless)


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source)


def plain(text: str) -> str:
    """A reply as words: one space around each, lower case, no accents or apostrophes, mail addresses cut out, dotted numbers whole.

    At most the first `TEXT_LIMIT` characters are read.
    """
    text = text[:TEXT_LIMIT]
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))[:TEXT_LIMIT]
        text = text.replace("\u2019", "'")
    text = text.casefold().replace("'s ", " ").replace("'", "")
    if "@" in text:
        text = _ADDRESS.sub(" ", text)
    return f" {' '.join(_WORDS.findall(text))} "


class Rulebook:
    """All rules, indexed by the words they need. Build it from the parsed data file; RulesError says what is wrong with it."""

    def __init__(self, data: Mapping[str, object]) -> None:
        try:
            file = msgspec.convert(data, _File)
        except msgspec.ValidationError as error:
            raise RulesError(f"rules.toml: {error}") from None
        self.kinds: dict[str, Kind] = {name: _kind(name, entry) for name, entry in file.classes.items()}
        self._vocabulary = {name: "|".join(text.split()) for name, text in file.vocabulary.items()}
        self._suffixes = {suffix: name for name, group in file.providers.items() for suffix in group}
        self._words: dict[str, list[_Phrase]] = {}
        self._stems: dict[str, list[_Phrase]] = {}
        self._codes: dict[str, list[_Phrase]] = {}
        self.rules: list[Rule] = []
        for order, entry in enumerate(file.rules):
            self._add(order, entry, frozenset(file.providers))

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
        """The first rule that fits a reply; `text` as `plain` gives it, `code` "0" when there is none."""
        found: list[_Phrase] = []
        for word in set(text.split()):
            found += self._words.get(word, ())
            found += self._stems.get(word[:3], ())
        for key in (enhanced, "x" + enhanced[1:], code, code[0], ""):
            found += self._codes.get(key, ())
        found.sort(key=attrgetter("order"))
        for phrase in found:
            if phrase.rule.fits(stage, code, enhanced, provider) and phrase.matches(text):
                return phrase.rule
        return None

    def compile_all(self) -> int:
        """Compile every phrase now; how many there are. Matching compiles them one by one as replies need them."""
        index = (*self._words.values(), *self._stems.values(), *self._codes.values())
        sources = {source for phrases in index for phrase in phrases for source in (phrase.source, *phrase.unless)}
        return len([_compiled(source) for source in sources if source])

    def _add(self, order: int, entry: dict[str, object], providers: frozenset[str]) -> None:
        try:
            rule = msgspec.convert(entry, Rule, strict=False)
            self._check(rule, set(entry), providers)
            self.rules.append(rule)
            unless = tuple(self._parse(phrase)[0] for phrase in rule.unless)
            if not rule.text:
                phrase = _Phrase(order, rule, "", unless)
                for key in rule.enhanced or rule.code or ("",):
                    self._codes.setdefault(key, []).append(phrase)
            for text in rule.text:
                source, keys = self._parse(text)
                if not keys:
                    raise RulesError(f"phrase {text!r} has no word that must occur")
                phrase = _Phrase(order, rule, source, unless)
                for key in keys:
                    index, key = (self._stems, key[:3]) if key.endswith("*") else (self._words, key)
                    index.setdefault(key, []).append(phrase)
        except (RulesError, msgspec.ValidationError) as error:
            raise RulesError(f"rules.toml: rule {order + 1} ({entry.get('class', 'no class')}): {error}") from None

    def _check(self, rule: Rule, names: set[str], providers: frozenset[str]) -> None:
        known = {field.encode_name for field in msgspec.structs.fields(Rule)}
        if names - known:
            raise RulesError(f"unknown key {sorted(names - known)[0]!r}, known are {', '.join(sorted(known))}")
        if rule.class_ not in self.kinds:
            raise RulesError(f"unknown class {rule.class_!r}")
        if rule.fault and rule.fault not in FAULTS:
            raise RulesError(f"unknown fault {rule.fault!r}")
        if rule.provider - providers:
            raise RulesError(f"unknown provider {sorted(rule.provider - providers)[0]!r}")
        for code in rule.code:
            if not _CODE.fullmatch(code):
                raise RulesError(f"code {code!r} is not 0, 4, 5 or a code of three digits")
        for code in rule.enhanced:
            if not _ENHANCED.fullmatch(code):
                raise RulesError(f"enhanced code {code!r} is not like 5.1.1 or x.1.1")
        if not (rule.text or rule.code or rule.enhanced or rule.stage):
            raise RulesError("it has no condition")

    def _parse(self, phrase: str) -> tuple[str, tuple[str, ...]]:
        """A phrase as a regular expression over `plain` text, and the words one of which must occur ("stem*" for beginnings)."""
        for name in re.findall(r"<([^<>]*)>", phrase):
            if name not in self._vocabulary:
                raise RulesError(f"phrase {phrase!r} names <{name}>, which [vocabulary] does not have")
            phrase = phrase.replace(f"<{name}>", self._vocabulary[name])
        items = phrase.split()
        source, best = " ", (float("inf"), tuple[str, ...]())
        for position, item in enumerate(items):
            if item == "...":
                source += _GAP if 0 < position < len(items) - 1 else ""
            elif item == "^" and position == 0:
                source = r"\A "
            elif item == "$" and position == len(items) - 1:
                source += r"\Z"
            else:
                optional = item.startswith("?")
                words = item.removeprefix("?").split("|")
                source += f"(?:(?:{'|'.join(_word(word, phrase) for word in words)}) ){'?' if optional else ''}"
                if not optional and "#" not in words:
                    best = min(best, _key(words))
        return source, best[1]


def _kind(name: str, entry: dict[str, object]) -> Kind:
    try:
        kind = msgspec.convert({"name": name, **entry}, Kind)
    except msgspec.ValidationError as error:
        raise RulesError(f"rules.toml: class {name}: {error}") from None
    for fault in (kind.fault, *kind.fault_at.values()):
        if fault not in FAULTS:
            raise RulesError(f"rules.toml: class {name}: unknown fault {fault!r}, known are {', '.join(sorted(FAULTS))}")
    return kind


def _word(word: str, phrase: str) -> str:
    if not _WORD_OF_A_RULE.fullmatch(word):
        raise RulesError(f"phrase {phrase!r}: {word!r} is not a word (letters, digits, '_' for a space, '*' at the end)")
    if word == "#":
        return r"\d[\d.]*"
    return re.escape(word).replace("_", " ").replace(r"\*", "[^ ]*")


def _key(words: Iterable[str]) -> tuple[float, tuple[str, ...]]:
    """The words of a slot to look for first, and how common they will be in replies: short and many is common."""
    keys = tuple(max(word.split("_"), key=len) for word in words)
    if any(len(key) < 4 for key in keys if key.endswith("*")):
        return float("inf"), ()
    return sum(1 / len(key) ** 2 for key in keys), keys


@cache
def rulebook() -> Rulebook:
    """The rules shipped with the package, read on first use."""
    return Rulebook(tomllib.loads(files(__package__).joinpath("rules.toml").read_text(encoding="utf-8")))
