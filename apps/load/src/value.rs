//! Values that tell what they are: a stamp inside names run, key and version,
//! and sums up every byte. It never asks anybody whether a value is right; it
//! only reads what the value says of itself.
//!
//! A value is `head · stamp · body · tail`. Head and tail make it a picture for
//! stores that look at what they are given (`picture.rs`); a plain value has
//! none.

pub(crate) mod picture;

use bytes::Bytes;
use larder_workload::random::{SplitMix64, mix};
use twox_hash::XxHash3_64;

use picture::Picture;

const MAGIC: &[u8; 8] = b"LARDload";

/// Magic, run, key, version, length of the whole, sum; eight bytes each.
pub(crate) const STAMP_BYTES: usize = 48;
const SUM_AT: usize = 40;

/// Bodies are cut from this many random bytes.
const POOL_BYTES: usize = 1 << 20;

/// What a value says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) key: u64,
    pub(crate) version: u64,
}

/// Why bytes are no whole value of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no stamp, or it is another run's.
    Foreign,
    /// There is a stamp, and the bytes around it aren't those it was made for.
    Torn,
}

/// What values are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A stamp and random bytes.
    Plain,
    /// A PNG file with both in a chunk of its own.
    Png,
}

/// Makes values and reads what they say.
pub struct Values {
    run: u64,
    pool: Vec<u8>,
    form: Form,
    /// Real ones from a folder; without any, made to measure.
    pictures: Vec<Picture>,
}

impl Values {
    /// The values of one run: bodies follow from the seed, and `run` tells them
    /// from those that an earlier run left in the store.
    #[must_use]
    pub fn new(run: u64, seed: u64, form: Form, pictures: Vec<Picture>) -> Self {
        let mut random = SplitMix64::new(seed);
        let pool = (0..POOL_BYTES / 8).flat_map(|_| random.next_u64().to_le_bytes()).collect();
        Self { run, pool, form, pictures }
    }

    /// The value of a key's version; of about `size` bytes, unless it is put
    /// into a real picture. The smallest one holds just the stamp.
    pub(crate) fn make(&self, key: u64, version: u64, size: u32) -> Bytes {
        let choice = mix(key ^ version.rotate_left(32));
        if !self.pictures.is_empty() {
            let picture = &self.pictures[(choice % self.pictures.len() as u64) as usize];
            return picture.with(|file, at| self.stamp(file, at, key, version), &[]);
        }
        let drawn = |overhead: usize| {
            let len = (size as usize).saturating_sub(overhead + STAMP_BYTES);
            self.body(choice, len)
        };
        match self.form {
            Form::Plain => {
                let mut value = vec![0; STAMP_BYTES];
                value.extend(drawn(0));
                self.stamp(&mut value, 0, key, version);
                value.into()
            }
            Form::Png => {
                let picture = picture::blank();
                let body = drawn(picture.overhead());
                picture.with(|file, at| self.stamp(file, at, key, version), &body)
            }
        }
    }

    /// Bytes of the pool from a place that differs from value to value.
    fn body(&self, choice: u64, len: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(len);
        let mut from = (choice % POOL_BYTES as u64) as usize;
        while body.len() < len {
            let piece = (len - body.len()).min(POOL_BYTES - from);
            body.extend_from_slice(&self.pool[from..from + piece]);
            from = 0;
        }
        body
    }

    /// Writes the stamp at its place in an otherwise finished file.
    fn stamp(&self, file: &mut [u8], at: usize, key: u64, version: u64) {
        let len = file.len() as u64;
        let stamp = &mut file[at..at + STAMP_BYTES];
        stamp[..8].copy_from_slice(MAGIC);
        for (place, number) in [self.run, key, version, len].into_iter().enumerate() {
            let place = 8 + 8 * place;
            stamp[place..place + 8].copy_from_slice(&number.to_le_bytes());
        }
        let sum = sum(file, at);
        file[at + SUM_AT..at + STAMP_BYTES].copy_from_slice(&sum.to_le_bytes());
    }

    /// Reads what came back.
    pub(crate) fn read(&self, file: &[u8]) -> Result<Stamp, Fault> {
        let at = picture::stamp_at(file);
        let stamp = file.get(at..at + STAMP_BYTES).ok_or(Fault::Foreign)?;
        let number = |place: usize| {
            u64::from_le_bytes(std::array::from_fn(|byte| stamp[8 + 8 * place + byte]))
        };
        if &stamp[..8] != MAGIC || number(0) != self.run {
            return Err(Fault::Foreign);
        }
        let is_whole = number(3) == file.len() as u64
            && number(4) == sum(file, at)
            && picture::is_sealed(file, at);
        if is_whole { Ok(Stamp { key: number(1), version: number(2) }) } else { Err(Fault::Torn) }
    }
}

/// Over every byte but the sum itself and the seal that a picture puts on it.
fn sum(file: &[u8], at: usize) -> u64 {
    let (until, from) = picture::seal(file, at);
    let pieces = [&file[..at + SUM_AT], &file[at + STAMP_BYTES..until], &file[from..]];
    pieces.into_iter().fold(0, XxHash3_64::oneshot_with_seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(form: Form) -> Values {
        Values::new(7, 42, form, Vec::new())
    }

    #[test]
    fn a_value_names_its_key_and_version_at_every_size() {
        for form in [Form::Plain, Form::Png] {
            let values = values(form);
            for size in [0, 1, 48, 200, 4096, 3_000_000] {
                let value = values.make(5, 9, size);
                assert_eq!(values.read(&value), Ok(Stamp { key: 5, version: 9 }), "{form:?}");
                assert!(size < 400 || value.len() == size as usize, "{form:?} {}", value.len());
            }
        }
    }

    #[test]
    fn a_byte_changed_anywhere_is_seen() {
        for form in [Form::Plain, Form::Png] {
            let values = values(form);
            let value = values.make(5, 9, 600);
            for at in 0..value.len() {
                let mut torn = value.to_vec();
                torn[at] ^= 0x10;
                assert!(values.read(&torn).is_err(), "{form:?} byte {at}");
            }
            assert_eq!(values.read(&value[..500]), Err(Fault::Torn));
        }
    }

    #[test]
    fn halves_of_two_versions_are_torn() {
        let values = values(Form::Plain);
        let (old, new) = (values.make(5, 1, 4096), values.make(5, 2, 4096));
        let mixed = [&new[..2000], &old[2000..]].concat();
        assert_eq!(values.read(&mixed), Err(Fault::Torn));
    }

    #[test]
    fn what_another_run_left_is_foreign() {
        let older = Values::new(6, 42, Form::Png, Vec::new()).make(5, 1, 600);
        assert_eq!(values(Form::Png).read(&older), Err(Fault::Foreign));
        assert_eq!(values(Form::Png).read(b"not found"), Err(Fault::Foreign));
    }

    #[test]
    fn the_same_seed_makes_the_same_bytes() {
        assert_eq!(values(Form::Png).make(1, 2, 999), values(Form::Png).make(1, 2, 999));
    }
}
