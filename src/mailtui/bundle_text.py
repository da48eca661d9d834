"""An incident bundle as files: a report in Markdown, a plain text for each transcript, a timeline in CSV.

Owned here: pure text. Nothing from the network may get out of its place: lines stand in a fence longer than any run of backticks in
them, words in a code span of the same kind, and all of it has gone through `safe_text`. In CSV, text that begins like a formula gets
an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from mailtui.bundles import Bundle, DnsRow, FailureGroup, OneRecipient, Ourselves, Sample, TlsRow
from mailtui.text import safe_text

REPORT: Final = "report.md"
TIMELINE: Final = "timeline.csv"
TRANSCRIPTS: Final = "transcripts"

#: Lines of a transcript within the report; the file beside it has all of them.
INLINE: Final = 60
#: Characters of a word in a code span.
_WORD: Final = 500
_TICKS: Final = re.compile("`+")
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]")
_FORMULA: Final = frozenset("=+-@'")


def files(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Every file as (path below the directory, content)."""
    yield REPORT, markdown(bundle)
    yield TIMELINE, timeline(bundle)
    for sample in bundle.samples:
        yield f"{TRANSCRIPTS}/{sample.name}.txt", transcript(sample)


def directory(bundle: Bundle) -> str:
    """The name for the directory of a bundle: `mailtui-report-example.org-20261122T093000Z`."""
    subject = _ODD.sub("_", bundle.subject).lstrip(".")[:100]
    return f"mailtui-report-{subject}-{bundle.made:%Y%m%dT%H%M%SZ}"


# ---------------------------------------------------------------------- what strangers said


def fenced(lines: Iterable[str]) -> Iterator[str]:
    """Lines as a code block that none of them can end (CommonMark 4.5)."""
    safe = [safe_text(line) for line in lines]
    fence = "`" * max(3, 1 + _longest(safe))
    yield f"{fence}text"
    yield from safe
    yield fence


def span(text: str) -> str:
    """A text as a code span that it cannot end (CommonMark 6.1); "" stays empty."""
    if not text:
        return ""
    safe = safe_text(text if len(text) <= _WORD else f"{text[: _WORD - 1]}…")
    ticks = "`" * (1 + _longest([safe]))
    edge = " " if safe[0] in "` " or safe[-1] in "` " else ""
    return f"{ticks}{edge}{safe}{edge}{ticks}"


def _longest(texts: Iterable[str]) -> int:
    """The longest run of backticks."""
    return max((len(run) for text in texts for run in _TICKS.findall(text)), default=0)


# ---------------------------------------------------------------------- the report


def markdown(bundle: Bundle) -> str:
    """The report. Times are UTC."""
    return "\n".join(_report(bundle)) + "\n"


def _report(bundle: Bundle) -> Iterator[str]:
    about = f"{bundle.subject} ({bundle.destination})" if bundle.one else bundle.subject
    yield f"# Mail delivery report: {span(about)}"
    yield ""
    yield f"Made {_at(bundle.made)}, about {_at(bundle.since)} to then. All times are UTC."
    yield ""
    if bundle.internal:
        yield "**INTERNAL: addresses, names and reasons are not masked. Not for anybody else.** Masked all the same:"
    else:
        yield "Envelope senders, Message-IDs and the recipient of each sample are as they were given to your servers. Masked:"
    yield ""
    yield from (f"- {line}" for line in bundle.masked)
    yield ""
    if bundle.missing:
        yield "Missing:"
        yield ""
        yield from (f"- {line}" for line in bundle.missing)
        yield ""
    yield "## Summary"
    yield ""
    yield safe_text(bundle.summary)
    yield ""
    yield from _ourselves(bundle.ours)
    for part in (_one, _groups, _numbers, _done, _tls, _dns, _settings, _samples):
        yield from part(bundle)
    yield f"By minute: {TIMELINE}."


def _ourselves(ours: Ourselves) -> Iterator[str]:
    yield "## Who we are"
    yield ""
    yield f"- HELO name: {span(ours.hostname)}"
    addresses = ", ".join(map(span, ours.addresses)) or "not known (the name does not resolve)"
    yield f"- {'Sending addresses' if ours.configured else 'Addresses of that name'}: {addresses}"
    yield f"- DKIM: {', '.join(map(span, ours.signed)) or 'the samples are not signed'}"
    yield f"- Contact: {span(ours.contact)}"
    yield ""


