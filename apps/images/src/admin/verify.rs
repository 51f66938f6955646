//! Whether a store is sound: each image's blob is there with the bytes its
//! name says, rows agree with each other, nothing is left over. Repairs what
//! can be repaired without losing anything; what can't is told and left.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::{StreamExt, stream};
use larder_blobs::{BlobId, Condition, examine};
use larder_web::Shutdown;

use super::hold::Hold;
use super::{AT_ONCE, Failure, Opened, Place, Progress, Result, patiently};
use crate::service::{ORPHAN_AGE, is_older};
use crate::store::Entry;

/// Images looked at together.
const PAGE: u32 = 500;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub wrong: Wrong,
    /// What became of it.
    pub fate: Fate,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// An image's bytes are not there.
    Missing {
        /// The image.
        key: String,
        /// Its blob.
        blob: String,
    },
    /// An image's bytes are others than were stored, or can't be read.
    Corrupt {
        /// The image.
        key: String,
        /// Its blob.
        blob: String,
        /// What is wrong with them.
        why: String,
    },
    /// The row of an image contradicts its blob, which is good.
    Row {
        /// The image.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The blob of an image has no row, or one that contradicts it.
    BlobRow {
        /// The blob.
        blob: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The totals are not those of the images.
    Totals {
        /// Images and bytes as they are kept.
        kept: (i64, i64),
        /// As they are counted.
        counted: (i64, i64),
    },
    /// A blob that no row knows of.
    Orphan {
        /// The blob.
        blob: String,
    },
}

/// What became of something that was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was left, because nobody asked for repairs.
    Left,
    /// It was repaired.
    Repaired,
    /// It can't be repaired.
    Lost,
}

impl fmt::Display for Finding {
    /// One line; keys are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wrong {
            Wrong::Missing { key, blob } => write!(f, "image {key:?}: its blob {blob} is missing")?,
            Wrong::Corrupt { key, blob, why } => {
                write!(f, "image {key:?}: its blob {blob} is damaged: {why}")?;
            }
            Wrong::Row { key, why } => write!(f, "image {key:?}: its row is wrong: {why}")?,
            Wrong::BlobRow { blob, why } => write!(f, "blob {blob}: {why}")?,
            Wrong::Totals { kept, counted } => write!(
                f,
                "totals: {} images with {} bytes are noted, {} with {} are there",
                kept.0, kept.1, counted.0, counted.1
            )?,
            Wrong::Orphan { blob } => write!(f, "blob {blob}: no row knows it")?,
        }
        f.write_str(match self.fate {
            Fate::Left => "",
            Fate::Repaired => " - repaired",
            Fate::Lost => " - can't be repaired",
        })
    }
}

/// What was looked at, and how it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Images looked at.
    pub images: u64,
    /// Blobs read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was wrong.
    pub wrong: u64,
    /// What of it was repaired.
    pub repaired: u64,
}

impl Verified {
    /// Whether nothing is wrong any more.
    pub fn is_sound(&self) -> bool {
        self.wrong == self.repaired
    }
}

/// Looks at the whole store, and repairs it if asked to; tells each thing that
/// is wrong as it is found.
///
/// # Errors
/// The store can't be opened, or fails.
pub async fn verify(
    place: &Place,
    repair: bool,
    stop: &Shutdown,
    tell: impl FnMut(&Finding),
) -> Result<Verified> {
    let opened = Opened::beside(place).await?;
    if repair && opened.store.is_frozen().await? {
        return Err(Failure::Refused(
            "the store is frozen, because it is being moved: wait for the end of that, or run \
             larder admin thaw"
                .into(),
        ));
    }
    let work = async |hold: &Hold| {
        let verified = Verified::default();
        let progress = Progress::new("images verified");
        let mut look = Look { opened: &opened, repair, tell, verified, progress };
        look.images(hold).await?;
        look.orphans(hold).await?;
        look.totals().await?;
        Ok(look.verified)
    };
    let verified = opened.held("verify", stop, work).await;
    opened.store.close().await;
    verified
}

