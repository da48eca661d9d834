"""mailtui: an outbound mail relay and its operator console. This module owns the version and imports nothing."""

__version__ = "0.1.0"
