//! Samples of what the cache did, kept bounded: five-second samples for an
//! hour, then one a minute for a day, then nothing.

use larder_clock::Timestamp;
use larder_sql::{Connection, Row, Value};

use super::Store;
use crate::error::Result;

/// Seconds between samples.
pub const INTERVAL_SECONDS: i64 = 5;
/// Seconds of the samples that many are thinned to.
const THIN_SECONDS: i64 = 60;
/// Age in seconds at which samples are thinned: a little more than the view
/// of one hour needs.
const FINE_FOR: i64 = 3600 + 300;
/// Age in seconds at which thinned samples go: a little more than the view of
/// a day needs.
const KEEP_FOR: i64 = 24 * 3600 + 600;

/// What the cache held at one moment and did in the seconds before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sample {
    /// The moment, seconds since 1970.
    pub at: i64,
    /// The seconds it covers.
    pub seconds: i64,
    /// Items held.
    pub items: u64,
    /// Bytes held.
    pub size_bytes: u64,
    /// Capacity in bytes.
    pub capacity_bytes: u64,
    /// Reads; always hits and misses together.
    pub requests: u64,
    /// Reads answered from memory.
    pub hits: u64,
    /// Reads answered by the store.
    pub misses: u64,
    /// Entries evicted for room.
    pub evictions: u64,
    /// Mean time of a hit, nanoseconds; 0 if there was none.
    pub hit_ns_mean: u64,
    /// 99th percentile of the time of a hit, nanoseconds.
    pub hit_ns_p99: u64,
    /// Mean time of a miss, nanoseconds.
    pub miss_ns_mean: u64,
    /// 99th percentile of the time of a miss, nanoseconds.
    pub miss_ns_p99: u64,
}

/// A sample with whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// The node's number; 0 for one that is alone.
    pub node: u16,
    /// How many nodes owned keys; 0 where it isn't known any more.
    pub owners: u64,
    /// The sample.
    pub sample: Sample,
}

/// Rows of earlier versions say no node; a node that is alone has number 0.
const OF_NODE: &str = "COALESCE(node, 0) = ?";

const COLUMNS: &str = "created_at, seconds, key_count, cache_size, capacity, request_count, \
     hit_count, miss_count, eviction_count, hit_ns_mean, hit_ns_p99, miss_ns_mean, miss_ns_p99";

impl Store {
    /// Keeps a sample.
    pub async fn add_sample(&self, sampled: Sampled) -> Result<()> {
        self.database.write(move |rows| insert(rows, &sampled)).await
    }

    /// The samples of a node since `since`, oldest first.
    pub async fn samples(&self, node: u16, since: Timestamp) -> Result<Vec<Sample>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_stats WHERE created_at >= ? AND {OF_NODE}
             ORDER BY created_at"
        );
        let parameters = vec![since.seconds().into(), node.into()];
        let found = self.database.query(sql, parameters).await?;
        found.iter().map(sample).collect()
    }

    /// The samples of all nodes since `since`, oldest first.
    pub async fn samples_of_all(&self, since: Timestamp) -> Result<Vec<Sampled>> {
        let sql = format!(
            "SELECT {COLUMNS}, COALESCE(node, 0), COALESCE(owners, 1)
             FROM cache_stats WHERE created_at >= ? ORDER BY created_at"
        );
        let found = self.database.query(sql, vec![since.seconds().into()]).await?;
        let sampled = |row: &Row| {
            Ok(Sampled { sample: sample(row)?, node: row.get(13)?, owners: row.get(14)? })
        };
        found.iter().map(sampled).collect()
    }

    /// Thins a node's old samples; drops the oldest of all.
    pub async fn thin_samples(&self, node: u16, now: Timestamp) -> Result<()> {
        let now = now.seconds();
        let work = move |rows: &mut dyn Connection| {
            rows.execute(
                "DELETE FROM cache_stats WHERE created_at < ?",
                &[(now - KEEP_FOR).into()],
            )?;
            // Only whole minutes, so that none is thinned twice.
            let before = (now - FINE_FOR).div_euclid(THIN_SECONDS) * THIN_SECONDS;
            let range: [Value; 3] = [THIN_SECONDS.into(), before.into(), node.into()];
            let which =
                format!("FROM cache_stats WHERE seconds < ? AND created_at <= ? AND {OF_NODE}");
            let lock = rows.dialect().for_update();
            let old = format!("SELECT {COLUMNS} {which} ORDER BY created_at{lock}");
            let old = rows.query(&old, &range)?;
            let old = old.iter().map(sample).collect::<Result<Vec<_>>>()?;
            rows.execute(&format!("DELETE {which}"), &range)?;
            // A sample belongs to the minute that ends at or after it.
            let minute = |sample: &Sample| (sample.at + THIN_SECONDS - 1).div_euclid(THIN_SECONDS);
            for chunk in old.chunk_by(|a, b| minute(a) == minute(b)) {
                let sample = merge(chunk, minute(&chunk[0]) * THIN_SECONDS);
                insert(rows, &Sampled { node, owners: 0, sample })?;
            }
            Ok(())
        };
        self.database.write(work).await
    }
}

