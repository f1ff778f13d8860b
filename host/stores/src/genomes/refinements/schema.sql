-- What was set for agent types, in order, counted from one without gaps. Times: milliseconds. Refinements: JSON.
CREATE TABLE entries (
    number       INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    agent_type   TEXT    NOT NULL,
    change       TEXT    NOT NULL,
    author       TEXT    NOT NULL,
    source_layer TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    before       INTEGER, -- the entry that counted until then
    in_force     INTEGER, -- the entry that counts from then on
    routes       INTEGER NOT NULL, -- whether that one sends tasks elsewhere
    refinement   TEXT,    -- what counts from then on
    CHECK ((in_force IS NULL) = (refinement IS NULL))
) STRICT;
CREATE INDEX entries_of_type ON entries (agent_type);

-- What was recorded stays as it was.
CREATE TRIGGER entries_stay BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the record of refinements is only added to: nothing is removed'); END;
CREATE TRIGGER entries_are_final BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the record of refinements is only added to: nothing is changed'); END;
CREATE TRIGGER entries_are_new BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM entries WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'the record of refinements is only added to: nothing is replaced'); END;
