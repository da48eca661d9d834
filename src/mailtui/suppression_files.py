"""The suppression list in files: CSV, JSON lines, plain lines, both ways.

Owned here: pure translation between lines and entries, with the line named where one is wrong. A spreadsheet must not run what a
stranger's server wrote: in CSV, text that begins like a formula gets an apostrophe in front, which reading takes away again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Final

import msgspec

from mailtui.errors import ControlError
from mailtui.suppressions import Suppression, Wanted

#: Entries in one request, and the octets they may take in it.
BATCH: Final = 2000
OCTETS: Final = 400_000
FORMATS: Final = ("csv", "json", "plain")
_BY_SUFFIX: Final = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
COLUMNS: Final = ("entry", "reason", "source", "created", "expires", "evidence", "host", "seen", "note")
#: What the first column may be called in the files of others.
_ENTRY: Final = ("entry", "address", "email", "recipient")
_READ: Final = ("reason", "expires", "evidence", "host", "seen", "note")
#: Signs a spreadsheet takes for the beginning of a formula, and the apostrophe that says it is none.
_FORMULA: Final = frozenset("=+-@\t\r'")
_NEVER: Final = "never"


def format_of(name: str) -> str:
    """The format a file's name stands for; plain when it says nothing."""
    return _BY_SUFFIX.get(PurePath(name).suffix.lower(), "plain")


def read(lines: Iterable[str], format_: str, name: str) -> Iterator[Wanted]:
    """The entries of a file. ControlError `bad-file` names the first line that is wrong."""
    return _READERS[format_](lines, name)


def _plain(lines: Iterable[str], name: str) -> Iterator[Wanted]:
    """One entry a line; what is empty or begins with # says nothing."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield _wanted({"entry": text}, name, number)


def _json(lines: Iterable[str], name: str) -> Iterator[Wanted]:
    """One object a line, as `suppress list --json` prints them."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=Wanted)
            except (msgspec.MsgspecError, UnicodeError) as error:
                raise _bad(name, number, str(error)) from None


def _csv(lines: Iterable[str], name: str) -> Iterator[Wanted]:
    """A heading with `entry` (or `address`, `email`, `recipient`) in it, then one entry a line."""
    rows = csv.reader(lines, strict=True)
    try:
        heading = [column.strip().lower() for column in next(rows, [])]
        first = next((heading.index(word) for word in _ENTRY if word in heading), None)
        if first is None:
            raise _bad(name, 1, "a heading with a column `entry` is expected")
        for row in rows:
            if any(row):
                fields = {word: _shown(value) for word, value in zip(heading, row, strict=False) if word in _READ}
                yield _wanted(fields | {"entry": _shown(row[first]) if first < len(row) else ""}, name, rows.line_num)
    except csv.Error as error:
        raise _bad(name, rows.line_num, str(error)) from None


_READERS: Final = {"csv": _csv, "json": _json, "plain": _plain}


def _wanted(fields: Mapping[str, str], name: str, number: int) -> Wanted:
    """The entry of some texts; an empty one is left out."""
    given: dict[str, str | None] = {word: value for word, value in fields.items() if value or word == "entry"}
    if given.get("expires") == _NEVER:
        given["expires"] = None
    try:
        return msgspec.convert(given, Wanted)
    except msgspec.ValidationError as error:
        raise _bad(name, number, str(error)) from None


def _bad(name: str, number: int, text: str) -> ControlError:
    return ControlError("bad-file", f"{name}: line {number}: {text}")


def batches(wanted: Iterable[Wanted]) -> Iterator[tuple[Wanted, ...]]:
    """Parts that fit a request."""
    batch: list[Wanted] = []
    octets = 0
    for item in wanted:
        size = len(msgspec.json.encode(item))
        if len(batch) == BATCH or octets + size > OCTETS:
            yield tuple(batch)
            batch, octets = [], 0
        batch.append(item)
        octets += size
    if batch:
        yield tuple(batch)


def write(rows: Iterable[Suppression], format_: str) -> Iterator[str]:
    """The lines, without their ends, of a CSV or plain file with these entries; JSON lines are the entries themselves."""
    if format_ == "plain":
        yield from (row.entry for row in rows)
        return
    yield ",".join(COLUMNS)
    yield from map(_csv_line, rows)


def _csv_line(row: Suppression) -> str:
    fields = msgspec.to_builtins(row)
    fields["expires"] = fields["expires"] or _NEVER
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_escaped(fields[column] or "") for column in COLUMNS])
    return line.getvalue()


def _escaped(text: str) -> str:
    return f"'{text}" if text[:1] in _FORMULA and text else text


def _shown(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA and text[1:] else text
