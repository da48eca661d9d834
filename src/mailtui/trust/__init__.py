"""Why we are believed: DKIM keys and signatures."""
