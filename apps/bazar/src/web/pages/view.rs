//! Books, prices and stock as pages show them.

use larder_web::text::{count, encode};

use super::Web;
use crate::model::{Book, HIGHEST_PRICE};

/// So many copies or fewer are few.
pub(super) const FEW: u32 = 10;

/// Kinds of covers that the style sheet draws.
const KINDS: usize = 6;

/// A price: `$12.34`.
pub(super) fn price(cents: u64) -> String {
    format!("${}.{:02}", count(cents / 100), cents % 100)
}

/// A price without its sign, as it is typed: `12.34`.
pub(super) fn plain_price(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The cents of a price that somebody typed.
///
/// # Errors
/// It is none, or too high.
pub(super) fn cents_of(typed: &str) -> Result<u32, String> {
    let refused =
        || format!("The price must be from 0 to {} dollars, like 12.34.", HIGHEST_PRICE / 100);
    let text = typed.trim();
    let text = text.strip_prefix('$').unwrap_or(text);
    let (dollars, cents) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str, most: usize| {
        text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(dollars, 7) || !digits(cents, 2) || dollars.is_empty() {
        return Err(refused());
    }
    format!("{dollars}{cents:0<2}")
        .parse()
        .ok()
        .filter(|cents| *cents <= HIGHEST_PRICE)
        .ok_or_else(refused)
}

/// How many copies there are, in words.
pub(super) struct StockView {
    pub(super) id: u64,
    pub(super) quantity: u32,
    pub(super) text: String,
    /// `in`, `few` or `out`.
    pub(super) state: &'static str,
}

impl StockView {
    pub(super) fn of(id: u64, quantity: u32) -> Self {
        let (text, state) = match quantity {
            0 => ("Sold out".into(), "out"),
            1..=FEW => (format!("Only {quantity} left"), "few"),
            _ => (format!("{} in stock", count(quantity.into())), "in"),
        };
        Self { id, quantity, text, state }
    }
}

/// A book.
pub(super) struct BookView {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) author: String,
    pub(super) topic: String,
    pub(super) topic_url: String,
    pub(super) isbn: Option<String>,
    pub(super) price_cents: u32,
    pub(super) price: String,
    pub(super) plain_price: String,
    pub(super) stock: StockView,
    pub(super) is_retired: bool,
    /// The key of its cover; empty if it has none.
    pub(super) cover: String,
    pub(super) cover_url: Option<String>,
    /// Which kind of cover is drawn if there is no picture.
    pub(super) cover_kind: usize,
}

impl BookView {
    pub(super) fn of(web: &Web, book: Book) -> Self {
        let base = &web.base;
        // The version makes the browser fetch a changed cover again.
        let has_picture = web.covers.is_some() && book.cover.is_some();
        let cover_url =
            has_picture.then(|| format!("{base}/covers/{}?v={}", book.id, book.version));
        Self {
            topic_url: format!("{base}/?topic={}", encode(&book.topic)),
            price: price(book.price_cents.into()),
            plain_price: plain_price(book.price_cents.into()),
            stock: StockView::of(book.id, book.stock),
            cover_kind: cover_kind(&book.title),
            cover_url,
            id: book.id,
            title: book.title,
            author: book.author,
            topic: book.topic,
            isbn: book.isbn,
            price_cents: book.price_cents,
            is_retired: book.is_retired,
            cover: book.cover.unwrap_or_default(),
        }
    }
}

/// The same title has the same kind of cover everywhere.
fn cover_kind(title: &str) -> usize {
    let mix = |sum: usize, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
    title.bytes().fold(7, mix) % KINDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_shown_in_dollars() {
        for (cents, text) in [
            (0, "$0.00"),
            (5, "$0.05"),
            (1_234, "$12.34"),
            (100_000_000, "$1,000,000.00"),
            (u64::MAX, "$184,467,440,737,095,516.15"),
        ] {
            assert_eq!(price(cents), text);
        }
        assert_eq!(plain_price(123_456), "1234.56");
    }

    #[test]
    fn prices_are_read_as_they_are_typed() {
        for (typed, cents) in [
            ("12.34", 1_234),
            (" $12.3 ", 1_230),
            ("0", 0),
            ("7.", 700),
            ("1000000.00", HIGHEST_PRICE),
        ] {
            assert_eq!(cents_of(typed), Ok(cents), "{typed}");
        }
        for wrong in ["", "$", ".5", "-1", "1.234", "12,34", "1e3", "1000000.01", "99999999999"] {
            assert!(cents_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_stock_is_said_in_words() {
        let said = |quantity| {
            let stock = StockView::of(1, quantity);
            (stock.text, stock.state)
        };
        assert_eq!(said(0), ("Sold out".into(), "out"));
        assert_eq!(said(1), ("Only 1 left".into(), "few"));
        assert_eq!(said(FEW + 1), ("11 in stock".into(), "in"));
        assert_eq!(said(1_000), ("1,000 in stock".into(), "in"));
    }
}
