//! An agency's programmes: what is left of each, and changing them.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::{Fields, Problem};

use super::form::{Wrong, why};
use super::layout::{Frame, Tab};
use super::notices::Notice;
use crate::error::Result;
use crate::model::{Money, NewProgramme, Programme, ProgrammeId, Role};
use crate::web::Web;
use crate::web::seat::{Id, Seat, SeatForm};

const FIELDS: [&str; 4] = ["name", "budget", "minimum", "maximum"];

#[derive(Template)]
#[template(path = "programmes.html")]
struct ProgrammesPage {
    frame: Frame,
    programmes: Vec<Programme>,
    may_change: bool,
    fields: Fields,
    /// What is wrong, and with which programme's form; with the new one's if 0.
    wrong: Option<(ProgrammeId, Wrong)>,
}

impl ProgrammesPage {
    fn why(&self, id: &ProgrammeId, field: &str) -> Option<&str> {
        let wrong = self.wrong.as_ref().filter(|(of, _)| of == id);
        why(wrong.map(|(_, wrong)| wrong), field)
    }

    fn is_open(&self, id: &ProgrammeId) -> bool {
        self.wrong.as_ref().is_some_and(|(of, _)| of == id)
    }

    /// What stands in a field: what was typed, or what is.
    fn value(&self, id: &ProgrammeId, field: &str, is: &str) -> String {
        if self.is_open(id) { self.fields.get(field).to_owned() } else { is.to_owned() }
    }
}

/// `GET /s/SLOT/programmes`
pub(super) async fn page(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    shown(&web, &seat, Fields::default(), None).await
}

async fn shown(
    web: &Web,
    seat: &Seat,
    fields: Fields,
    wrong: Option<(ProgrammeId, Wrong)>,
) -> Result<Response, Problem> {
    let title = ("Programmes", Tab::Programmes);
    let mut frame = web.seat_frame(seat, title, "/programmes", None).await?;
    let other = wrong.clone().map(|(_, wrong)| wrong);
    frame.problem = other.filter(|wrong| !wrong.is_in(&FIELDS));
    let status = wrong.as_ref().map_or(StatusCode::OK, |(_, wrong)| wrong.status);
    let programmes = web.grants().programmes(seat.person().agency).await?;
    let may_change = seat.person().role == Role::Agency;
    let page = ProgrammesPage { frame, programmes, may_change, fields, wrong };
    web.answer(&seat.visit, status, &page)
}

/// `POST /s/SLOT/programmes`
pub(super) async fn add(State(web): State<Web>, form: SeatForm) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let added = match programme_of(&fields) {
        Ok(new) => web.grants().add_programme(seat.person(), new).await.map(drop),
        Err(error) => Err(error),
    };
    match added {
        Ok(()) => Ok(seat.go_to("/programmes", Notice::ProgrammeAdded)),
        Err(error) => shown(&web, &seat, fields, Some((0, Wrong::of(error)?))).await,
    }
}

/// `POST /s/SLOT/programmes/{id}`
pub(super) async fn change(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let changed = match programme_of(&fields) {
        Ok(new) => web.grants().change_programme(seat.person(), id, new).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => Ok(seat.go_to("/programmes", Notice::ProgrammeChanged)),
        Err(error) => shown(&web, &seat, fields, Some((id, Wrong::of(error)?))).await,
    }
}

fn programme_of(fields: &Fields) -> Result<NewProgramme> {
    let money = |name| Money::read(name, fields.get(name));
    Ok(NewProgramme {
        name: fields.get("name").to_owned(),
        budget: money("budget")?,
        minimum: money("minimum")?,
        maximum: money("maximum")?,
    })
}
