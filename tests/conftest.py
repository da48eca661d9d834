"""What every test needs: that the audit names the account alone, wherever the tests are run from."""

from __future__ import annotations

import os

for claim in ("MAILTUI_OPERATOR", "SUDO_USER", "SSH_CONNECTION"):
    os.environ.pop(claim, None)
