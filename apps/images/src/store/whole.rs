//! A store as a whole, table by table: what backups hold and copies carry
//! over. The tables of blobs and totals follow from the images and are made
//! again where these go.

use larder_blobs::BlobId;
use larder_clock::Timestamp;
use larder_sql::{Connection, Error as SqlError, Row, Value};

use super::changes::ALL;
use super::{Store, location};
use crate::error::{Error, Result};

/// A table whose rows are taken along. Their order is that of its first
/// columns, and is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The images.
    Images,
    /// The versions of deleted keys.
    Tombstones,
    /// The settings of the cache.
    Properties,
    /// What the cache did.
    Samples,
}

/// The values of one row, in the order of its table's columns.
pub type Values = Vec<Value>;

/// The hold under which a store is filled: nobody serves such a store.
const FILLING: &str = "filling";

/// Rows of one statement: long enough that the way to the server doesn't
/// count, and few enough parameters for every engine.
const TOGETHER: usize = 100;

/// Rows of one page.
const PAGE: u32 = 1000;

impl Table {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Images, Self::Tombstones, Self::Properties, Self::Samples];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Tombstones => "tombstones",
            Self::Properties => "cache_properties",
            Self::Samples => "cache_stats",
        }
    }

    /// Its columns, but for the numbers that rows get by themselves.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Images => &[
                "key",
                "version",
                "location",
                "hash",
                "type",
                "size",
                "width",
                "height",
                "frames",
                "created_at",
                "updated_at",
            ],
            Self::Tombstones => &["key", "version", "deleted_at"],
            Self::Properties => {
                &["max_capacity", "replacement_method", "created_at", "objective", "autopilot"]
            }
            Self::Samples => &[
                "cache_size",
                "key_count",
                "request_count",
                "hit_count",
                "miss_count",
                "created_at",
                "seconds",
                "capacity",
                "eviction_count",
                "hit_ns_mean",
                "hit_ns_p99",
                "miss_ns_mean",
                "miss_ns_p99",
                "node",
                "owners",
            ],
        }
    }

    /// Whether a backup of an earlier version may lack a column of its rows,
    /// which is without a value then.
    pub fn came_later(self, column: &str) -> bool {
        matches!(
            (self, column),
            (Self::Properties, "objective" | "autopilot") | (Self::Samples, "node" | "owners")
        )
    }

    /// The column in whose order its rows are read.
    fn order(self) -> &'static str {
        match self {
            Self::Images | Self::Tombstones => "key",
            Self::Properties | Self::Samples => "id",
        }
    }

    /// The columns as a statement names them.
    fn list(self) -> String {
        let quoted = self.columns().iter().map(|column| format!("\"{column}\""));
        quoted.collect::<Vec<_>>().join(", ")
    }

    /// The statement for a page behind `after`, whose rows begin with what
    /// the next page comes behind.
    fn page(self, after: Option<Value>, limit: u32) -> (String, Vec<Value>) {
        let order = self.order();
        let mut parameters: Vec<Value> = after.into_iter().collect();
        let beyond = match parameters.is_empty() {
            true => String::new(),
            false => format!("WHERE \"{order}\" > ? "),
        };
        parameters.push(limit.into());
        let sql = format!(
            "SELECT \"{order}\", {} FROM {} {beyond}ORDER BY \"{order}\" LIMIT ?",
            self.list(),
            self.name()
        );
        (sql, parameters)
    }
}

/// How many rows each of the tables has, in the order of [`Table::ALL`].
pub type Counts = [u64; Table::ALL.len()];

