//! A researcher's proposal: writing it, sending it, and what became of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::{Fields, Problem};

use super::form::{Wrong, why};
use super::layout::{Frame, Tab};
use super::notices::Notice;
use crate::error::Result;
use crate::model::{
    Activity, Attachment, Draft, Money, Person, Programme, ProgrammeId, Proposal, ProposalId, Room,
    State as ProposalState,
};
use crate::web::Web;
use crate::web::seat::{Id, Seat, SeatForm};

const FIELDS: [&str; 6] = ["programme", "acronym", "title", "description", "amount", "attachment"];

/// What stands in the fields of a proposal's form.
#[derive(Default)]
struct Typed {
    programme: ProgrammeId,
    acronym: String,
    title: String,
    description: String,
    amount: String,
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.get(name).to_owned();
        Self {
            programme: fields.get("programme").parse().unwrap_or(0),
            acronym: text("acronym"),
            title: text("title"),
            description: text("description"),
            amount: text("amount"),
        }
    }

    fn from(proposal: &Proposal) -> Self {
        Self {
            programme: proposal.programme,
            acronym: proposal.acronym.clone(),
            title: proposal.title.clone(),
            description: proposal.description.clone(),
            amount: proposal.amount.plain(),
        }
    }

    fn draft(&self) -> Result<Draft> {
        let draft = Draft {
            programme: self.programme,
            acronym: self.acronym.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            // Read last: the fields above it are named first.
            amount: Money::cents(1),
        };
        let draft = draft.checked()?;
        Ok(Draft { amount: Money::read("amount", &self.amount)?, ..draft })
    }
}

#[derive(Template)]
#[template(path = "proposal.html")]
struct ProposalPage {
    frame: Frame,
    /// None while it is new.
    proposal: Option<Arc<Proposal>>,
    activities: Vec<Activity>,
    programmes: Vec<Programme>,
    typed: Typed,
    wrong: Option<Wrong>,
}

impl ProposalPage {
    fn why(&self, field: &str) -> Option<&str> {
        why(self.wrong.as_ref(), field)
    }

    fn is_in_work(&self) -> bool {
        self.proposal.as_ref().is_none_or(|proposal| proposal.state.is_in_work())
    }

    /// Whether the agency wants to know more.
    fn is_asked(&self) -> bool {
        let state = self.proposal.as_ref().map(|proposal| proposal.state);
        state == Some(ProposalState::InformationWanted)
    }

    fn action(&self) -> String {
        match &self.proposal {
            Some(proposal) => format!("{}/proposals/{}", self.frame.seat, proposal.id),
            None => format!("{}/proposals/new", self.frame.seat),
        }
    }

    fn largest(&self) -> usize {
        Attachment::LARGEST >> 20
    }
}

/// `GET /s/SLOT/proposals/new`
pub(super) async fn new_page(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    shown(&web, &seat, None, None, None).await
}

/// `GET /s/SLOT/proposals/{id}`
pub(super) async fn page(
    State(web): State<Web>,
    seat: Seat,
    Id(id): Id,
) -> Result<Response, Problem> {
    shown(&web, &seat, Some(id), None, None).await
}

async fn shown(
    web: &Web,
    seat: &Seat,
    id: Option<ProposalId>,
    typed: Option<Typed>,
    wrong: Option<Wrong>,
) -> Result<Response, Problem> {
    let grants = web.grants();
    let (mut proposal, mut activities) = (None, Vec::new());
    if let Some(id) = id {
        proposal = Some(grants.proposal(seat.person(), id).await?);
        activities = grants.activities(seat.person(), id).await?;
    }
    let mut frame = match &proposal {
        None => web.seat_frame(seat, ("New proposal", Tab::New), "/proposals/new", None).await?,
        Some(proposal) => {
            let (path, room) = (format!("/proposals/{}", proposal.id), Room::Proposal(proposal.id));
            web.seat_frame(seat, (&proposal.acronym, Tab::None), &path, Some(room)).await?
        }
    };
    let is_in_work = proposal.as_ref().is_none_or(|proposal| proposal.state.is_in_work());
    let mut programmes = if is_in_work { grants.programmes(None).await? } else { Vec::new() };
    if let Some(proposal) = proposal.as_ref().filter(|p| p.state != ProposalState::Draft) {
        // Only a draft can go to another programme.
        programmes.retain(|programme| programme.id == proposal.programme);
    }
    let status = wrong.as_ref().map_or(StatusCode::OK, |wrong| wrong.status);
    let is_shown_at_field = |wrong: &Wrong| is_in_work && wrong.is_in(&FIELDS);
    frame.problem = wrong.clone().filter(|wrong| !is_shown_at_field(wrong)).map(|wrong| {
        let typed = typed.as_ref().filter(|_| !is_in_work);
        let kept = typed.map(|typed| format!("{}\n\n{}", typed.title, typed.description));
        Wrong { kept: kept.unwrap_or_default(), ..wrong }
    });
    let typed = typed.or_else(|| proposal.as_deref().map(Typed::from)).unwrap_or_default();
    let page = ProposalPage { frame, proposal, activities, programmes, typed, wrong };
    web.answer(&seat.visit, status, &page)
}

