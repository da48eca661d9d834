-- What waits by age and by message, and what usually fails: known without looking at the queue or a day of minutes.

-- With the lane beside it a stretch of time is counted without the recipients themselves; likewise the kind of a failed attempt.
DROP INDEX recipient_waiting;
CREATE INDEX recipient_waiting ON recipient (id, lane) WHERE state IN ('queued', 'sending', 'deferred', 'held');
DROP INDEX attempt_failed;
CREATE INDEX attempt_failed ON attempt (ended, fingerprint) WHERE fingerprint > 0;

-- One row: messages with recipients that wait, and the last recipient that `age` knows of (queue/aging.py moves it on).
CREATE TABLE waiting (
    messages      INTEGER NOT NULL,
    aged          INTEGER NOT NULL
) STRICT;
INSERT INTO waiting (messages, aged) SELECT (SELECT count(*) FROM message WHERE unfinished > 0),
    (SELECT ifnull(max(id), 0) FROM recipient WHERE state IN ('queued', 'sending', 'deferred', 'held'));

-- Recipients that wait, up to that one, by lane and quarter of an hour since 2025-01-01. Mail that flows is gone before it would count.
CREATE TABLE age (
    lane          INTEGER NOT NULL,
    quarter       INTEGER NOT NULL,
    n             INTEGER NOT NULL,
    PRIMARY KEY (lane, quarter)
) STRICT, WITHOUT ROWID;
INSERT INTO age (lane, quarter, n) SELECT lane, (id >> 20) / 900000, count(*) FROM recipient
    WHERE state IN ('queued', 'sending', 'deferred', 'held') GROUP BY 1, 2;

CREATE TRIGGER message_enters AFTER INSERT ON message WHEN NEW.unfinished > 0 BEGIN
    UPDATE waiting SET messages = messages + 1;
END;
CREATE TRIGGER message_settles AFTER UPDATE OF unfinished ON message WHEN (OLD.unfinished > 0) <> (NEW.unfinished > 0) BEGIN
    UPDATE waiting SET messages = messages + iif(NEW.unfinished > 0, 1, -1);
END;
CREATE TRIGGER message_leaves AFTER DELETE ON message WHEN OLD.unfinished > 0 BEGIN
    UPDATE waiting SET messages = messages - 1;
END;

-- As before, with comparisons: SQLite makes a table of a longer list of words each time a trigger comes to it.
DROP TRIGGER recipient_settles;
CREATE TRIGGER recipient_settles AFTER UPDATE OF state ON recipient
    WHEN (OLD.state = 'queued' OR OLD.state = 'sending' OR OLD.state = 'deferred' OR OLD.state = 'held')
        <> (NEW.state = 'queued' OR NEW.state = 'sending' OR NEW.state = 'deferred' OR NEW.state = 'held') BEGIN
    UPDATE message SET
        unfinished = unfinished + iif((NEW.state = 'queued' OR NEW.state = 'sending' OR NEW.state = 'deferred' OR NEW.state = 'held'), 1, -1),
        finished_at = iif((NEW.state = 'queued' OR NEW.state = 'sending' OR NEW.state = 'deferred' OR NEW.state = 'held')
            OR unfinished > 1, NULL, NEW.changed_at)
        WHERE id = NEW.id >> 20;
END;

CREATE TRIGGER recipient_enters_late AFTER INSERT ON recipient
    WHEN NEW.id <= (SELECT aged FROM waiting) AND NEW.state IN ('queued', 'sending', 'deferred', 'held') BEGIN
    INSERT INTO age (lane, quarter, n) VALUES (NEW.lane, (NEW.id >> 20) / 900000, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER recipient_ages AFTER UPDATE OF state, lane ON recipient
    WHEN (OLD.lane <> NEW.lane OR (OLD.state = 'queued' OR OLD.state = 'sending' OR OLD.state = 'deferred' OR OLD.state = 'held')
        <> (NEW.state = 'queued' OR NEW.state = 'sending' OR NEW.state = 'deferred' OR NEW.state = 'held'))
        AND NEW.id <= (SELECT aged FROM waiting) BEGIN
    UPDATE age SET n = n - 1 WHERE lane = OLD.lane AND quarter = (OLD.id >> 20) / 900000
        AND OLD.state IN ('queued', 'sending', 'deferred', 'held');
    INSERT INTO age (lane, quarter, n) SELECT NEW.lane, (NEW.id >> 20) / 900000, 1
        WHERE NEW.state IN ('queued', 'sending', 'deferred', 'held') ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER recipient_leaves_aged AFTER DELETE ON recipient
    WHEN OLD.id <= (SELECT aged FROM waiting) AND OLD.state IN ('queued', 'sending', 'deferred', 'held') BEGIN
    UPDATE age SET n = n - 1 WHERE lane = OLD.lane AND quarter = (OLD.id >> 20) / 900000;
END;

-- Failed attempts by hour, site and kind of reply, with the first and last minute; of lanes without a site (0) by lane. For two days.
CREATE TABLE usual (
    hour          INTEGER NOT NULL,
    site          INTEGER NOT NULL,
    lane          INTEGER NOT NULL,
    fingerprint   INTEGER NOT NULL,
    n             INTEGER NOT NULL,
    first         INTEGER NOT NULL,
    last          INTEGER NOT NULL,
    PRIMARY KEY (hour, site, lane, fingerprint)
) STRICT, WITHOUT ROWID;
INSERT INTO usual SELECT t.minute / 60, ifnull(l.site, 0), iif(l.site IS NULL, t.lane, 0), t.fingerprint, sum(t.deferred + t.bounced),
    min(t.minute), max(t.minute) FROM failure t LEFT JOIN lane l ON l.id = t.lane
    WHERE t.minute < 60 * (SELECT ifnull(max(CAST(value AS INTEGER)) + 1, 0) FROM setting WHERE name = 'summed') GROUP BY 1, 2, 3, 4;
