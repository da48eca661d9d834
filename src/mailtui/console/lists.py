"""What a line behind `:` takes out of the relay or puts in it as a whole: a look at the suppression list, its files, incident bundles.

Owned here: these errands, each told in the status line. How files look is `mailtui.suppression_files`' and `mailtui.bundle_text`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mailtui import bundle_text
from mailtui import suppression_files as files
from mailtui.control.api_report import Report
from mailtui.control.api_suppress import SuppressImport, SuppressList, SuppressLookup
from mailtui.display import size
from mailtui.errors import ControlError
from mailtui.suppressions import Difference, Suppression, Wanted

from . import outlets
from .forms import Form, Order
from .link import Trouble
from .meaning import Load
from .orders import MAYBE, given, order
from .present import suppress as says
from .present.detail import WIDTH
from .screens.detail import Detail
from .screens.form import Ask

if TYPE_CHECKING:
    from .app import Console

_PAGE: Final = 1000
#: Octets of a file that is read here; a larger one is the shell's.
_MOST: Final = 20_000_000


class Lists:
    """The errands of a console."""

    def __init__(self, app: Console) -> None:
        self._app = app

    def _trouble(self, trouble: Trouble) -> None:
        self._app.say(trouble.text.partition("\n")[0], "bad")

    async def lookup(self, entry: str) -> None:
        """What keeps mail from an address."""
        found = await self._app.link.ask(SuppressLookup(entry))
        if isinstance(found, Trouble):
            self._trouble(found)
        elif not found:
            self._app.say(f"{entry} is not suppressed: it gets its mail", "ok")
        else:
            now = datetime.now(UTC)
            boxes = [part for row in found for part in says.detail(row, now)]
            self._app.push_screen(Detail(boxes, WIDTH))

    # --- files

    async def load(self, wanted: Load) -> None:
        """What a file would change, then `y`, then that."""
        try:
            batches = _read(wanted.path, wanted.kind)
        except (OSError, UnicodeDecodeError, ControlError) as error:
            told = (error.strerror or "cannot be read") if isinstance(error, OSError) else str(error)
            self._app.say(f"{Path(wanted.path).name}: {told}" if isinstance(error, OSError) else told, "bad")
            return
        differences = await self._sent(batches, "", True)
        if differences is None:
            return
        n = Counter(found.change for found in differences)
        if not n["add"] + n["change"]:
            self._app.say(
                f"{Path(wanted.path).name} changes nothing: {n['same']:,} the same, {n['past']:,} past", "warn"
            )
            return
        form = _importing(wanted, differences)
        filled = await self._app.push_screen_wait(Ask(form, {"reason": wanted.reason}, "", self._app.changes.word))
        if filled is None:
            self._app.say("nothing was changed", "dim")
            return
        done = await self._sent(batches, filled.values["reason"], False)
        if done is not None:
            n = Counter(found.change for found in done)
            self._app.say(f"{n['add']:,} added, {n['change']:,} changed on the suppression list", "ok")
            self._app.link.hurry()

    async def _sent(self, batches: Sequence[tuple[Wanted, ...]], reason: str, dry_run: bool) -> list[Difference] | None:
        """What the parts of a file change; None when the relay refused one."""
        found: list[Difference] = []
        for batch in batches:
            answer = await self._app.link.ask(SuppressImport(batch, dry_run, reason))
            if isinstance(answer, Trouble):
                self._trouble(answer)
                return None
            self._app.changes.made(answer.action)
            found += answer.differences
            self._app.say(f"{'looked at' if dry_run else 'sent'} {_entries(len(found))}", "accent")
        return found

    async def unload(self, name: str) -> None:
        """The whole list into a new file."""
        rows: list[Suppression] = []
        after = ""
        while True:
            page = await self._app.link.ask(SuppressList(_PAGE, after))
            if isinstance(page, Trouble):
                self._trouble(page)
                return
            rows += page.rows
            if page.after is None:
                break
            after = page.after
        kind = files.format_of(name)
        lines = (
            outlets.Table("jsonl").lines(rows)
            if kind == "json"
            else "".join(f"{one}\n" for one in files.write(rows, kind))
        )
        self._kept(name, lines, _entries(len(rows)))

    async def report(self, request: Report, out: str) -> None:
        """An incident bundle as Markdown: into a new file, or where none is named into the pager."""
        self._app.say(f"asking for all about {request.subject} …", "accent")
        bundle = await self._app.link.ask(request)
        if isinstance(bundle, Trouble):
            self._trouble(bundle)
            return
        text = bundle_text.markdown(bundle)
        if not out or out == "-":
            self._app.say("read it before you send it; `:report NAME --out FILE.md` writes it", "accent")
            self._app.tools.page(outlets.text(text.splitlines()))
        else:
            self._kept(out, text, f"the report about {request.subject}")

    def _kept(self, name: str, text: str, what: str) -> None:
        """A new file with this in it."""
        try:
            file = outlets.NewFile(name)
        except OSError as error:
            self._app.say(f"{name}: {error.strerror}", "bad")
            return
        try:
            file.write(text)
            file.close()
        except OSError as error:
            file.discard()
            self._app.say(f"nothing was written: {error.strerror}", "bad")
        else:
            self._app.say(f"wrote {what}, {size(file.octets)}, for you alone (0600): {file.path}", "ok")


def _entries(count: int) -> str:
    return f"{count:,} {'entry' if count == 1 else 'entries'}"


def _read(name: str, kind: str) -> list[tuple[Wanted, ...]]:
    """The entries of a file, in parts. OSError, UnicodeDecodeError, ControlError."""
    if kind and kind not in files.FORMATS:
        raise ControlError("bad-file", f"--format {kind}: there are {', '.join(files.FORMATS)}")
    path = Path(name).expanduser()
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = file.read(_MOST + 1)
    if len(text) > _MOST:
        raise ControlError("bad-file", f"{path} is larger than {size(_MOST)}: `mailtui suppress import` reads it")
    return list(files.batches(files.read(text.splitlines(), kind or files.format_of(path.name), path.name)))


def _importing(wanted: Load, differences: Iterable[Difference]) -> Form:
    """The difference, and why."""
    changes = [found for found in differences if found.change != "same"]
    n = Counter(found.change for found in differences)

    def build(values: Mapping[str, str]) -> Order:
        words = (*given("--format", wanted.kind), *given("--reason", values["reason"]), wanted.path)
        return order(SuppressImport(()), "suppress import", *words)

    told = [says.difference(found) for found in changes[:8]]
    if len(changes) > 8:
        told.append(f"and {len(changes) - 8:,} more")
    counts = f"{n['add']:,} would be added, {n['change']:,} changed; {n['same']:,} the same, {n['past']:,} past"
    return Form("Import into the suppression list", "import", (MAYBE,), build, (counts, *told))
