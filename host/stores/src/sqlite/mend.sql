-- Numbers of states and priorities: columns.rs. Times are milliseconds, up to the year 9999.
UPDATE tasks SET
    state = 5, reason = 'unreadable', owner = NULL, cancel_requested = 0,
    id = CASE WHEN length(id) = 16 THEN id ELSE randomblob(16) END,
    agent_type = CASE WHEN agent_type BETWEEN 0 AND 4294967295 THEN agent_type ELSE 0 END,
    priority = CASE WHEN priority BETWEEN 0 AND 4 THEN priority ELSE 2 END,
    at = min(max(at, 0), 253402300799999),
    fence = max(fence, 0),
    attempts = min(max(attempts, 0), 4294967295),
    max_attempts = min(max(max_attempts, 1), 100),
    crashes = min(max(crashes, 0), 4294967295),
    lost_claims = min(max(lost_claims, 0), 4294967295),
    host_faults = min(max(host_faults, 0), 4294967295),
    deadline = CASE WHEN deadline BETWEEN 0 AND 253402300799999 THEN deadline END,
    submitted_at = min(max(submitted_at, 0), 253402300799999),
    genome = CASE WHEN genome BETWEEN 0 AND 4294967295 THEN genome END
WHERE length(id) <> 16
    OR agent_type NOT BETWEEN 0 AND 4294967295
    OR state NOT BETWEEN 0 AND 6
    OR priority NOT BETWEEN 0 AND 4
    OR at < 0 OR fence < 0
    OR attempts NOT BETWEEN 0 AND 4294967295
    OR max_attempts NOT BETWEEN 0 AND 4294967295
    OR crashes NOT BETWEEN 0 AND 4294967295
    OR lost_claims NOT BETWEEN 0 AND 4294967295
    OR host_faults NOT BETWEEN 0 AND 4294967295
    OR deadline < 0
    OR submitted_at NOT BETWEEN 0 AND 253402300799999
    OR genome NOT BETWEEN 0 AND 4294967295
    OR (owner IS NOT NULL AND length(owner) <> 16);

-- A number that no name was given to.
INSERT INTO agent_types (number, name)
    SELECT DISTINCT agent_type, 'unknown-' || agent_type || '-' || hex(randomblob(4)) FROM tasks
    WHERE agent_type NOT IN (SELECT number FROM agent_types);
UPDATE tasks SET genome = NULL
    WHERE genome IS NOT NULL AND genome NOT IN (SELECT number FROM genomes
        WHERE name GLOB 'sha256:*' AND length(name) = 71);
