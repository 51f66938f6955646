//! Lists of books: what is looked for, in which order, which page.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use larder_input::Invalid;

use super::{Book, text};

/// The most books on one page.
const MOST: u32 = 100;

/// The most pages that can be turned.
const LAST_PAGE: u32 = 100_000;

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By title.
    #[default]
    Title,
    /// By price, the cheapest first.
    Price,
    /// By stock, the fewest first.
    Stock,
    /// The newest first.
    Newest,
}

impl Sort {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Title, "title"),
        (Self::Price, "price"),
        (Self::Stock, "stock"),
        (Self::Newest, "newest"),
    ];
}

impl FromStr for Sort {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text).map(|(sort, _)| *sort);
        found.ok_or_else(|| Invalid::new("sort", "The sort must be title, price, stock or newest."))
    }
}

/// A list that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Words that title or author must contain, all of them.
    pub words: Vec<String>,
    /// The only topic, if one is named.
    pub topic: Option<String>,
    /// The order.
    pub sort: Sort,
    /// Which page, from 1.
    pub page: u32,
    /// Books on a page.
    pub size: u32,
    /// Whether books that are sold no more are listed too.
    pub with_retired: bool,
    /// Only books with fewer copies, if that is asked for.
    pub stock_below: Option<u32>,
}

impl Listing {
    /// What the query of an address asks for.
    ///
    /// # Errors
    /// The first parameter that makes no sense.
    pub fn from_query(get: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let number = |field: &'static str, default: u32, most: u32| match get(field).as_deref() {
            None | Some("") => Ok(default),
            Some(text) => {
                text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| {
                    Invalid::new(field, format!("The {field} must be from 1 to {most}."))
                })
            }
        };
        let words = text::QUERY.of(&get("query").unwrap_or_default())?;
        let topic = get("topic").filter(|topic| !topic.is_empty());
        Ok(Self {
            words: words.split_whitespace().map(str::to_owned).collect(),
            topic: topic.map(|topic| text::TOPIC.of(&topic)).transpose()?,
            sort: get("sort")
                .filter(|sort| !sort.is_empty())
                .map_or(Ok(Sort::default()), |sort| sort.parse())?,
            page: number("page", 1, LAST_PAGE)?,
            size: number("size", 20, MOST)?,
            with_retired: get("retired").as_deref() == Some("true"),
            stock_below: match get("stock_below") {
                None => None,
                Some(_) => Some(number("stock_below", 1, u32::MAX)?),
            },
        })
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its books.
    pub books: Vec<Book>,
    /// How many there are on all pages.
    pub total: u64,
    /// Which page, from 1.
    pub page: u32,
    /// Books on a page.
    pub size: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(query: &[(&str, &str)]) -> Result<Listing, &'static str> {
        let get = |name: &str| {
            query.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        Listing::from_query(get).map_err(|invalid| invalid.field)
    }

    #[test]
    fn a_query_is_read_or_refused_by_the_parameter_at_fault() {
        let found = listing(&[("query", " spring  valley"), ("sort", "price"), ("page", "2")]);
        let found = found.expect("makes sense");
        assert_eq!(
            (found.words.len(), found.sort, found.page, found.size),
            (2, Sort::Price, 2, 20)
        );
        for (name, value) in [("sort", "best"), ("page", "0"), ("page", "-1"), ("size", "101")] {
            assert_eq!(listing(&[(name, value)]), Err(name));
        }
        assert_eq!(listing(&[("query", &"x".repeat(201))]), Err("query"));
    }
}
