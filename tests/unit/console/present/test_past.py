"""What is said of the past: numbers that are kept, and plainly what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailtui.console.present import past
from mailtui.console.present.line import Line, cells
from mailtui.findings import MomentRow

END = datetime(2026, 11, 22, 3, 10, tzinfo=UTC)


def minute(ago: int, **facts: int) -> MomentRow:
    known = dict.fromkeys(("queued", "sending", "deferred", "held", "accepted", "delivered", "deferrals", "bounced"), 0)
    return MomentRow(at=END - timedelta(minutes=ago), **(known | facts))


def text(lines: list[Line]) -> str:
    return "\n".join("".join(part.text for part in whole) for whole in lines)


def test_a_sample_speaks_of_a_moment_near_it_only() -> None:
    assert past.moment([minute(5), minute(1, queued=7)], END) == minute(1, queued=7)
    assert past.moment([minute(5)], END) is None
    assert past.moment([minute(59, minutes=60)], END) is not None
    assert past.moment([], END) is None


@pytest.mark.parametrize("kind", ["queue", "live", "suppress"])
@pytest.mark.parametrize(("room", "height"), [(80, 18), (120, 34)])
def test_a_place_that_is_not_kept_says_so_in_its_room(kind: str, room: int, height: int) -> None:
    lines = past.unkept(kind, "03:10", minute(1, deferred=1204, held=3), room, height)
    assert len(lines) == height and {cells(whole) for whole in lines} == {room}
    assert f"{kind.capitalize()} AT 03:10: not kept" in text(lines) and ". is now" in text(lines)
    assert ("1,207 recipients waited" in text(lines)) == (kind == "queue")
    if kind == "queue":
        assert "no sample of that moment" in text(past.unkept(kind, "03:10", None, room, height))


def test_the_numbers_of_a_moment() -> None:
    said = text(past.counts(minute(1, queued=2, deferred=1204), "▁█", "1h", 60, 6))
    assert "Queue 1,206" in said and "1,204" in said and "oldest and due are not kept" in said and "▁█" in said
    assert "Queue: not known" in text(past.counts(None, "", "1h", 60, 6))
    said = text(past.health([minute(2, accepted=5, refused_5xx=1), minute(1, peak=9)], None, 3600, 60, 7))
    assert "ran 2 of 60 min" in said and "5 taken, 1 refused" in said and "9 waited" in said
