-- What happened to genomes, in order, counted from zero without gaps. Times: milliseconds. Events: JSON.
CREATE TABLE entries (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    agent_type TEXT,
    genome     TEXT    NOT NULL,
    activates  TEXT, -- the genome that is in charge of the type from here on
    event      TEXT    NOT NULL,
    CHECK (activates IS NULL OR agent_type IS NOT NULL)
) STRICT;
CREATE INDEX entries_of_type ON entries (agent_type);
CREATE INDEX entries_of_genome ON entries (genome);
CREATE INDEX activations ON entries (agent_type) WHERE activates IS NOT NULL;

-- What was recorded stays as it was.
CREATE TRIGGER entries_stay BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the lineage is only added to: nothing is removed'); END;
CREATE TRIGGER entries_are_final BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the lineage is only added to: nothing is changed'); END;
CREATE TRIGGER entries_are_new BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM entries WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the lineage is only added to: nothing is replaced'); END;

-- Which genome is in charge: what the last activation says, found without looking for it.
CREATE TABLE active (
    agent_type TEXT    PRIMARY KEY NOT NULL,
    genome     TEXT    NOT NULL,
    seq        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
