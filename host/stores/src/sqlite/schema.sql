-- Names that rows keep as numbers.
CREATE TABLE agent_types (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE genomes (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- What moves. Bodies and results are apart, so that moving a large task writes
-- a small row. Numbers of states and priorities: columns.rs. Times: milliseconds.
CREATE TABLE tasks (
    seq              INTEGER PRIMARY KEY, -- the order of submission
    id               BLOB    NOT NULL UNIQUE,
    agent_type       INTEGER NOT NULL,
    priority         INTEGER NOT NULL,
    state            INTEGER NOT NULL,
    at               INTEGER NOT NULL,
    fence            INTEGER NOT NULL,
    owner            BLOB,
    attempts         INTEGER NOT NULL,
    max_attempts     INTEGER NOT NULL,
    crashes          INTEGER NOT NULL,
    lost_claims      INTEGER NOT NULL,
    host_faults      INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL,
    deadline         INTEGER,
    submitted_at     INTEGER NOT NULL,
    genome           INTEGER,
    reason           TEXT
) STRICT;

-- An index ends with seq by itself. A query uses one of these only if it
-- repeats the condition to the letter.
CREATE INDEX waiting ON tasks (agent_type, priority, at) WHERE state = 0;
CREATE INDEX timed ON tasks (state, at) WHERE state <> 0;
CREATE INDEX deadlines ON tasks (deadline) WHERE deadline IS NOT NULL AND state IN (0, 1);

-- JSON, as the task was submitted and as it ended; text.rs says why in parts.
CREATE TABLE bodies (
    seq     INTEGER PRIMARY KEY,
    task    TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE TABLE results (
    seq    INTEGER PRIMARY KEY,
    result TEXT NOT NULL,
    output TEXT NOT NULL
) STRICT;

-- Numbered by themselves, since attempts that the host spoiled share a number.
CREATE TABLE attempts (
    seq     INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    attempt TEXT    NOT NULL,
    PRIMARY KEY (seq, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    key         TEXT    PRIMARY KEY NOT NULL,
    seq         INTEGER NOT NULL,
    fingerprint TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX key_of ON keys (seq);
