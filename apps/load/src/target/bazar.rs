//! A bookstore: searches, looks and purchases, in the classic API's words. Each
//! stock that is shown must lie between what the acknowledged purchases and
//! what all purchases would have left, and at the end nothing is sold that
//! wasn't there. Nobody else may buy meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::http::{Connection, Site, said, server_of};
use super::images::source;
use super::{Answer, Client, Failure, Finding, Setup, Target, Verdict};
use crate::error::Result;
use crate::session::unfit;
use crate::stream::Request;

const KINDS: &[&str] = &["info", "search", "purchase"];
const INFO: usize = 0;
const SEARCH: usize = 1;
const PURCHASE: usize = 2;

/// One read in so many is a search.
const SEARCH_EVERY: u64 = 4;

/// A bookstore's front end.
pub struct Bazar {
    site: Arc<Site>,
    shop: Arc<tokio::sync::OnceCell<Shop>>,
}

/// What is sold.
struct Shop {
    books: Vec<Shelf>,
    topics: Vec<String>,
}

/// A book, and what was bought of it here.
struct Shelf {
    id: u64,
    before: i64,
    asked_for: AtomicI64,
    bought: AtomicI64,
}

#[derive(Deserialize)]
struct Info {
    id: u64,
    topic: String,
    quantity: i64,
}

#[derive(Deserialize)]
struct Page {
    books: Vec<Info>,
}

