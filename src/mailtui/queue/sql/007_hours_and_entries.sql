-- History beyond two days: each hour summed up when it is over, kept for 90 days.

-- How many deliveries took how long, as JSON {"place": deliveries} (queue/delays.py): unlike percentiles these can be added up. Those
-- of minutes already kept cannot be, and go.
ALTER TABLE moment ADD COLUMN delays TEXT NOT NULL DEFAULT '{}';
ALTER TABLE moment ADD COLUMN refused_4xx INTEGER NOT NULL DEFAULT 0;  -- answers to clients that concern mail
ALTER TABLE moment ADD COLUMN refused_5xx INTEGER NOT NULL DEFAULT 0;
ALTER TABLE moment DROP COLUMN p50;
ALTER TABLE moment DROP COLUMN p95;

-- The same of an hour: depth at the end of the last minute in which the relay ran, everything else summed.
CREATE TABLE moment_hour (
    hour          INTEGER PRIMARY KEY,
    minutes       INTEGER NOT NULL,                       -- in which the relay ran
    peak          INTEGER NOT NULL,                       -- the most recipients that waited at the end of one of them
    queued        INTEGER NOT NULL,
    sending       INTEGER NOT NULL,
    deferred      INTEGER NOT NULL,
    held          INTEGER NOT NULL,
    accepted      INTEGER NOT NULL,
    refused_4xx   INTEGER NOT NULL,
    refused_5xx   INTEGER NOT NULL,
    delivered     INTEGER NOT NULL,
    deferrals     INTEGER NOT NULL,
    bounced       INTEGER NOT NULL,
    delays        TEXT NOT NULL
) STRICT;

-- Finished attempts by hour, of the lanes with the most of them; lane 0: all others together.
CREATE TABLE sample_hour (
    hour          INTEGER NOT NULL,
    lane          INTEGER NOT NULL,
    delivered     INTEGER NOT NULL,
    deferred      INTEGER NOT NULL,
    bounced       INTEGER NOT NULL,
    PRIMARY KEY (hour, lane)
) STRICT, WITHOUT ROWID;

-- Failed attempts by hour, of the lanes and kinds of reply with the most of them; lane 0 and fingerprint 0: all others together.
CREATE TABLE failure_hour (
    hour          INTEGER NOT NULL,
    lane          INTEGER NOT NULL,
    fingerprint   INTEGER NOT NULL,
    deferred      INTEGER NOT NULL,
    bounced       INTEGER NOT NULL,
    PRIMARY KEY (hour, lane, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX failure_hour_kind ON failure_hour (fingerprint);

-- Each entry of the suppression list an action changed, as JSON: what stood there before, and what since. NULL: nothing.
CREATE TABLE action_entry (
    action        INTEGER NOT NULL,
    entry         TEXT NOT NULL,
    was           TEXT,
    became        TEXT,
    PRIMARY KEY (action, entry)
) STRICT, WITHOUT ROWID;
