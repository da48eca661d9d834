"""Typed settings: what can be set, the defaults, and one line naming file, key and what would be right when it is not.

The door of the room; nothing lives here. `settings` has the keys, `values` and `addresses` how one value is written,
`reader` tables and unknown keys, `checks` what keys demand of each other, `loading` where files are found, `reload`
what a running relay can take over.
"""

from .addresses import Endpoint, Network, NextHop, parse_next_hop
from .limits import Limits
from .loading import load, load_socket, locate
from .reload import changed
from .secret import Secret, read_secret
from .settings import (
    Config,
    Control,
    Delivery,
    Dkim,
    Dns,
    Dsn,
    Intake,
    Listener,
    Log,
    Queue,
    Relay,
    Retry,
    Route,
    Shaping,
    ShapingRule,
    Suppression,
    SuppressionExpiry,
    Timeouts,
    Tls,
    Trust,
    User,
)
from .values import Rate, Rejected

__all__ = [
    "Config",
    "Control",
    "Delivery",
    "Dkim",
    "Dns",
    "Dsn",
    "Endpoint",
    "Intake",
    "Limits",
    "Listener",
    "Log",
    "Network",
    "NextHop",
    "Queue",
    "Rate",
    "Rejected",
    "Relay",
    "Retry",
    "Route",
    "Secret",
    "Shaping",
    "ShapingRule",
    "Suppression",
    "SuppressionExpiry",
    "Timeouts",
    "Tls",
    "Trust",
    "User",
    "changed",
    "load",
    "load_socket",
    "locate",
    "parse_next_hop",
    "read_secret",
]
