//! The front end: answers for books and topics from memory or by asking a
//! replica of the catalog, and passes purchases on to one of the orders. Holds
//! no rows.

mod answer;
mod balance;
mod events;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use larder_input::IdempotencyKey;
use larder_tier::{Key, Reader, Source, Unserved};
use larder_web::{Client, ServiceToken, Told};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use answer::Answer;
pub(crate) use balance::ReplicaStatus;
use balance::{Ask, Replicas};
use events::Events;

use crate::error::{Error, Result};
use crate::model::{Book, BookId, Change, Movement, NewBook, Order, Page, Purchase, Title, Topic};
use crate::replica::IDEMPOTENCY_KEY;
use crate::service::{Entry, Shop, Value, book_key, topic_key};
use crate::store::Role;

/// How often it is looked who is registered and who answers, and how long one
/// may take to say so.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often an entry in memory is compared with the catalog.
const AUDIT_EVERY: Duration = Duration::from_secs(1);

/// A front end. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    shop: Shop,
    catalogs: Replicas,
    orders: Replicas,
    events: Events,
}

/// An answer and who gave it.
#[derive(Clone, Debug)]
pub(crate) struct Served<T> {
    pub(crate) value: T,
    /// The replica that was asked, if one was.
    pub(crate) by: Option<Arc<str>>,
    /// Whether memory answered; `None` for what is never kept.
    pub(crate) source: Option<Source>,
}

impl<T> Served<T> {
    fn told(value: T, told: &Told) -> Self {
        Self { value, by: Some(told.by()), source: None }
    }
}

