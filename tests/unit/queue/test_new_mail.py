"""What a hold rule may ask for, and that it finds what a search would find."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import Office

from mailtui.queue.access import FROM
from mailtui.queue.filter import FilterError, compile, parse, show
from mailtui.queue.filter_tree import condition
from mailtui.queue.new_mail import KNOWN, OWN, NoMail, understand


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
        "to=A@ONE.example", "user:shop", "client:127.*", "listener:127.0.0.1:*", "subject~voice", "tag:news", "size:1k+", "size:20-",
        "domain:one.example,two.example size:1k+ or from:<>", "-(domain:one.example from:<>)",
    ],
)  # fmt: skip
def test_a_rule_finds_what_a_search_finds(office: Office, text: str) -> None:
    """The two conditions differ where a search may look through all lanes or messages first."""
    for n, sender in enumerate(("app@example.org", "", "shop@example.org")):
        office.message("a@one.example", "b@two.example", sender=sender, body=b"x" * (10 + 800 * n), subject="Invoice")
    office.db.execute("UPDATE lane SET route = 'smarthost s.example:25 required' WHERE destination = 'two.example'")
    office.db.execute("UPDATE message SET user = 'Shop', tag = 'News' WHERE sender = ''")
    searched, asked = compile(parse(text)), condition(understand(text), 0.0, OWN)
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