def _one(bundle: Bundle) -> Iterator[str]:
    one = bundle.one
    if one is None:
        return
    yield "## The message"
    yield ""
    yield from (f"- {name}: {value}" for name, value in _facts(one))
    yield ""
    yield "Why it is where it is:"
    yield ""
    yield from fenced([one.answer, *(f"- {cause}" for cause in one.causes if cause != one.answer)])
    yield ""


def _facts(one: OneRecipient) -> Iterator[tuple[str, str]]:
    yield "Our queue id", span(one.id)
    yield "Message-ID", span(one.message_id) or "none"
    yield "Sender", span(one.sender or "<>")
    yield "Recipient", span(one.recipient)
    others = ", ".join(map(span, one.others[:20])) + (" …" if len(one.others) > 20 else "")
    if one.others:
        yield f"Other recipients there ({len(one.others)})", others
    if one.elsewhere:
        yield "Recipients at other destinations", str(one.elsewhere)
    yield "Received by us", f"{_at(one.received)}, {one.size:,} octets"
    yield "State", f"{one.state}, {_n(one.attempts, 'attempt')}"
    yield "Next attempt", _at(one.next_attempt) if one.next_attempt else "none is planned"


def _groups(bundle: Bundle) -> Iterator[str]:
    if bundle.one is not None:
        return
    yield "## What fails"
    yield ""
    if not bundle.groups:
        yield "Nothing failed in that time."
        yield ""
    replies = {sample.name: sample for sample in bundle.samples}
    for number, group in enumerate(bundle.groups, 1):
        yield from _group(number, group, [replies[name] for name in group.samples if name in replies])


def _group(number: int, group: FailureGroup, samples: Sequence[Sample]) -> Iterator[str]:
    yield f"### {number}. {safe_text(group.class_)}"
    yield ""
    if group.sentence:
        yield safe_text(group.sentence)
        yield ""
    seen = f"first {_at(group.first_seen)}, last {_at(group.last_seen)}"
    yield f"{_n(group.attempts, 'attempt')}, {_n(group.waiting, 'recipient')} waiting; {seen}."
    yield ""
    if group.fingerprint:
        yield f"Told by: {span(group.fingerprint)}"
        yield ""
    if samples:
        yield f"The reply of {span(samples[0].host or 'no host')} {span(samples[0].address)}, at {samples[0].stage}:"
        yield ""
        yield from fenced(reply(samples[0]))
        yield ""
        yield f"Samples: {', '.join(span(sample.name) for sample in samples)}"
        yield ""


def _numbers(bundle: Bundle) -> Iterator[str]:
    numbers = bundle.numbers
    yield "## Numbers"
    yield ""
    yield f"Waiting now: {_n(numbers.waiting, 'recipient')} ({numbers.held:,} of them held by us). Attempts by hour:"
    yield ""
    rows = [(f"{row.hour:%Y-%m-%d %H:00}", row.delivered, row.deferred, row.bounced) for row in bundle.hours]
    total = ("in all", numbers.delivered, numbers.deferred, numbers.bounced)
    yield from _table(("hour", "delivered", "deferred", "refused"), [*rows, total])


def _done(bundle: Bundle) -> Iterator[str]:
    yield "## What we did"
    yield ""
    for done in bundle.done:
        undone = f", taken back {_at(done.undone_at)}" if done.undone_at else ""
        who = f" by {span(done.actor)}" if done.actor else ""
        why = f", {span(done.reason)}" if done.reason else ""
        what = f", {span(done.filter)}" if done.filter else ""
        yield f"- {_at(done.at)} {span(done.verb)}{who}: {_n(done.recipients, 'recipient')}{why}{what}{undone}"
    if not bundle.done:
        yield "Nothing but trying again by the schedule below."
    yield ""


def _tls(bundle: Bundle) -> Iterator[str]:
    yield "## TLS of the latest attempts"
    yield ""
    rows = [(*map(span, (row.host, row.address)), _secured(row), row.attempts, _at(row.last)) for row in bundle.tls]
    yield from _table(("host", "address", "TLS", "attempts", "last"), rows)


def _secured(row: TlsRow) -> str:
    return span(row.tls) or "none"


