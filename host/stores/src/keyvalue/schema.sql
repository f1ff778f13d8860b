-- `version` is the rowid. SQLite never assigns it twice, so an entry that was
-- removed and made anew has another version.
CREATE TABLE entries (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    space TEXT NOT NULL,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    UNIQUE (space, bucket, key)
) STRICT;
CREATE INDEX entries_by_version ON entries (space, bucket, version);
-- What each space takes, so that a change need not count it.
CREATE TABLE spaces (
    space TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
