//! Texts that clients send: trimmed, not too long, without characters that
//! can't be seen.

use super::Invalid;

/// What a text of one kind may be.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    field: &'static str,
    /// The most bytes.
    most: usize,
    may_be_empty: bool,
}

impl Text {
    /// The title of a book.
    pub const TITLE: Self = Self { field: "title", most: 300, may_be_empty: false };
    /// The topic of a book.
    pub const TOPIC: Self = Self { field: "topic", most: 100, may_be_empty: false };
    /// The author of a book.
    pub const AUTHOR: Self = Self { field: "author", most: 300, may_be_empty: true };
    /// The key of a cover.
    pub const COVER: Self = Self { field: "cover", most: 255, may_be_empty: false };
    /// Words to look for.
    pub const QUERY: Self = Self { field: "query", most: 200, may_be_empty: true };

    /// The text, trimmed.
    ///
    /// # Errors
    /// It isn't one of this kind.
    pub fn of(self, text: &str) -> Result<String, Invalid> {
        let Self { field, most, may_be_empty } = self;
        let text = text.trim();
        if text.is_empty() && !may_be_empty {
            return Err(Invalid::new(field, format!("The {field} is missing.")));
        }
        if text.len() > most {
            let len = text.len();
            let why = format!("The {field} has {len} bytes in UTF-8; {most} are the most.");
            return Err(Invalid::new(field, why));
        }
        if text.chars().any(char::is_control) {
            let why = format!("The {field} has a control character, such as a line break.");
            return Err(Invalid::new(field, why));
        }
        Ok(text.to_owned())
    }
}

/// An ISBN of 10 or 13 digits whose check digit is right, without hyphens.
pub(super) fn isbn(text: &str) -> Result<String, Invalid> {
    let digits: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let digits = digits.to_ascii_uppercase();
    let value = |c: char| if c == 'X' { Some(10) } else { c.to_digit(10) };
    let values: Option<Vec<u32>> = digits.chars().map(value).collect();
    let is_right = values.is_some_and(|values| match values.len() {
        10 => {
            let sum: u32 = values.iter().zip((1..=10).rev()).map(|(v, weight)| v * weight).sum();
            values[..9].iter().all(|&v| v < 10) && sum.is_multiple_of(11)
        }
        13 => {
            let sum: u32 = values.iter().zip([1, 3].into_iter().cycle()).map(|(v, w)| v * w).sum();
            values.iter().all(|&v| v < 10) && sum.is_multiple_of(10)
        }
        _ => false,
    });
    match is_right {
        true => Ok(digits),
        false => {
            let why =
                "The ISBN must have 10 or 13 digits, of which the last one checks the others.";
            Err(Invalid::new("isbn", why))
        }
    }
}

/// What makes repetitions of one purchase one purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The most characters.
    const MOST: usize = 200;

    /// A key that nobody else has.
    pub fn fresh() -> Self {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the system gives random numbers");
        Self(format!("{:032x}", u128::from_ne_bytes(random)))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for IdempotencyKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_one = !text.is_empty()
            && text.len() <= Self::MOST
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        match is_one {
            true => Ok(Self(text.to_owned())),
            false => {
                let why = format!(
                    "The Idempotency-Key must have 1 to {} ASCII characters without blanks.",
                    Self::MOST
                );
                Err(Invalid::new("Idempotency-Key", why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(Text::TITLE.of(" RPCs for Noobs ").as_deref(), Ok("RPCs for Noobs"));
        assert_eq!(Text::TOPIC.of("ü/\"'<b>😀").as_deref(), Ok("ü/\"'<b>😀"));
        for wrong in ["", "  ", "two\nlines", &"x".repeat(101)] {
            assert!(Text::TOPIC.of(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Text::AUTHOR.of("").as_deref(), Ok(""));
    }

    #[test]
    fn an_isbn_is_checked_by_its_last_digit() {
        for right in ["0-306-40615-2", "080442957x", "978-0-306-40615-7"] {
            assert!(isbn(right).is_ok(), "{right}");
        }
        assert_eq!(isbn("080442957x").as_deref(), Ok("080442957X"));
        for wrong in ["0-306-40615-3", "9780306406158", "12345", "X804429570", "abc", ""] {
            assert!(isbn(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_of_purchases_are_plain() {
        assert!("a-1_%".parse::<IdempotencyKey>().is_ok());
        for wrong in ["", "a b", "ü", &"x".repeat(201)] {
            assert!(wrong.parse::<IdempotencyKey>().is_err(), "{wrong}");
        }
        assert_ne!(IdempotencyKey::fresh(), IdempotencyKey::fresh());
    }
}
