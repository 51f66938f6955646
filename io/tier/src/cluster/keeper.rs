//! The shared database as the protocol sees it: the roster, the mail, and the
//! check at the start of each commit. Each statement of the protocol is one
//! transaction here. Decides nothing: what a change does to the roster is the
//! protocol's own code.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_coherence::{
    BlockId, Epoch, Instance, Member, NodeId, Reply, Requirements, Roster, Scope, Standing,
    Statement, Time, WriteId,
};
use larder_sql::{
    Connection, Database, DatabaseUrl, Dialect, Error, Guard, Migration, Result, Row, Value,
};
use parking_lot::Mutex;

const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "members, mail and writes", sql: include_str!("1.sql") }];

/// Connections for the protocol alone, so that a storm of writes can't keep
/// the lease from being renewed.
const CONNECTIONS: usize = 4;

/// How long one statement may take: a lease is 2 seconds.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long a transaction of a node that has been cut off may hold rows that
/// others wait for.
pub(super) const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(2);

/// How long a node that starts waits for the others' transactions, or for a
/// database that is about to come back.
const STARTING: Duration = Duration::from_secs(60);

/// How long a letter is of use: no write waits longer.
const LETTER: Duration = Duration::from_secs(15);

/// Where a member listens for its peers, and whether it owns keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: String,
    pub(super) epoch: Epoch,
    pub(super) standing: Standing,
}

/// What the roster says beside the protocol's own part.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) places: BTreeMap<NodeId, Place>,
    /// How many members own keys; 0 for all.
    pub(super) active: usize,
}

/// The members with their reports.
pub(super) struct Reports {
    pub(super) members: Vec<Reported>,
    /// Who owns keys, among other things.
    pub(super) directory: Directory,
    /// The roster's version.
    pub(super) version: u64,
}

/// A member's latest report, as it wrote it.
pub(super) struct Reported {
    pub(super) node: NodeId,
    pub(super) place: Place,
    pub(super) report: Option<String>,
}

/// The shared database. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keeper {
    database: Database,
    node: NodeId,
    address: Arc<str>,
    /// The app's connections, where standbys may take over.
    app: Option<Database>,
    directory: Arc<Mutex<Arc<Directory>>>,
    /// Attempts that nobody will look up: their marks and mail can go.
    settled: Arc<Mutex<Vec<BlockId>>>,
    /// Letters of this node, and since when.
    letters: Arc<Mutex<Vec<(Instant, BlockId)>>>,
}

impl Keeper {
    /// Opens the database and finds out who we are there: `name` is this
    /// node's for ever.
    pub(super) async fn open(
        url: &DatabaseUrl,
        app: Option<Database>,
        name: &str,
        address: &str,
    ) -> Result<Self> {
        let mut url = url.clone();
        if let DatabaseUrl::Server(server) = &mut url {
            server.pool = CONNECTIONS;
            server.timeout = server.timeout.min(TIMEOUT);
            server.idle_in_transaction = IDLE_IN_TRANSACTION;
        }
        let database = Database::open(&larder_sql::Config { url, readers: CONNECTIONS }).await?;
        let node = patiently(|| start(&database, name, address)).await?;
        Ok(Self {
            database,
            node,
            address: address.into(),
            app,
            directory: Arc::default(),
            settled: Arc::default(),
            letters: Arc::default(),
        })
    }

    /// Which node this is.
    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    /// Who is where, as last read.
    pub(super) fn directory(&self) -> Arc<Directory> {
        self.directory.lock().clone()
    }

    /// Where a member listens.
    pub(super) fn address(&self, node: NodeId) -> Option<String> {
        self.directory.lock().places.get(&node).map(|place| place.address.clone())
    }

    /// Does what the protocol asks, and says what came of it; some statements
    /// have no reply.
    pub(super) async fn perform(&self, statement: Statement) -> Option<Reply> {
        match self.try_perform(&statement).await {
            Ok(reply) => reply,
            Err(error) => {
                tracing::debug!(%error, ?statement, "the cluster's database");
                Some(Reply::Failed(statement))
            }
        }
    }

