//! The name of a blob: its hash and the number of its copy.

use std::fmt;
use std::str::FromStr;

/// A BLAKE3 hash, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// Hashes bytes that come in pieces.
#[derive(Clone, Default)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces so far.
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = NotABlobId;

    fn from_str(text: &str) -> Result<Self, NotABlobId> {
        // Uppercase is refused: one hash has one spelling.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(NotABlobId);
        }
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| NotABlobId)
    }
}

/// Names one blob for ever. The copy number is random: a blob that is being
/// removed and one with the same bytes that has just arrived never share a
/// name, so removing the one can't take away the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId {
    /// The hash of the blob's bytes.
    pub hash: Hash,
    /// Tells copies of the same bytes apart.
    pub copy: u64,
}

/// The text isn't the name of a blob.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a blob")]
pub struct NotABlobId;

impl BlobId {
    /// A new name for bytes with this hash.
    pub fn new(hash: Hash) -> Self {
        // Without the system's randomness nothing here can be safe.
        let copy = getrandom::u64().expect("the system gives random numbers");
        Self { hash, copy }
    }

    /// The first byte of the hash, which spreads blobs over 256 folders.
    pub fn shard(&self) -> u8 {
        self.hash.0[0]
    }
}

impl fmt::Display for BlobId {
    /// The blob's place inside its store: `ab/ab12….0123456789abcdef`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}/{}.{:016x}", self.shard(), self.hash, self.copy)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlobId {
    type Err = NotABlobId;

    fn from_str(text: &str) -> Result<Self, NotABlobId> {
        let (_, name) = text.split_once('/').ok_or(NotABlobId)?;
        let (hash, copy) = name.split_once('.').ok_or(NotABlobId)?;
        let copy = u64::from_str_radix(copy, 16).map_err(|_| NotABlobId)?;
        let id = Self { hash: hash.parse()?, copy };
        if id.to_string() == text { Ok(id) } else { Err(NotABlobId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_id_reads_back_and_nothing_else_does() {
        let id = BlobId { hash: Hash([0xab; 32]), copy: 7 };
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for wrong in [
            String::new(),
            text.to_uppercase(),
            text.replace("ab/", "ac/"),
            text.replace('.', ""),
            format!("{text}0"),
            format!("../{text}"),
            "ab/../../etc/passwd".into(),
        ] {
            assert_eq!(wrong.parse::<BlobId>(), Err(NotABlobId), "{wrong}");
        }
    }
}
