"""The request for an incident bundle, part of the table in `api`.

Owned here: its arguments. What is in the answer is `bundles`'. No I/O.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from mailtui.bundles import Bundle

from .request import Request


class Report(Request[Bundle], frozen=True):
    """An incident bundle about a destination, a message or a recipient, for a ticket at the remote provider's postmaster."""

    name = "report"
    subject: Annotated[str, Meta(description="a domain, a queue id or <queue id>.<n>", max_length=320)]
    window: Annotated[str, Meta(description="what happened in the last 24h (1m to 2d)", max_length=32)] = "24h"
    internal: Annotated[
        bool, Meta(description="for ourselves: nothing masked but passwords; not fit for anybody else")
    ] = False
