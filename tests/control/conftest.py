"""A real relay in a process of its own, with mail that cannot leave: its only route leads to a port where nobody listens."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest
from tests.kit.processes import free_port, wait_until
from tests.kit.relay import Relay


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    settings = {"route": [{"to": f"127.0.0.1:{free_port()}"}], "intake": {"min_free_disk": "1MB"}}
    with Relay(settings) as running:
        yield running


def put(
    relay: Relay, *recipients: str, sender: str = "app@example.org", body: str = "Subject: hello\r\n\r\nbody\r\n"
) -> str:
    """Hand one message in; its queue id."""
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=10) as client:
        client.ehlo()
        client.mail(sender)
        for recipient in recipients:
            client.rcpt(recipient)
        code, reply = client.data(body)
    assert code == 250, reply
    return reply.decode().rpartition(" ")[2]


def settled(relay: Relay, filter: str, state: str) -> list[dict[str, object]]:
    """The rows a filter finds, once all of them are in `state`."""

    def rows() -> list[dict[str, object]]:
        found: list[dict[str, object]] = relay.get(f"queue.list?history=true&filter={filter}")["rows"]
        return found if found and all(row["state"] == state for row in found) else []

    return wait_until(rows, f"{filter} to be {state}")


def put_deferred(relay: Relay, *recipients: str, body: str = "Subject: hello\r\n\r\nbody\r\n") -> str:
    """Hand one message in and have it tried in vain; its queue id. The retry lifts the back-off that earlier failures left."""
    queue_id = put(relay, *recipients, body=body)
    relay.post("retry", ids=[queue_id])
    settled(relay, f"id:{queue_id}", "deferred")
    return queue_id
