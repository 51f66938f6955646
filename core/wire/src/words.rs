//! The words of a line. Blanks separate them; nothing else is a separator.

/// The words of a line that aren't read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    /// The words of `line`, which has no line end.
    #[must_use]
    pub fn of(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// The bytes that hold them.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// The last of them.
    #[must_use]
    pub fn last_word(&self) -> Option<&'a [u8]> {
        let end = self.rest.iter().rposition(|&byte| byte != b' ')? + 1;
        let start = self.rest[..end].iter().rposition(|&byte| byte == b' ').map_or(0, |at| at + 1);
        Some(&self.rest[start..end])
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&byte| byte != b' ')?;
        let rest = &self.rest[start..];
        let end = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
        self.rest = &rest[end..];
        Some(&rest[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_blanks_separates_words() {
        let words = Words::of(b"  a  bc d ");
        assert_eq!(words.last_word(), Some(&b"d"[..]));
        assert!(words.eq([&b"a"[..], b"bc", b"d"]));
        assert_eq!(Words::of(b"   ").next(), None);
        assert_eq!(Words::of(b"   ").last_word(), None);
        assert_eq!(Words::of(b"one").last_word(), Some(&b"one"[..]));
    }
}
