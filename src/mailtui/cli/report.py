"""The verb `report`: an incident bundle as files on the operator's side.

Owned here: where they are written, for their owner alone, over nothing that is there. What is in them is `bundle_text`'s.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from mailtui.bundles import Bundle
from mailtui.control.api_report import Report
from mailtui.errors import EX_CANTCREAT, ControlError

from . import context
from .context import Context
from .verbs import build, make

_OUT: Final = (
    "The new directory to write (default: mailtui-report-SUBJECT-TIME here); a name that ends in .md is the new file for the report"
    " alone; - prints it."
)


def command() -> click.Command:
    """The verb."""

    def report(here: Context, /, as_json: bool, out: str | None, **values: object) -> None:
        if as_json and out is not None:
            raise click.UsageError("--json prints the bundle; --out has no use beside it")
        request = build(Report, values)
        if out not in (None, "-"):
            _absent(Path(out))  # said before the relay is asked
        bundle = here.ask(request)
        if as_json:
            context.say_json([bundle])
        else:
            context.say(_written(bundle, out))

    option = click.Option(["--out"], metavar="DIR|FILE.md|-", help=_OUT)
    return make(Report, context.pass_context(report), [option])


def _written(bundle: Bundle, out: str | None) -> list[str]:
    """What to say once it is written. ControlError `exists`; OSError."""
    from mailtui import bundle_text

    if out == "-":
        return bundle_text.markdown(bundle).splitlines()
    target = Path(out or bundle_text.directory(bundle))
    _absent(target)
    if target.suffix == ".md":
        _write(target, bundle_text.markdown(bundle))
        return [f"{target}: written"]
    target.mkdir(0o700)
    (target / bundle_text.TRANSCRIPTS).mkdir(0o700)
    contents = dict(bundle_text.files(bundle))
    for name, text in contents.items():
        _write(target / name, text)
    return [f"{target}: {len(contents)} files; read {bundle_text.REPORT} before you send it"]


def _write(path: Path, text: str) -> None:
    """A new file, for its owner alone."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)


def _absent(path: Path) -> None:
    if path.is_symlink() or path.exists():
        raise ControlError("exists", f"{path}: there already, nothing was written", exit_code=EX_CANTCREAT)
