"""What comes back: the delivery status notifications this relay composes (RFC 3461-3464)."""
