-- What its sender calls a kind of mail (X-Mailtui-Tag).
ALTER TABLE message ADD COLUMN tag TEXT NOT NULL DEFAULT '';
