-- What rules have put on sites for a while, because of what those answered. One row a site and rule stands; ended ones are history.
CREATE TABLE restraint (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    site          TEXT NOT NULL,
    rule          TEXT NOT NULL,
    since         REAL NOT NULL,
    until         REAL NOT NULL,
    count         INTEGER NOT NULL,                       -- replies that spoke for it
    cause         TEXT NOT NULL,                          -- the reply that decided ...
    class         TEXT NOT NULL DEFAULT '',
    host          TEXT NOT NULL DEFAULT '',               -- ... by whom,
    recipient     INTEGER NOT NULL DEFAULT 0,             -- ... to which recipient
    connections   INTEGER NOT NULL DEFAULT 0,             -- at most so many; 0: says nothing of them
    rate_count    INTEGER NOT NULL DEFAULT 0,             -- at most so many messages ...
    rate_seconds  INTEGER NOT NULL DEFAULT 0,             -- ... in so many seconds; 0: says nothing of them
    paused        INTEGER NOT NULL DEFAULT 0,
    action        INTEGER NOT NULL DEFAULT 0,             -- its row in the audit
    ended_at      REAL,                                   -- NULL: it stands
    lifted_by     INTEGER NOT NULL DEFAULT 0,             -- the action of an operator that ended it early ...
    former_until  REAL NOT NULL DEFAULT 0,                -- ... and when it would have ended
    credit_from   REAL NOT NULL DEFAULT 0,                -- of a pause: since when what waits uses up no lifetime, ...
    credit_lane   INTEGER NOT NULL DEFAULT 0,             -- ... and how far that has been put right
    credit_next   REAL NOT NULL DEFAULT 0,
    credit_row    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX restraint_standing ON restraint (site, rule) WHERE ended_at IS NULL;
CREATE INDEX restraint_action ON restraint (action);
CREATE INDEX restraint_ended ON restraint (ended_at) WHERE ended_at IS NOT NULL;
