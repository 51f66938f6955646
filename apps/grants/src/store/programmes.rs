//! Agencies and their programmes: the sum of what was approved is one column
//! that only grows within the budget.

use larder_sql::{Connection, Row};

use super::events::tell;
use super::{Store, inserted};
use crate::error::{Error, Result};
use crate::model::{Agency, AgencyId, Money, NewProgramme, Programme, ProgrammeId, Room};
use larder_clock::Timestamp;

/// Programmes with their agencies' names; a condition may follow.
const SELECT: &str = "SELECT p.id, p.agency, a.name, p.name, p.budget, p.committed, p.minimum,
     p.maximum FROM programmes p JOIN agencies a ON a.id = p.agency";

impl Store {
    /// Gives a store that has no agency its first one, with one programme.
    pub async fn seed(&self, agency: &'static str, programme: NewProgramme) -> Result<bool> {
        let work = move |rows: &mut dyn Connection| {
            if rows.query_one("SELECT id FROM agencies LIMIT 1", &[])?.is_some() {
                return Ok(false);
            }
            let id = match add_agency(rows, agency) {
                // Another program was faster.
                Err(error) if error.is_constraint() => return Err(rows.conflict().into()),
                added => added?,
            };
            add_programme(rows, id, &programme)?;
            Ok(true)
        };
        self.database.write(work).await
    }

    /// All agencies.
    pub async fn agencies(&self) -> Result<Vec<Agency>> {
        let rows = self.database.query("SELECT id, name FROM agencies ORDER BY name", vec![]);
        let agency = |row: &Row| Ok(Agency { id: row.get(0)?, name: row.get(1)? });
        rows.await?.iter().map(agency).collect()
    }

    /// Adds an agency.
    ///
    /// # Errors
    /// [`Error::Taken`].
    pub async fn add_agency(&self, name: String) -> Result<Agency> {
        let of = name.clone();
        let added = self.database.write(move |rows| add_agency(rows, &of)).await;
        let id = added.map_err(|error: Error| {
            error.or_taken("name", "There is an agency of this name already.")
        })?;
        Ok(Agency { id, name })
    }

    /// The programmes of one agency, or of all.
    pub async fn programmes(&self, agency: Option<AgencyId>) -> Result<Vec<Programme>> {
        let (condition, values) = match agency {
            Some(agency) => ("WHERE p.agency = ?", vec![agency.into()]),
            None => ("", vec![]),
        };
        let sql = format!("{SELECT} {condition} ORDER BY a.name, p.name");
        self.database.query(sql, values).await?.iter().map(programme).collect()
    }

    /// One programme.
    pub async fn programme(&self, id: ProgrammeId) -> Result<Option<Programme>> {
        let sql = format!("{SELECT} WHERE p.id = ?");
        self.database.query_one(sql, vec![id.into()]).await?.map(|row| programme(&row)).transpose()
    }

    /// Adds a programme.
    ///
    /// # Errors
    /// [`Error::Taken`].
    pub async fn add_programme(
        &self,
        agency: AgencyId,
        new: NewProgramme,
        now: Timestamp,
    ) -> Result<ProgrammeId> {
        let work = move |rows: &mut dyn Connection| {
            let id = add_programme(rows, agency, &new)?;
            tell(rows, [Room::Agency(agency)], now)?;
            Ok(id)
        };
        self.database.write(work).await.map_err(name_taken)
    }

