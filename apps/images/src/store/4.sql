ALTER TABLE cache_stats ADD COLUMN node {number};
ALTER TABLE cache_stats ADD COLUMN owners {number};
CREATE TABLE pool (
    id {number} NOT NULL PRIMARY KEY,
    mode {name} NOT NULL,
    fewest {number} NOT NULL,
    most {number} NOT NULL,
    expand_ratio {name} NOT NULL,
    shrink_ratio {name} NOT NULL,
    max_miss_rate {name} NOT NULL,
    min_miss_rate {name} NOT NULL,
    interval_seconds {number} NOT NULL,
    decided_at {number} NOT NULL
);
CREATE TABLE pool_decisions (
    id {serial},
    decided_at {number} NOT NULL,
    size_before {number} NOT NULL,
    size_after {number} NOT NULL,
    miss_rate {name},
    reason {text} NOT NULL
);
