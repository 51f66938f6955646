//! Orders: each is one row, made in one transaction with the decrement of the
//! stock and the note of it.

use larder_clock::Timestamp;
use larder_input::IdempotencyKey;
use larder_sql::{Connection, Row};

use super::{Store, note_movement};
use crate::error::{Error, Result};
use crate::model::{Order, Purchase, Reason};

/// Columns of an order, in the order in which [`order`] reads them.
const COLUMNS: &str = "number, book, title, quantity, price_cents, created_at";

impl Store {
    /// Buys, unless a purchase with that key was made: then that one is
    /// returned. The stock is never below none.
    ///
    /// # Errors
    /// [`Error::SoldOut`], [`Error::NoSuchBook`] or [`Error::KeyReused`], after
    /// which nothing has changed.
    pub async fn purchase(
        &self,
        purchase: Purchase,
        key: IdempotencyKey,
        now: Timestamp,
    ) -> Result<Order> {
        let work = move |rows: &mut dyn Connection| {
            if let Some(order) = made_before(rows, &key)? {
                return the_same(order, purchase);
            }
            buy(rows, purchase, &key, now)
        };
        self.database.write(work).await
    }

    /// The order that was made with a key, if that purchase was the same.
    ///
    /// # Errors
    /// [`Error::KeyReused`].
    pub async fn purchased(
        &self,
        purchase: Purchase,
        key: &IdempotencyKey,
    ) -> Result<Option<Order>> {
        let sql = format!("SELECT {COLUMNS} FROM orders WHERE idempotency_key = ?");
        let row = self.database.query_one(sql, vec![key.as_str().into()]).await?;
        row.map(|row| the_same(order(&row)?, purchase)).transpose()
    }

    /// One order.
    pub async fn order(&self, number: u64) -> Result<Option<Order>> {
        let sql = format!("SELECT {COLUMNS} FROM orders WHERE number = ?");
        self.database.query_one(sql, vec![number.into()]).await?.map(|row| order(&row)).transpose()
    }

    /// Orders before one of them, the newest first.
    pub async fn orders(&self, before: u64, most: u32) -> Result<Vec<Order>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM orders WHERE number < ? ORDER BY number DESC LIMIT {most}"
        );
        let rows = self.database.query(sql, vec![before.into()]).await?;
        rows.iter().map(order).collect()
    }
}

fn buy(
    rows: &mut dyn Connection,
    Purchase { book, quantity }: Purchase,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Order> {
    let sold = rows.execute(
        "UPDATE books SET stock = stock - ?, version = version + 1
         WHERE id = ? AND stock >= ? AND retired = 0",
        &[quantity.into(), book.into(), quantity.into()],
    )?;
    let sql = "SELECT title, price_cents, stock, retired FROM books WHERE id = ?";
    let row = rows.query_one(sql, &[book.into()])?.ok_or(Error::NoSuchBook)?;
    if sold == 0 {
        return match row.get::<i64>(3)? {
            0 => Err(Error::SoldOut { left: row.get(2)? }),
            _ => Err(Error::NoSuchBook),
        };
    }
    rows.execute(
        "INSERT INTO orders (idempotency_key, book, title, quantity, price_cents, created_at)
         VALUES (?, ?, ?, ?, ?, ?)",
        &[
            key.as_str().into(),
            book.into(),
            row.get::<String>(0)?.as_str().into(),
            quantity.into(),
            row.get::<u32>(1)?.into(),
            now.0.into(),
        ],
    )?;
    let order = made_before(rows, key)?;
    let order = order.ok_or_else(|| Error::Damaged("an order that was made isn't there".into()))?;
    let by = -i64::from(quantity);
    note_movement(rows, book, by, Reason::Sale, Some(order.number), now)?;
    Ok(order)
}

fn made_before(rows: &mut dyn Connection, key: &IdempotencyKey) -> Result<Option<Order>> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE idempotency_key = ?");
    rows.query_one(&sql, &[key.as_str().into()])?.map(|row| order(&row)).transpose()
}

fn the_same(order: Order, purchase: Purchase) -> Result<Order> {
    match (Purchase { book: order.book, quantity: order.quantity }) == purchase {
        true => Ok(order),
        false => Err(Error::KeyReused { order: order.number }),
    }
}

fn order(row: &Row) -> Result<Order> {
    Ok(Order {
        number: row.get(0)?,
        book: row.get(1)?,
        title: row.get(2)?,
        quantity: row.get(3)?,
        price_cents: row.get(4)?,
        at: Timestamp(row.get(5)?),
    })
}
