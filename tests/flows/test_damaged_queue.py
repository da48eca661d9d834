"""The queue file holds something that must not leave as it is: half a message, or one that has ended two processes already."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import attempts, ledger, letter, net, received, recipient, rows, running, settings, submit, until

from mailtui.relay import Relay

WAITING = {"schedule": (0.5,)}


async def test_half_a_message_is_held_and_the_others_flow(tmp_path: Path) -> None:
    long = letter("long", (b"z" * 898 + b"\r\n") * 900)
    async with net("good.test") as around:
        await around["good.test"].down()
        relay = Relay(settings(tmp_path, around, retry=WAITING))
        async with running(relay):
            await submit(relay, "long@good.test", content=long)
            await submit(relay, "gone@good.test")
            await submit(relay, "fine@good.test")
        await around["good.test"].up()

        damaged = Relay(settings(tmp_path, around), paused=True)
        await damaged.start()
        await damaged.store.run(
            lambda db: (
                db.execute(
                    "DELETE FROM content WHERE id IN (SELECT max(c.id) FROM content c JOIN message m ON m.id = c.id >> 12"
                    " WHERE subject IN ('long', 'gone') GROUP BY m.id)"
                ).rowcount
            )
        )
        await damaged.close()

        again = Relay(settings(tmp_path, around, retry=WAITING))
        async with running(again):
            await until(lambda: ledger(again) == {"held": 2, "delivered": 1}, "the damaged ones to be held")
            assert received(around["good.test"]) == {"fine": 1}
            assert "damaged" in recipient(again, "long@good.test")["text"]


async def test_a_message_that_ended_two_processes_is_tried_alone(tmp_path: Path) -> None:
    async with net("good.test") as around:
        await around["good.test"].down()
        relay = Relay(settings(tmp_path, around, retry=WAITING))
        async with running(relay):
            for n in range(6):
                await submit(relay, f"m{n}@good.test")
        await around["good.test"].up()
        suspect = Relay(settings(tmp_path, around), paused=True)
        await suspect.start()
        await suspect.store.run(
            lambda db: db.execute("UPDATE message SET interruptions = 2 WHERE subject = 'm3'").rowcount
        )
        await suspect.close()

        again = Relay(settings(tmp_path, around, retry=WAITING))
        async with running(again):
            await until(lambda: ledger(again) == {"delivered": 6}, "all of them")
            alone = attempts(again, "m3@good.test")[-1]
            beside = rows(
                again,
                "SELECT recipient FROM attempt WHERE class = 'success' AND recipient <> ? AND started < ? AND ended > ?",
                alone["recipient"],
                alone["ended"],
                alone["started"],
            )
            assert not beside
            assert rows(again, "SELECT max(interruptions) n FROM message")[0]["n"] == 0
            assert received(around["good.test"]) == {f"m{n}": 1 for n in range(6)}