    async fn try_perform(&self, statement: &Statement) -> Result<Option<Reply>> {
        Ok(Some(match *statement {
            Statement::Join => {
                self.database.hold_to(None);
                mark_server(&self.database).await?;
                let (node, address) = (self.node, self.address.clone());
                let change = move |roster: &mut Roster, server, rows: &mut dyn Connection| {
                    let epoch = roster.join(node, server);
                    rows.execute(
                        "UPDATE cluster_nodes SET address = ? WHERE id = ?",
                        &[(&*address).into(), node.0.into()],
                    )?;
                    Ok((epoch, rows.server().to_owned()))
                };
                let (roster, (epoch, server)) = self.change(change).await?;
                // Nothing older is asked from now on, and nothing newer until
                // the next join.
                if let Some(app) = &self.app {
                    app.hold_to(Some(server.clone()));
                    self.database.hold_to(Some(server));
                }
                Reply::Joined { epoch, roster }
            }
            Statement::Renew { epoch, replicated } => self.renew(epoch, replicated).await?,
            Statement::StepAside { epoch } => {
                let node = self.node;
                self.change_roster(move |roster| roster.step_aside(node, epoch)).await?
            }
            Statement::ReadRoster => self.read_roster().await?,
            Statement::LookUp { write, block } => {
                let sql = "SELECT 1 FROM cluster_writes
                     WHERE writer = ? AND epoch = ? AND sequence = ?";
                let found = self.database.query_one(sql, block_values(block).to_vec()).await?;
                Reply::LookedUp { write, committed: found.is_some() }
            }
            Statement::Mail { to, block, ref scope } => {
                self.mail(to, block, scope).await?;
                return Ok(None);
            }
            Statement::AnswerMail { epoch, ref blocks } => {
                self.answer_mail(epoch, blocks.clone()).await?;
                return Ok(None);
            }
            Statement::BeginEviction { node, epoch } => {
                let begin = move |roster: &mut Roster, _, _: &mut dyn Connection| {
                    roster.begin_eviction(node, epoch);
                    Ok(())
                };
                let (roster, ()) = self.change(begin).await?;
                tracing::warn!(node = node.0, "a node is silent and is being evicted");
                Reply::EvictionBegun { node, epoch, roster }
            }
            Statement::FinishEviction { node, epoch } => {
                self.change_roster(move |roster| roster.finish_eviction(node, epoch)).await?
            }
            // The change itself is the app's: see `guard`.
            Statement::Commit { write, .. } => Reply::Aborted(write),
        }))
    }

    /// Takes this node, which keeps nothing any more, out of the roster.
    pub(super) async fn leave(&self, epoch: Epoch) -> Result<()> {
        let node = self.node;
        let leave = move |roster: &mut Roster, _, _: &mut dyn Connection| {
            roster.step_aside(node, epoch);
            roster.begin_eviction(node, epoch);
            roster.finish_eviction(node, epoch);
            Ok(())
        };
        self.change(leave).await.map(drop)
    }

