"""What a remote server's reply means: a class, whose fault it is, and what becomes of the recipient.

Owned here: the decision from (stage, reply, provider) to a `Verdict`, the wait hint in a text, and the verdicts of outcomes that
no reply describes. Pure functions over values: no clock, no I/O beyond reading the shipped rules once. The rules are data
(`rules.toml`), their engine is `delivery.rulebook`; what the library exceptions mean is `delivery.failures`.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final

import msgspec

from mailtui.delivery.phrases import TEXT_LIMIT, plain
from mailtui.delivery.rulebook import Kind, Rule, rulebook
from mailtui.model import Disposition, Reply, Stage, Verdict

#: A 5yz here is about our host or our credentials, before any recipient was named: next host, then a deferral of the site.
_BEFORE_THE_ENVELOPE: Final = frozenset((Stage.DNS, Stage.CONNECT, Stage.GREETING, Stage.STARTTLS, Stage.AUTH))
_SITE_STAGES: Final = frozenset((Stage.CONNECT, Stage.GREETING, Stage.HELO, Stage.STARTTLS, Stage.AUTH, Stage.QUIT))
#: Before RCPT no recipient is named; at MAIL the only address is our own sender.
_FACTS_ABOUT_A_RECIPIENT: Final = frozenset(("no-such-user", "mailbox-disabled", "mailbox-full", "moved"))
#: By RFC 5321 4.2.1 the recipient is only named from RCPT on; elsewhere a reply is no evidence against an address.
_STAGES_THAT_SUPPRESS: Final = frozenset((Stage.RCPT, Stage.DATA, Stage.FINAL_DOT))
MAX_WAIT: Final = 7 * 86400  # seconds; a longer hint is no hint

_ENHANCED: Final = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
_AGAIN: Final = (
    r"(?:try|retry|retries|retrying|resend|come\s+back|comeback|wait|available|resume|again|grey-?listed|gray-?listed|greylisting|"
    r"grey-?list|delayed|deferred|reconnect|blocked|expires?|back)"
)
_WAIT: Final = re.compile(
    _AGAIN
    + r"\b(?:\W+(?:again|later|back|sending|your|the|this|mail|message|delivery|please|it|once|more|until|least|at|about|another|"
    r"approximately|for|in|after|within|by|greyfix|temporarily|by\s+\w+\s+[\d.]{1,10})\b){0,5}\W{1,3}(\d{1,6})\s?"
    r"(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|days?)(?![a-z])(?!\s+ago)"
    r"(?:\W{0,3}(?:and\W)?(\d{1,2})\s?(s|secs?|seconds?|m|mins?|minutes?)\b)?"
)
_CLOCK: Final = re.compile(_AGAIN + r"\b[^\d\n]{1,20}(\d{1,3}):(\d\d):(\d\d)\b(?!:)")
_UNIT: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}

#: Written out, so that a relay which only delivers never reads the rules.
DELIVERED: Final = Verdict("success", "none", Disposition.DELIVERED, "The site took custody of the message.")


def classify(stage: Stage, reply: Reply, *, provider: str = "") -> Verdict:
    """The verdict on `reply`, given at `stage` by a host of `provider` (see `provider_of`; "" when it is none we know).

    2yz is delivered, 4yz deferred, 5yz bounced unless it is known not to be about the recipient or to pass (docs/classification.md);
    any other code, or none, is deferred. Unknown codes count by their first digit.
    """
    if reply.positive:
        return DELIVERED
    return _classify(stage, reply.code, reply.enhanced, reply.text[:TEXT_LIMIT], provider)


def provider_of(host: str) -> str:
    """The provider an MX host belongs to, by its suffix; "" for all the others."""
    return rulebook().provider(host)


def advice(class_: str) -> str:
    """What an operator does about a class, one line; "" for a class this version does not know."""
    kind = rulebook().kinds.get(class_)
    return kind.advice if kind else ""


@lru_cache(maxsize=1024)
def _classify(stage: Stage, code: int, enhanced: str, text: str, provider: str) -> Verdict:
    digit = code // 100
    if digit not in (0, 4, 5):  # 1yz and 3yz are no answers to what we sent
        return _verdict(stage, code, text, rulebook().kinds["protocol"], None)
    rule = rulebook().match(plain(text), stage, str(code), _enhanced(digit, enhanced, text), provider)
    kind = rulebook().kinds[rule.class_ if rule else "unknown"]
    if kind.name in _FACTS_ABOUT_A_RECIPIENT and stage not in _STAGES_THAT_SUPPRESS:
        return _unnamed(stage, code, text, provider)
    return _verdict(stage, code, text, kind, rule)


def _unnamed(stage: Stage, code: int, text: str, provider: str) -> Verdict:
    """The verdict where words about a recipient are said before one was named: at MAIL of the sender, else by code and stage alone."""
    if stage is Stage.MAIL:
        return _verdict(stage, code, text, rulebook().kinds["sender-rejected"], None)
    rule = rulebook().match("", stage, str(code), "", provider)
    return _verdict(stage, code, text, rulebook().kinds[rule.class_ if rule else "unknown"], rule)


def _enhanced(digit: int, enhanced: str, text: str) -> str:
    """The leading enhanced code, else the first one in the text that agrees with the basic code (qmail, IronPort, Barracuda)."""
    if enhanced:
        return enhanced
    return next((found for found in _ENHANCED.findall(text) if not digit or found[0] == str(digit)), "")


def _verdict(stage: Stage, code: int, text: str, kind: Kind, rule: Rule | None) -> Verdict:
    final = _is_final(stage, code, kind, rule)
    return Verdict(
        class_=kind.name,
        fault=(rule.fault if rule else "") or kind.fault_at.get(stage, kind.fault),
        disposition=Disposition.BOUNCED if final else Disposition.DEFERRED,
        sentence=kind.sentence,
        scope=_scope(stage, code),
        wait=None if final else wait_hint(text) or (rule.wait if rule else None),
        suppress=final and stage in _STAGES_THAT_SUPPRESS and _may_suppress(kind, rule, text),
    )


def _is_final(stage: Stage, code: int, kind: Kind, rule: Rule | None) -> bool:
    """RFC 5321 4.2.1: 5yz, apart from those that say nothing about this recipient or that pass."""
    if not 500 <= code < 600 or stage in _BEFORE_THE_ENVELOPE:
        return False
    return rule.final if rule is not None and rule.final is not None else kind.final


def _may_suppress(kind: Kind, rule: Rule | None, text: str) -> bool:
    """A false suppression is the worst error here: a doubtful text does not suppress, only a rule that says so overrides."""
    if rule is not None and rule.suppress is not None:
        return rule.suppress
    return kind.suppress and not rulebook().speaks_of_us(plain(text))


def _scope(stage: Stage, code: int) -> str:
    """What backs off (design 2.3): any 421 and everything before the envelope concern the site."""
    if stage is Stage.DNS:
        return "destination"
    return "site" if code == 421 or stage in _SITE_STAGES else "recipient"


def wait_hint(text: str) -> int | None:
    """The seconds after which a text asks to come back ("try again in 5 minutes", "in 00:05:00"), None when it names none."""
    text = " ".join(text[:TEXT_LIMIT].lower().split())
    if clock := _CLOCK.search(text):
        hours, minutes, seconds = map(int, clock.groups())
        return _bounded(hours * 3600 + minutes * 60 + seconds)
    if (found := _WAIT.search(text)) is None:
        return None
    number, unit, rest, rest_unit = found.groups()
    return _bounded(int(number) * _UNIT[unit[0]] + (int(rest) * _UNIT[rest_unit[0]] if rest else 0))


def _bounded(seconds: int) -> int | None:
    return seconds if 0 < seconds <= MAX_WAIT else None


def misfit(stage: Stage, reply: Reply) -> Verdict:
    """The verdict on a message that a host cannot take by its own EHLO (SIZE, 8BITMIME, SMTPUTF8): final, told in `reply` by us.

    `classify` defers everything without a basic code, because it cannot know that we are certain; here we are.
    """
    found = _classify(stage, 0, reply.enhanced, reply.text, "")
    return msgspec.structs.replace(found, disposition=Disposition.BOUNCED, wait=None)


@cache
def outcome(name: str, disposition: Disposition, scope: str = "recipient") -> Verdict:
    """The verdict of a class that is known without a reply (DNS, connection, TLS, time-out ...)."""
    kind = rulebook().kinds[name]
    suppress = kind.suppress and disposition is Disposition.BOUNCED
    return Verdict(name, kind.fault, disposition, kind.sentence, scope, suppress=suppress)


def unknown_outcome() -> Verdict:
    """The connection was lost between the final dot and its reply: retried like a deferral (design 2.3)."""
    return outcome("unknown-outcome", Disposition.DEFERRED)


def interrupted() -> Verdict:
    """This relay stopped during the attempt; found at start-up."""
    return outcome("interrupted", Disposition.DEFERRED)


def expired() -> Verdict:
    """The lifetime of the recipient ended; the last attempt's reply is the reason."""
    return outcome("expired", Disposition.BOUNCED)


def suppressed() -> Verdict:
    """The recipient is on the suppression list: given up without an attempt when the trash lets go of it."""
    return Verdict("suppressed", "recipient", Disposition.BOUNCED, rulebook().kinds["suppressed"].sentence)
