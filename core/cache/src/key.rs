//! Keys as entries keep them, short ones in place, long ones in an allocation
//! of their own; and their hashes, which nobody keeps. They never change.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::ops::Deref;

use foldhash::quality::FixedState;

/// How a cache hashes its keys.
#[derive(Clone)]
pub(crate) struct Hashing(FixedState);

impl Hashing {
    pub(crate) fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

/// The longest key that needs no allocation, so that a key takes 24 bytes.
const IN_PLACE: usize = 22;

/// A key of any length.
pub(crate) enum Key {
    Short { len: u8, bytes: [u8; IN_PLACE] },
    Long(Box<[u8]>),
}

impl From<&[u8]> for Key {
    fn from(key: &[u8]) -> Self {
        if key.len() > IN_PLACE {
            return Self::Long(key.into());
        }
        let mut bytes = [0; IN_PLACE];
        bytes[..key.len()].copy_from_slice(key);
        Self::Short { len: key.len() as u8, bytes }
    }
}

impl Deref for Key {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            // The bound is known to hold and spares the panic's code.
            Self::Short { len, bytes } => &bytes[..usize::from(*len).min(IN_PLACE)],
            Self::Long(key) => key,
        }
    }
}

impl Key {
    /// Whether this is that key. Those of eight to sixteen bytes are compared
    /// as two words that may overlap, which a call would take longer than.
    #[inline(always)]
    pub(crate) fn is(&self, key: &[u8]) -> bool {
        match self {
            Self::Short { len, bytes } if usize::from(*len) == key.len() => {
                match (key.first_chunk::<8>(), key.last_chunk::<8>(), key.len()) {
                    (Some(first), Some(last), 8..=16) => {
                        let end = key.len() - 8;
                        bytes[..8] == *first && bytes[end..end + 8] == *last
                    }
                    _ => is_prefix(key, bytes),
                }
            }
            Self::Short { .. } => false,
            Self::Long(held) => **held == *key,
        }
    }
}

#[inline(never)]
fn is_prefix(key: &[u8], bytes: &[u8; IN_PLACE]) -> bool {
    bytes.starts_with(key)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_lengths_come_back() {
        assert_eq!(size_of::<Key>(), 24);
        let bytes: Vec<u8> = (0..=255).collect();
        for len in (0..=IN_PLACE + 1).chain([255]) {
            let key = Key::from(&bytes[..len]);
            assert_eq!(*key, bytes[..len]);
            assert!(key.is(&bytes[..len]));
            assert!(!key.is(&bytes[..len + 1]) && (len == 0 || !key.is(&bytes[..len - 1])));
            for wrong in 0..len {
                let mut other = bytes[..len].to_vec();
                other[wrong] ^= 1;
                assert!(!key.is(&other), "byte {wrong} of {len}");
            }
        }
    }
}
