//! Agencies and programmes: everybody sees them, an agency's officers change
//! theirs, the administrator adds agencies.

use larder_input::Text;

use super::Grants;
use super::people::administrators;
use crate::error::{Error, Result};
use crate::model::{Agency, AgencyId, NewProgramme, Person, Programme, ProgrammeId, Role};

const AGENCY: Text = Text::required("name", 200);

impl Grants {
    /// All agencies.
    ///
    /// # Errors
    /// The store fails.
    pub async fn agencies(&self) -> Result<Vec<Agency>> {
        self.shared.store.agencies().await
    }

    /// Adds an agency, by the administrator.
    ///
    /// # Errors
    /// The actor is somebody else; [`Error::Taken`].
    pub async fn add_agency(&self, actor: &Person, name: &str) -> Result<Agency> {
        administrators(actor)?;
        self.shared.store.add_agency(AGENCY.of(name)?).await
    }

    /// The programmes of one agency, or of all.
    ///
    /// # Errors
    /// The store fails.
    pub async fn programmes(&self, agency: Option<AgencyId>) -> Result<Vec<Programme>> {
        self.shared.store.programmes(agency).await
    }

    /// A programme.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn programme(&self, id: ProgrammeId) -> Result<Programme> {
        self.shared.store.programme(id).await?.ok_or(Error::NotFound("programme"))
    }

    /// Adds a programme of the actor's agency.
    ///
    /// # Errors
    /// They are no officer of one; [`Error::Taken`].
    pub async fn add_programme(&self, actor: &Person, new: NewProgramme) -> Result<ProgrammeId> {
        let agency = agency_of(actor)?;
        let id = self.shared.store.add_programme(agency, new.checked()?, self.now()).await?;
        self.shared.live.changed();
        Ok(id)
    }

    /// Changes a programme of the actor's agency.
    ///
    /// # Errors
    /// They are no officer of one; [`Error::Taken`]; there is no such
    /// programme of theirs; more than the budget was approved already.
    pub async fn change_programme(
        &self,
        actor: &Person,
        id: ProgrammeId,
        new: NewProgramme,
    ) -> Result<()> {
        let agency = agency_of(actor)?;
        self.shared.store.change_programme(id, agency, new.checked()?, self.now()).await?;
        self.shared.live.changed();
        Ok(())
    }
}

/// The agency that somebody is an officer of.
fn agency_of(actor: &Person) -> Result<AgencyId> {
    let agency = actor.agency.filter(|_| actor.role == Role::Agency);
    agency.ok_or(Error::NotYours("Only an agency’s officers change its programmes."))
}
