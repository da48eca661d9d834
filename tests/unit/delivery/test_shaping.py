"""Which entries concern a site, and that the shipped ones are sound."""

from __future__ import annotations

import re

import pytest

from mailtui.config import Config, Delivery, Limits, Rate, Shaping
from mailtui.config.settings import SHAPING_CLASSES
from mailtui.delivery import classify
from mailtui.delivery.rulebook import rulebook
from mailtui.delivery.shaping import SITES, Shaper, covers, shipped
from mailtui.model import Reply, Stage

YAHOO = "mta5.am0.yahoodns.net"


def shaper(*entries: Shaping) -> Shaper:
    return Shaper(Config(shaping=entries))


def test_a_name_is_covered_by_itself_by_its_parents_star_and_by_the_star() -> None:
    assert covers("example.com", "example.com") and not covers("example.com", "mx.example.com")
    assert covers("*.example.com", "mx.example.com") and covers("*.example.com", "a.b.example.com")
    assert not covers("*.example.com", "example.com") and not covers("*.example.com", "badexample.com")
    assert covers("*", "anything.at.all")


def test_hosted_domains_have_what_their_hosts_have() -> None:
    found = shaper(Shaping(match="*.google.com", max_connections=3))
    found.meet("google.com+5~abc", ["ASPMX.L.google.com", "alt1.aspmx.l.google.com"], "hosted.example")
    assert found.limits("google.com+5~abc").max_connections == 3


def test_the_order_of_hosts_is_nothing_and_what_changes_is_seen() -> None:
    found = shaper(Shaping(match="big.example", rate=Rate(1, 1)))
    found.meet("mx", ["a.example", "b.example"], "big.example")
    before = found.limits("mx")
    found.meet("mx", ["b.example", "a.example"])
    assert found.limits("mx") is before
    found.meet("mx", ["b.example"])
    assert found.limits("mx") == before, "the destination is still served there"


def test_an_entry_for_a_destination_holds_for_the_site_behind_it_whoever_comes_next() -> None:
    found = shaper(Shaping(match="big.example", rate=Rate(1, 1)))
    found.meet("mx", ["mx.host.example"], "other.example")
    assert found.limits("mx").rate is None
    found.meet("mx", ["mx.host.example"], "big.example")
    found.meet("mx", ["mx.host.example"], "other.example")
    assert found.limits("mx").rate == Rate(1, 1)


def test_a_smarthost_is_matched_by_its_name_alone() -> None:
    found = shaper(Shaping(match="gmail.com", max_connections=1), Shaping(match="smart.example", max_connections=7))
    found.meet("smart.example:587", ["smart.example"])
    assert found.limits("smart.example:587").max_connections == 7


def test_a_site_nobody_met_or_without_hosts_has_what_delivery_says() -> None:
    found = shaper(Shaping(match="*", max_connections=1))
    found.meet("discard", [])
    assert found.limits("unknown") == found.limits("discard") == Limits(20, 50)


def test_other_settings_hold_at_once_for_sites_that_were_met() -> None:
    found = shaper()
    found.meet("mx", [YAHOO], "yahoo.com")
    before = found.limits("mx")
    assert found.limits("mx") is before, "worked out once"
    assert before.per_connection == 20
    found.configure(Config(delivery=Delivery(per_site=2), shaping=(Shaping(match="yahoo.com", per_connection=5),)))
    assert (found.limits("mx").max_connections, found.limits("mx").per_connection) == (2, 20), (
        "its destinations are asked again"
    )
    found.meet("mx", [YAHOO], "yahoo.com")
    assert found.limits("mx").per_connection == 5


def test_memory_does_not_grow_with_the_world() -> None:
    found = shaper()
    for n in range(SITES + 10):
        found.meet(f"mx{n}", [f"mx{n}.example"], f"d{n}.example")
    assert len(found._met) == SITES


# --- the shipped entries


def test_the_shipped_entries_end_with_everybody() -> None:
    assert shipped()[-1].match == "*"
    assert len({entry.match for entry in shipped()}) == len(shipped())


@pytest.mark.parametrize(
    ("host", "text", "rule"),
    [
        ("aspmx.l.google.com", Reply(421, "4.7.28", "Gmail has detected an unusual rate of unsolicited mail"), "gmail-rate"),
        ("hotmail-com.olc.protection.outlook.com", Reply(421, "", "RP-001 (SNT0) some messages weren't sent"), "outlook-rate"),
        ("one-example.mail.protection.outlook.com", Reply(451, "4.7.500", "Server busy. Please try again later"), "microsoft365-busy"),
        ("one-example.p-v1.mx.microsoft", Reply(451, "4.7.651", "The mail server is temporarily rate limited"), "microsoft365-busy"),
        (YAHOO, Reply(421, "4.7.0", "[TSS04] Messages from 192.0.2.1 temporarily deferred"), "yahoo-deferred"),
    ],
)  # fmt: skip
def test_the_rules_of_providers_know_their_replies(host: str, text: Reply, rule: str) -> None:
    found = Shaper(Config())
    found.meet("mx", [host])
    patterns = {one.name: one.pattern for one in found.limits("mx").rules}
    assert re.search(patterns[rule], str(text), re.IGNORECASE)
    assert not re.search(patterns[rule], "450 4.2.1 mailbox busy", re.IGNORECASE)


def test_every_class_a_rule_may_name_is_one_and_is_about_the_site_or_us() -> None:
    assert set(SHAPING_CLASSES) <= set(rulebook().kinds)
    left = set(rulebook().kinds) - set(SHAPING_CLASSES)
    assert left == {
        *(
            "success",
            "no-such-user",
            "mailbox-disabled",
            "mailbox-full",
            "moved",
            "no-such-domain",
            "null-mx",
            "too-large",
        ),
        *("too-many-recipients", "bad-syntax", "loop", "dns", "interrupted", "expired", "suppressed"),
    }


def test_what_gmail_says_is_classified_as_the_general_rule_expects() -> None:
    verdict = classify.classify(Stage.FINAL_DOT, Reply(421, "4.7.28", "unusual rate of unsolicited mail"))
    assert verdict.class_ == "throttled"
