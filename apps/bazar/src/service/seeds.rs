//! The books of a new store: those of the classic lab. One is sold out, so
//! that everybody sees what that looks like.

use crate::model::NewBook;

const SYSTEMS: &str = "distributed systems";
const SCHOOL: &str = "undergraduate school";
const SPRING: &str = "spring";

/// Title, topic, price in cents, copies.
const BOOKS: [(&str, &str, u32, u32); 7] = [
    ("How to get a good grade in DOS in 40 minutes a day", SYSTEMS, 29_99, 1_000),
    ("RPCs for Noobs", SYSTEMS, 49_95, 1_000),
    ("Xen and the Art of Surviving Undergraduate School", SCHOOL, 39_50, 1_000),
    ("Cooking for the Impatient Undergrad", SCHOOL, 18_00, 1_000),
    ("How to finish Project 3 on time", SPRING, 24_90, 1_000),
    ("Why theory classes are so hard", SPRING, 34_20, 0),
    ("Spring in the Pioneer Valley", SPRING, 22_75, 1_000),
];

/// The books.
pub(super) fn books() -> Vec<NewBook> {
    let book = |(title, topic, price_cents, stock): (&str, &str, u32, u32)| NewBook {
        title: title.into(),
        topic: topic.into(),
        author: String::new(),
        isbn: None,
        price_cents,
        stock,
        cover: None,
    };
    BOOKS.into_iter().map(book).collect()
}
