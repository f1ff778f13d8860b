-- What the task itself says, where it can be read, stands in place of what its row does not.
UPDATE tasks SET
    state = 5, reason = 'unreadable', owner = NULL, cancel_requested = 0, at = :now,
    id = CASE
        WHEN length(id) = 16 THEN id
        WHEN :id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = :id) THEN :id
        ELSE randomblob(16) END,
    priority = CASE WHEN priority BETWEEN 0 AND 4 THEN priority ELSE coalesce(:priority, 2) END,
    fence = max(fence, 0),
    attempts = min(max(attempts, 0), 4294967295),
    max_attempts = min(max(max_attempts, 1), 100),
    crashes = min(max(crashes, 0), 4294967295),
    lost_claims = min(max(lost_claims, 0), 4294967295),
    host_faults = min(max(host_faults, 0), 4294967295),
    deadline = CASE WHEN deadline BETWEEN 0 AND 253402300799999 THEN deadline ELSE :deadline END,
    submitted_at = min(max(submitted_at, 0), 253402300799999),
    genome = CASE WHEN genome BETWEEN 0 AND 4294967295 THEN genome END
WHERE seq = :seq;
