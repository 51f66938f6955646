CREATE TABLE agencies (
    id {serial},
    name {key} NOT NULL UNIQUE
);
CREATE TABLE people (
    id {serial},
    name {key} NOT NULL,
    email {key} NOT NULL,
    role {name} NOT NULL,
    agency {number},
    locked {number} NOT NULL,
    version {number} NOT NULL,
    password {name} NOT NULL,
    created_at {number} NOT NULL,
    CONSTRAINT people_email UNIQUE (email)
);
CREATE TABLE sessions (
    token {name} NOT NULL PRIMARY KEY,
    person {number} NOT NULL,
    version {number} NOT NULL,
    expires_at {number} NOT NULL
);
CREATE TABLE programmes (
    id {serial},
    agency {number} NOT NULL,
    name {key} NOT NULL,
    budget {number} NOT NULL,
    committed {number} NOT NULL,
    minimum {number} NOT NULL,
    maximum {number} NOT NULL,
    CONSTRAINT programmes_budget CHECK (committed >= 0 AND committed <= budget),
    CONSTRAINT programmes_name UNIQUE (agency, name)
);
CREATE TABLE proposals (
    id {serial},
    version {number} NOT NULL,
    agency {number} NOT NULL,
    programme {number} NOT NULL,
    leader {number} NOT NULL,
    acronym {key} NOT NULL,
    title {key} NOT NULL,
    description {text} NOT NULL,
    amount {number} NOT NULL,
    attachment {key},
    attachment_bytes {number},
    state {name} NOT NULL,
    answer {text},
    granted {number},
    end_date {name},
    updated_at {number} NOT NULL,
    CONSTRAINT proposals_acronym UNIQUE (agency, acronym)
);
CREATE INDEX proposals_lead ON proposals (leader, id);
CREATE INDEX proposals_state ON proposals (agency, state, id);
CREATE TABLE attachments (
    proposal {number} NOT NULL PRIMARY KEY,
    content {bytes} NOT NULL
);
CREATE TABLE activities (
    number {serial},
    proposal {number} NOT NULL,
    person {number},
    state {name} NOT NULL,
    note {text},
    created_at {number} NOT NULL
);
CREATE INDEX activities_proposal ON activities (proposal, number);
CREATE TABLE accounts (
    id {serial},
    version {number} NOT NULL,
    proposal {number} NOT NULL,
    acronym {key} NOT NULL,
    title {key} NOT NULL,
    agency {number} NOT NULL,
    programme {number} NOT NULL,
    leader {number} NOT NULL,
    budget {number} NOT NULL,
    balance {number} NOT NULL,
    end_date {name} NOT NULL,
    closed {number} NOT NULL,
    created_at {number} NOT NULL,
    CONSTRAINT accounts_proposal UNIQUE (proposal),
    CONSTRAINT accounts_balance CHECK (balance >= 0)
);
CREATE TABLE members (
    account {number} NOT NULL,
    person {number} NOT NULL,
    PRIMARY KEY (account, person)
);
CREATE INDEX members_person ON members (person, account);
CREATE TABLE ledger (
    number {serial},
    account {number} NOT NULL,
    request {name} NOT NULL,
    kind {name} NOT NULL,
    person {number},
    amount {number} NOT NULL,
    balance_after {number} NOT NULL,
    reason {key} NOT NULL,
    created_at {number} NOT NULL,
    CONSTRAINT ledger_request UNIQUE (account, request)
);
CREATE INDEX ledger_account ON ledger (account, number);
CREATE TABLE notifications (
    number {serial},
    account {number} NOT NULL,
    note {key} NOT NULL,
    created_at {number} NOT NULL,
    acknowledged_by {number}
);
CREATE TABLE outbox (
    number {serial},
    sent_to {name} NOT NULL,
    body {text} NOT NULL,
    due_at {number} NOT NULL,
    attempts {number} NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at);
CREATE TABLE inbox (
    message {name} NOT NULL PRIMARY KEY,
    received_at {number} NOT NULL
);
CREATE TABLE events (
    number {serial},
    room {name} NOT NULL,
    created_at {number} NOT NULL
);
CREATE INDEX events_time ON events (created_at);
CREATE TABLE services (
    address {name} NOT NULL PRIMARY KEY,
    service {name} NOT NULL,
    seen_at {number} NOT NULL
);
