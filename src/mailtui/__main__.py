"""The program `mailtui`: runs the command line, and turns whatever ends it into one line and an exit code.

Owned here: exit codes (sysexits) and the form of an error. The verbs are in `cli`.
"""

from __future__ import annotations

import os
import sys
from traceback import extract_tb, print_exception
from typing import Final

from mailtui.errors import EX_IOERR, EX_NOPERM, EX_USAGE, MailtuiError

EX_SOFTWARE: Final = 70
_INTERRUPTED: Final = 130  # 128 + SIGINT, as the shell reports a program that died of it
_BROKEN_PIPE: Final = 1  # what click ends with when it meets one first


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of a command line; every error is one line on standard error."""
    import click

    from mailtui.cli.root import main as root

    try:
        try:
            root.main(arguments, prog_name="mailtui", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except click.UsageError as error:
        see = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        return _fail(error.format_message() + see, EX_USAGE)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone; the interpreter must not try again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        return _failed(_cause(error))
    return 0


def _cause(error: BaseException) -> BaseException:
    """What ended a group of tasks, instead of the group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _failed(error: BaseException) -> int:
    match error:
        case MailtuiError():
            hint = getattr(error, "hint", "")
            return _fail(f"{error} ({hint})" if hint else str(error), error.exit_code)
        case OSError():
            code = EX_NOPERM if isinstance(error, PermissionError) else EX_IOERR
            return _fail(f"{error.filename or 'input/output'}: {error.strerror or error}", code)
    if sys.flags.dev_mode:
        print_exception(error)
    frames = extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "nowhere"
    return _fail(
        f"this is a bug: {type(error).__name__}: {error} ({place}; python -X dev -m mailtui tells more)", EX_SOFTWARE
    )


def _fail(text: str, code: int) -> int:
    """One line to a log or a pipe; a person at a terminal also sees where in the filter it is."""
    from mailtui.text import safe_text

    lines = text.split("\n") if sys.stderr.isatty() else text.split("\n")[:1]
    sys.stderr.write("\n".join(safe_text(line) for line in (f"mailtui: {lines[0]}", *lines[1:])) + "\n")
    return code


if __name__ == "__main__":
    main()
