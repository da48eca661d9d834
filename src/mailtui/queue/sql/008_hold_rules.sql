-- Hold rules for new mail, and recipients that an operator sent another way.

CREATE TABLE hold_rule (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,      -- never given twice: recipients and people remember it
    filter        TEXT NOT NULL,                          -- as it was understood
    reason        TEXT NOT NULL DEFAULT '',
    actor         TEXT NOT NULL,
    created       REAL NOT NULL,
    ends          REAL,                                   -- NULL: it stands until it is removed
    removed       REAL,                                   -- NULL: it was not
    held          INTEGER NOT NULL DEFAULT 0,             -- recipients it has held so far
    last_held     REAL,
    action        INTEGER NOT NULL DEFAULT 0              -- the last action that added, removed or restored it
) STRICT;

-- The rule that held it when it was taken in.
ALTER TABLE recipient ADD COLUMN hold_rule INTEGER NOT NULL DEFAULT 0;

-- An operator chose the route of its lane: the rules of the configuration do not move it.
ALTER TABLE recipient ADD COLUMN rerouted INTEGER NOT NULL DEFAULT 0;

-- Where it stood before an action, and whether an operator had put it there.
ALTER TABLE action_item ADD COLUMN lane INTEGER;
ALTER TABLE action_item ADD COLUMN rerouted INTEGER NOT NULL DEFAULT 0;
