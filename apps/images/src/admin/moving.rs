//! A store that moves while it is served: rows to another database, blobs to
//! another place, or both. Most is copied while the servers go on, then what
//! changed meanwhile, again and again; at last the store is frozen, so that
//! the final pass finds an end. Nothing at the old place is ever removed.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use larder_blobs::{BlobId, BlobStore, BlobsUrl};
use larder_sql::{Database, DatabaseUrl, Value};
use larder_web::Shutdown;

use super::hold::Hold;
use super::{
    AT_ONCE, Failure, Opened, Place, Progress, READERS, Result, open_blobs, patiently, rows_beside,
};
use crate::error::Error;
use crate::service::with_sources;
use crate::store::{Store, Table, Values};

/// So few changes in one pass are left for the last one.
const LITTLE: u64 = 100;

/// The most passes before the last one.
const PASSES: u32 = 10;

/// Changes of rows in one transaction.
const TOGETHER: usize = 1000;

/// Where to.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The new place of the rows, if they move.
    pub database: Option<DatabaseUrl>,
    /// The new place of the blobs, if they move.
    pub blobs: Option<BlobsUrl>,
}

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Images at the new place.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows of images that were copied, changed ones again.
    pub rows_copied: u64,
    /// Blobs that were copied.
    pub blobs_copied: u64,
    /// Times all was gone through.
    pub passes: u32,
    /// How long nothing could be changed until the move was complete.
    pub frozen_for: Duration,
}

/// Copies a store to `target` and leaves it frozen, so that what is there is
/// all there is. If that fails, the store takes changes again.
///
/// # Errors
/// The store or the target can't be opened or fails; the target is in use.
pub async fn move_store(place: &Place, target: &Target, stop: &Shutdown) -> Result<Moved> {
    let opened = Opened::beside(place).await?;
    let moved = async {
        let moving = Moving::open(&opened, place, target).await?;
        // It ends by itself when it is to stop, because it has to thaw.
        let never = Shutdown::default();
        let moved = opened.held("move", &never, async |hold| moving.all(hold, stop).await).await;
        if let Some(rows) = &moving.rows {
            rows.close().await;
        }
        moved
    };
    let moved = moved.await;
    opened.store.close().await;
    moved
}

/// Lets a frozen store take changes again; says whether it was frozen.
///
/// # Errors
/// The store can't be opened, or fails.
pub async fn thaw(place: &Place) -> Result<bool> {
    let store = rows_beside(place).await?;
    let was_frozen = store.is_frozen().await?;
    patiently(async || store.freeze(false).await).await?;
    store.close().await;
    Ok(was_frozen)
}

struct Moving<'o> {
    opened: &'o Opened,
    rows: Option<Store>,
    blobs: Option<Arc<dyn BlobStore>>,
}

impl<'o> Moving<'o> {
    async fn open(opened: &'o Opened, place: &Place, target: &Target) -> Result<Self> {
        let mut moving = Self { opened, rows: None, blobs: None };
        if let Some(url) = &target.blobs
            && *url != place.blobs()
        {
            let blobs = open_blobs(url, place, false).await?;
            if blobs.claim(&opened.identity).await? != opened.identity {
                return Err(Error::OthersBlobs(url.to_string()).into());
            }
            moving.blobs = Some(blobs);
        }
        if let Some(url) = &target.database {
            let in_use =
                || Failure::Refused(format!("{url} has images already: name an empty database"));
            if *url == place.database() {
                return Err(in_use());
            }
            let config = larder_sql::Config { url: url.clone(), readers: READERS };
            let rows = Store::open(Database::open(&config).await?).await?;
            if !rows.begin_filling(&opened.identity).await? {
                return Err(in_use());
            }
            // Written otherwise, it may be the same database all the same.
            if opened.store.is_filling().await? {
                rows.end_filling(opened.clock.now()).await?;
                return Err(in_use());
            }
            moving.rows = Some(rows);
        }
        if moving.rows.is_none() && moving.blobs.is_none() {
            return Err(Failure::Refused("the store is at that place already".into()));
        }
        Ok(moving)
    }

