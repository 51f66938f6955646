//! A page of a list of images: what to look for, in which order, from where.

use std::fmt;
use std::str::FromStr;

use larder_picture::Format;

use super::Image;

/// The most images on one page.
pub const PAGE_LIMIT: u32 = 1000;

/// The order of a list. Where the first criterion is equal, the key decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By key, in order of its bytes.
    #[default]
    Key,
    /// By the time of the last upload.
    Date,
    /// By size in bytes.
    Size,
    /// By type.
    Type,
}

impl Sort {
    /// All orders.
    pub const ALL: [Self; 4] = [Self::Key, Self::Date, Self::Size, Self::Type];

    /// Its name in URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Date => "date",
            Self::Size => "size",
            Self::Type => "type",
        }
    }
}

impl FromStr for Sort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|sort| sort.name() == text)
            .ok_or_else(|| "sort must be key, date, size or type".into())
    }
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Keys that begin with this; empty for all.
    pub prefix: String,
    /// Keys that contain this, ASCII letters compared without case; empty for
    /// all.
    pub contains: String,
    /// The order.
    pub sort: Sort,
    /// Whether the order is turned round.
    pub descending: bool,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// Images on the page, 1 to [`PAGE_LIMIT`].
    pub limit: u32,
}

/// Where a page ended: the value by which the list is sorted, and the key.
/// Paging by position instead would get slower with every page, and skip or
/// repeat images when others come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last image's value: a number or a type.
    pub value: String,
    /// The last image's key.
    pub key: String,
}

impl Cursor {
    /// What a client is told that sends anything else.
    pub const EXPECTED: &str =
        "cursor must be the next_cursor of the page before, in the same order.";

    /// The cursor of the page that ends with `image`.
    pub fn after(image: &Image, sort: Sort) -> Self {
        let value = match sort {
            Sort::Key => String::new(),
            Sort::Date => image.updated_at.0.to_string(),
            Sort::Size => image.size.to_string(),
            Sort::Type => image.format.name().to_owned(),
        };
        Self { value, key: image.key.as_str().to_owned() }
    }

    /// Whether it can be of a list in this order.
    pub fn fits(&self, sort: Sort) -> bool {
        match sort {
            Sort::Key => self.value.is_empty(),
            Sort::Date | Sort::Size => self.value.parse::<i64>().is_ok(),
            Sort::Type => self.value.parse::<Format>().is_ok(),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.value, self.key)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (value, key) = text.split_once('~').ok_or(Self::EXPECTED)?;
        Ok(Self { value: value.into(), key: key.into() })
    }
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The images.
    pub images: Vec<Image>,
    /// Where to go on, if there is more.
    pub next: Option<Cursor>,
}
