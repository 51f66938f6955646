//! People: their rows have the hash of a password, never one.

use larder_clock::Timestamp;
use larder_sql::{Connection, Row};

use super::events::tell;
use super::{Conditions, Store, inserted, word};
use crate::error::{Error, Result};
use crate::model::{Email, NewPerson, Person, PersonId, Role, Room};

/// Columns of a person, in the order in which [`person`] reads them.
const COLUMNS: &str = "id, name, email, role, agency, locked, version";

/// Which people.
#[derive(Clone, Debug, Default)]
pub struct PeopleFilter {
    /// Words of name or email.
    pub words: String,
    /// Of one role only.
    pub role: Option<Role>,
    /// Only those who may sign in.
    pub without_locked: bool,
    /// Only those after this one, in the order of ids.
    pub after: PersonId,
    /// So many at most.
    pub most: u32,
}

impl Store {
    /// Adds somebody.
    ///
    /// # Errors
    /// [`Error::Taken`]: somebody has that email.
    pub async fn add_person(&self, new: NewPerson, hash: String, now: Timestamp) -> Result<Person> {
        let work = move |rows: &mut dyn Connection| {
            rows.execute(
                "INSERT INTO people (name, email, role, agency, locked, version, password, created_at)
                 VALUES (?, ?, ?, ?, 0, 1, ?, ?)",
                &[
                    new.name.as_str().into(),
                    new.email.as_str().into(),
                    new.role.name().into(),
                    new.agency.into(),
                    hash.as_str().into(),
                    now.0.into(),
                ],
            )?;
            Ok(Person {
                id: inserted(rows)?,
                name: new.name.clone(),
                email: new.email.as_str().to_owned(),
                role: new.role,
                agency: new.agency,
                is_locked: false,
                version: 1,
            })
        };
        let added = self.database.write(work).await;
        let taken = "Somebody has an account with this email: sign in instead, or use another one.";
        added.map_err(|error: Error| error.or_taken("email", taken))
    }

    /// Somebody.
    pub async fn person(&self, id: PersonId) -> Result<Option<Person>> {
        let sql = format!("SELECT {COLUMNS} FROM people WHERE id = ?");
        self.database.query_one(sql, vec![id.into()]).await?.map(|row| person(&row)).transpose()
    }

    /// Who has an email, with the hash of their password.
    pub async fn by_email(&self, email: &Email) -> Result<Option<(Person, String)>> {
        let sql = format!("SELECT {COLUMNS}, password FROM people WHERE email = ?");
        let row = self.database.query_one(sql, vec![email.as_str().into()]).await?;
        row.map(|row| Ok((person(&row)?, row.get(7)?))).transpose()
    }

    /// The hash of somebody's password.
    pub async fn password_of(&self, id: PersonId) -> Result<Option<String>> {
        let sql = "SELECT password FROM people WHERE id = ?";
        let row = self.database.query_one(sql, vec![id.into()]).await?;
        Ok(row.map(|row| row.get(0)).transpose()?)
    }

    /// Sets a password; returns the version that makes it the one in force.
    pub async fn set_password(&self, id: PersonId, hash: String, now: Timestamp) -> Result<u64> {
        let work = move |rows: &mut dyn Connection| {
            let sql = "UPDATE people SET password = ?, version = version + 1 WHERE id = ?";
            rows.execute(sql, &[hash.as_str().into(), id.into()])?;
            tell(rows, [Room::Person(id)], now)?;
            version(rows, id)
        };
        self.database.write(work).await
    }

    /// Locks somebody out, or lets them in again.
    pub async fn set_locked(&self, id: PersonId, locked: bool, now: Timestamp) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let sql = "UPDATE people SET locked = ?, version = version + 1 WHERE id = ?";
            rows.execute(sql, &[i64::from(locked).into(), id.into()])?;
            tell(rows, [Room::Person(id)], now)?;
            version(rows, id).map(drop)
        };
        self.database.write(work).await
    }

    /// Whether anybody has a role.
    pub async fn has_any(&self, role: Role) -> Result<bool> {
        let sql = "SELECT id FROM people WHERE role = ? LIMIT 1";
        Ok(self.database.query_one(sql, vec![role.name().into()]).await?.is_some())
    }

    /// People in the order of their ids.
    pub async fn people(&self, filter: PeopleFilter) -> Result<Vec<Person>> {
        let work = move |rows: &mut dyn Connection| {
            let mut conditions = Conditions::new();
            conditions.and("id > ?", [filter.after.into()]);
            if let Some(role) = filter.role {
                conditions.and("role = ?", [role.name().into()]);
            }
            if filter.without_locked {
                conditions.and("locked = 0", []);
            }
            conditions.and_words(rows, &["name", "email"], &filter.words);
            let Conditions { sql, values } = conditions;
            let sql = format!(
                "SELECT {COLUMNS} FROM people WHERE {sql} ORDER BY id LIMIT {}",
                filter.most
            );
            rows.query(&sql, &values)?.iter().map(person).collect()
        };
        self.database.read(work).await
    }
}

fn version(rows: &mut dyn Connection, id: PersonId) -> Result<u64> {
    let row = rows.query_one("SELECT version FROM people WHERE id = ?", &[id.into()])?;
    Ok(row.ok_or(Error::NotFound("person"))?.get(0)?)
}

fn person(row: &Row) -> Result<Person> {
    Ok(Person {
        id: row.get(0)?,
        name: row.get(1)?,
        email: row.get(2)?,
        role: word(row, 3, |name| name.parse().ok())?,
        agency: row.get(4)?,
        is_locked: row.get::<i64>(5)? != 0,
        version: row.get(6)?,
    })
}
