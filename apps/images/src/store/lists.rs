//! Lists of images, a page at a time, and how many there are.

use larder_sql::{Dialect, Value};

use super::{COLUMNS, Store, image};
use crate::error::Result;
use crate::model::{Cursor, Listing, Page, Sort};

impl Store {
    /// One page of a list.
    pub async fn list(&self, listing: Listing) -> Result<Page> {
        let (sql, parameters) = list_statement(self.database.dialect(), &listing);
        let found = self.database.query(sql, parameters).await?;
        let mut images = found.iter().map(image).collect::<Result<Vec<_>>>()?;
        let more = images.len() > listing.limit as usize;
        images.truncate(listing.limit as usize);
        let last = images.last().filter(|_| more);
        let next = last.map(|image| Cursor::after(image, listing.sort));
        Ok(Page { images, next })
    }

    /// All keys, in order of their bytes.
    pub async fn keys(&self) -> Result<Vec<String>> {
        let sql = "SELECT \"key\" FROM images ORDER BY \"key\"";
        let keys = self.database.query(sql, vec![]).await?;
        Ok(keys.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
    }

    /// How many images there are, and how many bytes they have together.
    pub async fn totals(&self) -> Result<(u64, u64)> {
        // Kept by every change, because counting a million rows takes 100 ms.
        let sum = |column| self.database.dialect().integer(column);
        let sql = format!("SELECT {}, {} FROM totals", sum("SUM(images)"), sum("SUM(bytes)"));
        match self.database.query_one(sql, vec![]).await? {
            Some(row) => Ok((row.get(0)?, row.get(1)?)),
            None => Ok((0, 0)),
        }
    }
}

/// The statement for a page, and one image more, which tells whether there is
/// a next page. An index gives the order, so no page has to sort or to count
/// through those before it.
pub(super) fn list_statement(dialect: Dialect, listing: &Listing) -> (String, Vec<Value>) {
    let column = match listing.sort {
        Sort::Key => "\"key\"",
        Sort::Date => "updated_at",
        Sort::Size => "size",
        Sort::Type => "type",
    };
    let (beyond, order) = if listing.descending { ("<", "DESC") } else { (">", "ASC") };
    let mut conditions = vec!["true".to_owned()];
    let mut parameters: Vec<Value> = Vec::new();
    if !listing.prefix.is_empty() {
        conditions.push("\"key\" >= ?".into());
        parameters.push(listing.prefix.as_str().into());
        // No key continues with a character beyond the last one there is.
        conditions.push("\"key\" < ?".into());
        parameters.push(format!("{}{}", listing.prefix, char::MAX).into());
    }
    if !listing.contains.is_empty() {
        let (condition, found) = dialect.contains("\"key\"", &listing.contains);
        conditions.push(condition);
        parameters.extend(found);
    }
    if let Some(Cursor { value, key }) = &listing.after {
        if listing.sort == Sort::Key {
            conditions.push(format!("\"key\" {beyond} ?"));
            parameters.push(key.as_str().into());
        } else {
            let value = match listing.sort {
                Sort::Type => value.as_str().into(),
                // The web checks cursors; here a wrong one lists from the start.
                _ => value.parse::<i64>().unwrap_or(0).into(),
            };
            let cursor = [value, key.as_str().into()];
            let (condition, values) =
                dialect.beyond([column, "\"key\""], listing.descending, cursor);
            conditions.push(condition);
            parameters.extend(values);
        }
    }
    let then_by_key =
        if listing.sort == Sort::Key { String::new() } else { format!(", \"key\" {order}") };
    let sql = format!(
        "SELECT {COLUMNS} FROM images WHERE {} ORDER BY {column} {order}{then_by_key} LIMIT ?",
        conditions.join(" AND "),
    );
    parameters.push((listing.limit + 1).into());
    (sql, parameters)
}
