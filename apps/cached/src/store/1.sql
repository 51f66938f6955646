CREATE TABLE memcache_stats (
    id {serial},
    cache_size {number} NOT NULL,
    key_count {number} NOT NULL,
    request_count {number} NOT NULL,
    hit_count {number} NOT NULL,
    miss_count {number} NOT NULL,
    created_at {number} NOT NULL,
    service {name} NOT NULL
);
CREATE INDEX memcache_stats_created_at ON memcache_stats (created_at);
