//! What the bookstore is about: books, orders, and what makes a request for
//! them one that can be understood. Knows no SQL and no HTTP.

mod listing;
pub mod text;

use larder_clock::Timestamp;
use larder_input::Invalid;
use serde::{Deserialize, Serialize};

pub use listing::{Listing, Page, Sort};

/// Which book: 1 or more, never used again.
pub type BookId = u64;

/// The most copies that an order or a change of the stock may be about.
pub const MOST_COPIES: u32 = 1_000_000;

/// The highest price, in cents.
pub const HIGHEST_PRICE: u32 = 100_000_000;

/// A book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// Which.
    pub id: BookId,
    /// Grows by one with each change of the book.
    pub version: u64,
    /// Title.
    pub title: String,
    /// Topic.
    pub topic: String,
    /// Author.
    pub author: String,
    /// ISBN, if it has one.
    pub isbn: Option<String>,
    /// Price in cents.
    pub price_cents: u32,
    /// Copies in stock.
    pub stock: u32,
    /// The key of the cover in the image store, if it has one.
    pub cover: Option<String>,
    /// Whether it is sold no more.
    pub is_retired: bool,
}

/// What a search by topic says of a book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// Which.
    pub id: BookId,
    /// Its title.
    pub title: String,
}

/// A topic and how many books it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its books that are sold.
    pub books: u64,
}

/// A book that is to be sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBook {
    /// Title.
    pub title: String,
    /// Topic.
    pub topic: String,
    /// Author.
    #[serde(default)]
    pub author: String,
    /// ISBN, of 10 or 13 digits.
    #[serde(default)]
    pub isbn: Option<String>,
    /// Price in cents.
    pub price_cents: u32,
    /// Copies in stock.
    #[serde(default)]
    pub stock: u32,
    /// The key of the cover in the image store.
    #[serde(default)]
    pub cover: Option<String>,
}

impl NewBook {
    /// The book with its texts trimmed.
    ///
    /// # Errors
    /// The first field that makes no sense.
    pub fn checked(self) -> Result<Self, Invalid> {
        Ok(Self {
            title: text::TITLE.of(&self.title)?,
            topic: text::TOPIC.of(&self.topic)?,
            author: text::AUTHOR.of(&self.author)?,
            isbn: optional(self.isbn, text::isbn)?,
            price_cents: price(self.price_cents)?,
            stock: copies("stock", self.stock)?,
            cover: optional(self.cover, |cover| text::COVER.of(cover))?,
        })
    }
}

/// Why the stock of a book changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Copies came in.
    Restock,
    /// Somebody counted.
    Correction,
    /// An order.
    Sale,
}

impl Reason {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restock => "restock",
            Self::Correction => "correction",
            Self::Sale => "sale",
        }
    }
}

/// What is to become of a book; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The price, in cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_cents: Option<u32>,
    /// Copies that come or go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockChange>,
    /// The key of the cover; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover: Option<String>,
    /// Whether it is sold no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_retired: Option<bool>,
}

/// Copies that come or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockChange {
    /// How many; negative if they go.
    pub by: i64,
    /// Why: `restock` or `correction`.
    pub reason: Reason,
}

impl Change {
    /// The change with its texts trimmed.
    ///
    /// # Errors
    /// The first field that makes no sense.
    pub fn checked(self) -> Result<Self, Invalid> {
        if let Some(StockChange { by, reason }) = self.stock {
            if by == 0 || by.unsigned_abs() > MOST_COPIES.into() {
                let why = format!("The stock changes by 1 to {MOST_COPIES} copies at a time.");
                return Err(Invalid::new("stock", why));
            }
            if reason == Reason::Sale {
                return Err(Invalid::new("stock", "Copies are sold by orders only."));
            }
            if reason == Reason::Restock && by < 0 {
                let why = "A restock brings copies in; use a correction to take some out.";
                return Err(Invalid::new("stock", why));
            }
        }
        let cover = match self.cover.as_deref().map(str::trim) {
            None => None,
            Some("") => Some(String::new()),
            Some(cover) => Some(text::COVER.of(cover)?),
        };
        let price_cents = self.price_cents.map(price).transpose()?;
        let change = Self { price_cents, cover, ..self };
        match change == Self::default() {
            true => Err(Invalid::new("body", "The change names nothing that is to change.")),
            false => Ok(change),
        }
    }
}

