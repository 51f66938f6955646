//! What front ends keep in memory: a book or the titles of a topic, and which
//! replica told it.

use std::sync::Arc;

use bytes::Bytes;
use larder_tier::Portable;
use serde::{Deserialize, Serialize};

use crate::model::{Book, Title};

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A book.
    Book(Arc<Book>),
    /// The books of a topic.
    Titles(Arc<[Title]>),
}

impl Value {
    /// A book.
    pub fn of(book: Book) -> Self {
        Self::Book(Arc::new(book))
    }
}

impl From<Vec<Title>> for Value {
    fn from(titles: Vec<Title>) -> Self {
        Self::Titles(titles.into())
    }
}

/// A value and who told it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// The replica's name; empty for this process itself.
    pub by: Arc<str>,
}

impl Entry {
    /// A value that was read here.
    pub fn here(value: Value) -> Self {
        Self { value, by: "".into() }
    }

    /// The book, if it is one.
    pub fn book(&self) -> Option<Book> {
        match &self.value {
            Value::Book(book) => Some(Book::clone(book)),
            Value::Titles(_) => None,
        }
    }

    /// The titles; none if it is a book.
    pub fn titles(&self) -> Vec<Title> {
        match &self.value {
            Value::Titles(titles) => titles.to_vec(),
            Value::Book(_) => Vec::new(),
        }
    }
}

impl larder_tier::Weigh for Entry {
    fn weight_bytes(&self) -> u64 {
        let text = |text: &str| text.len() as u64;
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len) as u64;
        match &self.value {
            Value::Book(book) => {
                size_of::<Book>() as u64
                    + text(&book.title)
                    + text(&book.topic)
                    + text(&book.author)
                    + optional(&book.isbn)
                    + optional(&book.cover)
            }
            Value::Titles(titles) => {
                titles.iter().map(|title| size_of::<Title>() as u64 + text(&title.title)).sum()
            }
        }
    }
}

impl Portable for Entry {
    fn pack(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn unpack(bytes: &Bytes) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_arrive_as_they_were_sent() {
        let titles = vec![Title { id: 3, title: "Xen".into() }];
        let entry = Entry { value: titles.clone().into(), by: "catalog-2".into() };
        let arrived = Entry::unpack(&entry.pack()).expect("is packed well");
        assert_eq!((&arrived, arrived.titles()), (&entry, titles));
        assert_eq!(arrived.book(), None);
        assert!(Entry::unpack(&Bytes::from_static(b"no")).is_none());
    }
}
