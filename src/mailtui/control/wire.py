"""How requests, errors and events are written as HTTP and JSON, for both ends.

Owned here: pure translation between values and octets, the version rule, and which HTTP status an error has. No socket, and no
HTTP library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from mailtui import __version__
from mailtui.errors import (
    EX_CANTCREAT,
    EX_CONFIG,
    EX_DATAERR,
    EX_NOINPUT,
    EX_NOPERM,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
    EX_USAGE,
    ControlError,
    MailtuiError,
)
from mailtui.events import AnyEvent

from .api import Entry, Gap

T = TypeVar("T")

#: HTTP status of an error by its word, else by the exit code a command line ends with.
_BY_CODE: Final = {
    "unknown-request": 404,
    "unknown-id": 404,
    "unknown-action": 404,
    "unknown-destination": 404,
    "wrong-method": 405,
    "conflict": 409,
    "cannot-undo": 409,
    "not-running": 409,
    "stale-plan": 409,
    "too-large": 413,
}
_BY_EXIT: Final = {
    EX_USAGE: 400,
    EX_DATAERR: 400,
    EX_NOINPUT: 404,
    EX_UNAVAILABLE: 503,
    EX_CANTCREAT: 409,
    EX_TEMPFAIL: 503,
    EX_NOPERM: 403,
    EX_CONFIG: 422,
}


class Failure(msgspec.Struct, frozen=True):
    """An error as it travels: a word for programs, a line for people, what would be right, and the sysexits code."""

    code: str
    message: str
    hint: str = ""
    exit_code: int = EX_DATAERR


class _Body(msgspec.Struct, frozen=True):
    error: Failure


class _Numbered(msgspec.Struct, frozen=True):
    seq: int


def failure(error: MailtuiError) -> Failure:
    """What a client is told of an error; errors without a word of their own get that of their type: `queue-error`."""
    if isinstance(error, ControlError):
        return Failure(error.code, str(error), error.hint, error.exit_code)
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
    return Failure(word, str(error), exit_code=error.exit_code)


def http_status(told: Failure) -> int:
    """The HTTP status of an error."""
    return _BY_CODE.get(told.code) or _BY_EXIT.get(told.exit_code, 500)


def encode(value: object) -> bytes:
    """An answer: one line of JSON."""
    return msgspec.json.encode(value) + b"\n"


def encode_failure(told: Failure) -> bytes:
    """The body of an error answer."""
    return encode(_Body(told))


def decode_failure(body: bytes, status: int) -> ControlError:
    """The error a client raises for an answer that is none."""
    try:
        told = msgspec.json.decode(body, type=_Body).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = body[:200].decode("utf-8", "replace").partition("\n")[0]
        return ControlError("http", f"the relay answered {status}: {text}", exit_code=EX_UNAVAILABLE)
    return ControlError(told.code, told.message, told.hint, told.exit_code)


def read_json(body: bytes, kind: type[T]) -> T:
    """The request in a JSON body (none at all: all its defaults). ControlError `bad-request`."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _bad_request(kind, error) from None


def read_query(query: Iterable[tuple[str, str]], kind: type[T]) -> T:
    """The request in query parameters; one given twice is an error. ControlError `bad-request`."""
    values: dict[str, str] = {}
    for key, value in query:
        if key in values:
            raise ControlError("bad-request", f"{key} is given twice", exit_code=EX_USAGE)
        values[key] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.MsgspecError as error:
        raise _bad_request(kind, error) from None


def _bad_request(kind: type[object], error: Exception) -> ControlError:
    fields = msgspec.structs.fields(kind) if issubclass(kind, msgspec.Struct) else ()
    hint = f"it takes: {', '.join(field.name for field in fields) or 'nothing'}"
    return ControlError("bad-request", str(error) or "not JSON", hint, EX_USAGE)


def query(request: msgspec.Struct) -> dict[str, str]:
    """A request as query parameters; what is at its default is left out."""
    fields: Mapping[str, object] = msgspec.to_builtins(request)
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in fields.items()}


def encode_entry(entry: Entry) -> bytes:
    """An event with its number, one line."""
    return b'{"seq":%d,' % entry.seq + msgspec.json.encode(entry.event)[1:] + b"\n"


def decode_entry(line: bytes) -> Entry | None:
    """The event of a line; None for an empty line (a sign of life) and for a kind of event this version does not know."""
    if not line.strip():
        return None
    try:
        return Entry(msgspec.json.decode(line, type=_Numbered).seq, msgspec.json.decode(line, type=AnyEvent | Gap))
    except msgspec.ValidationError:
        return None


def disagreement(client: str, relay: str) -> ControlError | None:
    """Why two versions must not talk: different majors; which side to update. "" (curl sends none) fits all."""
    ours, theirs = _major(client), _major(relay)
    if not client or not relay or ours == theirs:
        return None
    older = "this program" if (ours or 0) < (theirs or 0) else "the relay"
    text = f"this program is mailtui {client}, the relay runs {relay}"
    return ControlError("version", text, f"update {older}", EX_UNAVAILABLE)


def _major(version: str) -> int | None:
    found = re.match(r"([0-9]{1,6})\.", version)
    return int(found[1]) if found else None


def our_version() -> str:
    """What goes into the version header."""
    return __version__
