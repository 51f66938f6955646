//! The pool: how many nodes own keys, resized by people or by the miss rate,
//! and what all nodes did together. The rules are the model's.

use std::collections::{BTreeMap, BTreeSet};

use super::Images;
use crate::error::{Error, Result};
use crate::model::{InvalidPool, Mode, PoolSettings};
use crate::store::{PoolDecision, Sample, Sampled};

/// Minutes that the charts of the pool go back.
const MINUTES: i64 = 30;

/// Decisions that are shown.
const SHOWN: u32 = 20;

/// The pool as it is.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its settings.
    pub settings: PoolSettings,
    /// Nodes that own keys.
    pub size: u16,
    /// Nodes that could.
    pub members: u16,
    /// The latest decisions, newest first.
    pub decisions: Vec<PoolDecision>,
}

/// What all nodes did in one minute, and held at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Minute {
    /// Its end, in seconds since 1970.
    pub at: i64,
    /// Nodes that owned keys.
    pub nodes: u64,
    /// Entries in memory.
    pub items: u64,
    /// Bytes in memory, overhead included.
    pub size_bytes: u64,
    /// Reads.
    pub requests: u64,
    /// Hits per read, 0 to 1; absent where there was no read.
    pub hit_rate: Option<f64>,
    /// Misses per read, 0 to 1; absent where there was no read.
    pub miss_rate: Option<f64>,
}

impl Images {
    /// The pool.
    ///
    /// # Errors
    /// The store fails.
    pub async fn pool(&self) -> Result<Pool> {
        let (settings, _) = self.shared.store.pool().await?;
        let decisions = self.shared.store.decisions(SHOWN).await?;
        let (size, members) = self.pool_size();
        Ok(Pool { settings, size, members, decisions })
    }

    /// How many nodes own keys, and how many could.
    pub(super) fn pool_size(&self) -> (u16, u16) {
        self.cluster().map_or((1, 1), |cluster| cluster.pool_size())
    }

    /// Changes the settings of the pool, and its size if one is given.
    ///
    /// # Errors
    /// They make no sense, this node is alone, or the store fails; nothing is
    /// changed then.
    pub async fn run_pool(
        &self,
        change: impl FnOnce(PoolSettings) -> Result<PoolSettings, InvalidPool>,
        size: Option<u16>,
    ) -> Result<Pool> {
        let (before, _) = self.shared.store.pool().await?;
        let settings = change(before)?;
        settings.check()?;
        let (present, _) = self.pool_size();
        if let Some(size) = size {
            settings.check_size(size)?;
        }
        let needs_pool = size.is_some_and(|size| size != present) || settings.mode == Mode::Auto;
        if needs_pool && self.cluster().is_none() {
            return Err(InvalidPool::Alone.into());
        }
        if settings != before {
            self.shared.store.save_pool(settings, self.shared.clock.now()).await?;
        }
        if let Some(size) = size
            && size != present
        {
            self.resize(present, size, None, "set by hand".into()).await?;
        }
        self.pool().await
    }

    /// Makes the pool larger or smaller by one node.
    ///
    /// # Errors
    /// As [`Images::run_pool`].
    pub async fn step_pool(&self, grow: bool) -> Result<Pool> {
        let (present, _) = self.pool_size();
        let size = if grow { present.saturating_add(1) } else { present.saturating_sub(1) };
        self.run_pool(Ok, Some(size)).await
    }

    async fn resize(
        &self,
        before: u16,
        size: u16,
        miss_rate: Option<f64>,
        reason: String,
    ) -> Result<()> {
        let Some(cluster) = self.cluster() else { return Err(InvalidPool::Alone.into()) };
        let (_, members) = self.pool_size();
        let reason = match size > members {
            true => format!("{reason}; {members} of {size} nodes are there so far"),
            false => reason,
        };
        cluster.set_active(usize::from(size)).await?;
        tracing::info!(before, size, reason, "the pool is resized");
        if size > members {
            self.call_for_nodes(size);
        }
        let decision = PoolDecision {
            at: self.shared.clock.now().seconds(),
            size_before: before,
            size_after: size,
            miss_rate,
            reason,
        };
        self.shared.store.add_decision(decision).await
    }

    /// Runs the operator's command that starts nodes, if there is one, and
    /// waits for it aside.
    fn call_for_nodes(&self, size: u16) {
        let Some(cluster) = &self.shared.config.cluster else { return };
        let Some(command) = cluster.scale_command.clone() else { return };
        tokio::spawn(async move {
            let mut shell = tokio::process::Command::new("sh");
            shell.arg("-c").arg(&command).env("LARDER_POOL_SIZE", size.to_string());
            match shell.status().await {
                Ok(status) if status.success() => {}
                Ok(status) => tracing::error!(%status, command, "--scale-command failed"),
                Err(error) => tracing::error!(%error, command, "--scale-command can't be run"),
            }
        });
    }