def _dns(bundle: Bundle) -> Iterator[str]:
    yield "## DNS as our resolver sees it"
    yield ""
    yield "TTL in seconds as we keep answers: 5 at least, 3600 at most."
    yield ""
    rows = [
        (span(row.name), row.type, _answer(row), row.ttl or "", _at(row.asked) if row.asked else "")
        for row in bundle.dns
    ]
    yield from _table(("name", "type", "answer", "TTL", "asked"), rows)


def _answer(row: DnsRow) -> str:
    return ", ".join(map(span, row.answers)) or span(row.note)


def _settings(bundle: Bundle) -> Iterator[str]:
    yield "## Our settings there"
    yield ""
    yield from _table(("setting", "value"), [(setting.name, span(setting.value)) for setting in bundle.settings])


def _samples(bundle: Bundle) -> Iterator[str]:
    yield "## Samples"
    yield ""
    if not bundle.samples:
        yield "No attempt is kept."
        yield ""
    for sample in bundle.samples:
        yield f"### {span(sample.name)}"
        yield ""
        yield from (f"- {name}: {span(value)}" for name, value in _particulars(sample) if value)
        yield ""
        yield from fenced(_inline(sample))
        yield ""


def _particulars(sample: Sample) -> Iterator[tuple[str, str]]:
    """What identifies an attempt, and what it came to."""
    yield "Tried", _at(sample.started)
    yield "Host", f"{sample.host} [{sample.address}]" if sample.address else sample.host or "none"
    yield "TLS", sample.tls or "none"
    yield "Sender", sample.sender or "<>"
    yield "Recipient", sample.recipient
    yield "Message-ID", sample.message_id
    yield "From", sample.header_from
    yield "Subject", sample.subject
    yield "Client", sample.client
    yield "User", sample.user
    yield "DKIM", sample.signed
    yield "Received by us", f"{_at(sample.received)}, {sample.size} octets"
    yield "Outcome", f"{sample.disposition} at {sample.stage}, {sample.class_}"
    yield "Milliseconds", ", ".join(f"{name} {ms}" for name, ms in sample.timings.items())


def _inline(sample: Sample) -> Iterator[str]:
    lines = list(_dialogue(sample))
    yield from lines[:INLINE]
    if len(lines) > INLINE:
        yield f"({len(lines) - INLINE} more lines in {TRANSCRIPTS}/{sample.name}.txt)"


def _dialogue(sample: Sample) -> Iterator[str]:
    """The lines of a transcript; the reply alone where none was kept."""
    if not sample.transcript:
        yield from reply(sample)
        return
    for line in sample.transcript:
        yield f"{line.ms:>7} ms {line.dir} {line.line}"
    if sample.cut:
        yield f"({sample.cut} more lines are left out)"


def reply(sample: Sample) -> list[str]:
    """What was answered, word for word, by line."""
    lines = sample.text.split("\n")
    head = " ".join(part for part in (str(sample.code or ""), sample.enhanced) if part)
    # A reply that kept its enhanced code in the text has it once.
    head = str(sample.code or "") if sample.enhanced and lines[0].startswith(sample.enhanced) else head
    return [f"{head} {lines[0]}".strip() or "no reply", *lines[1:]]


def _table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Rows of cells that are harmless already but for "|", which ends a cell within a code span too (GFM 4.10)."""
    if not rows:
        yield "None."
    else:
        yield f"| {' | '.join(heading)} |"
        yield f"|{'---|' * len(heading)}"
        yield from (f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    yield ""


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


# ---------------------------------------------------------------------- the other files


def transcript(sample: Sample) -> str:
    """One attempt as plain text: what identifies it, then the dialogue."""
    head = [f"{name}: {safe_text(value)}" for name, value in _particulars(sample) if value]
    return "\n".join([*head, "", *map(safe_text, _dialogue(sample))]) + "\n"


def timeline(bundle: Bundle) -> str:
    """The timeline: `at` (UTC), `kind`, `count`, `class`, `text`."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("at", "kind", "count", "class", "text"))
    for row in bundle.timeline:
        rows.writerow((_at(row.at), row.kind, row.count or "", _cell(row.class_), _cell(row.text)))
    return out.getvalue()


def _cell(text: str) -> str:
    safe = safe_text(text)
    return f"'{safe}" if safe[:1] in _FORMULA and safe else safe
