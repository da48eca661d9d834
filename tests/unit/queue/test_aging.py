from __future__ import annotations

from tests.unit.queue.office import NOW, Office

from mailtui.queue import aging


def _ages(office: Office) -> list[tuple[int, ...]]:
    return office.db.execute("SELECT lane, quarter, n FROM age WHERE n > 0 ORDER BY 1, 2").fetchall()


def test_what_has_rested_is_counted_step_by_step(office: Office) -> None:
    for age in (7200, 7100, 3600, 61, 30):
        office.message("ana@one.example", "bo@two.example", age=age)
    assert not _ages(office)
    steps = [aging.advance(office.db, NOW, 3) for _ in range(4)]
    assert steps == [True, True, False, False]
    assert sum(n for *_, n in _ages(office)) == 8, "those of half a minute ago have not rested"
    before = _ages(office)
    aging.recount(office.db)
    assert sum(n for *_, n in _ages(office)) == 10
    assert len(_ages(office)) == len(before)


def test_what_leaves_is_counted_no_more(office: Office) -> None:
    office.message("ana@one.example", age=7200)
    aging.advance(office.db, NOW)
    assert [n for *_, n in _ages(office)] == [1]
    office.db.execute("UPDATE recipient SET state = 'sending'")
    assert [n for *_, n in _ages(office)] == [1]
    office.db.execute("UPDATE recipient SET state = 'delivered'")
    assert not _ages(office)
