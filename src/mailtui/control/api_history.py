"""What can be asked of the past: samples of the relay or of a destination, and what failed; part of the table in `api`.

Owned here: those requests. No I/O.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mailtui.findings import DestinationFlow, DestinationMoment, FailureRow, MomentRow

from .request import Request

Since = Annotated[str, Meta(description="from 2h ago, 09:00, or 2026-11-22T09:00 (Z for UTC)", max_length=32)]
Until = Annotated[str, Meta(description="to such a moment; to now when not given", max_length=32)]
Limit = Annotated[int, Meta(description="at most this many", ge=1, le=10_000)]
Destination = Annotated[str, Meta(description="only this destination", max_length=255)]


class Samples(Request[tuple[MomentRow, ...] | tuple[DestinationMoment, ...]], frozen=True):
    """The relay, or one destination, by minute (kept for two days) or by hour (for 90): depth, flow, delay of deliveries."""

    name = "samples"
    since: Since = "1h"
    until: Until = ""
    by: Annotated[
        Literal["auto", "minute", "hour"],
        Meta(description="one line for each; auto: minutes of a day or less, while kept"),
    ] = "auto"
    destination: Destination = ""
    limit: Limit = 10_000

    @property
    def answer_type(self) -> type[tuple[MomentRow, ...] | tuple[DestinationMoment, ...]]:
        """Of a destination less is kept."""
        return tuple[DestinationMoment, ...] if self.destination else tuple[MomentRow, ...]


class Failures(Request[tuple[FailureRow, ...]], frozen=True):
    """What failed in a past range of time, by destination and kind of reply, the most first."""

    name = "failures"
    since: Since = "1h"
    until: Until = ""
    destination: Destination = ""
    limit: Limit = 100


class Destinations(Request[tuple[DestinationFlow, ...]], frozen=True):
    """What was tried at each destination in a past range of time, the most first."""

    name = "destinations"
    since: Since = "1h"
    until: Until = ""
    destination: Destination = ""
    limit: Limit = 100
