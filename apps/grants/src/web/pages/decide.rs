//! A proposal as an agency's officer sees it, and the decision.

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
    Action, Activity, Day, Money, Programme, Proposal, ProposalId, Relation, Room, Verdict,
    on_proposal,
};
use crate::web::Web;
use crate::web::seat::{Id, Seat, SeatForm};

/// One of the forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Approve,
    Decline,
    Ask,
}

#[derive(Template)]
#[template(path = "decide.html")]
struct DecidePage {
    frame: Frame,
    proposal: Arc<Proposal>,
    activities: Vec<Activity>,
    programme: Programme,
    may_decide: bool,
    budget: String,
    end_date: String,
    today: Day,
    reason: String,
    question: String,
    wrong: Option<(Form, Wrong)>,
}

impl DecidePage {
    fn why(&self, form: &str, field: &str) -> Option<&str> {
        let name = |form| match form {
            Form::Approve => "approve",
            Form::Decline => "decline",
            Form::Ask => "ask",
        };
        let wrong = self.wrong.as_ref().filter(|(wrong, _)| name(*wrong) == form);
        why(wrong.map(|(_, wrong)| wrong), field)
    }

    fn is_above(&self) -> bool {
        self.proposal.amount > self.programme.left()
    }
}

/// `GET /s/SLOT/proposals/{id}`
pub(super) async fn page(
    State(web): State<Web>,
    seat: Seat,
    Id(id): Id,
) -> Result<Response, Problem> {
    shown(&web, &seat, id, &Fields::default(), None).await
}

async fn shown(
    web: &Web,
    seat: &Seat,
    id: ProposalId,
    fields: &Fields,
    wrong: Option<(Form, Wrong)>,
) -> Result<Response, Problem> {
    let grants = web.grants();
    let proposal = grants.proposal(seat.person(), id).await?;
    let programme = grants.programme(proposal.programme).await?;
    let path = format!("/proposals/{id}");
    let title = (proposal.acronym.as_str(), Tab::None);
    let mut frame = web.seat_frame(seat, title, &path, Some(Room::Proposal(id))).await?;
    let relation = Relation::to_proposal(seat.person(), &proposal);
    let may_decide = on_proposal(relation, Action::Decide, proposal.state).is_ok();
    let typed = |form, name: &str, or: &dyn Fn() -> String| match &wrong {
        Some((wrong, _)) if *wrong == form => fields.get(name).to_owned(),
        _ => or(),
    };
    let today = grants.today();
    let page = DecidePage {
        budget: typed(Form::Approve, "budget", &|| proposal.amount.plain()),
        end_date: typed(Form::Approve, "end_date", &|| Programme::end_by_rule(today).to_string()),
        reason: typed(Form::Decline, "reason", &String::new),
        question: typed(Form::Ask, "reason", &String::new),
        activities: grants.activities(seat.person(), id).await?,
        frame: {
            let other = wrong.clone().map(|(_, wrong)| wrong);
            frame.problem = other
                .filter(|wrong| !may_decide || !wrong.is_in(&["budget", "end_date", "reason"]))
                .map(|wrong| {
                    let kept = if may_decide { "" } else { fields.get("reason") };
                    Wrong { kept: kept.to_owned(), ..wrong }
                });
            frame
        },
        proposal,
        programme,
        may_decide,
        today,
        wrong,
    };
    let status = page.wrong.as_ref().map_or(StatusCode::OK, |(_, wrong)| wrong.status);
    web.answer(&seat.visit, status, &page)
}

/// `POST /s/SLOT/proposals/{id}/approve`
pub(super) async fn approve(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    decide(&web, id, form, Form::Approve).await
}

/// `POST /s/SLOT/proposals/{id}/decline`
pub(super) async fn decline(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    decide(&web, id, form, Form::Decline).await
}

/// `POST /s/SLOT/proposals/{id}/ask`
pub(super) async fn ask(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    decide(&web, id, form, Form::Ask).await
}

async fn decide(
    web: &Web,
    id: ProposalId,
    sent: SeatForm,
    form: Form,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = sent;
    let decided = match verdict_of(&fields, form) {
        Ok(verdict) => web.grants().decide(seat.person(), id, verdict).await,
        Err(error) => Err(error),
    };
    let notice = match form {
        Form::Approve => Notice::Approved,
        Form::Decline => Notice::Declined,
        Form::Ask => Notice::Asked,
    };
    match decided {
        Ok(()) => Ok(seat.go_to(&format!("/proposals/{id}"), notice)),
        Err(error) => shown(web, &seat, id, &fields, Some((form, Wrong::of(error)?))).await,
    }
}

fn verdict_of(fields: &Fields, form: Form) -> Result<Verdict> {
    let reason = || fields.get("reason").to_owned();
    Ok(match form {
        Form::Approve => Verdict::Approve {
            budget: Money::read("budget", fields.get("budget"))?,
            end_date: Day::read("end_date", fields.get("end_date"))?,
        },
        Form::Decline => Verdict::Decline(reason()),
        Form::Ask => Verdict::Ask(reason()),
    })
}
