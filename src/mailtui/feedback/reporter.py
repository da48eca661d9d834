"""The reporter the queue asks when something is to be told to a sender: who gets a DSN, what it says, and when it may leave.

Owned here: the `[dsn]` settings applied to `policy` and `dsn`, and the rate over which DSNs wait. Called from the
writer's thread, one call at a time.
"""

from __future__ import annotations

from mailtui.config import Config
from mailtui.feedback import dsn, policy
from mailtui.model import Address, encode_id
from mailtui.report import Composed, Kind, Original, Report


class Reporter:
    """Decides and composes. Replace it on reload; the rate starts afresh then."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._free_at = 0.0

    def wanted(self, kind: Kind, notify: str, sender: Address) -> bool:
        """Whether the sender is to be told this of a recipient with that NOTIFY value. Our DSNs have no sender to tell."""
        return policy.wanted(kind, notify, sender, is_dsn=False, delay_notice=self._config.dsn.delay_notice)

    def delays_passed(self, notify: str, accepted_at: float, now: float) -> int:
        """How many delay notices should have been sent by `now`."""
        return policy.delays_passed(notify, accepted_at, self._config.dsn.delay_notice, now)

    def returns_body(self, kind: Kind, ret: str, size: int) -> bool:
        """Whether the body goes back with the header."""
        return policy.returns_body(kind, ret, self._config.dsn.return_body, size)

    def compose(self, report: Report, original: Original, number: int, now: float) -> Composed:
        """The DSN as message `number`."""
        hostname = self._config.relay.hostname
        return dsn.compose(
            report,
            original,
            hostname=hostname,
            postmaster=self._config.dsn.postmaster,
            message_id=f"<{encode_id(number)}@{hostname}>",
            now=now,
        )

    def leave_at(self, now: float) -> float:
        """When the next DSN may leave: at once up to `dsn.rate`, beyond that in line (a full bucket may burst)."""
        rate = self._config.dsn.rate
        step = rate.seconds / rate.count
        self._free_at = max(self._free_at, now - rate.seconds) + step
        return max(now, self._free_at)
