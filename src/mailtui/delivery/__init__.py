"""How mail leaves: routes, DNS, connections, SMTP transactions, transcripts and the classification of what was answered."""