    /// All of it. Whatever goes wrong, the store takes changes again.
    async fn all(&self, hold: &Hold, stop: &Shutdown) -> Result<Moved> {
        let store = &self.opened.store;
        let mut moved = Moved::default();
        // It may be frozen from an attempt that broke off.
        let mut is_frozen = store.is_frozen().await?;
        let error = match self.all_but_thaw(hold, stop, &mut moved, &mut is_frozen).await {
            Ok(()) => return Ok(moved),
            Err(error) if !is_frozen => return Err(error),
            Err(error) => with_sources(&error),
        };
        Err(match patiently(async || store.freeze(false).await).await {
            Ok(()) => Failure::Broken(format!(
                "{error}; the store takes changes again, and what was copied is of use to the \
                 next attempt"
            )),
            Err(worse) => Failure::Broken(format!(
                "{error}; and the store is still frozen ({}): run larder admin thaw",
                with_sources(&worse)
            )),
        })
    }

    async fn all_but_thaw(
        &self,
        hold: &Hold,
        stop: &Shutdown,
        moved: &mut Moved,
        is_frozen: &mut bool,
    ) -> Result<()> {
        unless_stopped(stop, async {
            let mut before = u64::MAX;
            while moved.passes < PASSES {
                let changes = self.pass(hold, moved).await?;
                tracing::info!("pass {}: {changes} changes copied", moved.passes);
                // Once the passes hardly get shorter, more of them won't help:
                // there is as much to do in the time that one takes.
                if changes <= LITTLE || changes > before / 2 {
                    break;
                }
                before = changes;
            }
            Ok(())
        })
        .await?;
        let frozen = Instant::now();
        *is_frozen = true;
        // Never given up half-way: it might come to pass after the thaw.
        patiently(async || self.opened.store.freeze(true).await).await?;
        tracing::info!("frozen: changes are answered with 503 from now on");
        unless_stopped(stop, self.last(hold, moved)).await?;
        moved.frozen_for = frozen.elapsed();
        Ok(())
    }

    /// Copies what is new or has changed; returns how much that was.
    async fn pass(&self, hold: &Hold, moved: &mut Moved) -> Result<u64> {
        moved.passes += 1;
        let mut changes = 0;
        if let Some(to) = &self.blobs {
            let copied = self.copy_blobs(hold, &**to).await?;
            moved.blobs_copied += copied;
            changes += copied;
        }
        if let Some(to) = &self.rows {
            let (put, erased) = self.copy_images(hold, to).await?;
            moved.rows_copied += put;
            changes += put + erased;
        }
        Ok(changes)
    }

    /// The pass that finds an end, because nothing changes any more, and a
    /// look whether the rows of both sides are the same now.
    async fn last(&self, hold: &Hold, moved: &mut Moved) -> Result<()> {
        self.pass(hold, moved).await?;
        let from = &self.opened.store;
        let [_, counted] = from.kept_and_counted().await?;
        if let Some(to) = &self.rows {
            for table in [Table::Tombstones, Table::Properties, Table::Samples] {
                to.clear(table).await?;
                let mut after = None;
                loop {
                    let (rows, next) = from.page(table, after).await?;
                    to.fill(table, rows).await?;
                    match next {
                        Some(next) => after = Some(next),
                        None => break,
                    }
                }
            }
            let mut both = Both::begin(from, to);
            if let Some(difference) = both.next().await? {
                return Err(Failure::Broken(format!("the copy differs: {difference:?}")));
            }
            if to.kept_and_counted().await?[1] != counted {
                return Err(Failure::Broken("the copy has another number of images".into()));
            }
            hold.check()?;
            to.end_filling(self.opened.clock.now()).await?;
        }
        moved.images = counted.0.unsigned_abs();
        moved.bytes = counted.1.unsigned_abs();
        Ok(())
    }

    /// Copies the blobs that images name and that aren't there yet: when this
    /// returns, the other place has listed or acknowledged each of them.
    async fn copy_blobs(&self, hold: &Hold, to: &dyn BlobStore) -> Result<u64> {
        let Opened { store, blobs, .. } = self.opened;
        let missing = |shard| async move {
            let there: BTreeSet<_> = to.list(shard).await?.into_iter().collect();
            let named = store.named_of_shard(shard).await?;
            let missing: Vec<_> =
                named.into_iter().filter(|blob| !there.contains(blob)).map(Ok).collect();
            Ok::<_, Failure>(stream::iter(missing))
        };
        let copy = |blob: Result<BlobId>| async move {
            let blob = blob?;
            match larder_blobs::copy(&**blobs, to, &blob).await {
                Ok(_) => Ok(1),
                Err(error) if is_damage(&error) && !store.is_named(&blob).await? => Ok(0),
                Err(error) if is_damage(&error) => Err(Failure::Broken(format!(
                    "{error}: see what can be saved with larder admin verify --repair"
                ))),
                Err(error) => Err(error.into()),
            }
        };
        let missing = stream::iter(0..=u8::MAX).map(missing).buffered(AT_ONCE).try_flatten();
        let mut copies = pin!(missing.map(copy).buffer_unordered(AT_ONCE));
        let mut progress = Progress::new("blobs copied");
        while let Some(copied) = copies.try_next().await? {
            hold.check()?;
            progress.add(copied);
        }
        hold.check()?;
        Ok(progress.done)
    }

