CREATE TABLE cluster (
    id {number} NOT NULL PRIMARY KEY,
    version {number} NOT NULL,
    instance {number} NOT NULL,
    instance_version {number} NOT NULL,
    active {number} NOT NULL
);
CREATE TABLE cluster_nodes (
    id {number} NOT NULL PRIMARY KEY,
    name {name} NOT NULL,
    address {name} NOT NULL,
    epoch {number} NOT NULL,
    standing {name} NOT NULL,
    renewals {number} NOT NULL,
    report {text}
);
CREATE UNIQUE INDEX cluster_nodes_name ON cluster_nodes (name);
CREATE TABLE cluster_mail (
    id {serial},
    destination {number} NOT NULL,
    writer {number} NOT NULL,
    epoch {number} NOT NULL,
    sequence {number} NOT NULL,
    scope {text} NOT NULL,
    answered_epoch {number}
);
CREATE INDEX cluster_mail_destination ON cluster_mail (destination);
CREATE INDEX cluster_mail_writer ON cluster_mail (writer);
CREATE TABLE cluster_writes (
    writer {number} NOT NULL,
    epoch {number} NOT NULL,
    sequence {number} NOT NULL,
    PRIMARY KEY (writer, epoch, sequence)
);
INSERT INTO cluster (id, version, instance, instance_version, active) VALUES (1, 0, 0, 0, 0);
