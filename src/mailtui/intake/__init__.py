"""How mail comes in: listeners, SMTP sessions, address and parameter parsing, policy, trace header, authentication."""
