//! The shared database as the protocol sees it: the roster, the mail, and the
//! check at the start of each commit. Each statement of the protocol is one
//! transaction here. Decides nothing: what a change does to the roster is the
//! protocol's own code.

mod rows;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_coherence::{
    BlockId, Epoch, Instance, NodeId, Reply, Requirements, Roster, Scope, Statement, WriteId,
};
use larder_sql::{Connection, Database, DatabaseUrl, Error, Guard, Migration, Result};
use parking_lot::Mutex;

pub(super) use rows::{Directory, name};

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

/// The members, and what each that isn't gone last reported, as it wrote it.
pub(super) struct Reports {
    pub(super) directory: Directory,
    pub(super) reports: BTreeMap<NodeId, String>,
}

/// The shared database. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keeper {
    /// Where standbys may take over, held to the server of the last join.
    database: Database,
    /// For joins, which find out which server that is.
    anywhere: Database,
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
        let open = larder_sql::Config { url, readers: CONNECTIONS };
        let database = Database::open(&open).await?;
        let anywhere = match app {
            Some(_) => Database::open(&open).await?,
            None => database.clone(),
        };
        let node = patiently(|| start(&database, name, address)).await?;
        Ok(Self {
            database,
            anywhere,
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
        self.directory.lock().addresses.get(&node).cloned()
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
                rows::mark_server(&self.anywhere).await?;
                let (node, address) = (self.node, self.address.clone());
                let change = move |roster: &mut Roster, server, rows: &mut dyn Connection| {
                    let epoch = roster.join(node, server);
                    rows.execute(
                        "UPDATE cluster_nodes SET address = ? WHERE id = ?",
                        &[(&*address).into(), node.0.into()],
                    )?;
                    Ok((epoch, rows.server().to_owned()))
                };
                let (roster, (epoch, server)) = self.change(&self.anywhere, change).await?;
                // Nothing older is asked from now on, and nothing newer until
                // the next join has been answered.
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
                let found =
                    self.database.query_one(sql, rows::block_values(block).to_vec()).await?;
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
                let (roster, ()) = self.change(&self.database, begin).await?;
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
        self.change(&self.database, leave).await.map(drop)
    }

    /// Changes the roster in one transaction that locks it, and saves what has
    /// changed.
    async fn change<T: Send + 'static>(
        &self,
        database: &Database,
        change: impl Fn(&mut Roster, Instance, &mut dyn Connection) -> Result<T> + Send + 'static,
    ) -> Result<(Roster, T)> {
        let work = move |rows: &mut dyn Connection| {
            let lock = rows.dialect().for_update();
            let (mut directory, server) = rows::read(rows, lock)?;
            let before = directory.roster.clone();
            let result = change(&mut directory.roster, server, rows)?;
            rows::save(rows, &before, &directory.roster)?;
            Ok((directory, result))
        };
        let (directory, result) = database.write(work).await?;
        Ok((self.note(directory), result))
    }

    /// Remembers who is where; returns the roster.
    fn note(&self, directory: Directory) -> Roster {
        let roster = directory.roster.clone();
        *self.directory.lock() = Arc::new(directory);
        roster
    }

    async fn change_roster(&self, change: impl Fn(&mut Roster) + Send + 'static) -> Result<Reply> {
        let change = move |roster: &mut Roster, _, _: &mut dyn Connection| {
            change(roster);
            Ok(())
        };
        let (roster, ()) = self.change(&self.database, change).await?;
        Ok(Reply::Roster { roster, answered: Vec::new() })
    }

    async fn renew(&self, epoch: Epoch, replicated: bool) -> Result<Reply> {
        let node = self.node;
        let work = move |rows: &mut dyn Connection| {
            if replicated {
                let sql = "UPDATE cluster_nodes SET renewals = renewals + 1 WHERE id = ?";
                rows.execute(sql, &[node.0.into()])?;
            }
            let (directory, server) = rows::read(rows, "")?;
            Ok((directory, server, rows::clock(rows)?, rows::unanswered(rows, node)?))
        };
        let (directory, server, clock, mail) = match replicated {
            true => self.database.write(work).await?,
            false => self.database.read(work).await?,
        };
        Ok(Reply::Renewed { epoch, roster: self.note(directory), server, mail, clock })
    }

    async fn read_roster(&self) -> Result<Reply> {
        let node = self.node;
        let work = move |rows: &mut dyn Connection| {
            Ok((rows::read(rows, "")?.0, rows::answered(rows, node)?))
        };
        let (directory, answered) = self.database.read(work).await?;
        Ok(Reply::Roster { roster: self.note(directory), answered })
    }

    async fn mail(&self, to: NodeId, block: BlockId, scope: &Scope) -> Result<()> {
        self.letters.lock().push((Instant::now(), block));
        let scope = serde_json::to_string(scope).map_err(|e| Error::Statement(e.to_string()))?;
        let work = move |rows: &mut dyn Connection| {
            let values = [&[to.0.into()], &rows::block_values(block)[..], &[scope.as_str().into()]];
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
                    &[&first[..], &rows::block_values(block)].concat(),
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
            let (Directory { roster, .. }, server) = rows::read_and_mark(rows, requirements.block)?;
            if let Err(refusal) = requirements.check(&roster, server) {
                *told.0.lock() = Some((roster, server));
                return Err(Error::Refused(format!("{refusal:?}")));
            }
            Ok(())
        });
        (guard, refused)
    }

    /// Notes that the end of an attempt is known, and so nobody will look it
    /// up.
    pub(super) fn settle(&self, block: BlockId) {
        self.settled.lock().push(block);
    }

    /// Forgets the marks and the mail of attempts that nobody will look up.
    pub(super) async fn forget_settled(&self) -> Result<()> {
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
        self.anywhere.close().await;
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
        let (directory, _) = rows::read(rows, "")?;
        let sql = "SELECT id, report FROM cluster_nodes
             WHERE standing <> 'gone' AND report IS NOT NULL";
        let reports = rows.query(sql, &[])?;
        let reports = reports.iter().map(|row| Ok((NodeId(row.get(0)?), row.get(1)?)));
        Ok(Reports { directory, reports: reports.collect::<Result<_>>()? })
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
    rows::mark_server(database).await?;
    let (name, address) = (name.to_owned(), address.to_owned());
    database.write(move |rows: &mut dyn Connection| rows::register(rows, &name, &address)).await
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
}
