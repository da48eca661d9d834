"""The two orders of the queue's list: the same pages, asked for from either end; and which filters ask for what is finished."""

from __future__ import annotations

import pytest

from mailtui.console.paging import Order, ends, with_history
from mailtui.control.api import QueueList
from mailtui.views import QueuePage, QueueRow


def row(id: str) -> QueueRow:
    return QueueRow(id, "", "", "", "", "queued", "", "", 0, None, 0, 0, 0, "", "", "")


@pytest.mark.parametrize(
    ("where", "oldest", "newest"),
    [
        ("first", QueueList("x", limit=5), QueueList("x", limit=5, before="end")),
        ("last", QueueList("x", limit=5, before="end"), QueueList("x", limit=5)),
        ("behind", QueueList("x", limit=5, after="A.1"), QueueList("x", limit=5, before="A.1")),
        ("front", QueueList("x", limit=5, before="A.1"), QueueList("x", limit=5, after="A.1")),
    ],
)
def test_what_is_asked(where: str, oldest: QueueList, newest: QueueList) -> None:
    assert Order().ask("x", 5, where, "A.1") == oldest  # type: ignore[arg-type]
    assert Order(newest=True).ask("x", 5, where, "A.1") == newest  # type: ignore[arg-type]


def test_rows_and_ids_are_turned_round() -> None:
    names = ["1QHQZRES.1", "1QHQZRES.2", "1QHQZRET.1", "1QJ00000.1"]
    page = QueuePage(tuple(map(row, names)))
    for order, wanted in ((Order(), names), (Order(newest=True), names[::-1])):
        shown = [one.id for one in order.rows(page)]
        assert shown == wanted == sorted(shown, key=order.key)


def test_where_the_list_ends() -> None:
    page = QueuePage((row("1QHQZRES.1"),), None)
    more = QueuePage((row("1QHQZRES.1"),), "1QHQZRES.1")
    assert ends(QueueList(limit=1), page) and not ends(QueueList(limit=1), more)
    assert ends(QueueList(limit=2, before="end"), page) and not ends(QueueList(limit=1, before="end"), page)


@pytest.mark.parametrize(
    "filter", ["action:7", "to:a@b (state:delivered or x)", "st=purged", "state:held,bounced", "state:supp*"]
)
def test_what_is_finished_is_asked_for(filter: str) -> None:
    assert with_history(filter)


@pytest.mark.parametrize("filter", ["", "state:deferred", "transaction:7", "subject~purged"])
def test_the_queue_alone(filter: str) -> None:
    assert not with_history(filter)
