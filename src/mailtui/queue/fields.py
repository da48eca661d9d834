"""The fields of the filter language: names, what they mean, whether an index serves them, and the condition each becomes.

Owned here: that one table; docs/filter.md shows it, parser and compiler go by it. What the kinds of fields do is in `field_kinds`,
how SQL is spelled in `conditions`, how words are joined in `filter`. Fields of attempts mean the last one.
"""

from __future__ import annotations

import re
from typing import Final

from mailtui import times
from mailtui.model import Stage, State
from mailtui.queue import measures
from mailtui.queue.conditions import (
    DUE,
    Where,
    all_of,
    any_of,
    compared,
    ids,
    in_lanes,
    in_messages,
    in_states,
    last_attempt,
    match,
)
from mailtui.queue.field_kinds import Field, Values, column, measured, text, word
from mailtui.queue.measures import Relation


def a_label(value: str) -> str:
    """A domain as the queue spells it: lower case, A-labels."""
    if value.isascii() or re.search(r"[*?]", value):
        return value.lower()
    try:
        return value.lower().encode("idna").decode("ascii")
    except UnicodeError:
        return value.lower()


def _domain(operator: str, values: Values) -> Where:
    return in_lanes(match("lane.destination", operator, map(a_label, values)))


def _rule(relation: Relation, n: int, now: float) -> Where:
    """0 is what no rule held."""
    return compared("r.hold_rule", relation, n)


def _action(relation: Relation, n: int, now: float) -> Where:
    """What an action changed, whatever became of it since."""
    changed = compared("i.action", relation, n)
    return Where(f"r.id IN (SELECT i.recipient FROM action_item i WHERE {changed.sql})", changed.params)


def _group(relation: Relation, n: int, now: float) -> Where:
    """A kind of reply leads to the lanes in which some wait with it: the tally knows."""
    tallied = compared("t.fingerprint", relation, n)
    lanes = Where(f"r.lane IN (SELECT t.lane FROM tally t WHERE t.n > 0 AND {tallied.sql})", tallied.params)
    return all_of([compared("r.fingerprint", relation, n), lanes])


def _site(operator: str, values: Values) -> Where:
    return in_lanes(match("ifnull(site.name, '')", operator, values))


def _route(operator: str, values: Values) -> Where:
    """The key of a route or its first word, the kind."""
    kind = "substr(lane.route, 1, instr(lane.route || ' ', ' ') - 1)"
    return in_lanes(any_of(match(name, operator, values) for name in ("lane.route", kind)))


def _sender(value: str) -> str:
    return "" if value == "<>" else value


def _message_id(operator: str, values: Values) -> Where:
    """With or without brackets; whole ones by way of their messages, whose index holds them."""
    inner = [value.strip("<>") for value in values]
    if operator == "~" or not all(inner) or (operator == ":" and re.search(r"[*?]", "".join(inner))):
        return match("trim(m.message_id, '<>')", operator, inner)
    whole = match("message.message_id", "=", [spelled for value in inner for spelled in (value, f"<{value}>")])
    return in_messages(all_of([Where("message.message_id <> ''"), whole]))


def _mx(operator: str, values: Values) -> Where:
    return last_attempt(match("a.address", operator, values))


def _tls(operator: str, values: Values) -> Where:
    """A protocol version; `yes` is any, `no` none."""
    if operator == "~":
        return last_attempt(match("a.tls", operator, values))
    said = {value.lower() for value in values}
    versions = [value for value in values if value.lower() not in ("yes", "no")]
    parts = [Where("a.tls <> ''")] if "yes" in said else []
    parts += [Where("a.tls = ''")] if "no" in said else []
    parts += [match("a.tls", operator, versions)] if versions else []
    return last_attempt(any_of(parts))


def _stage(stages: list[str]) -> Where:
    return last_attempt(match("a.stage", "=", stages))


def _tries(relation: Relation, n: int, now: float) -> Where:
    return compared("r.attempts", relation, n)


def _size(relation: Relation, octets: int, now: float) -> Where:
    return compared("m.size", relation, octets)


def _age(relation: Relation, milliseconds: int, now: float) -> Where:
    return compared("r.id", *measures.age_bound(relation, milliseconds, _known(now)))


def _next(relation: Relation, milliseconds: int, now: float) -> Where:
    """When the lane may be tried counts too, as in what is shown; only what waits for an attempt has a next one."""
    waits = in_states(DUE)
    return all_of([waits, compared("max(r.next_attempt, l.not_before)", relation, _known(now) + milliseconds / 1000)])


def _since(operator: str, values: Values, now: float) -> Where:
    moments = [times.latest(value, _known(now)) for value in values]
    return any_of(compared("r.id", ">=", measures.first_row(moment)) for moment in moments)