    /// Changes the roster in one transaction that locks it, and saves what has
    /// changed.
    async fn change<T: Send + 'static>(
        &self,
        change: impl Fn(&mut Roster, Instance, &mut dyn Connection) -> Result<T> + Send + 'static,
    ) -> Result<(Roster, T)> {
        let work = move |rows: &mut dyn Connection| {
            let lock = rows.dialect().for_update();
            let (before, server) = lock_roster(rows, lock)?;
            let mut roster = before.clone();
            let result = change(&mut roster, server, rows)?;
            save(rows, &before, &roster)?;
            Ok((roster, directory(rows)?, result))
        };
        let (roster, directory, result) = self.database.write(work).await?;
        *self.directory.lock() = Arc::new(directory);
        Ok((roster, result))
    }

    async fn change_roster(&self, change: impl Fn(&mut Roster) + Send + 'static) -> Result<Reply> {
        let change = move |roster: &mut Roster, _, _: &mut dyn Connection| {
            change(roster);
            Ok(())
        };
        let (roster, ()) = self.change(change).await?;
        Ok(Reply::Roster { roster, answered: Vec::new() })
    }

    async fn renew(&self, epoch: Epoch, replicated: bool) -> Result<Reply> {
        self.forget_settled().await?;
        let node = self.node;
        let work = move |rows: &mut dyn Connection| {
            if replicated {
                let sql = "UPDATE cluster_nodes SET renewals = renewals + 1 WHERE id = ?";
                rows.execute(sql, &[node.0.into()])?;
            }
            let (roster, server) = lock_roster(rows, "")?;
            let clock = rows.query_one(clock(rows.dialect()), &[])?;
            let clock = clock.map(|row| row.get::<u64>(0)).transpose()?.map(Time);
            let mail = unanswered(rows, node)?;
            Ok((directory(rows)?, Reply::Renewed { epoch, roster, server, mail, clock }))
        };
        let (directory, reply) = match replicated {
            true => self.database.write(work).await?,
            false => self.database.read(work).await?,
        };
        *self.directory.lock() = Arc::new(directory);
        Ok(reply)
    }

    async fn read_roster(&self) -> Result<Reply> {
        let node = self.node;
        let work = move |rows: &mut dyn Connection| {
            let (roster, _) = lock_roster(rows, "")?;
            let sql = "SELECT writer, epoch, sequence, destination, answered_epoch
                 FROM cluster_mail WHERE writer = ? AND answered_epoch IS NOT NULL";
            let rows_of_mail = rows.query(sql, &[node.0.into()])?;
            let answer = |row: &Row| Ok((block_of(row)?, NodeId(row.get(3)?), Epoch(row.get(4)?)));
            let answered = rows_of_mail.iter().map(answer).collect::<Result<_>>()?;
            Ok((directory(rows)?, Reply::Roster { roster, answered }))
        };
        let (directory, reply) = self.database.read(work).await?;
        *self.directory.lock() = Arc::new(directory);
        Ok(reply)
    }

    async fn mail(&self, to: NodeId, block: BlockId, scope: &Scope) -> Result<()> {
        self.letters.lock().push((Instant::now(), block));
        let scope = serde_json::to_string(scope).map_err(|e| Error::Statement(e.to_string()))?;
        let work = move |rows: &mut dyn Connection| {
            let values = [&[to.0.into()], &block_values(block)[..], &[scope.as_str().into()]];
            rows.execute(
                "INSERT INTO cluster_mail (destination, writer, epoch, sequence, scope)
                 VALUES (?, ?, ?, ?, ?)",
                &values.concat(),
            )
        };
        self.database.write(work).await.map(drop)
    }

    async fn answer_mail(&self, epoch: Epoch, blocks: Vec<BlockId>) -> Result<()> {
        let node = self.node;
        let work = move |rows: &mut dyn Connection| {
            for &block in &blocks {
                let first = [epoch.0.into(), node.0.into()];
                rows.execute(
                    "UPDATE cluster_mail SET answered_epoch = ?
                     WHERE destination = ? AND writer = ? AND epoch = ? AND sequence = ?",
                    &[&first[..], &block_values(block)].concat(),
                )?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    /// The first statements of a commit: they check that everybody who may
    /// keep what is about to change has let go of it, and mark the attempt as
    /// done.
    pub(super) fn guard(&self, requirements: Requirements) -> (Guard, Refused) {
        let refused = Refused::default();
        let told = refused.clone();
        let guard = Guard::new(move |rows| {
            *told.0.lock() = None;
            let lock = rows.dialect().for_share();
            let (roster, server) = lock_roster(rows, lock)?;
            if let Err(refusal) = requirements.check(&roster, server) {
                *told.0.lock() = Some((roster, server));
                return Err(Error::Refused(format!("{refusal:?}")));
            }
            let sql = "INSERT INTO cluster_writes (writer, epoch, sequence) VALUES (?, ?, ?)";
            rows.execute(sql, &block_values(requirements.block)).map(drop)
        });
        (guard, refused)
    }

    /// Notes that the end of an attempt is known, and so nobody will look it
    /// up.
    pub(super) fn settle(&self, block: BlockId) {
        self.settled.lock().push(block);
    }

    async fn forget_settled(&self) -> Result<()> {
        let mut settled = std::mem::take(&mut *self.settled.lock());
        self.letters.lock().retain(|&(sent, block)| {
            let is_new = sent.elapsed() < LETTER;
            settled.extend((!is_new).then_some(block));
            is_new
        });
        if settled.is_empty() {
            return Ok(());
        }
        // One epoch's marks are deleted by ranges, however many there are.
        let mut epochs: HashMap<Epoch, Vec<u64>> = HashMap::new();
        for block in &settled {
            epochs.entry(block.epoch).or_default().push(block.sequence);
        }
        let node = self.node;
        let work = move |rows: &mut dyn Connection| {
            for (&epoch, sequences) in &epochs {
                for (first, last) in ranges(sequences) {
                    rows.execute(
                        "DELETE FROM cluster_writes
                         WHERE writer = ? AND epoch = ? AND sequence BETWEEN ? AND ?",
                        &[node.0.into(), epoch.0.into(), first.into(), last.into()],
                    )?;
                    rows.execute(
                        "DELETE FROM cluster_mail
                         WHERE writer = ? AND epoch = ? AND sequence BETWEEN ? AND ?",
                        &[node.0.into(), epoch.0.into(), first.into(), last.into()],
                    )?;
                }
            }
            Ok(())
        };
        let done = self.database.write(work).await;
        if done.is_err() {
            self.settled.lock().extend(settled);
        }
        done
    }

    /// Saves this node's report, for whoever asks any node.
    pub(super) async fn save_report(&self, report: String) -> Result<()> {
        let node = self.node;
        let work = move |rows: &mut dyn Connection| {
            let sql = "UPDATE cluster_nodes SET report = ? WHERE id = ?";
            rows.execute(sql, &[report.as_str().into(), node.0.into()])
        };
        self.database.write(work).await.map(drop)
    }

    /// As [`reports`], of this node's database.
    pub(super) async fn reports(&self) -> Result<Reports> {
        reports(&self.database).await
    }

    /// Sets how many members own keys; 0 for all.
    pub(super) async fn set_active(&self, active: usize) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            rows.execute("UPDATE cluster SET active = ? WHERE id = 1", &[(active as u64).into()])
        };
        self.database.write(work).await?;
        Arc::make_mut(&mut *self.directory.lock()).active = active;
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.database.close().await;
    }
}