    /// The miss rate of all nodes' reads over the last seconds.
    pub async fn miss_rate(&self, seconds: i64) -> Result<Option<f64>> {
        let since = self.shared.clock.now().minus_seconds(seconds);
        let samples = self.shared.store.samples_of_all(since).await?;
        let sum = |of: fn(&Sample) -> u64| samples.iter().map(|sampled| of(&sampled.sample)).sum();
        let (requests, misses): (u64, u64) = (sum(|s| s.requests), sum(|s| s.misses));
        Ok((requests > 0).then(|| misses as f64 / requests as f64))
    }

    /// What all nodes did in the last half hour, minute by minute.
    ///
    /// # Errors
    /// The store fails.
    pub async fn minutes(&self) -> Result<Vec<Minute>> {
        let since = self.shared.clock.now().minus_seconds(MINUTES * 60);
        let samples = self.shared.store.samples_of_all(since).await?;
        let mut minutes: BTreeMap<i64, Vec<Sampled>> = BTreeMap::new();
        for sampled in samples {
            minutes.entry(end_of_minute(sampled.sample.at)).or_default().push(sampled);
        }
        Ok(minutes.into_iter().map(|(at, samples)| together(at, &samples)).collect())
    }

    /// Decides about the size of the pool, if it is this node's turn.
    pub(super) async fn decide(&self) -> Result<()> {
        let (settings, last) = self.shared.store.pool().await?;
        let now = self.shared.clock.now();
        let due = last + i64::from(settings.interval_seconds);
        if settings.mode != Mode::Auto || now.seconds() < due {
            return Ok(());
        }
        if !self.shared.store.take_turn(last, now).await? {
            return Ok(());
        }
        let rate = self.miss_rate(settings.interval_seconds.into()).await?;
        let (size, _) = self.pool_size();
        let resize = settings.decide(size, rate);
        if resize.size == size {
            tracing::info!(size, reason = resize.reason, "the pool stays as it is");
            return Ok(());
        }
        self.resize(size, resize.size, rate, resize.reason).await
    }
}

fn end_of_minute(at: i64) -> i64 {
    (at + 59).div_euclid(60) * 60
}

/// The samples of one minute as one: what was done adds up, what is held is
/// that of each node's last sample.
fn together(at: i64, samples: &[Sampled]) -> Minute {
    let nodes: BTreeSet<u16> = samples.iter().map(|sampled| sampled.node).collect();
    let last = |node| samples.iter().rev().find(|sampled| sampled.node == node);
    let held = |of: fn(&Sample) -> u64| -> u64 {
        nodes.iter().filter_map(|&node| last(node)).map(|sampled| of(&sampled.sample)).sum()
    };
    let sum = |of: fn(&Sample) -> u64| samples.iter().map(|sampled| of(&sampled.sample)).sum();
    let (requests, hits): (u64, u64) = (sum(|s| s.requests), sum(|s| s.hits));
    let rate = |count: u64| (requests > 0).then(|| count as f64 / requests as f64);
    Minute {
        at,
        nodes: samples.last().map_or(0, |sampled| sampled.owners),
        items: held(|s| s.items),
        size_bytes: held(|s| s.size_bytes),
        requests,
        hit_rate: rate(hits),
        miss_rate: rate(requests - hits),
    }
}

impl From<InvalidPool> for Error {
    fn from(error: InvalidPool) -> Self {
        Self::InvalidPool(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_adds_up_what_was_done_and_takes_the_last_of_what_is_held() {
        let sampled = |node, at, items, requests, hits| Sampled {
            node,
            owners: 2,
            sample: Sample {
                at,
                items,
                requests,
                hits,
                misses: requests - hits,
                ..Sample::default()
            },
        };
        let samples = [sampled(1, 5, 10, 4, 1), sampled(2, 6, 7, 4, 4), sampled(1, 10, 12, 2, 1)];
        let minute = together(60, &samples);
        assert_eq!((minute.nodes, minute.items, minute.requests), (2, 19, 10));
        assert_eq!((minute.hit_rate, minute.miss_rate), (Some(0.6), Some(0.4)));
        assert_eq!(end_of_minute(60), 60);
        assert_eq!(end_of_minute(61), 120);
    }
}
