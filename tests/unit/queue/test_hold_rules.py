"""Hold rules: what they may say, that they find what a search would find, how they come, end, go and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import NOW, Office

from mailtui.queue import hold_rules
from mailtui.queue.access import FROM
from mailtui.queue.actions import CannotUndo
from mailtui.queue.audit import audit
from mailtui.queue.filter import FilterError, compile, parse, show
from mailtui.queue.filter_tree import condition
from mailtui.queue.hold_rules import KNOWN, HoldRules, NoMail, UnknownRule, rules, understand


@pytest.mark.parametrize(
    "text",
    [
        "from:*@shop.example", "to:a@b.example,c@d.example", "domain:*.example -domain:x.example", "user:shop or client:10.0.*",
        "listener:[::1]:587", "subject~\"50% off\"", "msgid:*@x.example", "size:1MB+", "route:smarthost", "sender:<>",
    ],
)  # fmt: skip
def test_a_rule_asks_for_what_is_known_of_new_mail(text: str) -> None:
    assert show(understand(show(understand(text)))) == show(understand(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("code:421", "code is not known of mail that is just taken in; a rule can ask for from, to, domain, user"),
        ("domain:x.example (class:throttled or tries:5+)", "class is not known"),
        ("not state:held", "state is not known"),
        ("age:2h+", "age is not known"),
        ("rule:4", "rule is not known"),
        ("invoice", '"invoice" is not a field: of new mail a rule can ask for from, to'),
        ("domain:", "needs a value"),
    ],
)
def test_what_is_not_known_then_is_refused(text: str, told: str) -> None:
    with pytest.raises(FilterError, match=told):
        understand(text)
    with pytest.raises(NoMail, match="which mail"):
        understand("  ")


def test_the_error_points_at_the_field() -> None:
    with pytest.raises(FilterError) as caught:
        understand("domain:x.example cls:throttled code:421")
    assert caught.value.text[caught.value.at :].startswith("cls:")
    assert str(caught.value).startswith("class is not known")


@pytest.mark.parametrize(
    "text",
    [
        "domain:one.example", "domain:*.EXAMPLE", "domain~two", "not domain:one.example", "route:mx", "route:smarthost", "route:smart*",
        "route=mx", "route~mart", "msgid:*@example.org", "msgid~9", "msgid:<1@x>", "from:app@example.org", "from:<>", "to:a*",
        "to=A@ONE.example", "user:shop", "client:127.*", "listener:127.0.0.1:*", "subject~voice", "size:1k+", "size:20-",
        "domain:one.example,two.example size:1k+ or from:<>", "-(domain:one.example from:<>)",
    ],
)  # fmt: skip
def test_a_rule_finds_what_a_search_finds(office: Office, text: str) -> None:
    """The two conditions differ where a search may look through all lanes or messages first."""
    for n, sender in enumerate(("app@example.org", "", "shop@example.org")):
        office.message("a@one.example", "b@two.example", sender=sender, body=b"x" * (10 + 800 * n), subject="Invoice")
    office.db.execute("UPDATE lane SET route = 'smarthost s.example:25 required' WHERE destination = 'two.example'")
    office.db.execute("UPDATE message SET user = 'Shop' WHERE sender = ''")
    searched, asked = compile(parse(text)), condition(understand(text), 0.0, hold_rules.OWN)
    found = [
        office.db.execute(f"SELECT r.id{FROM}{where.sql} ORDER BY r.id", where.params).fetchall()
        for where in (searched, asked)
    ]
    assert found[0] == found[1]
    assert "FROM" not in asked.sql.upper()


def test_every_field_a_rule_may_ask_for_is_tried_above() -> None:
    tried = test_a_rule_finds_what_a_search_finds.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {name for name in KNOWN if any(f"{name}{operator}" in text for text in tried for operator in ":=~")} == {
        *KNOWN
    }


def test_no_rules_cost_one_look(office: Office) -> None:
    known = HoldRules()
    asked: list[str] = []
    office.db.set_trace_callback(asked.append)
    assert [known.standing(office.db, NOW) for _ in range(3)] == [(), (), ()]
    office.db.set_trace_callback(None)
    assert len(asked) == 1


def test_a_rule_that_has_ended_is_asked_no_more(office: Office) -> None:
    known = HoldRules()
    with office.db:
        known.add(office.db, understand("domain:x.example"), NOW + 60, "ana", "", NOW)
        known.add(office.db, understand("size:1M+"), None, "ben", "big", NOW)
    assert [rule.id for rule in known.standing(office.db, NOW + 59)] == [1, 2]
    assert [rule.id for rule in known.standing(office.db, NOW + 60)] == [2]
    assert [rule.id for rule in HoldRules().standing(office.db, NOW + 60)] == [2]
    with pytest.raises(UnknownRule, match="no hold rule 1 stands"):
        known.remove(office.db, 1, "ana", "", NOW + 61)


def test_a_rule_nobody_understands_any_more_does_not_stop_the_intake(office: Office) -> None:
    known = HoldRules()
    known.add(office.db, understand("domain:x.example"), None, "ana", "", NOW)
    known.add(office.db, understand("size:1M+"), None, "ana", "", NOW)
    office.db.execute("UPDATE hold_rule SET filter = 'planet:mars' WHERE id = 1")
    assert [rule.id for rule in known.standing(office.db, NOW)] == [2]


def test_old_ones_are_let_go_of_and_their_numbers_are_not_given_again(office: Office) -> None:
    known = HoldRules()
    for ends in (NOW + 10, None, None):
        known.add(office.db, understand("size:1M+"), ends, "ana", "", NOW)
    known.remove(office.db, 3, "ana", "", NOW + 20)
    assert hold_rules.drop_old(office.db, NOW + 20, 10) == 1
    assert hold_rules.drop_old(office.db, NOW + 21, 10) == 1
    assert [row[0] for row in office.db.execute("SELECT id FROM hold_rule")] == [2]
    assert known.add(office.db, understand("size:1M+"), None, "ana", "", NOW) == 4


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Desk]:
    desk = Desk(office.path.parent)
    await desk.start()
    office.close()
    yield desk
    await desk.close()


async def test_adding_and_removing_are_in_the_audit_and_undone(desk: Desk) -> None:
    known = desk.store.hold_rules
    number = await desk.store.run(
        lambda db: known.add(db, understand("dom:X.example"), NOW + 3600, "ana", "ticket 7", NOW)
    )
    (row,) = await rules(desk.reader, NOW)
    assert (row.rule, row.filter, row.reason, row.actor, row.state, row.held, row.action) == (
        number, "domain:X.example", "ticket 7", "ana", "standing", 0, 1,
    )  # fmt: skip
    assert row.ends is not None and row.ends.timestamp() == NOW + 3600

    assert (await desk.operator.undo(1, "ben")).done == 1
    assert await rules(desk.reader, NOW) == ()
    assert [row.state for row in await rules(desk.reader, NOW, everything=True)] == ["removed"]
    with pytest.raises(CannotUndo, match="undone already"):
        await desk.operator.undo(1, "ben")

    await desk.store.run(lambda db: known.add(db, understand("size:1M+"), NOW + 50, "ana", "", NOW))
    await desk.store.run(lambda db: known.remove(db, 2, "ben", "over", NOW + 10))
    assert await rules(desk.reader, NOW + 10) == ()
    desk.now = NOW + 20
    assert (await desk.operator.undo(4, "ana")).done == 1
    assert [row.rule for row in await rules(desk.reader, NOW + 20)] == [2]
    assert await desk.store.run(lambda db: [rule.id for rule in known.standing(db, NOW + 20)]) == [2]

    await desk.store.run(lambda db: known.remove(db, 2, "ben", "", NOW + 30))
    desk.now = NOW + 60
    late = await desk.operator.undo(6, "ana")
    assert (late.done, late.failed) == (0, 1), "its time is over"
    assert (await desk.operator.undo(3, "ana")).skipped == 1, "gone already"
    told = [(row.verb, row.actor, row.filter, row.reason, row.args.get("rule")) for row in await audit(desk.reader)]
    assert told[-2:] == [("undo", "ben", "", "", None), ("holdrule add", "ana", "domain:X.example", "ticket 7", 1)]
    assert ("holdrule remove", "ben", "size:1M+", "over", 2) in told
