//! Texts that clients send: trimmed, not too long, without characters that
//! can't be seen.

use crate::Invalid;

/// What a text of one kind may be.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    field: &'static str,
    most_bytes: usize,
    may_be_empty: bool,
    may_have_lines: bool,
}

impl Text {
    /// A text of one line or none, of at most so many bytes in UTF-8; its
    /// field is its name for people too.
    pub const fn optional(field: &'static str, most_bytes: usize) -> Self {
        Self { field, most_bytes, may_be_empty: true, may_have_lines: false }
    }

    /// As [`Text::optional`], but something must be there.
    pub const fn required(field: &'static str, most_bytes: usize) -> Self {
        Self { may_be_empty: false, ..Self::optional(field, most_bytes) }
    }

    /// The same, of several lines.
    #[must_use]
    pub const fn of_lines(self) -> Self {
        Self { may_have_lines: true, ..self }
    }

    /// The text, trimmed, its lines ending in `\n`.
    ///
    /// # Errors
    /// It isn't one of this kind.
    pub fn of(self, text: &str) -> Result<String, Invalid> {
        let Self { field, most_bytes, may_be_empty, may_have_lines } = self;
        let text = text.trim();
        let text = if may_have_lines { text.replace("\r\n", "\n") } else { text.to_owned() };
        if text.is_empty() && !may_be_empty {
            return Err(Invalid::new(field, format!("The {field} is missing.")));
        }
        if text.len() > most_bytes {
            let len = text.len();
            let why = format!("The {field} has {len} bytes in UTF-8; {most_bytes} are the most.");
            return Err(Invalid::new(field, why));
        }
        let is_allowed = |c: char| !c.is_control() || (may_have_lines && matches!(c, '\n' | '\t'));
        if !text.chars().all(is_allowed) {
            let such = if may_have_lines { "" } else { ", such as a line break" };
            return Err(Invalid::new(field, format!("The {field} has a control character{such}.")));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLE: Text = Text::required("title", 100);

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(TITLE.of(" RPCs for Noobs ").as_deref(), Ok("RPCs for Noobs"));
        assert_eq!(TITLE.of("ü/\"'<b>😀").as_deref(), Ok("ü/\"'<b>😀"));
        for wrong in ["", "  ", "two\nlines", &"x".repeat(101)] {
            assert!(TITLE.of(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Text::optional("author", 9).of("").as_deref(), Ok(""));
    }

    #[test]
    fn texts_of_lines_have_one_kind_of_line_end() {
        let text = TITLE.of_lines();
        assert_eq!(text.of("a\r\n\tb\n").as_deref(), Ok("a\n\tb"));
        assert!(text.of("a\u{7}b").is_err());
    }
}
