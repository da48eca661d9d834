"""Who gets a DSN, when, and how much of the original comes back with it (RFC 3461 sections 4 to 6).

Owned here: decisions over the NOTIFY and RET parameters and the `[dsn]` settings. How a DSN is written is `dsn`; rate
and lane of DSNs belong to the queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mailtui.model import Address
from mailtui.report import Kind

#: Seconds after which an explicit NOTIFY=DELAY is honoured where no schedule is configured.
DELAY_ON_REQUEST: Final = 4 * 3600.0
#: Octets of the largest original that is returned whole (RFC 3461 6.2 leaves the limit to us).
LARGEST_RETURNED: Final = 50 * 1024


def wanted(kind: Kind, notify: str, sender: Address, *, is_dsn: bool, delay_notice: Sequence[float] = ()) -> bool:
    """Whether a recipient with this NOTIFY value ("" when none was given) gets a report of `kind`.

    Never to the null sender and never about a DSN (RFC 5321 6.1). Ask for RELAYED only when the next hop had no DSN;
    where it has, the parameters went with the message and the report of success is its business. DELIVERED is always
    refused: a relay is never the final delivery of RFC 3461 5.2.3. For DELAYED see also `delay_due`.
    """
    if not sender or is_dsn:
        return False
    asked = _asked(notify)
    match kind:
        case Kind.FAILED:
            return not asked or "FAILURE" in asked
        case Kind.DELAYED:
            return bool(_delay_ages(notify, delay_notice))
        case Kind.RELAYED:
            return "SUCCESS" in asked
        case Kind.DELIVERED:
            return False


def next_delay(notify: str, accepted_at: float, notified: int, delay_notice: Sequence[float]) -> float | None:
    """POSIX seconds of the next delay notice after `notified` of them, None when there will be none."""
    ages = _delay_ages(notify, delay_notice)
    return accepted_at + ages[notified] if notified < len(ages) else None


def delay_due(notify: str, accepted_at: float, notified: int, delay_notice: Sequence[float], now: float) -> bool:
    """Whether a delay notice is due; send one however many are overdue, then keep `delays_passed` as `notified`."""
    return delays_passed(notify, accepted_at, delay_notice, now) > notified


def delays_passed(notify: str, accepted_at: float, delay_notice: Sequence[float], now: float) -> int:
    """How many notices of the schedule lie behind `now`: the new `notified`, so that a long stop is not made up for by
    several notices at once."""
    return sum(accepted_at + age <= now for age in _delay_ages(notify, delay_notice))


def returns_body(kind: Kind, ret: str, return_body: str, size: int) -> bool:
    """Whether the whole original (`size` octets) goes back.

    RET decides; without it `return_body`, "headers" or "full". Only with failures and only up to LARGEST_RETURNED
    (RFC 3461 6.2); otherwise its header section goes back.
    """
    full = ret.upper() == "FULL" or (not ret and return_body == "full")
    return full and kind is Kind.FAILED and size <= LARGEST_RETURNED


def _asked(notify: str) -> frozenset[str]:
    return frozenset(notify.upper().replace(" ", "").split(",")) - {""}


def _delay_ages(notify: str, delay_notice: Sequence[float]) -> list[float]:
    """Ages in seconds at which this recipient's delay is reported, ascending.

    RFC 3461 5.2.5: NOTIFY without DELAY forbids it, no NOTIFY leaves it to the settings.
    """
    asked = _asked(notify)
    if asked and "DELAY" not in asked:
        return []
    return sorted(delay_notice) or ([DELAY_ON_REQUEST] if asked else [])
