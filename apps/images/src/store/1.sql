CREATE TABLE images (
    "key" {key} NOT NULL PRIMARY KEY,
    version {number} NOT NULL,
    location {name} NOT NULL,
    hash {name} NOT NULL,
    type {name} NOT NULL,
    size {number} NOT NULL,
    width {number} NOT NULL,
    height {number} NOT NULL,
    frames {number} NOT NULL,
    created_at {number} NOT NULL,
    updated_at {number} NOT NULL
);
CREATE INDEX images_location ON images (location);
CREATE INDEX images_updated_at ON images (updated_at, "key");
CREATE INDEX images_size ON images (size, "key");
CREATE INDEX images_type ON images (type, "key");
CREATE TABLE totals (
    id {number} NOT NULL PRIMARY KEY,
    images {number} NOT NULL,
    bytes {number} NOT NULL
);
CREATE TABLE tombstones (
    "key" {key} NOT NULL PRIMARY KEY,
    version {number} NOT NULL,
    deleted_at {number} NOT NULL
);
CREATE INDEX tombstones_deleted_at ON tombstones (deleted_at);
CREATE TABLE blobs (
    location {name} NOT NULL PRIMARY KEY,
    hash {name} NOT NULL,
    size {number} NOT NULL,
    state {name} NOT NULL,
    created_at {number} NOT NULL,
    unreferenced_at {number}
);
CREATE INDEX blobs_hash ON blobs (hash);
CREATE INDEX blobs_unreferenced_at ON blobs (unreferenced_at);
CREATE TABLE cache_properties (
    id {serial},
    max_capacity {number},
    replacement_method {name},
    created_at {number} NOT NULL
);
CREATE TABLE cache_stats (
    id {serial},
    cache_size {number} NOT NULL,
    key_count {number} NOT NULL,
    request_count {number} NOT NULL,
    hit_count {number} NOT NULL,
    miss_count {number} NOT NULL,
    created_at {number} NOT NULL,
    seconds {number} NOT NULL,
    capacity {number} NOT NULL,
    eviction_count {number} NOT NULL,
    hit_ns_mean {number} NOT NULL,
    hit_ns_p99 {number} NOT NULL,
    miss_ns_mean {number} NOT NULL,
    miss_ns_p99 {number} NOT NULL
);
CREATE INDEX cache_stats_created_at ON cache_stats (seconds, created_at);
INSERT INTO totals (id, images, bytes) VALUES (1, 0, 0);
