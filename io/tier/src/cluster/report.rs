//! What each node tells of itself, and what any node can tell of all. Reports
//! stand in the database, so whoever asks one node sees all of them.

use std::sync::atomic::{AtomicU64, Ordering};

use larder_coherence::{NodeId, Standing};
use larder_sql::Database;
use serde::{Deserialize, Serialize};

use super::keeper::{self, Reports, name};
use super::{Cluster, now};

/// What this node did for the pool, counted up.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) forwards: AtomicU64,
    pub(super) unanswered: AtomicU64,
}

/// What a node sees of its cluster at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Whether this node is in.
    pub is_in: bool,
    /// Nodes that own keys.
    pub owners: u16,
    /// Nodes that could.
    pub nodes: u16,
    /// Reads this node has sent on to the owner of their key.
    pub forwards: u64,
    /// Those of them that the owner didn't answer.
    pub unanswered: u64,
}

/// What a node held and did, as it saw itself at its last report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Where it answers its clients.
    pub listens: String,
    /// Entries in memory.
    pub items: u64,
    /// Bytes in memory, overhead included.
    pub size_bytes: u64,
    /// Capacity in bytes.
    pub capacity_bytes: u64,
    /// Reads, counted up.
    pub requests: u64,
    /// Reads answered from some node's memory, counted up.
    pub hits: u64,
    /// Reads sent on to the owner of their key, counted up.
    pub forwards: u64,
    /// Those of them that the owner didn't answer.
    pub unanswered: u64,
    /// Median time from the beginning of a write to its commit, in
    /// microseconds.
    pub barrier_us_p50: u64,
    /// Its 99th percentile.
    pub barrier_us_p99: u64,
    /// Since when its lease runs: how long ago the last renewal was asked
    /// for, in milliseconds.
    pub lease_age_ms: u64,
    /// When it reported, by its own clock: seconds since 1970.
    pub at: i64,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// Its number, the same across restarts.
    pub node: u16,
    /// Where its peers reach it.
    pub address: String,
    /// One stay in the cluster: grows over all nodes.
    pub epoch: u64,
    /// `caching`, `passthrough` (keeps nothing) or `evicting` (is waited out).
    pub standing: &'static str,
    /// Whether it owns keys.
    pub is_active: bool,
    /// Its last report.
    pub load: Load,
}

/// The cluster as the database has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overview {
    /// The node that was asked; 0 if none was.
    pub node: u16,
    /// Grows with each change of the members.
    pub version: u64,
    /// How many nodes own keys; 0 for all.
    pub active: usize,
    /// The members, in the order of their numbers.
    pub members: Vec<Member>,
}

impl Overview {
    fn of(node: u16, reports: Reports) -> Self {
        let Reports { directory, reports } = reports;
        let owners: Vec<NodeId> = directory.owners().collect();
        let members = directory.roster.members.iter();
        let members = members.filter(|(_, member)| member.standing != Standing::Gone);
        let member = |(id, member): (&NodeId, &larder_coherence::Member)| Member {
            node: id.0,
            address: directory.addresses.get(id).cloned().unwrap_or_default(),
            epoch: member.epoch.0,
            standing: name(member.standing),
            is_active: owners.contains(id),
            // One that has never reported has nothing to tell.
            load: reports
                .get(id)
                .and_then(|report| serde_json::from_str(report).ok())
                .unwrap_or_default(),
        };
        let members = members.map(member).collect();
        Self { node, version: directory.roster.version, active: directory.active, members }
    }
}

impl Cluster {
    /// What this node sees at this moment.
    pub fn status(&self) -> Status {
        let (owners, nodes) = self.pool_size();
        Status {
            is_in: self.is_in(),
            owners,
            nodes,
            forwards: self.load.forwards.load(Ordering::Relaxed),
            unanswered: self.load.unanswered.load(Ordering::Relaxed),
        }
    }

    /// Reports what this node does, and clears up behind it; `load` says what
    /// the tier doesn't know.
    ///
    /// # Errors
    /// The database fails.
    pub async fn report(&self, load: Load) -> larder_sql::Result<()> {
        let (p50, p99) = {
            let barrier = self.barrier.lock();
            (barrier.value_at_quantile(0.5) / 1_000, barrier.value_at_quantile(0.99) / 1_000)
        };
        let load = Load {
            forwards: self.load.forwards.load(Ordering::Relaxed),
            unanswered: self.load.unanswered.load(Ordering::Relaxed),
            barrier_us_p50: p50,
            barrier_us_p99: p99,
            lease_age_ms: self.lease_age_ms(),
            ..load
        };
        self.keeper.forget_settled().await?;
        self.keeper.save_report(serde_json::to_string(&load).unwrap_or_default()).await
    }

    fn lease_age_ms(&self) -> u64 {
        let lease = self.gate.node().lease();
        let lasts = larder_coherence::Config::new(self.node()).lease;
        let left = lease.expiry.since(now());
        u64::try_from(lasts.saturating_sub(left).as_millis()).unwrap_or(u64::MAX)
    }

    /// All members with their last reports.
    ///
    /// # Errors
    /// The database fails.
    pub async fn overview(&self) -> larder_sql::Result<Overview> {
        Ok(Overview::of(self.node().0, self.keeper.reports().await?))
    }

    /// The cluster in a database, as somebody sees it who takes no part;
    /// `None` if there has never been one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn look(database: &Database) -> larder_sql::Result<Option<Overview>> {
        match keeper::is_there(database).await? {
            true => Ok(Some(Overview::of(0, keeper::reports(database).await?))),
            false => Ok(None),
        }
    }

    /// Sets how many nodes own keys; 0 for all.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_active(&self, active: usize) -> larder_sql::Result<()> {
        self.keeper.set_active(active).await
    }
}
