"""The program `mailtui`: runs the command line, and turns whatever ends it into one line and an exit code.

Owned here: exit codes (sysexits) and the form of an error. The verbs are in `cli`.
"""

from __future__ import annotations

import os
import sys
from traceback import extract_tb
from typing import Final

from mailtui.errors import EX_IOERR, EX_USAGE, MailtuiError

EX_SOFTWARE: Final = 70
_INTERRUPTED: Final = 130  # 128 + SIGINT, and 128 + SIGPIPE: as the shell reports a program that died of them
_BROKEN_PIPE: Final = 141


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
    except MailtuiError as error:
        return _fail(_told(error), error.exit_code)
    except BrokenPipeError:
        # Whoever read us has gone; the interpreter must not try again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except OSError as error:
        return _fail(f"{error.filename or 'input/output'}: {error.strerror or error}", EX_IOERR)
    except Exception as error:
        frame = extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        return _fail(f"this is a bug: {type(error).__name__}: {error} ({place})", EX_SOFTWARE)
    return 0


def _told(error: MailtuiError) -> str:
    hint = getattr(error, "hint", "")
    return f"{error} ({hint})" if hint else str(error)


def _fail(text: str, code: int) -> int:
    """One line to a log or a pipe; a person at a terminal also sees where in the filter it is."""
    from mailtui.text import safe_text

    lines = text.split("\n") if sys.stderr.isatty() else text.split("\n")[:1]
    sys.stderr.write("\n".join(safe_text(line) for line in (f"mailtui: {lines[0]}", *lines[1:])) + "\n")
    return code


if __name__ == "__main__":
    main()
