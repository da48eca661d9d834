-- Reads of a deep queue: what waits in a lane, also what has not failed yet, by kind of reply and then by age.
DROP INDEX recipient_group;
CREATE INDEX recipient_group ON recipient (lane, fingerprint) WHERE state IN ('queued', 'sending', 'deferred', 'held');
-- Held mail is found without looking at all that waits. Mail that flows never enters this.
CREATE INDEX recipient_held ON recipient (id) WHERE state = 'held';
