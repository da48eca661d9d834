from __future__ import annotations

from array import array

from tests.unit.queue.office import NOW, Office

from mailtui.model import Reply, State, recipient_row
from mailtui.queue import lanes
from mailtui.queue.preview import OTHER, TOP, forecast, preview
from mailtui.queue.reader import Reader
from mailtui.queue.verbs import Verb
from mailtui.views import Share

DAY = 86400.0


def _all(office: Office) -> array[int]:
    return array("q", (row[0] for row in office.db.execute("SELECT id FROM recipient ORDER BY id")))


async def test_it_counts_recipients_messages_and_octets_and_breaks_them_down(office: Office, reader: Reader) -> None:
    office.message("a@one.example", "b@one.example", "c@two.example", age=7200, body=b"x" * 100)
    office.message("d@two.example", age=60, sender="shop@example.org", body=b"x" * 50)
    office.try_all("one.example", reply=Reply(452, "4.2.2", "full"))
    lanes.enter_site(office.db, office.lanes.id(office.db, "one.example", "mx"), "mx.shared")
    lanes.enter_site(office.db, office.lanes.id(office.db, "two.example", "mx"), "mx.shared")
    seen = await preview(reader, Verb.PURGE, _all(office), NOW, DAY)
    assert (seen.matched, seen.done, seen.skipped, seen.failed, seen.messages, seen.bytes) == (4, 4, 0, 0, 2, 150)
    assert seen.by_site == (Share("mx.shared", 4),)
    assert seen.by_destination == (Share("one.example", 2), Share("two.example", 2))
    assert seen.by_sender == (Share("app@example.org", 3), Share("shop@example.org", 1))
    assert seen.by_state == (Share("deferred", 2), Share("queued", 2))
    assert seen.by_class == (Share("", 2), Share("mailbox-full", 2))
    assert seen.by_age == (Share("5m", 1), Share("4h", 3))
    assert seen.irreversible == (
        "after 24 h in the trash the content goes; until then `mailtui undo` takes the purge back",
    )


async def test_what_is_left_alone_is_counted_apart(office: Office, reader: Reader) -> None:
    message = office.message(*(f"u{n}@one.example" for n in range(4)), age=10)
    for n, state in enumerate((State.SENDING, State.DELIVERED, State.HELD), 1):
        office.db.execute("UPDATE recipient SET state = ? WHERE id = ?", (state.value, recipient_row(message, n)))
    seen = await preview(reader, Verb.HOLD, _all(office), NOW, DAY)
    assert (seen.matched, seen.done, seen.skipped, seen.failed, seen.messages) == (4, 1, 1, 2, 1)
    assert seen.by_state == (Share("queued", 1),) and seen.irreversible == ()
    found = await forecast(reader, Verb.HOLD, _all(office))
    assert (found.done, found.skipped, found.failed) == (1, 1, 2)


async def test_a_long_list_ends_with_the_others(office: Office, reader: Reader) -> None:
    office.message(*(f"a@d{n:02}.example" for n in range(TOP + 5)), "b@d00.example", age=10)
    seen = await preview(reader, Verb.HOLD, _all(office), NOW, DAY)
    assert len(seen.by_destination) == TOP + 1
    assert (seen.by_destination[0], seen.by_destination[-1]) == (Share("d00.example", 2), Share(OTHER, 5))


async def test_dsns_are_counted_by_message_and_by_who_wants_one(office: Office, reader: Reader) -> None:
    office.message("a@one.example", "b@two.example", age=10)
    office.message("c@one.example", age=10, sender="")
    never = office.message("d@one.example", age=10)
    office.db.execute("UPDATE recipient SET notify = 'NEVER' WHERE id = ?", (recipient_row(never, 1),))
    seen = await preview(reader, Verb.BOUNCE, _all(office), NOW, DAY)
    assert (seen.done, seen.messages) == (4, 3)
    assert seen.irreversible == ("1 DSN will be sent after 60 s; until then `mailtui undo` takes the bounce back",)


async def test_of_nothing_there_is_nothing_to_say(reader: Reader) -> None:
    for verb in Verb:
        seen = await preview(reader, verb, array("q"), NOW, DAY)
        assert (seen.matched, seen.done, seen.bytes, seen.by_site, seen.irreversible) == (0, 0, 0, (), ())


async def test_what_was_suppressed_and_has_no_body_is_not_released(office: Office, reader: Reader) -> None:
    for body in (0, 1):
        message = office.message("a@one.example", "b@one.example")
        office.db.execute("UPDATE recipient SET state = 'suppressed' WHERE id >> 20 = ?", (message,))
        office.db.execute("UPDATE message SET body = ? WHERE id = ?", (body, message))
    seen = await preview(reader, Verb.RELEASE, _all(office), NOW, DAY)
    assert (seen.matched, seen.done, seen.failed, seen.messages) == (4, 2, 2, 1)
    assert seen.by_state == (Share("suppressed", 2),)
    found = await forecast(reader, Verb.RELEASE, _all(office))
    assert (found.done, found.failed) == (2, 2)
