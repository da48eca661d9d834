-- What operators did, and what it takes to undo it. Written in the transactions of the changes it tells of.

CREATE TABLE action (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,      -- never given twice: somebody may have noted it
    at            REAL NOT NULL,
    actor         TEXT NOT NULL,
    verb          TEXT NOT NULL,                          -- retry, hold, release, purge, bounce, undo
    filter        TEXT NOT NULL DEFAULT '',               -- the selection as it was understood
    reason        TEXT NOT NULL DEFAULT '',
    args          TEXT NOT NULL DEFAULT '{}',             -- JSON: what else was said (expect, plan)
    matched       INTEGER NOT NULL DEFAULT 0,             -- recipients of the selection, and what has become of them so far
    done          INTEGER NOT NULL DEFAULT 0,
    skipped       INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    messages      INTEGER NOT NULL DEFAULT 0,             -- messages of `done`
    state         TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'stopped')),
    finished_at   REAL,
    undoes        INTEGER,                                -- of an undo: the action it takes back
    undone_by     INTEGER,
    undone_at     REAL
) STRICT;

-- Each recipient an action changed, as it was before.
CREATE TABLE action_item (
    action        INTEGER NOT NULL,
    recipient     INTEGER NOT NULL,
    state         TEXT NOT NULL,
    next_attempt  REAL NOT NULL,
    expires_at    REAL NOT NULL,
    changed_at    REAL NOT NULL,
    former_state  TEXT,                                   -- what a held one already remembered
    former_next   REAL,
    attempts      INTEGER NOT NULL,
    before        INTEGER NOT NULL,                       -- the action that stood before this one
    enhanced      TEXT,                                   -- of a suppressed one: what it says of the list
    text          TEXT,
    PRIMARY KEY (action, recipient)
) STRICT, WITHOUT ROWID;

-- The DSNs of a bounce, which an undo withdraws while they have not left.
CREATE TABLE action_dsn (
    action        INTEGER NOT NULL,
    message       INTEGER NOT NULL,                       -- the message it speaks of
    dsn           INTEGER NOT NULL,
    PRIMARY KEY (action, message, dsn)
) STRICT, WITHOUT ROWID;

-- The last action that changed a recipient and was not undone. Undoing gives the one before back, so that actions are undone in turn.
ALTER TABLE recipient ADD COLUMN action INTEGER NOT NULL DEFAULT 0;