/// What somebody wants to buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purchase {
    /// Which book.
    pub book: BookId,
    /// How many copies.
    pub quantity: u32,
}

impl Purchase {
    /// Says whether it makes sense.
    ///
    /// # Errors
    /// It asks for none, or for far too many.
    pub fn checked(self) -> Result<Self, Invalid> {
        match self.quantity {
            1..=MOST_COPIES => Ok(self),
            _ => {
                let why = format!("The quantity must be from 1 to {MOST_COPIES}.");
                Err(Invalid::new("quantity", why))
            }
        }
    }
}

/// An order: a purchase that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number, never used again.
    pub number: u64,
    /// Which book.
    pub book: BookId,
    /// Its title, as it was then.
    pub title: String,
    /// How many copies.
    pub quantity: u32,
    /// The price of one, in cents.
    pub price_cents: u32,
    /// When, in microseconds since 1970.
    #[serde(with = "larder_clock::microseconds")]
    pub at: Timestamp,
}

impl Order {
    /// What it cost, in cents.
    pub fn total_cents(&self) -> u64 {
        u64::from(self.quantity) * u64::from(self.price_cents)
    }
}

/// That the stock of a book changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Its number: later ones are higher.
    pub number: u64,
    /// Which book.
    pub book: BookId,
    /// By how much.
    pub by: i64,
    /// Copies in stock now, which may be after later ones.
    pub stock: u32,
}

fn price(cents: u32) -> Result<u32, Invalid> {
    match cents {
        0..=HIGHEST_PRICE => Ok(cents),
        _ => {
            Err(Invalid::new("price_cents", format!("The highest price is {HIGHEST_PRICE} cents.")))
        }
    }
}

fn copies(field: &'static str, copies: u32) -> Result<u32, Invalid> {
    match copies {
        0..=MOST_COPIES => Ok(copies),
        _ => Err(Invalid::new(field, format!("There can be {MOST_COPIES} copies at most."))),
    }
}

/// Nothing and blanks are nothing.
fn optional(
    text: Option<String>,
    check: impl Fn(&str) -> Result<String, Invalid>,
) -> Result<Option<String>, Invalid> {
    let text = text.filter(|text| !text.trim().is_empty());
    text.map(|text| check(&text)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(change: Change) -> Result<Change, &'static str> {
        change.checked().map_err(|invalid| invalid.field)
    }

    #[test]
    fn changes_that_make_no_sense_are_refused() {
        let stock =
            |by, reason| Change { stock: Some(StockChange { by, reason }), ..Change::default() };
        assert!(change(stock(5, Reason::Restock)).is_ok());
        assert!(change(stock(-5, Reason::Correction)).is_ok());
        for wrong in [
            stock(0, Reason::Correction),
            stock(i64::MIN, Reason::Correction),
            stock(-1, Reason::Restock),
            stock(1, Reason::Sale),
        ] {
            assert_eq!(change(wrong), Err("stock"));
        }
        assert_eq!(change(Change::default()), Err("body"));
        let dear = Change { price_cents: Some(HIGHEST_PRICE + 1), ..Change::default() };
        assert_eq!(change(dear), Err("price_cents"));
    }

    #[test]
    fn a_purchase_is_of_one_copy_or_more() {
        let quantity = |quantity| Purchase { book: 1, quantity }.checked().is_ok();
        assert!(quantity(1) && quantity(MOST_COPIES));
        assert!(!quantity(0) && !quantity(MOST_COPIES + 1) && !quantity(u32::MAX));
    }
}