impl Store {
    /// Passes all rows of one moment to what `start` makes of their counts,
    /// table by table. May start more than once; the last one counts.
    pub async fn read_whole<S, E>(
        &self,
        mut start: impl FnMut(Counts) -> Result<S, E> + Send + 'static,
        mut take: impl FnMut(&mut S, Table, &[Value]) -> Result<(), E> + Send + 'static,
    ) -> Result<S, E>
    where
        S: Send + 'static,
        E: From<SqlError> + Send + 'static,
    {
        let work = move |rows: &mut dyn Connection| {
            rows.allow(ALL);
            let mut counts = Counts::default();
            for (count, table) in counts.iter_mut().zip(Table::ALL) {
                let sql = format!("SELECT COUNT(*) FROM {}", table.name());
                *count = rows.query_one(&sql, &[])?.map_or(Ok(0), |row| row.get(0))?;
            }
            let mut sink = start(counts)?;
            for table in Table::ALL {
                let mut after = None;
                loop {
                    let (sql, parameters) = table.page(after.take(), PAGE);
                    let page = rows.query(&sql, &parameters)?;
                    for row in &page {
                        take(&mut sink, table, &values(table, row)?)?;
                    }
                    match page.last() {
                        Some(last) if page.len() == PAGE as usize => after = Some(last.get(0)?),
                        _ => break,
                    }
                }
            }
            Ok(sink)
        };
        self.database.read(work).await
    }

    /// A page of a table, as it is now, and what the next one comes behind,
    /// if there may be one.
    pub async fn page(
        &self,
        table: Table,
        after: Option<Value>,
    ) -> Result<(Vec<Values>, Option<Value>)> {
        let (sql, parameters) = table.page(after, PAGE);
        let page = self.database.query(sql, parameters).await?;
        let next = page.last().filter(|_| page.len() == PAGE as usize);
        let next = next.map(|row| row.get(0)).transpose()?;
        let page = page.iter().map(|row| Ok(values(table, row)?)).collect::<Result<_>>()?;
        Ok((page, next))
    }

    /// The blobs of one of 256 shards that images name, in order.
    pub async fn named_of_shard(&self, shard: u8) -> Result<Vec<BlobId>> {
        let sql = "SELECT DISTINCT location FROM images
             WHERE location >= ? AND location < ? ORDER BY location";
        // `0` is the character after `/`.
        let range = vec![format!("{shard:02x}/").into(), format!("{shard:02x}0").into()];
        self.database.query(sql, range).await?.iter().map(|row| location(row, 0)).collect()
    }

    /// Whether somebody began to fill this store and hasn't finished.
    pub async fn is_filling(&self) -> Result<bool> {
        let sql = "SELECT 1 FROM holds WHERE name = ?";
        Ok(self.database.query_one(sql, vec![FILLING.into()]).await?.is_some())
    }

    /// Begins to fill an empty store, or goes on where somebody else broke
    /// off, under the name `identity`. Until the end of it the store is frozen,
    /// for a server that has it open already, and no server opens it. Returns
    /// false, and does nothing, if the store has images of its own.
    pub async fn begin_filling(&self, identity: &str) -> Result<bool> {
        let identity = identity.to_owned();
        let work = move |rows: &mut dyn Connection| {
            // Changes that are under way end first.
            lock_totals(rows)?;
            let mark = "SELECT 1 FROM holds WHERE name = ?";
            let is_marked = rows.query_one(mark, &[FILLING.into()])?.is_some();
            let image = "SELECT 1 FROM images LIMIT 1";
            if !is_marked && rows.query_one(image, &[])?.is_some() {
                return Ok(false);
            }
            let hold = format!(
                "INSERT INTO holds (name, expires_at) VALUES (?, ?) {}",
                rows.dialect().or_update("name", &["expires_at"])
            );
            rows.execute(&hold, &[FILLING.into(), i64::MAX.into()])?;
            rows.execute("UPDATE totals SET frozen = 1", &[])?;
            let name = format!(
                "INSERT INTO identity (id, name) VALUES (1, ?) {}",
                rows.dialect().or_update("id", &["name"])
            );
            rows.execute(&name, &[identity.as_str().into()])?;
            Ok(true)
        };
        self.database.write(work).await
    }