    /// Makes the images over there those that are here: returns how many were
    /// put and how many erased.
    async fn copy_images(&self, hold: &Hold, to: &Store) -> Result<(u64, u64)> {
        let mut progress = Progress::new("rows copied");
        let mut both = Both::begin(&self.opened.store, to);
        let (mut put, mut erase, mut erased) = (Vec::new(), Vec::new(), 0);
        loop {
            let difference = both.next().await?;
            let is_end = difference.is_none();
            match difference {
                Some(Difference::Changed(row)) => put.push(row),
                Some(Difference::Gone(key)) => erase.push(key),
                None => {}
            }
            if put.len() >= TOGETHER || is_end && !put.is_empty() {
                hold.check()?;
                progress.add(put.len() as u64);
                to.fill(Table::Images, std::mem::take(&mut put)).await?;
            }
            if erase.len() >= TOGETHER || is_end && !erase.is_empty() {
                erased += erase.len() as u64;
                to.erase(std::mem::take(&mut erase)).await?;
            }
            if is_end {
                return Ok((progress.done, erased));
            }
        }
    }
}

/// Does `work`, unless it is asked to stop before its end.
async fn unless_stopped(stop: &Shutdown, work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        done = work => done,
        () = stop.asked() => Err(Failure::Interrupted),
    }
}

/// Whether the blob itself is what failed.
fn is_damage(error: &larder_blobs::Error) -> bool {
    use larder_blobs::Error::{Corrupt, Io, NotFound};
    matches!(error, Corrupt(_) | Io { .. } | NotFound(_))
}

/// Images that differ between two stores.
#[derive(Debug)]
enum Difference {
    /// It is here, and there it isn't or is another.
    Changed(Values),
    /// The image under this key is there and not here.
    Gone(Value),
}

/// The images of two stores side by side, in the order of their keys.
struct Both<'s> {
    here: Images<'s>,
    there: Images<'s>,
}

impl<'s> Both<'s> {
    fn begin(here: &'s Store, there: &'s Store) -> Self {
        Self { here: Images::begin(here), there: Images::begin(there) }
    }

    /// The next difference.
    async fn next(&mut self) -> Result<Option<Difference>> {
        loop {
            let (here, there) = (self.here.first().await?, self.there.first().await?);
            let order = match (here, there) {
                (None, None) => return Ok(None),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(here), Some(there)) => key(here).cmp(key(there)),
            };
            if order.is_gt() {
                let row = self.there.rows.pop_front().unwrap_or_default();
                return Ok(row.into_iter().next().map(Difference::Gone));
            }
            let row = self.here.rows.pop_front().unwrap_or_default();
            let is_same = order.is_eq() && self.there.rows.pop_front().as_ref() == Some(&row);
            if !is_same {
                return Ok(Some(Difference::Changed(row)));
            }
        }
    }
}

/// The key of an image's row, which comes first.
fn key(row: &Values) -> &str {
    match row.first() {
        Some(Value::Text(key)) => key,
        _ => "",
    }
}

/// The images of one store, a page at a time.
struct Images<'s> {
    store: &'s Store,
    rows: VecDeque<Values>,
    /// Whether there may be more, and behind what.
    next: Option<Option<Value>>,
}

impl<'s> Images<'s> {
    fn begin(store: &'s Store) -> Self {
        Self { store, rows: VecDeque::new(), next: Some(None) }
    }

    async fn first(&mut self) -> Result<Option<&Values>> {
        if self.rows.is_empty()
            && let Some(after) = self.next.take()
        {
            let (rows, next) = self.store.page(Table::Images, after).await?;
            self.rows = rows.into();
            self.next = next.map(Some);
        }
        Ok(self.rows.front())
    }
}