/// Why a guard refused, if it did: what it saw.
#[derive(Clone, Default)]
pub(super) struct Refused(Arc<Mutex<Option<(Roster, Instance)>>>);

impl Refused {
    /// The reply to a commit that came to nothing.
    pub(super) fn reply(&self, write: WriteId) -> Reply {
        match self.0.lock().take() {
            Some((roster, server)) => Reply::Refused { write, roster, server },
            None => Reply::Aborted(write),
        }
    }
}

/// Every member that isn't gone, with its latest report.
pub(super) async fn reports(database: &Database) -> Result<Reports> {
    let work = move |rows: &mut dyn Connection| {
        let (roster, _) = lock_roster(rows, "")?;
        let directory = directory(rows)?;
        let mut members = Vec::new();
        for row in rows.query("SELECT id, report FROM cluster_nodes ORDER BY id", &[])? {
            let node = NodeId(row.get(0)?);
            let Some(place) = directory.places.get(&node).cloned() else { continue };
            members.push(Reported { node, place, report: row.get(1)? });
        }
        Ok(Reports { members, directory, version: roster.version })
    };
    database.read(work).await
}

/// Whether the cluster has tables in this database.
pub(super) async fn is_there(database: &Database) -> Result<bool> {
    Ok(database.version("cluster").await? > 0)
}

/// Tries again while the database doesn't answer, or too late.
async fn patiently<T, F: Future<Output = Result<T>>>(mut work: impl FnMut() -> F) -> Result<T> {
    let started = Instant::now();
    loop {
        match work().await {
            Err(error @ (Error::Unavailable(_) | Error::Unknown { .. }))
                if started.elapsed() < STARTING =>
            {
                tracing::warn!(%error, "waiting for the cluster's database");
                tokio::time::sleep(TIMEOUT / 4).await;
            }
            ended => return ended,
        }
    }
}

/// Brings the cluster's tables up to date, and finds out who we are.
async fn start(database: &Database, name: &str, address: &str) -> Result<NodeId> {
    database.migrate("cluster", MIGRATIONS).await?;
    mark_server(database).await?;
    let (name, address) = (name.to_owned(), address.to_owned());
    database.write(move |rows: &mut dyn Connection| register(rows, &name, &address)).await
}

