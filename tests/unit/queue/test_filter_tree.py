"""What filters find in a real queue file, against a plain evaluator that looks at one recipient after the other."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.queue.office import NOW, Office, id_of

from mailtui.model import ID_EPOCH, RECIPIENT_BITS, Disposition, Reply, State
from mailtui.queue.access import FROM
from mailtui.queue.fields import FIELDS
from mailtui.queue.filter import And, Filter, Node, Not, Or, Term, compile, parse, show
from mailtui.queue.filter_tree import joined


class Facts(msgspec.Struct, frozen=True):
    """One recipient as the tables tell it; the last three are None where nothing was tried."""

    row: int
    state: str
    domain: str
    site: str
    route: str
    sender: str
    address: str
    user: str
    client: str
    listener: str
    rule: int
    group: int
    action: int | None
    subject: str
    tag: str
    message_id: str
    due: float
    tries: int
    size: int
    class_: str
    code: int
    enhanced: str
    reply: str
    host: str
    stage: str | None
    mx: str | None
    tls: str | None


_FACTS = """SELECT r.id, r.state, l.destination, ifnull(s.name, ''), l.route, m.sender, r.address, m.user, m.client, m.listener,
 r.hold_rule, r.fingerprint, i.action, m.subject, m.tag,
 m.message_id, max(r.next_attempt, l.not_before), r.attempts, m.size, r.class, r.code, r.enhanced, r.text, r.host, a.stage, a.address, a.tls
 FROM recipient r JOIN message m ON m.id = r.message JOIN lane l ON l.id = r.lane LEFT JOIN site s ON s.id = l.site
 LEFT JOIN attempt a ON a.recipient = r.id AND a.n = r.attempts
 LEFT JOIN action_item i ON i.recipient = r.id ORDER BY r.id"""

_SQL: Final = [
    "UPDATE message SET user = 'Shop', client = '10.0.4.7', listener = '[::1]:587' WHERE id / 1000 % 2",
    "INSERT INTO action_item (action, recipient, state, next_attempt, expires_at, changed_at, attempts, before)"
    " SELECT 1 + (id >> 20) % 2, id, 'queued', 0, 0, 0, 0, 0 FROM recipient WHERE id % 2 = 0",
    "UPDATE recipient SET hold_rule = 2 WHERE id % 3 = 0",
    "UPDATE message SET subject = 'Invoice \"7\", 50%_off' WHERE id / 1000 % 3 = 0",
    "UPDATE message SET tag = 'Invoices, late' WHERE id / 1000 % 4 = 0",
    "UPDATE message SET message_id = '' WHERE id / 1000 % 5 = 0",
    "INSERT INTO site (name) VALUES ('mx.Hosting.example')",
    "UPDATE lane SET site = 1 WHERE destination IN ('one.example', 'sub.one.example')",
    "UPDATE lane SET route = 'smarthost relay.example:587 starttls shop' WHERE destination = 'two.example'",
    f"UPDATE lane SET not_before = {NOW + 900} WHERE destination = 'sub.one.example'",
    "UPDATE attempt SET tls = '', stage = 'connect', address = '2001:db8::1' WHERE (recipient + n) % 3 = 0",
    "UPDATE recipient SET state = 'held' WHERE state = 'queued' AND id % 7 = 1",
]


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sqlite3.Connection, list[Facts]]]:
    folder: Path = tmp_path_factory.mktemp("queue")
    office = Office(folder)
    senders = ["news@List.example", "", "shop@example.org"]
    for i in range(24):
        to = [f"{'aAbB'[i % 4]}{i}@{('one', 'two', 'sub.one')[i % 3]}.example", f'"b (x)"{i}%_@three.example']
        office.message(*to[: 1 + i % 2], sender=senders[i % 3], age=3 ** (i % 12) + i, body=b"x" * 4 ** (i % 8))
    office.try_all("one.example")
    office.try_all("one.example", Disposition.DEFERRED, Reply(452, "4.2.2", "Mailbox (full)\n50% over"), NOW + 400)
    office.try_all("two.example", Disposition.BOUNCED)
    for statement in _SQL:
        office.db.execute(statement)
    yield office.db, [Facts(*row) for row in office.db.execute(_FACTS)]
    office.close()


# ---------------------------------------------------------------------- the evaluator


def _holds(node: Node, facts: Facts) -> bool:
    match node:
        case Not(part=part):
            return not _holds(part, facts)
        case And(parts=parts):
            return all(_holds(part, facts) for part in parts)
        case Or(parts=parts):
            return any(_holds(part, facts) for part in parts)
        case Term(field=field, operator=operator, values=values):
            return any(_fits(field, operator, value, facts) for value in values)


def _fits(field: str, operator: str, value: str, facts: Facts) -> bool:
    if field == "":
        texts = (facts.address, facts.sender, facts.reply)
        return any(_glob(f"*{value}*", text) for text in texts) or _is_id(value, facts)
    if field == "id":
        return _is_id(value, facts)
    if field in ("age", "next", "tries", "size", "rule", "group", "action"):
        return _measures(field, operator, value, facts)
    if field == "since":
        return _taken(facts) >= _moment(value)
    if field == "code":
        return _codes(operator, value, facts)
    if field == "route":
        return any(_text(operator, value, text) for text in (facts.route, facts.route.split(" ")[0]))
    if field == "tls" and operator != "~" and value.lower() in ("yes", "no"):
        return facts.tls is not None and bool(facts.tls) is (value.lower() == "yes")
    text = {
        "state": facts.state, "domain": facts.domain, "site": facts.site, "from": facts.sender, "to": facts.address,
        "user": facts.user, "client": facts.client, "listener": facts.listener,
        "subject": facts.subject, "tag": facts.tag, "msgid": facts.message_id.strip("<>"),
        "class": facts.class_, "reply": facts.reply, "stage": facts.stage, "host": facts.host, "mx": facts.mx, "tls": facts.tls,
    }[field]  # fmt: skip
    if field == "from" and value == "<>":
        value = ""
    if field == "msgid":
        value = value.strip("<>")
    return text is not None and _text(operator, value, text)


def _text(operator: str, value: str, text: str) -> bool:
    if operator == "~":
        return _lower(value) in _lower(text)
    return _glob(value, text) if operator == ":" else _lower(value) == _lower(text)


def _glob(pattern: str, text: str) -> bool:
    said = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in _lower(pattern))
    return re.fullmatch(said, _lower(text), re.DOTALL) is not None


def _lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def _is_id(value: str, facts: Facts) -> bool:
    message, n = id_of(facts.row >> RECIPIENT_BITS), facts.row & (1 << RECIPIENT_BITS) - 1
    if value.endswith("*"):
        return bool(value[:-1].isalnum() or value == "*") and message.startswith(value[:-1].upper())
    return value.upper() in (message, f"{message}.{n}")


def _measures(field: str, operator: str, value: str, facts: Facts) -> bool:
    if operator == ":" and value[-1] in "+-":
        operator, value = {"+": ">=", "-": "<="}[value[-1]], value[:-1]
    if field == "action" and facts.action is None:
        return False
    if field == "next" and facts.state not in ("queued", "deferred"):
        return False
    wanted = (
        int(value)
        if field in ("tries", "rule", "group", "action")
        else _octets(value)
        if field == "size"
        else _seconds(value)
    )
    has: float = {
        "age": NOW - _taken(facts), "next": facts.due - NOW, "tries": facts.tries, "size": facts.size, "rule": facts.rule,
        "group": facts.group, "action": facts.action or 0,
    }[field]  # fmt: skip
    if field == "age":
        has = round(has, 3)
    compared: dict[str, bool] = {">=": has >= wanted, "<=": has <= wanted, ">": has > wanted, "<": has < wanted}
    return compared.get(operator, has == wanted)


def _taken(facts: Facts) -> float:
    return ID_EPOCH + (facts.row >> RECIPIENT_BITS) / 1000


def _seconds(value: str) -> int:
    return sum(int(n) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] for n, unit in re.findall(r"(\d+)(\D)", value))


def _octets(value: str) -> int:
    return {"1k": 1024, "1KB": 1000, "0.25kib": 256, "16": 16, "1M": 1048576, "1GB": 10**9}[value]


def _moment(value: str) -> float:
    if ":" in value and "-" not in value:
        hour, minute = map(int, value.split(":"))
        moment = datetime.fromtimestamp(NOW).replace(hour=hour, minute=minute, second=0, microsecond=0)
        return (moment if moment.timestamp() <= NOW else moment - timedelta(days=1)).timestamp()
    return datetime.fromisoformat(value).timestamp()


def _codes(operator: str, value: str, facts: Facts) -> bool:
    if "." in value:
        if operator == "=":
            return facts.enhanced == value
        return _glob(value, facts.enhanced) or (value.count(".") == 1 and facts.enhanced.startswith(f"{value}."))
    if operator == "=" or value == "0":
        return str(facts.code) == value
    return _glob(value, str(facts.code)) or ("*" not in value and _glob(value.ljust(3, "?"), str(facts.code)))


# ---------------------------------------------------------------------- random filters

_MESSAGE: Final = int((NOW - 2194 - ID_EPOCH) * 1000)  # that of i = 7, with two recipients
_KNOWN: Final = id_of(_MESSAGE)
_IDS: Final = [
    "0*",
    "1*",
    "*",
    "zzzzzzzz",
    "00000001.1",
    _KNOWN,
    f"{_KNOWN.lower()}.1",
    f"{_KNOWN}.2",
    f"{_KNOWN[:5]}*",
]
_TEXTS: Final = [
    "*", "?*", "", "a0@ONE.example", "b1@two.example", "*@one.example", "*.example", "one.example", "NEWS@list.example", "<>",
    '"b (x)"*', "50%_*", "%", "_", "shop", "10.0.4.?", 'Invoice "7", 50%_off', "*off", "x", "mx.hosting.example", "mx", "smarthost",
    "smarthost*", "throttled", "mailbox-*", "mx.example", "192.0.2.1", "2001:db8::1", "tlsv1.3", "yes", "NO", "slow down", "*down",
    "[::1]:587", "*19*@example.org", "<*19*@example.org>", f"{_MESSAGE}@EXAMPLE.org", f"<{_MESSAGE}@example.org>",
    "Mailbox (full)\ufffd50% over", "?ailbox*", "\\", "ü", "o", "a,b", "or", "-x",
]  # fmt: skip
_VALUES: Final[dict[str, list[str]]] = {
    "state": [*State, "de*", "?eld", "SENDING"],
    "stage": ["rcpt", "CONNECT", "*", "final-dot", "?????"],
    "since": ["00:00", "09:00", "23:59", "2026-09-21", "2026-09-20T10:30", "1970-01-02", "2999-01-01"],
    "code": ["4", "45", "451", "0", "5*", "4?2", "550", "4.7.1", "4.7", "4.*", "5.1.1", "?.2.?"],
    "age": ["0s", "1s", "84s", "3m", "2h", "1d", "1h30m", "99999d"],
    "next": ["0s", "1s", "300s", "5m", "700s", "15m", "99999d"],
    "rule": ["0", "1", "2"],
    "group": ["0", "1", "2", "3"],
    "action": ["0", "1", "2", "3"],
    "tries": ["0", "1", "2", "999999999999999"],
    "tag": ["invoices*", "Invoices, late", "*late", "x"],
    "size": ["16", "1k", "1KB", "0.25kib", "1M", "1GB"],
}  # fmt: skip


def _term(name: str) -> st.SearchStrategy[Node]:
    field = FIELDS[name]
    if name in ("age", "next", "tries", "size", "rule", "group", "action"):
        bare = st.sampled_from(_VALUES[name])
        signed = st.builds("{}{}".format, bare, st.sampled_from("+-"))
        plain = st.tuples(st.just(":"), bare | signed if name in ("tries", "rule", "group", "action") else signed)
        pair = plain | st.tuples(st.sampled_from((">", "<")), bare)
    else:
        values = st.sampled_from(_IDS if name == "id" else _VALUES.get(name, _TEXTS))
        pair = st.tuples(st.sampled_from(field.operators), values)
    return st.builds(
        lambda pair, more: Term(name, pair[0], (pair[1], *more)), pair, st.just(())
    ).filter(_sound) | st.lists(pair, min_size=2, max_size=3).map(
        lambda pairs: Term(name, pairs[0][0], tuple(value for operator, value in pairs if operator == pairs[0][0]))
    ).filter(_sound)  # fmt: skip


def _sound(term: Term) -> bool:
    return not any(FIELDS[term.field].check(term.operator, value) for value in term.values)


_BARE = st.sampled_from([text for text in _TEXTS if text] + _IDS).map(lambda text: Term("", ":", (text,)))
_LEAVES: st.SearchStrategy[Node] = st.sampled_from([*FIELDS]).flatmap(_term) | _BARE
_TREES: st.SearchStrategy[Node] = st.recursive(
    _LEAVES,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.lists(parts, min_size=2, max_size=4).map(lambda found: joined(And, found)),
        st.lists(parts, min_size=2, max_size=4).map(lambda found: joined(Or, found)),
    ),
    max_leaves=10,
)


@settings(max_examples=700, deadline=None)
@given(tree=_TREES)
@example(And(()))
@example(Term("msgid", "=", (f"{_MESSAGE}@EXAMPLE.org",)))
@example(Term("id", ":", (_KNOWN, "00000001.1")))
@example(Not(Not(Term("from", "=", ("",)))))
def test_a_filter_is_read_back_as_written_and_finds_what_the_tables_tell(
    queue: tuple[sqlite3.Connection, list[Facts]], tree: Node
) -> None:
    db, everyone = queue
    found = parse(show(tree), now=NOW)
    assert found.root == tree
    where = compile(found)
    rows = [row for (row,) in db.execute(f"SELECT r.id{FROM}{where.sql} ORDER BY r.id", where.params)]
    assert rows == [facts.row for facts in everyone if _holds(tree, facts)]


@pytest.mark.parametrize("name", [*FIELDS])
def test_each_field_finds_some_and_not_all(queue: tuple[sqlite3.Connection, list[Facts]], name: str) -> None:
    """That the evaluator agrees would prove little if both found nothing."""
    _, everyone = queue
    signs = ("+", "-") if name in ("age", "next", "size") else ("",)
    pool = _IDS if name == "id" else _VALUES.get(name, _TEXTS)
    terms = [Term(name, ":", (value + sign,)) for value in pool for sign in signs]
    counts = {sum(_holds(term, facts) for facts in everyone) for term in terms if _sound(term)}
    assert any(0 < count < len(everyone) for count in counts)


@settings(max_examples=300, deadline=None)
@given(tree=_TREES)
@example(parse("domain:*.example state:deferred -to:x").root)
@example(parse("state:queued,deferred route:mx").root)
@example(parse("state:queued group:1,2").root)
@example(parse("id:05JQ3K8T,05JQ3K90.2,05JQ3K91 -to:x").root)
def test_no_recipient_is_looked_at_in_vain_unless_the_filter_says_so(
    queue: tuple[sqlite3.Connection, list[Facts]], tree: Node
) -> None:
    db, _ = queue
    filter = Filter(tree, now=NOW)
    if filter.scans or filter.everything:
        return
    where = compile(filter)
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN SELECT r.id{FROM}{where.sql}", where.params)]
    assert not [step for step in plan if re.match(r"SCAN [rm]\b", step)]
