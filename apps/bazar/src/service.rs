//! The verbs of the bookstore next to its rows: what a replica of the catalog
//! or of the orders does. Each change is one transaction and a write of the
//! tier, so no front end's memory shows what was before it. Knows no SQL text
//! and no HTTP.

mod entry;
mod seeds;

use std::sync::Arc;

use larder_clock::{SharedClock, Timestamp};
use larder_input::IdempotencyKey;
use larder_sql::Guard;
use larder_tier::{Cluster, Key, Scope, Tier, Written};

use crate::error::{Error, Result};
use crate::model::{
    Book, BookId, Change, Listing, Movement, NewBook, Order, Page, Purchase, Title, Topic, text,
};
use crate::store::{Registered, Store};
pub use entry::{Entry, Value};

/// What the parts of a process share: rows, memory and time. Cheap to clone.
#[derive(Clone)]
pub struct Shop {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    tier: Tier<Entry, Error>,
    clock: SharedClock,
}

/// The tier's key of a book.
pub fn book_key(id: BookId) -> Key {
    Key::new(book_group(id).as_bytes(), b"")
}

/// The tier's key of a topic.
pub fn topic_key(topic: &str) -> Key {
    Key::new(topic_group(topic).as_bytes(), b"")
}

fn book_group(id: BookId) -> String {
    format!("books/{id}")
}

fn topic_group(topic: &str) -> String {
    format!("topics/{topic}")
}

impl Shop {
    /// The shop over `store`; `cluster` if other processes are parts of it.
    pub fn new(
        store: Store,
        memory: larder_tier::Config,
        cluster: Option<Arc<Cluster>>,
        clock: SharedClock,
    ) -> Self {
        let tier = Tier::new(memory, cluster);
        Self { shared: Arc::new(Shared { store, tier, clock }) }
    }

    /// The memory in front of the rows.
    pub fn tier(&self) -> &Tier<Entry, Error> {
        &self.shared.tier
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Puts the first books into a store that never had any.
    ///
    /// # Errors
    /// The store fails.
    pub async fn seed(&self) -> Result<()> {
        let books = seeds::books();
        let count = books.len();
        if self.shared.store.seed(books, self.now()).await? {
            tracing::info!(count, "the store is new: it has its first books now");
        }
        Ok(())
    }

    /// A book, from the rows.
    ///
    /// # Errors
    /// [`Error::NoSuchBook`], or the store fails.
    pub async fn book(&self, id: BookId) -> Result<Book> {
        let store = self.shared.store.clone();
        let load =
            async move { Ok(store.book(id).await?.map(|book| Entry::here(Value::of(book)))) };
        let found = self.shared.tier.get_through(&book_key(id), load).await?;
        found.and_then(|entry| entry.book()).ok_or(Error::NoSuchBook)
    }

    /// The books of a topic, from the rows; none for a topic that isn't.
    ///
    /// # Errors
    /// The store fails.
    pub async fn topic(&self, topic: &str) -> Result<Vec<Title>> {
        let (store, name) = (self.shared.store.clone(), topic.to_owned());
        let load = async move { Ok(Some(Entry::here(Value::from(store.topic(&name).await?)))) };
        let found = self.shared.tier.get_through(&topic_key(topic), load).await?;
        Ok(found.map(|entry| entry.titles()).unwrap_or_default())
    }

    /// All topics.
    ///
    /// # Errors
    /// The store fails.
    pub async fn topics(&self) -> Result<Vec<Topic>> {
        self.shared.store.topics().await
    }

    /// One page of a list.
    ///
    /// # Errors
    /// The store fails.
    pub async fn list(&self, listing: Listing) -> Result<Page> {
        self.shared.store.list(listing).await
    }

    /// Adds a book.
    ///
    /// # Errors
    /// It makes no sense, or the store fails.
    pub async fn add(&self, new: NewBook) -> Result<Book> {
        let new = new.checked()?;
        let (store, now) = (self.shared.store.clone(), self.now());
        let scope = Scope::group(topic_group(&new.topic));
        let change = move |guard: Option<Guard>| {
            let (store, new) = (store.guarded(guard), new.clone());
            async move { Written::from(store.add(new, now).await) }
        };
        self.write(scope, change).await
    }

    /// Changes a book.
    ///
    /// # Errors
    /// It makes no sense, [`Error::NoSuchBook`], or the store fails.
    pub async fn change(&self, id: BookId, change: Change) -> Result<Book> {
        let change = change.checked()?;
        // The topic of a book never changes.
        let book = self.shared.store.book(id).await?.ok_or(Error::NoSuchBook)?;
        let mut groups = vec![book_group(id).into_bytes()];
        if change.is_retired.is_some() {
            groups.push(topic_group(&book.topic).into_bytes());
        }
        let (store, now) = (self.shared.store.clone(), self.now());
        let make = move |guard: Option<Guard>| {
            let (store, change) = (store.guarded(guard), change.clone());
            async move { Written::from(store.change(id, change, now).await) }
        };
        self.write(Scope::Groups(groups), make).await
    }

    /// Buys, once for each key.
    ///
    /// # Errors
    /// [`Error::SoldOut`], [`Error::NoSuchBook`], [`Error::KeyReused`], or the
    /// store fails; nothing was bought then, unless it is [`Error::Unknown`]:
    /// the same purchase with the same key tells.
    pub async fn purchase(&self, purchase: Purchase, key: IdempotencyKey) -> Result<Order> {
        let purchase = purchase.checked()?;
        let (store, now) = (self.shared.store.clone(), self.now());
        let (buying, of) = (store.clone(), key.clone());
        let change = move |guard: Option<Guard>| {
            let (store, key) = (buying.guarded(guard), of.clone());
            async move { Written::from(store.purchase(purchase, key, now).await) }
        };
        match self.write(Scope::group(book_group(purchase.book)), change).await {
            // The same purchase by another replica was faster.
            Err(Error::Rows(error)) if matches!(*error, larder_sql::Error::Constraint(_)) => {
                store.purchased(purchase, &key).await?.ok_or(Error::Rows(error))
            }
            bought => bought,
        }
    }

    /// An order.
    ///
    /// # Errors
    /// [`Error::NoSuchOrder`], or the store fails.
    pub async fn order(&self, number: u64) -> Result<Order> {
        self.shared.store.order(number).await?.ok_or(Error::NoSuchOrder)
    }

    /// Orders before one of them, the newest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn orders(&self, before: u64, most: u32) -> Result<Vec<Order>> {
        self.shared.store.orders(before, most).await
    }

