-- Real tasks and what became of them. Times: milliseconds. Payloads and outputs: JSON.
CREATE TABLE recordings (
    seq        INTEGER PRIMARY KEY,
    agent_type TEXT    NOT NULL,
    task_id    TEXT    NOT NULL,
    payload    TEXT    NOT NULL,
    output     TEXT    NOT NULL,
    success    INTEGER NOT NULL,
    latency_us INTEGER NOT NULL,
    genome     TEXT    NOT NULL,
    validated  REAL,
    at         INTEGER NOT NULL,
    bytes      INTEGER NOT NULL
) STRICT;
CREATE INDEX recordings_of_type ON recordings (agent_type);
CREATE INDEX recordings_of_task ON recordings (task_id);

-- How many tasks each type's sample stands for.
CREATE TABLE seen (agent_type TEXT PRIMARY KEY NOT NULL, tasks INTEGER NOT NULL) STRICT, WITHOUT ROWID;
