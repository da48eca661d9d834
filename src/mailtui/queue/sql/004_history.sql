-- What happened lately, readable without counting the queue or its history.

-- The oldest recipient of a failure group, one look-up a lane.
CREATE INDEX recipient_group ON recipient (lane, fingerprint)
    WHERE fingerprint > 0 AND state IN ('queued', 'sending', 'deferred', 'held');
-- The failed attempts of the last minutes.
CREATE INDEX attempt_failed ON attempt (ended) WHERE fingerprint > 0;

ALTER TABLE attempt ADD COLUMN wait REAL;                 -- seconds the reply asked us to wait, NULL when it named none

-- Failed attempts by minute, lane and kind of reply.
CREATE TABLE failure (
    minute        INTEGER NOT NULL,
    lane          INTEGER NOT NULL,
    fingerprint   INTEGER NOT NULL,
    deferred      INTEGER NOT NULL DEFAULT 0,
    bounced       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (minute, lane, fingerprint)
) STRICT, WITHOUT ROWID;

-- The relay as a whole at the end of each minute it ran: depth by state, what happened in that minute, and the delay of deliveries.
CREATE TABLE moment (
    minute        INTEGER PRIMARY KEY,
    queued        INTEGER NOT NULL,
    sending       INTEGER NOT NULL,
    deferred      INTEGER NOT NULL,
    held          INTEGER NOT NULL,
    accepted      INTEGER NOT NULL,                       -- recipients
    delivered     INTEGER NOT NULL,                       -- attempts by disposition ...
    deferrals     INTEGER NOT NULL,
    bounced       INTEGER NOT NULL,
    p50           REAL,                                   -- seconds from 250 to delivery, NULL when nothing was delivered
    p95           REAL
) STRICT;