/// Gives a server that has none since it started a mark: its tables in memory
/// are empty then. PostgreSQL tells when it started.
async fn mark_server(database: &Database) -> Result<()> {
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

fn register(rows: &mut dyn Connection, name: &str, address: &str) -> Result<NodeId> {
    let lock = rows.dialect().for_update();
    lock_roster(rows, lock)?;
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

/// The roster, and which server tells of it. `lock` is the end of the first
/// `SELECT`, whose row all who rely on the roster or change it hold; the
/// members are read by a statement of their own after it.
fn lock_roster(rows: &mut dyn Connection, lock: &str) -> Result<(Roster, Instance)> {
    // MariaDB doesn't say when it started; a mark in memory does.
    let mark = match rows.dialect() {
        Dialect::MySql => "COALESCE((SELECT mark FROM cluster_server WHERE id = 1), 0)",
        _ => "CAST(0 AS BIGINT)",
    };
    let sql = format!(
        "SELECT version, instance, instance_version, {mark} FROM cluster WHERE id = 1{lock}"
    );
    let row = rows.query_one(&sql, &[])?;
    let row = row.ok_or_else(|| Error::Statement("the cluster's row is missing".into()))?;
    let mark: u64 = row.get(3)?;
    let server = Instance(super::hash(format!("{mark} {}", rows.server()).as_bytes()) >> 1);
    let mut roster = Roster {
        version: row.get(0)?,
        instance: Instance(row.get(1)?),
        instance_version: row.get(2)?,
        members: BTreeMap::new(),
    };
    for row in rows.query("SELECT id, epoch, standing FROM cluster_nodes", &[])? {
        let standing = standing(&row.get::<String>(2)?);
        let member = Member { epoch: Epoch(row.get(1)?), standing };
        roster.members.insert(NodeId(row.get(0)?), member);
    }
    Ok((roster, server))
}

fn save(rows: &mut dyn Connection, before: &Roster, after: &Roster) -> Result<()> {
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

/// Who is where, without those that are gone.
fn directory(rows: &mut dyn Connection) -> Result<Directory> {
    let active = rows.query_one("SELECT active FROM cluster WHERE id = 1", &[])?;
    let mut directory = Directory {
        active: active.map(|row| row.get::<u32>(0)).transpose()?.unwrap_or(0) as usize,
        ..Directory::default()
    };
    let sql = "SELECT id, address, epoch, standing FROM cluster_nodes WHERE standing <> 'gone'";
    for row in rows.query(sql, &[])? {
        let standing = standing(&row.get::<String>(3)?);
        let place = Place { address: row.get(1)?, epoch: Epoch(row.get(2)?), standing };
        directory.places.insert(NodeId(row.get(0)?), place);
    }
    Ok(directory)
}

fn unanswered(rows: &mut dyn Connection, node: NodeId) -> Result<Vec<(BlockId, Scope)>> {
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

/// The server's clock in microseconds, at this moment.
fn clock(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
        }
        _ => "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)",
    }
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

pub(super) fn name(standing: Standing) -> &'static str {
    STANDINGS.iter().find(|entry| entry.1 == standing).map_or("caching", |(name, _)| *name)
}

fn block_values(block: BlockId) -> [Value; 3] {
    [block.writer.0.into(), block.epoch.0.into(), block.sequence.into()]
}

fn block_of(row: &Row) -> Result<BlockId> {
    Ok(BlockId { writer: NodeId(row.get(0)?), epoch: Epoch(row.get(1)?), sequence: row.get(2)? })
}

/// The numbers as ranges without gaps.
fn ranges(numbers: &[u64]) -> Vec<(u64, u64)> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 >= number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_ranges() {
        assert_eq!(ranges(&[5, 1, 2, 3, 7, 6]), [(1, 3), (5, 7)]);
        assert_eq!(ranges(&[]), []);
    }

    #[test]
    fn standings_are_read_as_they_are_written() {
        for (_, each) in STANDINGS {
            assert_eq!(standing(name(each)), each);
        }
    }
}
