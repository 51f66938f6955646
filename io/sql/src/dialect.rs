//! What the engines write differently. Everything else in a statement must
//! mean the same on all of them: identifiers that are words of some engine
//! stand in double quotes, text is compared byte for byte, sums are cast.

use crate::Value;

/// The SQL an engine speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// MariaDB and MySQL.
    MySql,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// A condition that is true where `column` contains `text`, ASCII letters
    /// compared without case, with its parameters.
    pub fn contains(self, column: &str, text: &str) -> (String, Vec<Value>) {
        let pattern = Value::Text(pattern(text));
        match self {
            Self::Sqlite => (format!("{column} LIKE ? ESCAPE '\\'"), vec![pattern]),
            Self::Postgres => {
                // In the collation "C", which a key has, only ASCII has case.
                let sql = format!("LOWER({column}) LIKE LOWER(? COLLATE \"C\") ESCAPE '\\'");
                (sql, vec![pattern])
            }
            Self::MySql => {
                // Keys are bytes there. Read as Latin-1 they fold only ASCII
                // letters and, by accident, first bytes of other letters; read
                // as UTF-8 they fold all letters. Where both agree it is ASCII.
                let folded = |charset: &str| {
                    format!(
                        "LOWER(CONVERT({column} USING {charset})) COLLATE {charset}_bin LIKE \
                         LOWER(CONVERT(CAST(? AS BINARY) USING {charset})) COLLATE {charset}_bin \
                         ESCAPE '\\'"
                    )
                };
                let sql = format!("({} AND {})", folded("latin1"), folded("utf8mb4"));
                (sql, vec![pattern.clone(), pattern])
            }
        }
    }

    /// A condition for the rows beyond a cursor in the order of two columns,
    /// with its parameters.
    pub fn beyond(
        self,
        columns: [&str; 2],
        descending: bool,
        cursor: [Value; 2],
    ) -> (String, Vec<Value>) {
        let beyond = if descending { '<' } else { '>' };
        let [first, second] = columns;
        let [at, then] = cursor;
        match self {
            // MariaDB finds no range of an index in a comparison of pairs.
            Self::MySql => (
                format!("({first} {beyond} ? OR ({first} = ? AND {second} {beyond} ?))"),
                vec![at.clone(), at, then],
            ),
            _ => (format!("({first}, {second}) {beyond} (?, ?)"), vec![at, then]),
        }
    }

    /// The end of a `SELECT` whose rows nobody else may change until the
    /// transaction ends.
    pub fn for_update(self) -> &'static str {
        match self {
            // There is one writer at a time.
            Self::Sqlite => "",
            Self::MySql | Self::Postgres => " FOR UPDATE",
        }
    }

    /// The end of a `SELECT` whose rows nobody may change until the transaction
    /// ends, and others may read so too.
    pub fn for_share(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            // MariaDB has no other words for it.
            Self::MySql => " LOCK IN SHARE MODE",
            Self::Postgres => " FOR SHARE",
        }
    }

    /// As [`Dialect::for_update`], leaving out rows that others hold.
    pub fn for_update_of_free(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::MySql | Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// The end of an `INSERT` that sets `columns` of the row that is there
    /// when one with the same `key` is.
    pub fn or_update(self, key: &str, columns: &[&str]) -> String {
        self.or_set(key, columns, |_, new| new)
    }

    /// The end of an `INSERT INTO table` that raises `columns` of the row that
    /// is there when one with the same `key` is: none gets smaller.
    pub fn or_raise(self, table: &str, key: &str, columns: &[&str]) -> String {
        let greatest = if self == Self::Sqlite { "MAX" } else { "GREATEST" };
        self.or_set(key, columns, |column, new| format!("{greatest}({table}.{column}, {new})"))
    }

    fn or_set(self, key: &str, columns: &[&str], value: impl Fn(&str, String) -> String) -> String {
        let start = match self {
            Self::MySql => "ON DUPLICATE KEY UPDATE ".to_owned(),
            _ => format!("ON CONFLICT ({key}) DO UPDATE SET "),
        };
        let new = |column: &str| match self {
            Self::MySql => format!("VALUES({column})"),
            _ => format!("excluded.{column}"),
        };
        let set = columns.iter().map(|column| format!("{column} = {}", value(column, new(column))));
        start + &set.collect::<Vec<_>>().join(", ")
    }

    /// The number that a `{serial}` got from this session's latest `INSERT`.
    pub fn last_serial(self) -> &'static str {
        match self {
            Self::Sqlite => "last_insert_rowid()",
            Self::MySql => "LAST_INSERT_ID()",
            Self::Postgres => "lastval()",
        }
    }

    /// A whole number where the engine would give something wider, as sums do.
    pub fn integer(self, expression: &str) -> String {
        match self {
            Self::Sqlite => expression.to_owned(),
            Self::MySql => format!("CAST({expression} AS SIGNED)"),
            Self::Postgres => format!("CAST({expression} AS BIGINT)"),
        }
    }

    /// The statements of a migration, with the types written for this engine:
    /// `{key}` is text of up to 512 bytes, any characters; `{name}` is short
    /// ASCII text; `{text}` is long text; `{bytes}` is anything of a few
    /// megabytes; `{number}` is a whole number of 64 bits; `{serial}` is one
    /// that counts up by itself and is the primary key. All text is compared byte for byte.
    pub(crate) fn with_types(self, sql: &str) -> String {
        let types = match self {
            Self::Sqlite => {
                ["TEXT", "TEXT", "TEXT", "BLOB", "INTEGER", "INTEGER PRIMARY KEY AUTOINCREMENT"]
            }
            Self::MySql => [
                // As text it would ignore blanks at the end.
                "VARBINARY(512)",
                "VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin",
                "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                "LONGBLOB",
                "BIGINT",
                "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
            ],
            Self::Postgres => [
                "TEXT COLLATE \"C\"",
                "TEXT COLLATE \"C\"",
                "TEXT COLLATE \"C\"",
                "BYTEA",
                "BIGINT",
                "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            ],
        };
        let words = ["{key}", "{name}", "{text}", "{bytes}", "{number}", "{serial}"];
        words.iter().zip(types).fold(sql.to_owned(), |sql, (word, name)| sql.replace(word, name))
    }
}

/// A pattern for `LIKE` that matches what contains `text`.
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_escaped() {
        assert_eq!(pattern("50%_\\"), "%50\\%\\_\\\\%");
    }
}