def _known(now: float) -> float:
    """A forgotten `now` would make a filter find other mail than was meant."""
    if now <= 0:
        raise ValueError("a filter with times in it needs to know when it is asked")
    return now


def _wrong_id(operator: str, value: str) -> str:
    return measures.wrong_id(value) or (
        f"a beginning is asked for as id:{value}" if operator == "=" and "*" in value else ""
    )


def _wrong_since(operator: str, value: str) -> str:
    try:
        times.latest(value, 2e9)
    except ValueError:
        return (
            f'"{value}" is not a moment: write since:09:00, since:2026-11-22 or since:2026-11-22T09:00, with Z for UTC'
        )
    return ""


def _code(operator: str, values: Values, now: float) -> Where:
    spelled = [measures.code_pattern(value) if operator == ":" else value for value in values]
    plain = [value for value in spelled if "." not in value]
    enhanced = [value for value in spelled if "." in value]
    parts = [match("CAST(r.code AS TEXT)", operator, plain)] if plain else []
    parts += [match("r.enhanced", operator, enhanced)] if enhanced else []
    return any_of(parts)


def _wrong_code(operator: str, value: str) -> str:
    try:
        measures.code_pattern(value)
    except ValueError:
        return f'"{value}" is neither a reply code (421, 4, 5*) nor an enhanced one (4.7.1, 4.7, 5.1.*)'
    return ""


_TABLE: Final = (
    Field(
        "id", "", "id", (":", "="), "a message, a recipient, or how the id begins", "id:05JQ3K8T,05JQ3K90.2",
        _wrong_id, lambda operator, values, now: ids(values), "id",
    ),
    word("state", "st", "where the recipient stands", ":deferred,held", State, in_states),
    text("domain", "dom", "destination", ":*.example.com", _domain, "lane"),
    text("site", "", "hosts behind the destination, once they are known", ":*.mail.example.com", _site, "lane"),
    text("from", "sender", "envelope sender; `<>` is the empty one", ":*@example.com", column("m.sender", _sender)),
    text("to", "rcpt", "recipient address", ":ana@example.com", column("r.address")),
    text("user", "login", "who logged in to send it", ":shop", column("m.user")),
    text("client", "", "IP address it came from", ":10.0.4.*", column("m.client")),
    text("listener", "", "address of ours it came in at", ":127.0.0.1:2525", column("m.listener")),
    text("subject", "subj", "Subject as it was written", "~invoice", column("m.subject")),
    text("tag", "", "what its sender calls this kind of mail: the header X-Mailtui-Tag", ":invoices", column("m.tag")),
    text("msgid", "mid", "Message-ID, with or without `<>`", ":*@shop.example", _message_id),
    measured("age", "", "since it was taken in", ":2h+", ("duration", times.milliseconds), _age, "id"),
    Field(
        "since", "", "moment", (":",), "taken in at or after a time of day or a date", "since:09:00",
        _wrong_since, _since, "id",
    ),
    measured("next", "due", "until the next attempt", ":10m-", ("duration", times.milliseconds), _next),
    measured("tries", "attempts", "attempts made", ":5+", ("number", measures.number), _tries),
    measured("size", "", "octets of the message", ":1MB+", ("size", measures.size), _size),
    measured("rule", "", "hold rule that held it when it was taken in; 0: none", ":4", ("number", measures.number), _rule),
    measured("action", "", "action of the audit that changed it, with the history", ":12", ("number", measures.number), _action, "id"),
    measured("group", "", "kind of reply, numbered by `queue reasons`; 0: none", ":17", ("number", measures.number), _group, "lane"),
    text("class", "cls", "what the last reply was understood as", ":throttled", column("r.class")),
    Field(
        "code", "enh", "code", (":", "="), "basic or enhanced code of the last reply, or how it begins; 0: there was none",
        "code:421,4.7.1", _wrong_code, _code,
    ),
    text("reply", "text", "text of the last reply", '~"rate limit"', column("r.text")),
    word("stage", "phase", "where in the dialogue the last attempt ended", ":rcpt,data", Stage, _stage),
    text("host", "", "name of the host of the last attempt", ":mx1.*", column("r.host")),
    text("mx", "ip", "IP address of that host", ":192.0.2.27", _mx),
    text("tls", "", "TLS version of the last attempt; `yes`, `no`", ":no", _tls),
    text("route", "", "`mx`, `smarthost`, `discard`, or the whole key", ":smarthost", _route, "lane"),
)  # fmt: skip

#: Every field by its name, in the order of the documentation.
FIELDS: Final[dict[str, Field]] = {field.name: field for field in _TABLE}
#: Every field by every name it has.
NAMES: Final[dict[str, Field]] = FIELDS | {field.alias: field for field in _TABLE if field.alias}
