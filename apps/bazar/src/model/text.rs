//! What the texts of a book may be.

use larder_input::{Invalid, Text};

/// The title of a book.
pub const TITLE: Text = Text::required("title", 300);
/// The topic of a book.
pub const TOPIC: Text = Text::required("topic", 100);
/// The author of a book.
pub const AUTHOR: Text = Text::optional("author", 300);
/// The key of a cover.
pub const COVER: Text = Text::required("cover", 255);
/// Words to look for.
pub const QUERY: Text = Text::optional("query", 200);

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
