"""`mailtui` in a world that stands still: `python -m tests.kit.clocked TIME ARGUMENT...` runs it while every clock on the wall says TIME.

Owned here: that clock, and that whoever runs it is called `operator`. What only measures how long something takes goes on.
"""

from __future__ import annotations

import pwd
import sys
from typing import Final

import time_machine

from mailtui.__main__ import run

OPERATOR: Final = "operator"


def main(time: float, arguments: list[str]) -> int:
    """The exit code of the command line."""
    account = pwd.getpwuid

    def named(uid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd((OPERATOR, *account(uid)[1:]))

    pwd.getpwuid = named
    with time_machine.travel(time, tick=False):
        return run(arguments)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