struct Look<'o, F> {
    opened: &'o Opened,
    repair: bool,
    tell: F,
    verified: Verified,
    progress: Progress,
}

impl<F: FnMut(&Finding)> Look<'_, F> {
    fn found(&mut self, wrong: Wrong, fate: Fate) {
        self.verified.wrong += 1;
        self.verified.repaired += u64::from(fate == Fate::Repaired);
        (self.tell)(&Finding { wrong, fate });
    }

    /// What becomes of something that can always be repaired.
    fn fate(&self) -> Fate {
        if self.repair { Fate::Repaired } else { Fate::Left }
    }

    /// All images in the order of their blobs, so that each blob is read once.
    async fn images(&mut self, hold: &Hold) -> Result<()> {
        let Opened { store, blobs, .. } = self.opened;
        let mut after = None;
        let mut last: Option<(String, Condition)> = None;
        loop {
            hold.check()?;
            let (page, next) = store.entries(after, PAGE).await?;
            let mut names: Vec<&str> = page.iter().map(|entry| entry.location.as_str()).collect();
            names.dedup();
            names.retain(|name| last.as_ref().is_none_or(|(before, _)| before != name));
            let look = |name: &str| {
                let name = name.to_owned();
                async move {
                    let condition = match name.parse::<BlobId>() {
                        Ok(blob) => examine(&**blobs, &blob).await?,
                        Err(error) => Condition::Unreadable(error.to_string()),
                    };
                    Ok::<_, Failure>((name, condition))
                }
            };
            let mut looked = stream::iter(names.into_iter().map(look)).buffered(AT_ONCE);
            for same in page.chunk_by(|a, b| a.location == b.location) {
                if last.as_ref().is_none_or(|(name, _)| *name != same[0].location) {
                    last = looked.next().await.transpose()?;
                    self.verified.blobs += 1;
                    if let Some((_, Condition::Good(size) | Condition::Corrupt(size))) = &last {
                        self.verified.bytes += size;
                    }
                }
                if let Some((_, condition)) = &last {
                    self.blob(same, condition).await?;
                }
            }
            self.verified.images += page.len() as u64;
            self.progress.add(page.len() as u64);
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// One blob and images that name it.
    async fn blob(&mut self, images: &[Entry], condition: &Condition) -> Result<()> {
        let Ok(blob) = images[0].location.parse::<BlobId>() else {
            for image in images {
                let why = format!("{:?} is the name of no blob", image.location);
                self.found(Wrong::Row { key: image.key.clone(), why }, Fate::Lost);
            }
            return Ok(());
        };
        match condition {
            Condition::Good(size) => self.good(images, blob, *size).await,
            bad => self.bad(images, blob, bad).await,
        }
    }

    async fn good(&mut self, images: &[Entry], blob: BlobId, size: u64) -> Result<()> {
        let Opened { store, clock, .. } = self.opened;
        let hash = blob.hash.to_string();
        for image in images {
            let why = match image {
                _ if image.size != size => format!("{} bytes instead of {size}", image.size),
                _ if image.hash != hash => format!("the hash {:?}", image.hash),
                _ => continue,
            };
            if !self.is_still(image).await? {
                continue;
            }
            if self.repair {
                patiently(async || store.correct_entry(image, blob, size).await).await?;
            }
            self.found(Wrong::Row { key: image.key.clone(), why }, self.fate());
        }
        // Of images with one blob all have its row alike.
        let why = match &images[0].blob {
            None => "an image names it, and it has no row",
            Some(row) if row.state != "live" => "its row says that it is damaged or on its way out",
            Some(row) if row.size != size || row.hash != hash => "its row has other figures",
            Some(_) => return Ok(()),
        };
        if self.is_still_one(images).await? {
            if self.repair {
                let now = clock.now();
                patiently(async || store.note_blob(blob, size, true, now).await).await?;
            }
            self.found(Wrong::BlobRow { blob: blob.to_string(), why }, self.fate());
        }
        Ok(())
    }

    async fn bad(&mut self, images: &[Entry], blob: BlobId, found: &Condition) -> Result<()> {
        // Who replaced such an image meanwhile has saved it.
        let mut still = Vec::new();
        for image in images {
            if self.is_still(image).await? {
                still.push(image);
            }
        }
        let fate = match still.first() {
            None => return Ok(()),
            Some(image) if self.repair => self.replace(blob, image.size).await?,
            Some(_) => Fate::Left,
        };
        for image in still {
            let (key, blob) = (image.key.clone(), blob.to_string());
            let wrong = match found {
                Condition::Good(_) => continue,
                Condition::Missing => Wrong::Missing { key, blob },
                Condition::Corrupt(size) if *size != image.size => {
                    let why = format!("it has {size} bytes instead of {}", image.size);
                    Wrong::Corrupt { key, blob, why }
                }
                Condition::Corrupt(_) => {
                    Wrong::Corrupt { key, blob, why: "its bytes are others".into() }
                }
                Condition::Unreadable(why) => Wrong::Corrupt { key, blob, why: why.clone() },
            };
            self.found(wrong, fate);
        }
        Ok(())
    }

    /// Looks for another blob with the bytes of a bad one, and lets the
    /// images name that.
    async fn replace(&self, bad: BlobId, size: u64) -> Result<Fate> {
        let Opened { store, blobs, clock, .. } = self.opened;
        let listed = blobs.list(bad.shard()).await?;
        let same = listed.into_iter().filter(|other| other.hash == bad.hash && *other != bad);
        for other in same {
            if examine(&**blobs, &other).await? != Condition::Good(size) {
                continue;
            }
            let now = clock.now();
            match patiently(async || store.repoint(bad, other, size, now).await).await {
                Ok(_) => return Ok(Fate::Repaired),
                // It was on its way out.
                Err(Failure::Store(crate::Error::Damaged(why))) => tracing::debug!(why),
                Err(error) => return Err(error),
            }
        }
        // An upload of the same bytes must not rely on it: it brings them back.
        let now = clock.now();
        patiently(async || store.note_blob(bad, size, false, now).await).await?;
        Ok(Fate::Lost)
    }

    /// Whether an image is still as it was read.
    async fn is_still(&self, image: &Entry) -> Result<bool> {
        let now = self.opened.store.entry(&image.key).await?;
        Ok(now.is_some_and(|now| now.location == image.location && now.size == image.size))
    }

    async fn is_still_one(&self, images: &[Entry]) -> Result<bool> {
        for image in images {
            let now = self.opened.store.entry(&image.key).await?;
            if now.is_some_and(|now| now.location == image.location && now.blob == image.blob) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Blobs that no row knows of and that aren't about to get one.
    async fn orphans(&mut self, hold: &Hold) -> Result<()> {
        let Opened { store, blobs, .. } = self.opened;
        let unknown = |shard| async move {
            // In this order: what is put and named in between isn't listed.
            let listed = blobs.list(shard).await?;
            let known = store.blobs_of_shard(shard).await?;
            let known: BTreeSet<BlobId> = known.into_iter().map(|(blob, _)| blob).collect();
            let unknown = listed.into_iter().filter(|blob| !known.contains(blob));
            Ok::<Vec<BlobId>, Failure>(unknown.collect())
        };
        let mut shards = stream::iter((0..=u8::MAX).map(unknown)).buffered(AT_ONCE);
        while let Some(unknown) = shards.next().await {
            hold.check()?;
            for blob in unknown? {
                let is_old = is_older(&**blobs, &blob, ORPHAN_AGE).await?;
                if !is_old || store.knows_blob(&blob).await? || store.is_named(&blob).await? {
                    continue;
                }
                if self.repair {
                    blobs.delete(&blob).await?;
                }
                self.found(Wrong::Orphan { blob: blob.to_string() }, self.fate());
            }
        }
        Ok(())
    }

    async fn totals(&mut self) -> Result<()> {
        let store = &self.opened.store;
        let [kept, counted] = store.kept_and_counted().await?;
        if kept != counted {
            if self.repair {
                patiently(async || store.correct_totals().await).await?;
            }
            self.found(Wrong::Totals { kept, counted }, self.fate());
        }
        Ok(())
    }
}
