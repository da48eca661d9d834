-- The queue. Times are POSIX seconds. Row numbers carry their parents, so that no index is needed to find children:
--   message.id                          milliseconds since 2025-01-01, unique and rising (model.encode_id writes it)
--   recipient.id = message.id << 20 | n       n from 1
--   content.id   = message.id << 12 | sequence    sequence from 0, chunks of at most 256 KiB

CREATE TABLE message (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,      -- AUTOINCREMENT: sqlite_sequence remembers the highest id ever
    phase         TEXT NOT NULL CHECK (phase IN ('receiving', 'stored')),
    received_at   REAL NOT NULL,
    sender        TEXT NOT NULL DEFAULT '',               -- '' is the null reverse-path
    ret           TEXT NOT NULL DEFAULT '',
    envid         TEXT NOT NULL DEFAULT '',
    eight_bit     INTEGER NOT NULL DEFAULT 0,
    smtputf8      INTEGER NOT NULL DEFAULT 0,
    size          INTEGER NOT NULL DEFAULT 0,             -- octets of content, without prefix and signature
    header_from   TEXT NOT NULL DEFAULT '',
    subject       TEXT NOT NULL DEFAULT '',
    message_id    TEXT NOT NULL DEFAULT '',
    listener      TEXT NOT NULL DEFAULT '',
    kind          TEXT NOT NULL DEFAULT '',
    user          TEXT NOT NULL DEFAULT '',
    client        TEXT NOT NULL DEFAULT '',
    helo          TEXT NOT NULL DEFAULT '',
    protocol      TEXT NOT NULL DEFAULT '',
    tls           TEXT NOT NULL DEFAULT '',
    prefix        BLOB NOT NULL DEFAULT x'',              -- header lines of ours before the content
    signature     BLOB,                                   -- DKIM-Signature lines; NULL until the first attempt is prepared
    signed        TEXT NOT NULL DEFAULT '',               -- what signing came to: '', 'd=... s=...', 'no key', 'error: ...'
    about         INTEGER,                                -- of a DSN: the message it speaks of
    unfinished    INTEGER NOT NULL DEFAULT 0,             -- recipients that still need the body
    interruptions INTEGER NOT NULL DEFAULT 0,             -- consecutive attempts that ended with the process
    body          INTEGER NOT NULL DEFAULT 1,             -- content rows are still there
    finished_at   REAL
) STRICT;
CREATE INDEX message_receiving ON message (id) WHERE phase = 'receiving';
CREATE INDEX message_finished ON message (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX message_leftover ON message (finished_at) WHERE finished_at IS NOT NULL AND body = 1;
CREATE INDEX message_message_id ON message (message_id) WHERE message_id <> '';

CREATE TABLE content (
    id            INTEGER PRIMARY KEY,
    chunk         BLOB NOT NULL
) STRICT;

-- A destination by one route. due_at is a lower bound of when it deserves a look, NULL when nothing waits.
CREATE TABLE lane (
    id            INTEGER PRIMARY KEY,
    destination   TEXT NOT NULL,
    route         TEXT NOT NULL,
    site          INTEGER REFERENCES site (id),
    due_at        REAL,
    not_before    REAL NOT NULL DEFAULT 0,                -- its site is broken or its DNS fails: nothing before this
    failures      INTEGER NOT NULL DEFAULT 0,             -- consecutive DNS failures
    reason        TEXT NOT NULL DEFAULT '',
    UNIQUE (destination, route)
) STRICT;
CREATE INDEX lane_due ON lane (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX lane_site ON lane (site);

CREATE TABLE site (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    failures      INTEGER NOT NULL DEFAULT 0,             -- consecutive, before any complete reply to MAIL
    broken_until  REAL NOT NULL DEFAULT 0,
    reason        TEXT NOT NULL DEFAULT '',
    last_success  REAL,
    last_failure  REAL,
    last_probe    INTEGER NOT NULL DEFAULT 0              -- message of the last probe
) STRICT;

CREATE TABLE fingerprint (
    id            INTEGER PRIMARY KEY,
    text          TEXT NOT NULL UNIQUE,
    class         TEXT NOT NULL,
    sample        TEXT NOT NULL,                          -- one reply as it was received
    sentence      TEXT NOT NULL DEFAULT '',
    first_seen    REAL NOT NULL,
    last_seen     REAL NOT NULL
) STRICT;

CREATE TABLE recipient (
    id            INTEGER PRIMARY KEY,
    message       INTEGER GENERATED ALWAYS AS (id >> 20) VIRTUAL,
    address       TEXT NOT NULL,
    lane          INTEGER NOT NULL REFERENCES lane (id),
    state         TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'deferred', 'held', 'delivered', 'bounced', 'suppressed', 'purged')),
    next_attempt  REAL NOT NULL,
    expires_at    REAL NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    notify        TEXT NOT NULL DEFAULT '',
    orcpt         TEXT NOT NULL DEFAULT '',
    notices       INTEGER NOT NULL DEFAULT 0,             -- delay DSNs sent
    owner         TEXT NOT NULL DEFAULT '',               -- of a claim: which process (for several relays, one day)
    code          INTEGER NOT NULL DEFAULT 0,             -- the last attempt ...
    enhanced      TEXT NOT NULL DEFAULT '',
    text          TEXT NOT NULL DEFAULT '',
    class         TEXT NOT NULL DEFAULT '',
    fingerprint   INTEGER NOT NULL DEFAULT 0,
    host          TEXT NOT NULL DEFAULT '',
    former_state  TEXT,                                   -- held or purged: what release and undo restore
    former_next   REAL,
    changed_at    REAL NOT NULL                           -- of the last change of state
) STRICT;
CREATE INDEX recipient_due ON recipient (lane, next_attempt) WHERE state IN ('queued', 'deferred');
CREATE INDEX recipient_sending ON recipient (id) WHERE state = 'sending';
CREATE INDEX recipient_waiting ON recipient (id) WHERE state IN ('queued', 'sending', 'deferred', 'held');
CREATE INDEX recipient_parted ON recipient (changed_at) WHERE state IN ('purged', 'suppressed');