impl Front {
    /// A front end over the memory that it shares with its process.
    pub(crate) fn new(name: String, shop: Shop, token: &ServiceToken) -> Self {
        let client = Client::new(token);
        let catalogs = Replicas::new(Role::Catalog, client.clone());
        let orders = Replicas::new(Role::Order, client);
        Self {
            shared: Arc::new(Shared { name, shop, catalogs, orders, events: Events::default() }),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.shared.name
    }

    /// What it shares with its process.
    pub(crate) fn shop(&self) -> &Shop {
        &self.shared.shop
    }

    /// A book that is sold.
    ///
    /// # Errors
    /// [`Error::NoSuchBook`], or no replica answers.
    pub(crate) async fn book(&self, id: BookId) -> Result<Served<Book>> {
        let found = self.book_also_retired(id).await?;
        match found.value.is_retired {
            true => Err(Error::NoSuchBook),
            false => Ok(found),
        }
    }

    /// A book.
    ///
    /// # Errors
    /// As [`Front::book`].
    pub(crate) async fn book_also_retired(&self, id: BookId) -> Result<Served<Book>> {
        let load = || load_book(self.shared.clone(), id);
        let answer = self.shared.shop.tier().get(&book_key(id), load).await?;
        let entry = answer.value.ok_or(Error::NoSuchBook)?;
        let value = entry.book().ok_or(Error::NoSuchBook)?;
        Ok(served(value, &entry, answer.source))
    }

    /// The books of a topic; none for a topic that isn't.
    ///
    /// # Errors
    /// No replica answers.
    pub(crate) async fn topic(&self, topic: String) -> Result<Served<Vec<Title>>> {
        let key = topic_key(&topic);
        let load = || load_topic(self.shared.clone(), topic);
        let answer = self.shared.shop.tier().get(&key, load).await?;
        let entry = answer.value.ok_or_else(|| Error::Damaged("a topic is a list".into()))?;
        Ok(served(entry.titles(), &entry, answer.source))
    }

    /// Answers other front ends for what this one keeps for all.
    pub(crate) fn reader(&self) -> Reader {
        let front = self.clone();
        Arc::new(move |key| {
            let front = front.clone();
            Box::pin(async move { front.read_for_peer(&key).await })
        })
    }

    async fn read_for_peer(&self, key: &Key) -> larder_tier::Told {
        let group = std::str::from_utf8(key.group()).ok();
        let Some((kind, name)) = group.and_then(|group| group.split_once('/')) else {
            return larder_tier::Told::Nothing;
        };
        let (tier, shared) = (self.shared.shop.tier(), self.shared.clone());
        match (kind, name.parse::<BookId>()) {
            ("books", Ok(id)) => tier.get_for_peer(key, || load_book(shared, id)).await,
            ("topics", _) => tier.get_for_peer(key, || load_topic(shared, name.to_owned())).await,
            _ => larder_tier::Told::Nothing,
        }
    }

    /// All topics.
    ///
    /// # Errors
    /// No replica answers.
    pub(crate) async fn topics(&self) -> Result<Served<Vec<Topic>>> {
        self.ask_catalog(Ask::get("/topics".into())).await
    }

    /// One page of a list; the catalog reads the query.
    ///
    /// # Errors
    /// It makes no sense, or no replica answers.
    pub(crate) async fn list(&self, query: &str) -> Result<Served<Page>> {
        self.ask_catalog(Ask::get(format!("/books?{query}"))).await
    }

    /// Buys, once for each key, whichever replicas have to be asked.
    ///
    /// # Errors
    /// [`Error::Told`] says what the order service said.
    pub(crate) async fn purchase(
        &self,
        purchase: Purchase,
        key: &IdempotencyKey,
    ) -> Result<Served<Order>> {
        let mut ask = changing(Method::POST, "/orders".into(), &purchase.checked()?)?;
        let key = HeaderValue::from_str(key.as_str())
            .map_err(|_| Error::Damaged("a key that is no header".into()))?;
        ask.headers.insert(IDEMPOTENCY_KEY, key);
        let told = self.shared.orders.ask(&ask).await?;
        Ok(Served::told(told.read()?, &told))
    }

    /// An order.
    ///
    /// # Errors
    /// There is none with that number, or no replica answers.
    pub(crate) async fn order(&self, number: u64) -> Result<Served<Order>> {
        self.ask_orders(Ask::get(format!("/orders/{number}"))).await
    }

    /// Orders before one of them, the newest first.
    ///
    /// # Errors
    /// No replica answers.
    pub(crate) async fn orders(
        &self,
        before: Option<u64>,
        most: u32,
    ) -> Result<Served<Vec<Order>>> {
        let before = before.map_or_else(String::new, |before| format!("&before={before}"));
        self.ask_orders(Ask::get(format!("/orders?size={most}{before}"))).await
    }

    /// Adds a book.
    ///
    /// # Errors
    /// It makes no sense, or no replica answers.
    pub(crate) async fn add(&self, new: &NewBook) -> Result<Served<Book>> {
        self.change_once(changing(Method::POST, "/books".into(), new)?).await
    }

    /// Changes a book.
    ///
    /// # Errors
    /// It makes no sense, there is no such book, or no replica answers.
    pub(crate) async fn change(&self, id: BookId, change: &Change) -> Result<Served<Book>> {
        self.change_once(changing(Method::PATCH, format!("/books/{id}"), change)?).await
    }

    /// Movements of the stock after one of them; the latest if none is named.
    ///
    /// # Errors
    /// No replica answers.
    pub(crate) async fn movements(&self, after: Option<u64>) -> Result<Vec<Movement>> {
        let after = after.map_or_else(String::new, |after| format!("?after={after}"));
        Ok(self.ask_catalog(Ask::get(format!("/movements{after}"))).await?.value)
    }

    async fn ask_catalog<T: serde::de::DeserializeOwned>(&self, ask: Ask) -> Result<Served<T>> {
        let told = self.shared.catalogs.ask(&ask).await?;
        Ok(Served::told(told.read()?, &told))
    }

    async fn ask_orders<T: serde::de::DeserializeOwned>(&self, ask: Ask) -> Result<Served<T>> {
        let told = self.shared.orders.ask(&ask).await?;
        Ok(Served::told(told.read()?, &told))
    }

    /// What must not be done twice is asked of one replica once.
    async fn change_once(&self, ask: Ask) -> Result<Served<Book>> {
        let told = self.shared.catalogs.ask_once(ask).await?;
        Ok(Served::told(told.read()?, &told))
    }

    /// All replicas that are registered.
    pub(crate) fn replicas(&self) -> Vec<ReplicaStatus> {
        let Shared { catalogs, orders, .. } = &*self.shared;
        catalogs.status().into_iter().chain(orders.status()).collect()
    }

    /// Whether there is somebody to ask for everything.
    pub(crate) fn is_ready(&self) -> bool {
        let Shared { shop, catalogs, orders, .. } = &*self.shared;
        let is_in = shop.tier().cluster().is_none_or(|cluster| cluster.is_in());
        is_in && catalogs.is_any_up() && orders.is_any_up()
    }

    /// Looks who is registered and who answers, once.
    pub(crate) async fn look(&self) {
        let Shared { shop, catalogs, orders, .. } = &*self.shared;
        match shop.replicas().await {
            Ok(registered) => {
                catalogs.register(&registered);
                orders.register(&registered);
            }
            // Those that are known are asked on.
            Err(error) => tracing::debug!(?error, "the replicas can't be looked up"),
        }
        tokio::join!(catalogs.check(LOOK_EVERY * 2), orders.check(LOOK_EVERY * 2));
    }

    /// Compares a book in memory with what the catalog says: see
    /// [`larder_tier::Tier::audit`].
    async fn audit(&self) {
        let Ok(random) = getrandom::u64() else { return };
        let look = async |key: Key| {
            let name = std::str::from_utf8(key.group()).ok()?;
            let id = name.strip_prefix("books/")?.parse().ok()?;
            load_book(self.shared.clone(), id).await.ok()
        };
        let agrees = |entry: &Entry, told: &Option<Entry>| {
            let version = |entry: &Entry| entry.book().map(|book| book.version);
            told.as_ref().and_then(version) == version(entry)
        };
        self.shared.shop.tier().audit(random, look, agrees).await;
    }

    /// Looks, and audits once a second, until the end is asked for.
    pub(crate) async fn look_for_ever(self, shutdown: larder_web::Shutdown) {
        let mut audited = std::time::Instant::now();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.asked() => return,
                _ = ticks.tick() => {}
            }
            self.look().await;
            if audited.elapsed() >= AUDIT_EVERY {
                audited = std::time::Instant::now();
                self.audit().await;
            }
        }
    }
}

