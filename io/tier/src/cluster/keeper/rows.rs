//! What the shared database holds of the cluster, as rows: the roster, where
//! members listen, and the mail. Reads and writes; decides nothing.

use std::collections::BTreeMap;

use larder_coherence::{BlockId, Epoch, Instance, Member, NodeId, Roster, Scope, Standing, Time};
use larder_sql::{Connection, Database, Dialect, Error, Result, Row, Value};

use crate::cluster::hash;

/// The roster, with what is known of its members beside the protocol.
#[derive(Clone, Debug)]
pub(in crate::cluster) struct Directory {
    pub(in crate::cluster) roster: Roster,
    /// Where each listens.
    pub(in crate::cluster) addresses: BTreeMap<NodeId, String>,
    /// How many members own keys; 0 for all.
    pub(in crate::cluster) active: usize,
}

impl Default for Directory {
    fn default() -> Self {
        Self { roster: Roster::new(Instance(0)), addresses: BTreeMap::new(), active: 0 }
    }
}

/// Gives a server that has none since it started a mark: its tables in memory
/// are empty then. PostgreSQL tells when it started.
pub(super) async fn mark_server(database: &Database) -> Result<()> {
    if database.dialect() != Dialect::MySql {
        return Ok(());
    }
    let fresh = getrandom::u64().map_err(|error| Error::Statement(error.to_string()))? >> 1;
    let work = move |rows: &mut dyn Connection| {
        rows.execute(
            "CREATE TABLE IF NOT EXISTS cluster_server
                 (id BIGINT NOT NULL PRIMARY KEY, mark BIGINT NOT NULL) ENGINE=MEMORY",
            &[],
        )?;
        let insert = "INSERT IGNORE INTO cluster_server (id, mark) VALUES (1, ?)";
        rows.execute(insert, &[fresh.into()])
    };
    database.write(work).await.map(drop)
}

pub(super) fn register(rows: &mut dyn Connection, name: &str, address: &str) -> Result<NodeId> {
    let lock = rows.dialect().for_update();
    read(rows, lock)?;
    let known = rows.query_one("SELECT id FROM cluster_nodes WHERE name = ?", &[name.into()])?;
    let id = match known {
        Some(row) => row.get(0)?,
        None => {
            let most = rows.query_one("SELECT COALESCE(MAX(id), 0) FROM cluster_nodes", &[])?;
            let id = most.map(|row| row.get::<u16>(0)).transpose()?.unwrap_or(0) + 1;
            rows.execute(
                "INSERT INTO cluster_nodes (id, name, address, epoch, standing, renewals)
                 VALUES (?, ?, ?, 0, 'gone', 0)",
                &[id.into(), name.into(), address.into()],
            )?;
            id
        }
    };
    // Marks of an earlier process: nobody will look them up.
    rows.execute("DELETE FROM cluster_writes WHERE writer = ?", &[id.into()])?;
    rows.execute("DELETE FROM cluster_mail WHERE writer = ?", &[id.into()])?;
    Ok(NodeId(id))
}

/// The roster and what belongs to it, and which server tells of it. `lock` is
/// the end of the first `SELECT`, whose row all who rely on the roster or change
/// it hold; the members are read by a statement of their own after it.
pub(super) fn read(rows: &mut dyn Connection, lock: &str) -> Result<(Directory, Instance)> {
    let [cluster, members] = select(rows.dialect(), lock);
    let answers = rows.query_all(&[&cluster, &members])?;
    directory(rows.server(), &answers)
}

/// As [`read`] for those who rely on the roster, and marks the attempt at a
/// write as done, all in one round trip.
pub(super) fn read_and_mark(
    rows: &mut dyn Connection,
    block: BlockId,
) -> Result<(Directory, Instance)> {
    let [cluster, members] = select(rows.dialect(), rows.dialect().for_share());
    let mark = format!(
        "INSERT INTO cluster_writes (writer, epoch, sequence) VALUES ({}, {}, {})",
        block.writer.0, block.epoch.0, block.sequence
    );
    let answers = rows.query_all(&[&cluster, &members, &mark])?;
    directory(rows.server(), &answers)
}

fn select(dialect: Dialect, lock: &str) -> [String; 2] {
    // MariaDB doesn't say when it started; a mark in memory does.
    let mark = match dialect {
        Dialect::MySql => "COALESCE((SELECT mark FROM cluster_server WHERE id = 1), 0)",
        _ => "CAST(0 AS BIGINT)",
    };
    let cluster = format!(
        "SELECT version, instance, instance_version, active, {mark}
         FROM cluster WHERE id = 1{lock}"
    );
    [cluster, "SELECT id, epoch, standing, address FROM cluster_nodes".into()]
}