CREATE TABLE attempt (
    recipient     INTEGER NOT NULL,
    n             INTEGER NOT NULL,
    started       REAL NOT NULL,
    ended         REAL NOT NULL,
    stage         TEXT NOT NULL,
    disposition   TEXT NOT NULL,
    class         TEXT NOT NULL,
    fingerprint   INTEGER NOT NULL DEFAULT 0,
    host          TEXT NOT NULL DEFAULT '',
    address       TEXT NOT NULL DEFAULT '',
    tls           TEXT NOT NULL DEFAULT '',
    code          INTEGER NOT NULL DEFAULT 0,
    enhanced      TEXT NOT NULL DEFAULT '',
    text          TEXT NOT NULL DEFAULT '',
    timings       TEXT NOT NULL DEFAULT '',               -- JSON: milliseconds by stage
    preamble      INTEGER NOT NULL DEFAULT 0,             -- transcript of how the connection began
    dialogue      INTEGER NOT NULL DEFAULT 0,             -- transcript of this transaction
    PRIMARY KEY (recipient, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE transcript (
    id            INTEGER PRIMARY KEY,
    at            REAL NOT NULL,
    lines         BLOB NOT NULL                           -- delivery/transcript.py packs and unpacks
) STRICT;

CREATE TABLE event (
    id            INTEGER PRIMARY KEY,
    at            REAL NOT NULL,
    message       INTEGER NOT NULL DEFAULT 0,
    recipient     INTEGER NOT NULL DEFAULT 0,             -- 0: the whole message
    kind          TEXT NOT NULL,
    actor         TEXT NOT NULL DEFAULT 'relay',
    text          TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX event_message ON event (message);

-- Life-long counts: one row a state plus 'accepted'. Kept by the triggers below, never touched by pruning.
CREATE TABLE counter (
    name          TEXT PRIMARY KEY,
    n             INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name) VALUES ('accepted'), ('queued'), ('sending'), ('deferred'), ('held'),
    ('delivered'), ('bounced'), ('suppressed'), ('purged');

-- What stands in the queue, so that no view has to count it.
CREATE TABLE tally (
    lane          INTEGER NOT NULL,
    state         TEXT NOT NULL,
    fingerprint   INTEGER NOT NULL,
    n             INTEGER NOT NULL,
    PRIMARY KEY (lane, state, fingerprint)
) STRICT, WITHOUT ROWID;

-- Finished attempts by minute and lane.
CREATE TABLE sample (
    minute        INTEGER NOT NULL,
    lane          INTEGER NOT NULL,
    delivered     INTEGER NOT NULL DEFAULT 0,
    deferred      INTEGER NOT NULL DEFAULT 0,
    bounced       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (minute, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (
    name          TEXT PRIMARY KEY,
    value         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER recipient_enters AFTER INSERT ON recipient BEGIN
    UPDATE counter SET n = n + 1 WHERE name IN ('accepted', NEW.state);
    INSERT INTO tally (lane, state, fingerprint, n) VALUES (NEW.lane, NEW.state, NEW.fingerprint, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER recipient_moves AFTER UPDATE OF state ON recipient WHEN OLD.state <> NEW.state BEGIN
    UPDATE counter SET n = n + iif(name = NEW.state, 1, -1) WHERE name IN (OLD.state, NEW.state);
END;

CREATE TRIGGER recipient_settles AFTER UPDATE OF state ON recipient
    WHEN (OLD.state IN ('queued', 'sending', 'deferred', 'held')) <> (NEW.state IN ('queued', 'sending', 'deferred', 'held')) BEGIN
    UPDATE message SET
        unfinished = unfinished + iif(NEW.state IN ('queued', 'sending', 'deferred', 'held'), 1, -1),
        finished_at = iif(NEW.state IN ('queued', 'sending', 'deferred', 'held') OR unfinished > 1, NULL, NEW.changed_at)
        WHERE id = NEW.id >> 20;
END;

CREATE TRIGGER recipient_regroups AFTER UPDATE OF state, fingerprint, lane ON recipient
    WHEN OLD.state <> NEW.state OR OLD.fingerprint <> NEW.fingerprint OR OLD.lane <> NEW.lane BEGIN
    UPDATE tally SET n = n - 1 WHERE lane = OLD.lane AND state = OLD.state AND fingerprint = OLD.fingerprint;
    INSERT INTO tally (lane, state, fingerprint, n) VALUES (NEW.lane, NEW.state, NEW.fingerprint, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER recipient_leaves AFTER DELETE ON recipient BEGIN
    UPDATE tally SET n = n - 1 WHERE lane = OLD.lane AND state = OLD.state AND fingerprint = OLD.fingerprint;
END;