    /// Movements of the stock after one of them; of the latest if none is
    /// named.
    ///
    /// # Errors
    /// The store fails.
    pub async fn movements(&self, after: Option<u64>, most: u32) -> Result<Vec<Movement>> {
        let after = match after {
            Some(after) => after,
            None => self.shared.store.latest_movement().await?.saturating_sub(1),
        };
        self.shared.store.movements(after, most).await
    }

    async fn write<T, F>(
        &self,
        scope: Scope,
        change: impl FnMut(Option<Guard>) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Written<Result<T>>> + Send + 'static,
    {
        // What a write is about goes out of memory, so it must have a chance.
        self.shared.store.check().await?;
        self.shared.tier.write(scope, change).await?
    }

    /// Which server's rows are read; nothing for a process that is alone.
    pub fn instance(&self) -> Option<u64> {
        self.shared.tier.cluster().map(|cluster| cluster.instance())
    }

    /// Whether the rows can be reached and this process is in its cluster.
    pub async fn is_ready(&self) -> bool {
        let is_in = self.shared.tier.cluster().is_none_or(|cluster| cluster.is_in());
        is_in && self.shared.store.is_reachable().await
    }

    /// Notes that a replica is there.
    ///
    /// # Errors
    /// The store fails.
    pub async fn register(&self, replica: Registered) -> Result<()> {
        self.shared.store.register(replica, self.now()).await
    }

    /// Forgets a replica that has ended.
    ///
    /// # Errors
    /// The store fails.
    pub async fn unregister(&self, address: String) -> Result<()> {
        self.shared.store.unregister(address).await
    }

    /// The replicas that were there of late.
    ///
    /// # Errors
    /// The store fails.
    pub async fn replicas(&self) -> Result<Vec<Registered>> {
        self.shared.store.replicas(self.now()).await
    }

    /// Leaves the cluster and closes the store.
    pub async fn close(&self) {
        if let Some(cluster) = self.shared.tier.cluster() {
            cluster.leave().await;
        }
        self.shared.store.close().await;
    }
}

/// The words of a topic as it is stored.
///
/// # Errors
/// It can be no topic.
pub fn topic_of(text: &str) -> Result<String> {
    Ok(text::TOPIC.of(text)?)
}
