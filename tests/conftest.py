"""What every test needs: that the audit names the account alone, wherever the tests are run from."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

for claim in ("MAILTUI_OPERATOR", "SUDO_USER", "SSH_CONNECTION"):
    os.environ.pop(claim, None)

# A shell that runs us in the background has us ignore it, and what we start would inherit that: some of it is ended by ctrl+c.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path leaves room for the 107 octets of a socket's; `tmp_path` may not, least of all under pytest-xdist."""
    made = Path(tempfile.mkdtemp(prefix="mt-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)