/// `POST /s/SLOT/proposals/new`: keeps it, and sends it if asked to.
pub(super) async fn add(State(web): State<Web>, form: SeatForm) -> Result<Response, Problem> {
    let SeatForm { seat, fields, file } = form;
    let typed = Typed::of(&fields);
    // A file that is none would be in the way of all the rest.
    let checked = file.as_ref().map(|(name, bytes)| Attachment::of(name, bytes)).transpose();
    let added = match (typed.draft(), checked) {
        (Ok(draft), Ok(_)) => web.grants().add_proposal(seat.person(), draft).await,
        (Err(error), _) => Err(error),
        (_, Err(invalid)) => Err(invalid.into()),
    };
    let id = match added {
        Ok(id) => id,
        Err(error) => {
            return shown(&web, &seat, None, Some(typed), Some(Wrong::of(error)?)).await;
        }
    };
    // From here on it is there: what fails is said on its own page.
    let done = finish(&web, seat.person(), id, file, &fields).await;
    after(&web, &seat, id, done, None).await
}

/// `POST /s/SLOT/proposals/{id}`: keeps it, and sends it if asked to.
pub(super) async fn edit(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, file } = form;
    let typed = Typed::of(&fields);
    let mut file = file;
    let done = match typed.draft() {
        Ok(draft) => match web.grants().edit_proposal(seat.person(), id, draft).await {
            Ok(()) => finish(&web, seat.person(), id, file, &fields).await,
            Err(error) => Err(error),
        },
        Err(error) => {
            // A browser doesn't send a file again by itself: it is kept.
            if let Some(file) = file.take() {
                let kept = web.grants().attach(seat.person(), id, Some(file)).await;
                kept.or_else(|error| Wrong::of(error).map(drop))?;
            }
            Err(error)
        }
    };
    after(&web, &seat, id, done, Some(typed)).await
}

/// The file, and the sending.
async fn finish(
    web: &Web,
    author: &Person,
    id: ProposalId,
    file: Option<(String, Vec<u8>)>,
    fields: &Fields,
) -> Result<Notice> {
    if file.is_some() || fields.has("remove_attachment") {
        web.grants().attach(author, id, file).await?;
    }
    if fields.get("do") != "submit" {
        return Ok(Notice::Saved);
    }
    web.grants().submit(author, id).await?;
    Ok(Notice::Submitted)
}

async fn after(
    web: &Web,
    seat: &Seat,
    id: ProposalId,
    done: Result<Notice>,
    typed: Option<Typed>,
) -> Result<Response, Problem> {
    match done {
        Ok(notice) => Ok(seat.go_to(&format!("/proposals/{id}"), notice)),
        Err(error) => shown(web, seat, Some(id), typed, Some(Wrong::of(error)?)).await,
    }
}

/// `POST /s/SLOT/proposals/{id}/delete`
pub(super) async fn delete(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    let seat = form.seat;
    match web.grants().delete_proposal(seat.person(), id).await {
        Ok(()) => Ok(seat.go_to("/", Notice::Deleted)),
        Err(error) => shown(&web, &seat, Some(id), None, Some(Wrong::of(error)?)).await,
    }
}

/// `GET /s/SLOT/proposals/{id}/attachment`
pub(super) async fn attachment(
    State(web): State<Web>,
    seat: Seat,
    Id(id): Id,
) -> Result<Response, Problem> {
    let (file, bytes) = web.grants().attachment(seat.person(), id).await?;
    Ok(crate::web::api::as_download(&file, bytes))
}
