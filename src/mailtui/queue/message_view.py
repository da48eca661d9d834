"""One message as an operator sees it: envelope, recipients, every attempt with its transcript, and what else happened.

Owned here: gathering that, bounded: a message of a thousand recipients tried for days must neither fill memory nor hold the
loop. Nothing here changes anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, cast

import msgspec

from mailtui.model import RECIPIENT_BITS, State, TranscriptLine, encode_id, format_recipient_id, parse_item_id
from mailtui.queue.measures import id_range
from mailtui.queue.reader import Reader, Row, Unpack
from mailtui.queue.selection import UnknownId
from mailtui.views import AttemptView, EnvelopeView, EventView, MessageView, RecipientView, moment

#: Bounds of one view: recipients, their latest attempts, events, octets of packed transcripts (those beyond stay empty).
MAX_RECIPIENTS: Final = 2_000
MAX_ATTEMPTS: Final = 5_000
MAX_EVENTS: Final = 5_000
MAX_PACKED: Final = 2_000_000

_MESSAGE: Final = (
    "SELECT sender, ret, envid, eight_bit, smtputf8, size, received_at, client, helo, user, listener, protocol, tls, subject,"
    " header_from, message_id, signed, ifnull(about, 0), tag FROM message WHERE id = ? AND phase = 'stored'"
)
_RECIPIENTS: Final = (
    "SELECT r.id, r.address, r.state, l.destination, ifnull(s.name, ''), max(r.next_attempt, l.not_before), r.expires_at, r.notify,"
    " r.orcpt, r.code, r.enhanced, r.text, r.class FROM recipient r JOIN lane l ON l.id = r.lane LEFT JOIN site s ON s.id = l.site"
    " WHERE r.id BETWEEN ? AND ? ORDER BY r.id LIMIT ?"
)
_ATTEMPTS: Final = (
    "SELECT recipient, started, host, address, tls, code, enhanced, text, class, disposition, stage, timings, preamble, dialogue"
    " FROM attempt WHERE recipient BETWEEN ? AND ? ORDER BY recipient DESC, n DESC LIMIT ?"
)
_TRANSCRIPTS: Final = "SELECT id, lines FROM transcript WHERE id IN (SELECT value FROM json_each(?))"
_SIZES: Final = "SELECT id, length(lines) FROM transcript WHERE id IN (SELECT value FROM json_each(?))"
_EVENTS: Final = (
    "SELECT at, kind, actor, text, recipient FROM event WHERE message = ?1 AND (?2 = 0 OR recipient IN (0, ?2))"
    " ORDER BY at, id LIMIT ?3"
)

_TIMINGS: Final = msgspec.json.Decoder(dict[str, int])
_Attempt = tuple[int, float, str, str, str, int, str, str, str, str, str, str, int, int]


async def show(reader: Reader, id: str) -> MessageView:
    """Everything known of `<queue id>`, or of the one recipient `<queue id>.<n>`. UnknownId when there is none."""
    try:
        message, n = parse_item_id(id)
    except ValueError:
        raise UnknownId([id[:50]]) from None
    span = id_range(id)
    head = await reader.fetch(_MESSAGE, (message,))
    rows = await reader.fetch(_RECIPIENTS, (*span, MAX_RECIPIENTS))
    if not head or not rows:
        raise UnknownId([id])
    attempts = cast("list[_Attempt]", (await reader.fetch(_ATTEMPTS, (*span, MAX_ATTEMPTS)))[::-1])
    packed = await _packed(reader, [number for attempt in attempts[::-1] for number in attempt[-2:] if number])
    events = await reader.fetch(_EVENTS, (message, n, MAX_EVENTS))
    transcripts = await asyncio.to_thread(_opened, reader.unpack, packed)  # inflating is not for the relay's loop
    return MessageView(
        id=encode_id(message),
        envelope=_envelope(head[0], tuple(str(row[1]) for row in rows)),
        recipients=_recipients(rows, attempts, transcripts),
        events=tuple(_event(message, row) for row in events),
    )


def _envelope(row: Row, recipients: tuple[str, ...]) -> EnvelopeView:
    sender, ret, envid, eight_bit, smtputf8, size, received, *texts, about, tag = row
    origin = cast("tuple[str, str, str, str, str, str, str, str, str, str]", tuple(texts))
    return EnvelopeView(
        str(sender),
        recipients,
        str(ret),
        str(envid),
        bool(eight_bit),
        bool(smtputf8),
        cast("int", size),
        moment(cast("float", received)),
        *origin,
        about=encode_id(cast("int", about)) if about else "",
        tag=cast("str", tag),
    )


def _recipients(
    rows: Sequence[Row], attempts: Sequence[_Attempt], transcripts: dict[int, tuple[TranscriptLine, ...]]
) -> tuple[RecipientView, ...]:
    tried: dict[int, list[AttemptView]] = {}
    for attempt in attempts:
        lines = transcripts.get(attempt[-2], ()) + transcripts.get(attempt[-1], ())
        tried.setdefault(attempt[0], []).append(_attempt(attempt, lines))
    return tuple(_recipient(row, tuple(tried.get(cast("int", row[0]), ()))) for row in rows)


def _recipient(row: Row, attempts: tuple[AttemptView, ...]) -> RecipientView:
    id, address, state, destination, site, at, expires, notify, orcpt, code, enhanced, text, class_ = cast(
        "tuple[int, str, str, str, str, float, float, str, str, int, str, str, str]", row
    )
    due = moment(at) if state in (State.QUEUED, State.DEFERRED) else None
    number = format_recipient_id(id)
    return RecipientView(
        number,
        address,
        state,
        destination,
        site,
        attempts,
        due,
        moment(expires),
        notify,
        orcpt,
        code,
        enhanced,
        text,
        class_,
    )


def _attempt(row: _Attempt, transcript: tuple[TranscriptLine, ...]) -> AttemptView:
    _, started, host, address, tls, code, enhanced, text, class_, disposition, stage, timings, _, _ = row
    milliseconds = _TIMINGS.decode(timings) if timings else {}
    return AttemptView(
        moment(started), host, address, tls, code, enhanced, text, class_, disposition, stage, milliseconds, transcript
    )


def _event(message: int, row: Row) -> EventView:
    at, kind, actor, text, n = cast("tuple[float, str, str, str, int]", row)
    recipient = format_recipient_id(message << RECIPIENT_BITS | n) if n else ""
    return EventView(moment(at), kind, actor, text, recipient)


async def _packed(reader: Reader, numbers: Iterable[int]) -> list[tuple[int, bytes]]:
    """Stored transcripts by number, the first asked first, as many as fit MAX_PACKED."""
    wanted = list(dict.fromkeys(numbers))
    sizes = cast("dict[int, int]", dict(cast("list[tuple[int, int]]", await reader.fetch(_SIZES, (_json(wanted),)))))
    chosen: list[int] = []
    room = MAX_PACKED
    for number in wanted:
        room -= sizes.get(number, 0)
        if room < 0:
            break
        chosen.append(number)
    return cast("list[tuple[int, bytes]]", await reader.fetch(_TRANSCRIPTS, (_json(chosen),)))


def _json(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(numbers).decode()


def _opened(unpack: Unpack, packed: Sequence[tuple[int, bytes]]) -> dict[int, tuple[TranscriptLine, ...]]:
    return {number: _lines(unpack, data) for number, data in packed}


def _lines(unpack: Unpack, data: bytes) -> tuple[TranscriptLine, ...]:
    try:
        return unpack(data)
    except ValueError as error:
        return (TranscriptLine(0, "*", f"this part of the transcript cannot be read: {error}"),)
