-- What operators have suspended: no delivery to a destination or site, none at all, or no mail taken from a sender, a user, anybody.

CREATE TABLE suspension (
    id            INTEGER PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (kind IN ('destination', 'site', 'sender', 'user', 'intake', 'delivery')),
    name          TEXT NOT NULL,                          -- '' of intake and delivery; of a sender a glob
    since         REAL NOT NULL,
    until         REAL,                                   -- NULL: until it is resumed
    actor         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    action        INTEGER NOT NULL,                       -- that made it what it is
    UNIQUE (kind, name)
) STRICT;

-- What each action did to one, as JSON before and after ('' for none): what it takes to undo it.
CREATE TABLE suspension_change (
    action        INTEGER PRIMARY KEY REFERENCES action (id) ON DELETE CASCADE,
    before        TEXT NOT NULL,
    after         TEXT NOT NULL
) STRICT;

-- Since when nothing is claimed from this lane. Stays until its recipients have been given back their lifetime; see resuming.
ALTER TABLE lane ADD COLUMN suspended_since REAL;
CREATE INDEX lane_suspended ON lane (id) WHERE suspended_since IS NOT NULL;
DROP INDEX lane_due;
CREATE INDEX lane_due ON lane (due_at) WHERE due_at IS NOT NULL AND suspended_since IS NULL;

-- When the last suspension of it ended, and by when all that was due then has its turn.
ALTER TABLE lane ADD COLUMN resumed_at REAL;
ALTER TABLE lane ADD COLUMN back_by REAL;

-- Lanes that are being given back, a few hundred recipients a transaction: first what is planned for later, up to where, then what is due.
CREATE TABLE resuming (
    lane          INTEGER PRIMARY KEY,
    began         REAL NOT NULL,                          -- when the suspension ended
    spread        REAL NOT NULL,                          -- seconds over which what is due by then comes back
    due           INTEGER NOT NULL,                       -- how many that are, and have come back
    done          INTEGER NOT NULL DEFAULT 0,
    upto          REAL NOT NULL,                          -- next_attempt and row of the last one planned for later
    upto_row      INTEGER NOT NULL DEFAULT 0
) STRICT;
