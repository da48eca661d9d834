"""The filters for groups of failures: understood by the language they are written in, and never everything by accident."""

from __future__ import annotations

import pytest

from mailtui.console.present import groups
from mailtui.findings import IncidentRow
from mailtui.queue.filter import parse


def incident(change: str, site: str, class_: str, fingerprint: str = "", sample: str = "") -> IncidentRow:
    return IncidentRow(change, site, class_, 1, 0.0, 0, 1, fingerprint, "", sample, None, None)


@pytest.mark.parametrize(
    ("fingerprint", "sample", "filter"),
    [
        (
            "451 4.7.1 <{address}>: Greylisted, try again in # seconds",
            "451 4.7.1 <a@grey.test>: Greylisted, try again in 21 seconds",
            'class:x code:4.7.1 reply~">: Greylisted, try again in"',
        ),
        ("421 {host} closing", "421 mx.test closing", "class:x code:421 reply~closing"),
        ("5.1.2 {host}: # ok", "5.1.2 a.test: 1 ok", "class:x code:5.1.2"),
        (
            '550 5.7.1 say "please" first',
            '550 5.7.1 say "please" first',
            'class:x code:5.7.1 reply~"say ""please"" first"',
        ),
        ("550 never \x1b[31m seen", "550 never \x1b[31m seen", "class:x code:550"),
        ("450 folded text", "450 folded\ntext", "class:x code:450"),
        ("", "", "class:x"),
    ],
)
def test_a_kind_of_reply_is_found_by_what_does_not_vary_in_it(fingerprint: str, sample: str, filter: str) -> None:
    assert groups.kind("x", fingerprint, sample) == filter
    parse(filter)


@pytest.mark.parametrize("value", ["a.test", "*@a.test", 'b"c', "two words", "(x)", "a,b", "or", "not", "<>", "-x"])
def test_a_word_means_its_value_and_nothing_else(value: str) -> None:
    parse(groups.word("from", value))
    assert groups.word("from", value).startswith("from=" if "*" in value else "from:")


def test_an_incident_is_found_by_its_site_or_by_the_destination_in_its_place() -> None:
    filter = groups.incident(incident("NEW", "mx.a.test", "greylisted", "451 4.7.1 later on", "451 4.7.1 later on"))
    assert filter == '(site:mx.a.test or domain:mx.a.test) class:greylisted code:4.7.1 reply~"later on"'
    parse(filter)


@pytest.mark.parametrize(
    ("class_", "filter"),
    [
        ("outage", "class:connection,timeout,dns"),
        ("connection", "class:connection,timeout"),
        ("rdns", "class:rdns"),
        ("", ""),
    ],
)
def test_trouble_of_ours_is_found_by_the_classes_it_shows_in(class_: str, filter: str) -> None:
    assert groups.incident(incident("OURS", "", class_)) == filter