    /// Changes a programme. What was approved stays.
    ///
    /// # Errors
    /// [`Error::Taken`]; the budget would be less than what was approved.
    pub async fn change_programme(
        &self,
        id: ProgrammeId,
        agency: AgencyId,
        new: NewProgramme,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let changed = rows.execute(
                "UPDATE programmes SET name = ?, budget = ?, minimum = ?, maximum = ?
                 WHERE id = ? AND agency = ? AND committed <= ?",
                &[
                    new.name.as_str().into(),
                    new.budget.into(),
                    new.minimum.into(),
                    new.maximum.into(),
                    id.into(),
                    agency.into(),
                    new.budget.into(),
                ],
            )?;
            tell(rows, [Room::Agency(agency)], now)?;
            if changed > 0 {
                return Ok(());
            }
            // Unchanged rows may be counted as none.
            let sql = "SELECT committed FROM programmes WHERE id = ? AND agency = ?";
            let row = rows.query_one(sql, &[id.into(), agency.into()])?;
            let committed = Money::cents(row.ok_or(Error::NotFound("programme"))?.get(0)?);
            match committed > new.budget {
                true => {
                    let why =
                        format!("{committed} were approved already: the budget can’t be less.");
                    Err(larder_input::Invalid::new("budget", why).into())
                }
                false => Ok(()),
            }
        };
        self.database.write(work).await.map_err(name_taken)
    }
}

/// A programme that nobody else changes until the transaction ends.
pub(super) fn locked(rows: &mut dyn Connection, id: ProgrammeId) -> Result<Programme> {
    let lock = rows.dialect().for_update();
    rows.query_one(&format!("SELECT id FROM programmes WHERE id = ?{lock}"), &[id.into()])?;
    let row = rows.query_one(&format!("{SELECT} WHERE p.id = ?"), &[id.into()])?;
    programme(&row.ok_or(Error::NotFound("programme"))?)
}

/// Takes money out of a programme's budget, if it is there.
///
/// # Errors
/// [`Error::OverBudget`].
pub(super) fn commit(rows: &mut dyn Connection, id: ProgrammeId, amount: Money) -> Result<()> {
    let sql = "UPDATE programmes SET committed = committed + ?
         WHERE id = ? AND committed + ? <= budget";
    if rows.execute(sql, &[amount.into(), id.into(), amount.into()])? > 0 {
        return Ok(());
    }
    let sql = "SELECT budget - committed FROM programmes WHERE id = ?";
    let row = rows.query_one(sql, &[id.into()])?.ok_or(Error::NotFound("programme"))?;
    Err(Error::OverBudget { left: Money::cents(row.get(0)?) })
}

/// Puts money back into a programme's budget; returns whose it is.
pub(super) fn give_back(
    rows: &mut dyn Connection,
    id: ProgrammeId,
    amount: Money,
) -> Result<AgencyId> {
    let sql = "UPDATE programmes SET committed = committed - ? WHERE id = ?";
    rows.execute(sql, &[amount.into(), id.into()])?;
    let row = rows.query_one("SELECT agency FROM programmes WHERE id = ?", &[id.into()])?;
    Ok(row.ok_or(Error::NotFound("programme"))?.get(0)?)
}

fn name_taken(error: Error) -> Error {
    error.or_taken("name", "The agency has a programme of this name already.")
}

fn add_agency(rows: &mut dyn Connection, name: &str) -> Result<AgencyId> {
    rows.execute("INSERT INTO agencies (name) VALUES (?)", &[name.into()])?;
    inserted(rows)
}

fn add_programme(
    rows: &mut dyn Connection,
    agency: AgencyId,
    new: &NewProgramme,
) -> Result<ProgrammeId> {
    rows.execute(
        "INSERT INTO programmes (agency, name, budget, committed, minimum, maximum)
         VALUES (?, ?, ?, 0, ?, ?)",
        &[
            agency.into(),
            new.name.as_str().into(),
            new.budget.into(),
            new.minimum.into(),
            new.maximum.into(),
        ],
    )?;
    inserted(rows)
}

fn programme(row: &Row) -> Result<Programme> {
    Ok(Programme {
        id: row.get(0)?,
        agency: row.get(1)?,
        agency_name: row.get(2)?,
        name: row.get(3)?,
        budget: Money::cents(row.get(4)?),
        committed: Money::cents(row.get(5)?),
        minimum: Money::cents(row.get(6)?),
        maximum: Money::cents(row.get(7)?),
    })
}
