CREATE TABLE images (
    key TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    location TEXT NOT NULL,
    hash TEXT NOT NULL,
    type TEXT NOT NULL,
    size INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX images_location ON images (location);
CREATE INDEX images_updated_at ON images (updated_at, key);
CREATE INDEX images_size ON images (size, key);
CREATE INDEX images_type ON images (type, key);
CREATE TABLE totals (
    id INTEGER NOT NULL PRIMARY KEY,
    images INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);
INSERT INTO totals (id, images, bytes) VALUES (1, 0, 0);
CREATE TABLE tombstones (
    key TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL
);
CREATE INDEX tombstones_deleted_at ON tombstones (deleted_at);
CREATE TABLE blobs (
    location TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    unreferenced_at INTEGER
);
CREATE INDEX blobs_hash ON blobs (hash);
CREATE INDEX blobs_unreferenced_at ON blobs (unreferenced_at) WHERE unreferenced_at IS NOT NULL;
CREATE TABLE cache_properties (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    max_capacity INTEGER,
    replacement_method TEXT,
    created_at INTEGER NOT NULL
);
CREATE TABLE cache_stats (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cache_size INTEGER NOT NULL,
    key_count INTEGER NOT NULL,
    request_count INTEGER NOT NULL,
    hit_count INTEGER NOT NULL,
    miss_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    eviction_count INTEGER NOT NULL,
    hit_ns_mean INTEGER NOT NULL,
    hit_ns_p99 INTEGER NOT NULL,
    miss_ns_mean INTEGER NOT NULL,
    miss_ns_p99 INTEGER NOT NULL
);
CREATE INDEX cache_stats_created_at ON cache_stats (seconds, created_at);
