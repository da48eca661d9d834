"""Which filters ask for what is finished."""

from __future__ import annotations

import pytest

from mailtui.console.paging import with_history


@pytest.mark.parametrize(
    "filter", ["action:7", "to:a@b (state:delivered or x)", "st=purged", "state:held,bounced", "state:supp*"]
)
def test_what_is_finished_is_asked_for(filter: str) -> None:
    assert with_history(filter)


@pytest.mark.parametrize("filter", ["", "state:deferred", "transaction:7", "subject~purged"])
def test_the_queue_alone(filter: str) -> None:
    assert not with_history(filter)
