-- Addresses and domains that get no mail. `entry` is the address or "@domain", its ASCII letters small: what is compared.
CREATE TABLE suppression (
    id            INTEGER PRIMARY KEY,
    entry         TEXT NOT NULL UNIQUE,
    reason        TEXT NOT NULL,                          -- a class of failure, or 'manual'
    source        TEXT NOT NULL,                          -- an operator, or 'relay'
    created       REAL NOT NULL,
    expires       REAL,                                   -- NULL: until it is removed
    evidence      TEXT NOT NULL DEFAULT '',               -- what was answered (or what DNS said) ...
    host          TEXT NOT NULL DEFAULT '',               -- ... by whom,
    seen          REAL,                                   -- ... when,
    recipient     INTEGER NOT NULL DEFAULT 0,             -- ... to which recipient; 0: none of ours
    note          TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX suppression_expires ON suppression (expires) WHERE expires IS NOT NULL;

-- An operator released this recipient although the list names it: the list does not stop it again.
ALTER TABLE recipient ADD COLUMN unsuppress INTEGER NOT NULL DEFAULT 0;

-- Since when DNS says without exception that this destination takes no mail, and what it says (a class).
ALTER TABLE lane ADD COLUMN gone_since REAL;
ALTER TABLE lane ADD COLUMN gone_class TEXT NOT NULL DEFAULT '';
