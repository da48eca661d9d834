"""A world to try the relay in: a DNS server, remote SMTP servers with personalities, and traffic, all on loopback."""