/// One sample for many: counts add up, what is held is that of the last, means
/// weigh by count, percentiles take the worst.
fn merge(samples: &[Sample], at: i64) -> Sample {
    let last = samples.last().copied().unwrap_or_default();
    let sum = |of: fn(&Sample) -> u64| samples.iter().map(of).sum::<u64>();
    let worst = |of: fn(&Sample) -> u64| samples.iter().map(of).max().unwrap_or(0);
    let mean = |of: fn(&Sample) -> u64, count: fn(&Sample) -> u64| {
        let total: u128 = samples.iter().map(|s| u128::from(of(s)) * u128::from(count(s))).sum();
        let count = u128::from(sum(count));
        total.checked_div(count).map_or(0, |mean| u64::try_from(mean).unwrap_or(u64::MAX))
    };
    Sample {
        at,
        seconds: THIN_SECONDS,
        requests: sum(|s| s.requests),
        hits: sum(|s| s.hits),
        misses: sum(|s| s.misses),
        evictions: sum(|s| s.evictions),
        hit_ns_mean: mean(|s| s.hit_ns_mean, |s| s.hits),
        hit_ns_p99: worst(|s| s.hit_ns_p99),
        miss_ns_mean: mean(|s| s.miss_ns_mean, |s| s.misses),
        miss_ns_p99: worst(|s| s.miss_ns_p99),
        ..last
    }
}

fn insert(rows: &mut dyn Connection, sampled: &Sampled) -> Result<()> {
    let Sampled { node, owners, sample } = *sampled;
    let parameters: [Value; 15] = [
        sample.at.into(),
        sample.seconds.into(),
        sample.items.into(),
        sample.size_bytes.into(),
        sample.capacity_bytes.into(),
        sample.requests.into(),
        sample.hits.into(),
        sample.misses.into(),
        sample.evictions.into(),
        sample.hit_ns_mean.into(),
        sample.hit_ns_p99.into(),
        sample.miss_ns_mean.into(),
        sample.miss_ns_p99.into(),
        node.into(),
        owners.into(),
    ];
    let sql = format!(
        "INSERT INTO cache_stats ({COLUMNS}, node, owners)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    rows.execute(&sql, &parameters)?;
    Ok(())
}

fn sample(row: &Row) -> Result<Sample> {
    Ok(Sample {
        at: row.get(0)?,
        seconds: row.get(1)?,
        items: row.get(2)?,
        size_bytes: row.get(3)?,
        capacity_bytes: row.get(4)?,
        requests: row.get(5)?,
        hits: row.get(6)?,
        misses: row.get(7)?,
        evictions: row.get(8)?,
        hit_ns_mean: row.get(9)?,
        hit_ns_p99: row.get(10)?,
        miss_ns_mean: row.get(11)?,
        miss_ns_p99: row.get(12)?,
    })
}

#[cfg(test)]
mod tests {
    use larder_sql::{Config, Database, DatabaseUrl};

    use super::*;

    #[tokio::test]
    async fn samples_are_thinned_and_dropped_so_that_their_table_stays_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
        let database = Database::open(&Config { url, readers: 1 }).await.expect("opens");
        let store = Store::open(database).await.expect("opens");
        let template = Sample { seconds: 5, requests: 3, hits: 2, misses: 1, ..Sample::default() };
        // A day and a half, thinned every half hour.
        let mut at = 1_800_000_000;
        for _ in 0..72 {
            let samples: Vec<_> =
                (1..=360).map(|step| Sample { at: at + 5 * step, ..template }).collect();
            at += 1800;
            let add = move |rows: &mut dyn Connection| {
                samples
                    .iter()
                    .try_for_each(|&sample| insert(rows, &Sampled { node: 0, owners: 1, sample }))
            };
            store.database.write(add).await.expect("are stored");
            store.thin_samples(0, Timestamp(at * 1_000_000)).await.expect("thins");
        }
        let all = store.samples(0, Timestamp(0)).await.expect("reads");
        let fine = all.iter().filter(|sample| sample.seconds == 5).count();
        let thin = all.iter().filter(|sample| sample.seconds == 60).count();
        assert!((720..=800).contains(&fine), "{fine} of five seconds: the last hour and a bit");
        assert!((1380..=1450).contains(&thin), "{thin} of a minute: the day before");
        for pair in all.windows(2) {
            assert_eq!(pair[1].at - pair[0].at, pair[1].seconds, "none is missing or doubled");
        }
        for sample in all {
            assert_eq!(sample.requests, 3 * sample.seconds.unsigned_abs() / 5, "none is lost");
        }
    }

    #[test]
    fn merged_samples_weigh_by_count() {
        let quiet =
            Sample { at: 5, hits: 1, hit_ns_mean: 100, hit_ns_p99: 100, ..Sample::default() };
        let busy = Sample { at: 10, hits: 3, hit_ns_mean: 500, hit_ns_p99: 900, items: 7, ..quiet };
        let merged = merge(&[quiet, busy], 60);
        assert_eq!((merged.at, merged.seconds, merged.items), (60, 60, 7));
        assert_eq!((merged.hits, merged.hit_ns_mean, merged.hit_ns_p99), (4, 400, 900));
        assert_eq!((merged.misses, merged.miss_ns_mean), (0, 0));
    }
}