impl Shared {
    /// What the catalog says, if it goes by the same database server as this
    /// front end: during a failover a replica may already see changes on the
    /// new one that others don't see yet on the old one.
    async fn look_up(&self, target: String) -> Result<Told> {
        let instance = self.shop.instance();
        let told = self.catalogs.ask(&Ask::get(target)).await?;
        match told.instance() == instance {
            true => Ok(told),
            false => Err(Unserved::Out.into()),
        }
    }
}

async fn load_book(shared: Arc<Shared>, id: BookId) -> Result<Option<Entry>> {
    match shared.look_up(format!("/books/{id}")).await {
        Ok(told) => Ok(Some(Entry { value: Value::of(told.read::<Book>()?), by: told.by() })),
        Err(Error::Told(problem)) if problem.status == StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}

async fn load_topic(shared: Arc<Shared>, topic: String) -> Result<Option<Entry>> {
    let target = format!("/topics/{}", utf8_percent_encode(&topic, NON_ALPHANUMERIC));
    let told = shared.look_up(target).await?;
    Ok(Some(Entry { value: told.read::<Vec<Title>>()?.into(), by: told.by() }))
}

fn served<T>(value: T, entry: &Entry, source: Source) -> Served<T> {
    let by = (source == Source::Store).then(|| entry.by.clone());
    Served { value, by, source: Some(source) }
}

fn changing(method: Method, target: String, body: &impl serde::Serialize) -> Result<Ask> {
    let body = serde_json::to_vec(body).map_err(|error| Error::Damaged(error.to_string()))?;
    Ok(Ask { method, target, headers: HeaderMap::new(), body: body.into() })
}
