//! Rows of the bookstore: the only SQL there is in this app. Every verb is one
//! transaction. Decides nothing but what a row's condition decides.

mod orders;
mod replicas;

use larder_clock::Timestamp;
use larder_sql::{Connection, Database, Guard, Migration, Row, Value};

use crate::error::{Error, Result};
use crate::model::{
    Book, BookId, Change, Listing, MOST_COPIES, Movement, NewBook, Page, Reason, Sort, StockChange,
    Title, Topic,
};
pub use replicas::{Registered, Role};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "books, orders, movements of the stock, replicas",
    sql: include_str!("store/1.sql"),
}];

/// Columns of a book, in the order in which [`book`] reads them.
const COLUMNS: &str = "id, version, title, topic, author, isbn, price_cents, stock, cover, retired";

/// The rows of the bookstore.
#[derive(Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// The store in `database`, its tables brought up to date.
    pub async fn open(database: Database) -> Result<Self> {
        database.migrate("bazar", MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// The same store, whose changes begin with `guard`.
    #[must_use]
    pub fn guarded(&self, guard: Option<Guard>) -> Self {
        Self { database: self.database.guarded(guard) }
    }

    /// Nothing, unless the database was last heard of as away: then whether it
    /// is there now.
    pub async fn check(&self) -> Result<()> {
        Ok(self.database.check().await?)
    }

    /// Whether the database answers.
    pub async fn is_reachable(&self) -> bool {
        self.database.query("SELECT 1", vec![]).await.is_ok()
    }

    /// Puts books into a store that never had any; says whether it did.
    pub async fn seed(&self, books: Vec<NewBook>, now: Timestamp) -> Result<bool> {
        let work = move |rows: &mut dyn Connection| {
            let lock = rows.dialect().for_update();
            if rows.query_one(&format!("SELECT id FROM seeded{lock}"), &[])?.is_some() {
                return Ok(false);
            }
            match rows.execute("INSERT INTO seeded (id) VALUES (1)", &[]) {
                Ok(_) => {}
                // Another program was faster.
                Err(larder_sql::Error::Constraint(_)) => return Err(rows.conflict().into()),
                Err(error) => return Err(error.into()),
            }
            for new in &books {
                insert(rows, new, now)?;
            }
            Ok(true)
        };
        self.database.write(work).await
    }

    /// One book, also one that is sold no more.
    pub async fn book(&self, id: BookId) -> Result<Option<Book>> {
        let sql = format!("SELECT {COLUMNS} FROM books WHERE id = ?");
        self.database.query_one(sql, vec![id.into()]).await?.map(|row| book(&row)).transpose()
    }

    /// The books of a topic that are sold, in the order of their ids.
    pub async fn topic(&self, topic: &str) -> Result<Vec<Title>> {
        let sql = "SELECT id, title FROM books WHERE topic = ? AND retired = 0 ORDER BY id";
        let rows = self.database.query(sql, vec![topic.into()]).await?;
        rows.iter().map(|row| Ok(Title { id: row.get(0)?, title: row.get(1)? })).collect()
    }

    /// All topics with books that are sold, by name.
    pub async fn topics(&self) -> Result<Vec<Topic>> {
        let sql =
            "SELECT topic, COUNT(*) FROM books WHERE retired = 0 GROUP BY topic ORDER BY topic";
        let rows = self.database.query(sql, vec![]).await?;
        rows.iter().map(|row| Ok(Topic { name: row.get(0)?, books: row.get(1)? })).collect()
    }

    /// One page of a list.
    pub async fn list(&self, listing: Listing) -> Result<Page> {
        let work = move |rows: &mut dyn Connection| {
            let (condition, values) = condition(rows, &listing);
            let count = format!("SELECT COUNT(*) FROM books WHERE {condition}");
            let total = rows.query_one(&count, &values)?.map_or(Ok(0), |row| row.get(0))?;
            let order = match listing.sort {
                Sort::Title => "title, id",
                Sort::Price => "price_cents, title, id",
                Sort::Stock => "stock, title, id",
                Sort::Newest => "id DESC",
            };
            let skipped = u64::from(listing.page - 1) * u64::from(listing.size);
            let sql = format!(
                "SELECT {COLUMNS} FROM books WHERE {condition} ORDER BY {order}
                 LIMIT {} OFFSET {skipped}",
                listing.size
            );
            let books = rows.query(&sql, &values)?.iter().map(book).collect::<Result<_>>()?;
            Ok(Page { books, total, page: listing.page, size: listing.size })
        };
        self.database.read(work).await
    }

    /// Adds a book.
    pub async fn add(&self, new: NewBook, now: Timestamp) -> Result<Book> {
        self.database.write(move |rows: &mut dyn Connection| insert(rows, &new, now)).await
    }

    /// Changes a book.
    pub async fn change(&self, id: BookId, change: Change, now: Timestamp) -> Result<Book> {
        let work = move |rows: &mut dyn Connection| {
            let lock = rows.dialect().for_update();
            let sql = format!("SELECT {COLUMNS} FROM books WHERE id = ?{lock}");
            let Some(row) = rows.query_one(&sql, &[id.into()])? else {
                return Err(Error::NoSuchBook);
            };
            let mut book = book(&row)?;
            if let Some(StockChange { by, reason }) = change.stock {
                let stock = i64::from(book.stock).saturating_add(by);
                let fits = (0..=i64::from(MOST_COPIES)).contains(&stock);
                let refused = Error::NoSuchStock { stock: book.stock, by };
                book.stock = u32::try_from(stock).ok().filter(|_| fits).ok_or(refused)?;
                note_movement(rows, id, by, reason, None, now)?;
            }
            book.version += 1;
            book.price_cents = change.price_cents.unwrap_or(book.price_cents);
            book.is_retired = change.is_retired.unwrap_or(book.is_retired);
            if let Some(cover) = &change.cover {
                book.cover = Some(cover.clone()).filter(|cover| !cover.is_empty());
            }
            rows.execute(
                "UPDATE books SET version = ?, price_cents = ?, stock = ?, cover = ?, retired = ?
                 WHERE id = ?",
                &[
                    book.version.into(),
                    book.price_cents.into(),
                    book.stock.into(),
                    book.cover.as_deref().into(),
                    i64::from(book.is_retired).into(),
                    id.into(),
                ],
            )?;
            Ok(book)
        };
        self.database.write(work).await
    }

    /// Movements of the stock after one of them, the oldest first. Numbers are
    /// given out before they are committed: a lower one may come later.
    pub async fn movements(&self, after: u64, most: u32) -> Result<Vec<Movement>> {
        let sql = format!(
            "SELECT m.number, m.book, m.change_by, b.stock
             FROM movements m JOIN books b ON b.id = m.book
             WHERE m.number > ? ORDER BY m.number LIMIT {most}"
        );
        let rows = self.database.query(sql, vec![after.into()]).await?;
        let movement = |row: &Row| {
            Ok(Movement {
                number: row.get(0)?,
                book: row.get(1)?,
                by: row.get(2)?,
                stock: row.get(3)?,
            })
        };
        rows.iter().map(movement).collect()
    }

    /// The number of the latest movement; 0 if there is none.
    pub async fn latest_movement(&self) -> Result<u64> {
        let sql = "SELECT COALESCE(MAX(number), 0) FROM movements";
        let row = self.database.query_one(sql, vec![]).await?;
        Ok(row.map_or(Ok(0), |row| row.get(0))?)
    }

    /// Ends what is under way.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

fn condition(rows: &mut dyn Connection, listing: &Listing) -> (String, Vec<Value>) {
    let dialect = rows.dialect();
    let (mut conditions, mut values) = (vec!["1 = 1".to_owned()], Vec::new());
    if !listing.with_retired {
        conditions.push("retired = 0".into());
    }
    if let Some(topic) = &listing.topic {
        conditions.push("topic = ?".into());
        values.push(topic.as_str().into());
    }
    if let Some(below) = listing.stock_below {
        conditions.push("stock < ?".into());
        values.push(below.into());
    }
    for word in &listing.words {
        let (title, of_title) = dialect.contains("title", word);
        let (author, of_author) = dialect.contains("author", word);
        conditions.push(format!("({title} OR {author})"));
        values.extend(of_title.into_iter().chain(of_author));
    }
    (conditions.join(" AND "), values)
}

fn insert(rows: &mut dyn Connection, new: &NewBook, now: Timestamp) -> Result<Book> {
    rows.execute(
        "INSERT INTO books (version, title, topic, author, isbn, price_cents, stock, cover, retired)
         VALUES (1, ?, ?, ?, ?, ?, ?, ?, 0)",
        &[
            new.title.as_str().into(),
            new.topic.as_str().into(),
            new.author.as_str().into(),
            new.isbn.as_deref().into(),
            new.price_cents.into(),
            new.stock.into(),
            new.cover.as_deref().into(),
        ],
    )?;
    // Ours, because others' aren't visible before they end, and theirs with
    // higher numbers have other titles or end before.
    let sql = format!("SELECT {COLUMNS} FROM books WHERE id = {}", rows.dialect().last_serial());
    let Some(row) = rows.query_one(&sql, &[])? else {
        return Err(Error::Damaged("a book that was added isn't there".into()));
    };
    let book = book(&row)?;
    if book.stock > 0 {
        note_movement(rows, book.id, book.stock.into(), Reason::Restock, None, now)?;
    }
    Ok(book)
}

fn note_movement(
    rows: &mut dyn Connection,
    book: BookId,
    by: i64,
    reason: Reason,
    order: Option<u64>,
    now: Timestamp,
) -> Result<()> {
    rows.execute(
        "INSERT INTO movements (book, change_by, reason, order_number, created_at)
         VALUES (?, ?, ?, ?, ?)",
        &[book.into(), by.into(), reason.name().into(), order.into(), now.0.into()],
    )?;
    Ok(())
}

fn book(row: &Row) -> Result<Book> {
    Ok(Book {
        id: row.get(0)?,
        version: row.get(1)?,
        title: row.get(2)?,
        topic: row.get(3)?,
        author: row.get(4)?,
        isbn: row.get(5)?,
        price_cents: row.get(6)?,
        stock: row.get(7)?,
        cover: row.get(8)?,
        is_retired: row.get::<i64>(9)? != 0,
    })
}