/// What the answers to [`select`] say.
fn directory(server: &str, answers: &[Vec<Row>]) -> Result<(Directory, Instance)> {
    let [cluster, members, ..] = answers else {
        return Err(Error::Statement("an answer is missing".into()));
    };
    let row = cluster.first();
    let row = row.ok_or_else(|| Error::Statement("the cluster's row is missing".into()))?;
    let mark: u64 = row.get(4)?;
    let server = Instance(hash(format!("{mark} {server}").as_bytes()) >> 1);
    let mut directory = Directory {
        roster: Roster {
            version: row.get(0)?,
            instance: Instance(row.get(1)?),
            instance_version: row.get(2)?,
            members: BTreeMap::new(),
        },
        addresses: BTreeMap::new(),
        active: row.get::<u32>(3)? as usize,
    };
    for row in members {
        let (node, standing) = (NodeId(row.get(0)?), standing(&row.get::<String>(2)?));
        let member = Member { epoch: Epoch(row.get(1)?), standing };
        directory.roster.members.insert(node, member);
        directory.addresses.insert(node, row.get(3)?);
    }
    Ok((directory, server))
}

pub(super) fn save(rows: &mut dyn Connection, before: &Roster, after: &Roster) -> Result<()> {
    if before == after {
        return Ok(());
    }
    rows.execute(
        "UPDATE cluster SET version = ?, instance = ?, instance_version = ? WHERE id = 1",
        &[after.version.into(), after.instance.0.into(), after.instance_version.into()],
    )?;
    for (node, member) in &after.members {
        if before.members.get(node) != Some(member) {
            rows.execute(
                "UPDATE cluster_nodes SET epoch = ?, standing = ? WHERE id = ?",
                &[member.epoch.0.into(), name(member.standing).into(), node.0.into()],
            )?;
        }
    }
    Ok(())
}

pub(super) fn unanswered(rows: &mut dyn Connection, node: NodeId) -> Result<Vec<(BlockId, Scope)>> {
    // Without those whose writer has begun a new epoch: they ask for nothing.
    let sql = "SELECT m.writer, m.epoch, m.sequence, m.scope
         FROM cluster_mail m JOIN cluster_nodes n ON n.id = m.writer AND n.epoch = m.epoch
         WHERE m.destination = ? AND m.answered_epoch IS NULL";
    let letters = rows.query(sql, &[node.0.into()])?;
    let letter = |row: &Row| {
        let scope = serde_json::from_str(&row.get::<String>(3)?);
        Ok((block_of(row)?, scope.map_err(|error| Error::Statement(error.to_string()))?))
    };
    letters.iter().map(letter).collect()
}

/// Which mail of a node was answered, by whom and in which epoch.
pub(super) fn answered(
    rows: &mut dyn Connection,
    writer: NodeId,
) -> Result<Vec<(BlockId, NodeId, Epoch)>> {
    let sql = "SELECT writer, epoch, sequence, destination, answered_epoch
         FROM cluster_mail WHERE writer = ? AND answered_epoch IS NOT NULL";
    let answer = |row: &Row| Ok((block_of(row)?, NodeId(row.get(3)?), Epoch(row.get(4)?)));
    rows.query(sql, &[writer.0.into()])?.iter().map(answer).collect()
}

/// The server's clock at this moment.
pub(super) fn clock(rows: &mut dyn Connection) -> Result<Option<Time>> {
    let sql = match rows.dialect() {
        Dialect::Postgres => {
            "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
        }
        _ => "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)",
    };
    rows.query_one(sql, &[])?.map(|row| Ok(Time(row.get(0)?))).transpose()
}

const STANDINGS: [(&str, Standing); 4] = [
    ("caching", Standing::Caching),
    ("passthrough", Standing::Passthrough),
    ("evicting", Standing::Evicting),
    ("gone", Standing::Gone),
];

/// One that this program doesn't know may keep entries, and is waited for.
fn standing(text: &str) -> Standing {
    STANDINGS.iter().find(|(name, _)| *name == text).map_or(Standing::Caching, |entry| entry.1)
}

pub(in crate::cluster) fn name(standing: Standing) -> &'static str {
    STANDINGS.iter().find(|entry| entry.1 == standing).map_or("caching", |(name, _)| *name)
}

pub(super) fn block_values(block: BlockId) -> [Value; 3] {
    [block.writer.0.into(), block.epoch.0.into(), block.sequence.into()]
}

fn block_of(row: &Row) -> Result<BlockId> {
    Ok(BlockId { writer: NodeId(row.get(0)?), epoch: Epoch(row.get(1)?), sequence: row.get(2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standings_are_read_as_they_are_written() {
        for (_, each) in STANDINGS {
            assert_eq!(standing(name(each)), each);
        }
    }
}
