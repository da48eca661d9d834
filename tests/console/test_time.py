"""Time: ranges, the past from the samples, a frozen picture, orders; on a relay that has a past."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from tests.kit.processes import free_port
from tests.kit.relay import Relay

from mailtui.queue.database import FILE, open_writer

from .conftest import Opened, Screen, put, settled

#: Minutes ago in which many.test failed and five hundred recipients waited.
TROUBLE = range(121, 181)


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    """Thirty hours of samples, in which one destination had an hour of trouble; nothing waits now."""
    settings = {"route": [{"to": f"127.0.0.1:{free_port()}"}], "intake": {"min_free_disk": "1MB"}}
    relay = Relay(settings)
    relay.data.mkdir(mode=0o700)
    remember(relay)
    with relay:
        yield relay


def remember(relay: Relay) -> None:
    db = open_writer(relay.data / FILE)
    now = int(time.time() // 60)
    minutes = [(now - ago, ago in TROUBLE) for ago in range(1, 1800)]
    db.execute("BEGIN")
    db.execute("INSERT INTO site (id, name) VALUES (1, 'mx.many.test')")
    db.execute(
        "INSERT INTO lane (id, destination, route, site) VALUES (1, 'many.test', 'mx', 1), (2, 'calm.test', 'mx', NULL)"
    )
    db.execute(
        "INSERT INTO fingerprint (id, text, class, sentence, sample, first_seen, last_seen)"
        " VALUES (1, '451 4.7.1 slow down', 'throttled', 'They want it slower.', '451 4.7.1 slow down', ?, ?)",
        (now * 60.0, now * 60.0),
    )
    db.executemany(
        "INSERT INTO moment (minute, queued, sending, deferred, held, accepted, delivered, deferrals, bounced)"
        " VALUES (?, 0, 0, ?, 0, 6, 6, ?, 0)",
        [(minute, 500 if bad else 3, 20 if bad else 0) for minute, bad in minutes],
    )
    db.executemany(
        "INSERT INTO sample (minute, lane, delivered, deferred, bounced) VALUES (?, ?, ?, ?, 0)",
        [row for minute, bad in minutes for row in ((minute, 1, 5, 20 if bad else 0), (minute, 2, 1, 0))],
    )
    db.executemany(
        "INSERT INTO failure (minute, lane, fingerprint, deferred) VALUES (?, 1, 1, 20)",
        [(minute,) for minute, bad in minutes if bad],
    )
    db.execute("COMMIT")
    db.close()


async def go_back(screen: Screen, relay: Relay) -> str:
    """To the end of the trouble; how the title calls it."""
    (failed,) = relay.get("failures?since=6h&destination=many.test")
    at = datetime.fromisoformat(failed["last_seen"]).astimezone().replace(tzinfo=None) + timedelta(minutes=1)
    await screen.press("colon", *"range 1h ", *f"{at:%H:%M}", "enter")
    name = f"AT {at:%H:%M}" if at.date() == datetime.now().date() else f"AT {at:%b %d %H:%M}"
    await screen.sees(name)
    return name


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
async def test_the_overview_of_a_past_moment(console: Opened, relay: Relay, columns: int, rows: int) -> None:
    async with console(columns, rows) as screen:
        await screen.sees("LIVE")
        await go_back(screen, relay)
        await screen.sees("Queue 500")
        await screen.sees("oldest and due are not kept")
        await screen.sees("Tried, ")
        tried = next(line for line in screen.text.splitlines() if "many.test" in line)
        assert "partly" in tried and "throttled" in tried and "?" in tried and "1,200" in tried.replace("1.2k", "1,200")
        await screen.sees("NEW")
        assert "LIVE" not in screen.text and "Waiting by age" not in screen.text
        await screen.press("enter")
        await screen.sees("overview > many.test")
        await screen.sees("nor are limits and suspensions")
        await screen.sees("451 4.7.1 slow down")
        await screen.sees("whose mail it was is not kept")
        await screen.press("escape", "full_stop")
        await screen.sees("LIVE")
        await screen.sees("Waiting by age")
        await screen.sees("Queue 0")


async def test_steps_lead_back_and_past_now_to_the_present(console: Opened) -> None:
    async with console() as screen:
        await screen.sees("LIVE")
        await screen.press("greater_than_sign")
        await screen.sees("this is now")
        await screen.press("less_than_sign")
        await screen.sees("AT ")
        first = screen.app.link.when.at
        await screen.press("less_than_sign")
        assert first and screen.app.link.when.at == first - 900
        await screen.press("greater_than_sign", "greater_than_sign")
        await screen.sees("LIVE")
        assert screen.app.link.when.at is None


async def test_the_other_views_of_the_past_and_what_is_not_kept(console: Opened, relay: Relay) -> None:
    async with console(120, 40) as screen:
        await screen.sees("LIVE")
        name = await go_back(screen, relay)
        await screen.press("3")
        await screen.sees("row 1 of 2")
        await screen.sees("most tried first")
        assert next(line for line in screen.text.splitlines() if "many.test" in line).startswith("> many.test")
        await screen.press("H")
        await screen.sees(f"hold: the past cannot be changed ({name})")
        await screen.press("4")
        await screen.sees("1 NEW")
        await screen.sees("1,200 in 60 min")
        await screen.sees("no outage kept")
        await screen.press("2")
        await screen.sees(f"Queue {name}: not kept")
        await screen.sees("500 recipients waited")
        await screen.press("slash")
        await screen.sees(f"filter: {name} this is not kept")
        await screen.press("5")
        await screen.sees(f"Live {name}: not kept")
        await screen.press("6")
        await screen.sees(f"Suppress {name}: not kept")
        await screen.press("7")
        await screen.sees("nobody has changed anything yet")
        await screen.press("full_stop", "2")
        await screen.until(lambda: "not kept" not in screen.text, "the queue of now")


async def test_before_all_samples_it_says_so(console: Opened) -> None:
    async with console() as screen:
        await screen.sees("LIVE")
        long_ago = datetime.fromtimestamp(time.time() - 20 * 86400)
        await screen.press("colon", *"range ", *f"{long_ago:%Y-%m-%d %H:%M}", "enter")
        await screen.sees("Queue: not known")
        await screen.sees("no longer kept")
        await screen.press("4")
        await screen.sees("what failed is kept by minute for 48 hours")


async def test_a_range_is_shared_by_the_views(console: Opened) -> None:
    async with console(120, 40) as screen:
        await screen.sees("depth 1h")
        await screen.sees("last 15m")
        await screen.press("t")
        await screen.sees("Time range")
        await screen.press("3")
        await screen.sees("depth 6h")
        await screen.sees("What changed, last 6h")
        await screen.press("3")
        await screen.sees("ok/6h")
        await screen.sees("tries of last 6h")
        await screen.sees("1,200")
        await screen.press("enter")
        await screen.sees("Last 6h")
        await screen.sees("tries/6h")
        await screen.press("4")
        await screen.sees("last 6h against 24 h before")
        await screen.press("t", "c")
        await screen.press(*"soon", "enter")
        await screen.sees("is written like 90m")
        await screen.press("escape")


async def test_a_frozen_picture_counts_what_came_and_can_be_walked_through(console: Opened, relay: Relay) -> None:
    before = put(relay, "ina@frozen.test")
    relay.post("purge", ids=[before])
    async with console() as screen:
        await screen.sees("Queue 0")
        await screen.press("z")
        await screen.sees("(+0)")
        came = put(relay, "ana@frozen.test", "bob@frozen.test")
        await screen.sees("(+2)")
        assert "Queue 0" in screen.text
        await screen.press("2")
        await screen.sees("after the freeze")  # the picture had no list: it is of now, and says so
        await screen.sees(f"{came}.1")
        relay.post("purge", ids=[came])
        await screen.press("slash", *"to:bob", "enter")
        await screen.until(lambda: f"{came}.1" not in screen.text, "the filter to hold")
        await screen.press("5")
        await screen.sees(before)
        assert came not in screen.text  # an event of after the freeze
        await screen.press("1")
        await screen.sees("Queue 0")
        await screen.press("less_than_sign")
        await screen.sees("AT ")
        await screen.sees("oldest and due are not kept")
        assert "FROZEN" in screen.text
        await screen.press("full_stop", "z")
        await screen.sees("LIVE")
        await screen.press("5")
        await screen.sees(came)


async def test_a_group_that_has_all_bounced_shows_its_finished_mail(console: Opened, relay: Relay) -> None:
    gone = put(relay, "eve@gone.test")
    relay.post("retry", ids=[gone])
    settled(relay, f"id:{gone}", "deferred")
    relay.post("bounce", ids=[gone])
    settled(relay, f"id:{gone}", "bounced")
    async with console() as screen:
        await screen.press("4")
        await screen.sees("Connection refused")
        await screen.press("enter")
        await screen.sees(f"{gone}.1")
        assert screen.app.trail.here.subject.endswith(" state:*")


async def test_orders_of_destinations_and_of_the_queue(console: Opened, relay: Relay) -> None:
    first, second = put(relay, "a@b.test"), put(relay, "z@a.test")
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{second}.1")
        await screen.sees("oldest first")
        await screen.press("o")
        await screen.sees("newest first")
        await screen.until(
            lambda: screen.text.index(f"{second}.1") < screen.text.index(f"{first}.1"), "the newest first"
        )
        third = put(relay, "c@c.test")
        await screen.sees(f"{third}.1")
        assert screen.text.index(f"{third}.1") < screen.text.index(f"{second}.1")
        await screen.press("3")
        await screen.sees("most waiting first")
        await screen.press("O")
        await screen.sees("fewest waiting first")
        for _ in range(7):
            await screen.press("o")
        await screen.sees("by name")
        names = [line.split()[0] for line in screen.text.replace("> ", "  ").splitlines() if ".test " in line][1:]
        assert names == sorted(names) and len(names) > 3
    relay.post("purge", ids=[first, second, third])