impl Bazar {
    /// The front end at an address.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(address: &str) -> Result<Self> {
        Ok(Self { site: Arc::new(Site::of(address)?), shop: Arc::default() })
    }

    async fn look_around(&self) -> Result<Shop, Failure> {
        let answer = get(&mut Connection::new(self.site.clone()), "/books?size=100").await?;
        let page: Page = serde_json::from_slice(answer.body())
            .map_err(|_| Failure(said(answer.status(), answer.body())))?;
        let mut topics: Vec<_> = page.books.iter().map(|book| encoded(&book.topic)).collect();
        topics.sort();
        topics.dedup();
        let shelf = |book: &Info| Shelf {
            id: book.id,
            before: book.quantity,
            asked_for: AtomicI64::default(),
            bought: AtomicI64::default(),
        };
        let shop = Shop { books: page.books.iter().map(shelf).collect(), topics };
        if shop.books.is_empty() { Err(Failure::new("it sells no books")) } else { Ok(shop) }
    }

    fn shop(&self) -> Result<&Shop> {
        self.shop.get().ok_or_else(|| unfit(&self.label(), "it wasn’t made ready"))
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

async fn get(connection: &mut Connection, path: &str) -> Result<http::Response<Bytes>, Failure> {
    let request = connection.site().request(Method::GET, path, Bytes::new());
    connection.send(request).await
}

async fn stock(connection: &mut Connection, id: u64) -> Result<(i64, super::Source), Failure> {
    let answer = get(connection, &format!("/info/{id}")).await?;
    match serde_json::from_slice::<Info>(answer.body()) {
        Ok(info) if answer.status() == StatusCode::OK && info.id == id => {
            Ok((info.quantity, source(answer.headers())))
        }
        _ => Err(Failure(said(answer.status(), answer.body()))),
    }
}

#[async_trait]
impl Target for Bazar {
    fn label(&self) -> String {
        format!("bazar {}", self.site.shown())
    }

    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    async fn version(&self) -> String {
        server_of(&self.site).await
    }

    async fn prepare(&self, _: &Setup<'_>) -> Result<()> {
        let shop = self.look_around().await.map_err(|failure| unfit(&self.label(), failure.0))?;
        // A second preparation would forget what was bought.
        let _ = self.shop.set(shop);
        Ok(())
    }

    async fn client(&self, _: usize) -> Result<Box<dyn Client>> {
        self.shop()?;
        let mut connection = Connection::new(self.site.clone());
        connection.open().await.map_err(|failure| unfit(&self.label(), failure.0))?;
        Ok(Box::new(Customer { connection, shop: self.shop.clone() }))
    }

    async fn audit(&self) -> Result<Vec<Finding>> {
        let mut connection = Connection::new(self.site.clone());
        let (mut before, mut after, mut bought, mut lost) = (0, 0, 0, 0);
        let mut is_right = true;
        for shelf in &self.shop()?.books {
            let left = stock(&mut connection, shelf.id).await;
            let (left, _) = left.map_err(|failure| unfit(&self.label(), failure.0))?;
            let (least, most) = shelf.range(shelf.bought.load(SeqCst));
            is_right &= (least..=most).contains(&left) && left >= 0;
            before += shelf.before;
            after += left;
            bought += shelf.bought.load(SeqCst);
            lost += shelf.asked_for.load(SeqCst) - shelf.bought.load(SeqCst);
        }
        let doubt = if lost > 0 { format!(", {lost} without an answer") } else { String::new() };
        let what = format!(
            "{}: {before} in stock before, {bought} bought{doubt}, {after} in stock after",
            self.label()
        );
        Ok(vec![Finding { what, is_right }])
    }
}

impl Shelf {
    /// What may be in stock, for who asked when so many were bought.
    fn range(&self, bought: i64) -> (i64, i64) {
        (self.before - self.asked_for.load(SeqCst), self.before - bought)
    }
}

/// A client.
struct Customer {
    connection: Connection,
    shop: Arc<tokio::sync::OnceCell<Shop>>,
}

#[async_trait]
impl Client for Customer {
    async fn ask(&mut self, requests: &[Request], answers: &mut Vec<Answer>) {
        let shop = self.shop.clone();
        let Some(shop) = shop.get() else { return };
        for request in requests {
            let shelf = &shop.books[(request.key % shop.books.len() as u64) as usize];
            answers.push(if request.is_write {
                self.buy(shelf).await
            } else if request.chance.is_multiple_of(SEARCH_EVERY) {
                let topic = &shop.topics[(request.key % shop.topics.len() as u64) as usize];
                self.search(topic).await
            } else {
                self.look(shelf).await
            });
        }
    }
}

impl Customer {
    async fn look(&mut self, shelf: &Shelf) -> Answer {
        let bought = shelf.bought.load(SeqCst);
        let found = stock(&mut self.connection, shelf.id).await;
        let answer = Answer::right(INFO, 0);
        let (quantity, source) = match found {
            Ok(found) => found,
            Err(failure) => return Answer::other(INFO, Verdict::Failed, failure.0),
        };
        let (least, most) = shelf.range(bought);
        let id = shelf.id;
        let (verdict, why) = if quantity > most {
            let why = format!("book {id}: {quantity} in stock, at most {most} are left");
            (Verdict::Stale, Some(why))
        } else if quantity < least {
            let why = format!("book {id}: {quantity} in stock, at least {least} must be");
            (Verdict::Wrong, Some(why))
        } else {
            (Verdict::Right, None)
        };
        Answer { verdict, why, source, ..answer }
    }

    async fn search(&mut self, topic: &str) -> Answer {
        match get(&mut self.connection, &format!("/search?topic={topic}")).await {
            Ok(answer) if answer.status() == StatusCode::OK => {
                let source = source(answer.headers());
                Answer { source, ..Answer::right(SEARCH, answer.body().len() as u64) }
            }
            Ok(answer) => {
                Answer::other(SEARCH, Verdict::Failed, said(answer.status(), answer.body()))
            }
            Err(failure) => Answer::other(SEARCH, Verdict::Failed, failure.0),
        }
    }

    async fn buy(&mut self, shelf: &Shelf) -> Answer {
        shelf.asked_for.fetch_add(1, SeqCst);
        let path = format!("/purchase/{}", shelf.id);
        let request = self.connection.site().request(Method::POST, &path, Bytes::new());
        match self.connection.send(request).await {
            Ok(answer) if answer.status().is_success() => {
                shelf.bought.fetch_add(1, SeqCst);
                Answer::right(PURCHASE, 0)
            }
            Ok(answer) if answer.status() == StatusCode::CONFLICT => {
                shelf.asked_for.fetch_sub(1, SeqCst);
                Answer::other(PURCHASE, Verdict::Refused, "out of stock")
            }
            Ok(answer) => {
                Answer::other(PURCHASE, Verdict::Failed, said(answer.status(), answer.body()))
            }
            Err(failure) => Answer::other(PURCHASE, Verdict::Failed, failure.0),
        }
    }
}
