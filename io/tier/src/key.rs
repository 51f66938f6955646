//! The tier's keys: a group, written as a whole, and a part of it.

/// Names an entry: the `part` of a `group`. A write of the group makes every
/// part out of date. The part that is the thing itself is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Length of the group, two bytes, then group, then part: no two keys
    /// have the same bytes.
    bytes: Vec<u8>,
}

impl Key {
    /// Length of the group's length.
    const PREFIX: usize = 2;

    /// The key of `part` of `group`. Groups are at most 65,535 bytes long;
    /// what is beyond counts as the part.
    pub fn new(group: &[u8], part: &[u8]) -> Self {
        let group_len = u16::try_from(group.len()).unwrap_or(u16::MAX);
        let bytes = [&group_len.to_be_bytes(), group, part].concat();
        Self { bytes }
    }

    /// The key that has these bytes; `None` if none does.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let prefix = bytes.first_chunk::<{ Self::PREFIX }>()?;
        let group_len = usize::from(u16::from_be_bytes(*prefix));
        (bytes.len() >= Self::PREFIX + group_len).then_some(Self { bytes })
    }

    /// What is written as a whole.
    pub fn group(&self) -> &[u8] {
        let group_len = u16::from_be_bytes([self.bytes[0], self.bytes[1]]);
        &self.bytes[Self::PREFIX..Self::PREFIX + usize::from(group_len)]
    }

    /// Which part of it; empty for the thing itself.
    pub fn part(&self) -> &[u8] {
        &self.bytes[Self::PREFIX + self.group().len()..]
    }

    /// Whether this is the thing itself, not a part of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.part().is_empty()
    }

    /// The whole key.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_and_part_never_run_together() {
        assert_ne!(Key::new(b"ab", b"c"), Key::new(b"a", b"bc"));
        assert_eq!(Key::new(b"ab", b"c").group(), b"ab");
        assert_eq!(Key::new(b"", b"").group(), b"");
        assert_eq!(Key::from_bytes(Key::new(b"a", b"b").bytes), Some(Key::new(b"a", b"b")));
        assert_eq!(Key::from_bytes(vec![0, 2, b'a']), None);
        assert!(Key::new(b"ab", b"").is_whole() && !Key::new(b"a", b"b").is_whole());
    }
}