    /// Removes all rows of a table.
    pub async fn clear(&self, table: Table) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            rows.allow(ALL);
            rows.execute(&format!("DELETE FROM {}", table.name()), &[])?;
            Ok(())
        };
        self.database.write(work).await
    }

    /// Puts rows into a table, in their order; images and versions replace
    /// those under the same key.
    pub async fn fill(&self, table: Table, all: Vec<Values>) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let end = match table.order() {
                "key" => rows.dialect().or_update("\"key\"", &table.columns()[1..]),
                _ => String::new(),
            };
            let one = format!("({})", vec!["?"; table.columns().len()].join(", "));
            for some in all.chunks(TOGETHER) {
                let sql = format!(
                    "INSERT INTO {} ({}) VALUES {} {end}",
                    table.name(),
                    table.list(),
                    vec![one.as_str(); some.len()].join(", ")
                );
                rows.execute(&sql, &some.concat())?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    /// Removes the images under these keys.
    pub async fn erase(&self, keys: Vec<Value>) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            for some in keys.chunks(TOGETHER) {
                let places = vec!["?"; some.len()].join(", ");
                rows.execute(&format!("DELETE FROM images WHERE \"key\" IN ({places})"), some)?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    /// Ends the filling in one go: the tables that follow from the images are
    /// made, and from now on the store may be served. Returns how many images
    /// there are and how many bytes they have.
    pub async fn end_filling(&self, now: Timestamp) -> Result<(u64, u64)> {
        let work = move |rows: &mut dyn Connection| {
            rows.allow(ALL);
            rows.execute("DELETE FROM blobs", &[])?;
            rows.execute(
                "INSERT INTO blobs (location, hash, size, state, created_at)
                 SELECT location, hash, MAX(size), 'live', MIN(created_at) FROM images
                 GROUP BY location, hash",
                &[],
            )?;
            let totals = set_totals(rows)?;
            rows.execute("UPDATE totals SET frozen = 0", &[])?;
            let holds = "DELETE FROM holds WHERE name = ? OR expires_at < ?";
            rows.execute(holds, &[FILLING.into(), now.0.into()])?;
            Ok(totals)
        };
        self.database.write(work).await
    }

    /// The totals as they are kept, and as they are counted at the same
    /// moment: images and bytes.
    pub async fn kept_and_counted(&self) -> Result<[(i64, i64); 2]> {
        let work = move |rows: &mut dyn Connection| {
            rows.allow(ALL);
            let sum = |column: &str| format!("COALESCE(SUM({column}), 0)");
            let integer = |column| rows.dialect().integer(&sum(column));
            let kept = format!("SELECT {}, {} FROM totals", integer("images"), integer("bytes"));
            let kept = rows.query_one(&kept, &[])?;
            let kept = kept.map_or(Ok((0, 0)), |row| Ok::<_, Error>((row.get(0)?, row.get(1)?)));
            Ok::<_, Error>([kept?, counted(rows)?])
        };
        self.database.read(work).await
    }

    /// Sets the totals to what is counted.
    pub async fn correct_totals(&self) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            rows.allow(ALL);
            set_totals(rows).map(drop)
        };
        self.database.write(work).await
    }
}

/// Sets the totals. 1. Each change ends with one of these rows: once all are
/// ours, those that have one are committed, and counted, and the others wait,
/// aren't seen, and add to what we leave. 2. Count. 3. Put all into one row.
fn set_totals(rows: &mut dyn Connection) -> Result<(u64, u64)> {
    lock_totals(rows)?;
    let (images, bytes) = counted(rows)?;
    rows.execute("UPDATE totals SET images = 0, bytes = 0 WHERE id <> 1", &[])?;
    let set = "UPDATE totals SET images = ?, bytes = ? WHERE id = 1";
    rows.execute(set, &[images.into(), bytes.into()])?;
    Ok((images.unsigned_abs(), bytes.unsigned_abs()))
}

/// Waits for the end of all changes and lets no other one end.
fn lock_totals(rows: &mut dyn Connection) -> Result<()> {
    let lock = rows.dialect().for_update();
    rows.query(&format!("SELECT id FROM totals ORDER BY id{lock}"), &[])?;
    Ok(())
}

fn counted(rows: &mut dyn Connection) -> Result<(i64, i64)> {
    let bytes = rows.dialect().integer("COALESCE(SUM(size), 0)");
    let counted = rows.query_one(&format!("SELECT COUNT(*), {bytes} FROM images"), &[])?;
    counted.map_or(Ok((0, 0)), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The values of a row whose first column is the one it is ordered by.
fn values(table: Table, row: &Row) -> Result<Values, SqlError> {
    (1..=table.columns().len()).map(|column| row.get(column)).collect()
}
