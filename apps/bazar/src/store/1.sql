CREATE TABLE books (
    id {serial},
    version {number} NOT NULL,
    title {key} NOT NULL,
    topic {key} NOT NULL,
    author {key} NOT NULL,
    isbn {name},
    price_cents {number} NOT NULL,
    stock {number} NOT NULL,
    cover {key},
    retired {number} NOT NULL,
    CHECK (stock >= 0)
);
CREATE INDEX books_topic ON books (topic, id);
CREATE TABLE orders (
    number {serial},
    idempotency_key {name} NOT NULL UNIQUE,
    book {number} NOT NULL,
    title {key} NOT NULL,
    quantity {number} NOT NULL,
    price_cents {number} NOT NULL,
    created_at {number} NOT NULL
);
CREATE TABLE movements (
    number {serial},
    book {number} NOT NULL,
    change_by {number} NOT NULL,
    reason {name} NOT NULL,
    order_number {number},
    created_at {number} NOT NULL
);
CREATE INDEX movements_book ON movements (book, number);
CREATE TABLE replicas (
    address {name} NOT NULL PRIMARY KEY,
    role {name} NOT NULL,
    name {name} NOT NULL,
    seen_at {number} NOT NULL
);
CREATE TABLE seeded (id {number} NOT NULL PRIMARY KEY);
