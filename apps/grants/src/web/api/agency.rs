//! What an agency's officers do: decide, and keep programmes.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use larder_web::Problem;
use serde::Deserialize;

use super::{Body, Caller, attachment, proposal, proposals};
use crate::model::{Day, Money, NewProgramme, Person, ProposalId, Verdict};
use crate::web::Web;
use crate::web::seat::Id;

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/proposals", get(proposals))
        .route("/proposals/{id}", get(proposal))
        .route("/proposals/{id}/attachment", get(attachment))
        .route("/proposals/{id}/approve", post(approve))
        .route("/proposals/{id}/decline", post(decline))
        .route("/proposals/{id}/ask", post(ask))
        .route("/programmes", post(add))
        .route("/programmes/{id}", put(change))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    budget_cents: Money,
    end_date: Day,
}

async fn approve(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Body(Approval { budget_cents, end_date }): Body<Approval>,
) -> Result<Response, Problem> {
    let verdict = Verdict::Approve { budget: budget_cents, end_date };
    decide(&web, caller.person(), id, verdict).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    reason: String,
}

async fn decline(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Body(Answer { reason }): Body<Answer>,
) -> Result<Response, Problem> {
    decide(&web, caller.person(), id, Verdict::Decline(reason)).await
}

async fn ask(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Body(Answer { reason }): Body<Answer>,
) -> Result<Response, Problem> {
    decide(&web, caller.person(), id, Verdict::Ask(reason)).await
}

async fn decide(
    web: &Web,
    officer: &Person,
    id: ProposalId,
    verdict: Verdict,
) -> Result<Response, Problem> {
    web.grants().decide(officer, id, verdict).await?;
    Ok(Json(&*web.grants().proposal(officer, id).await?).into_response())
}

async fn add(
    State(web): State<Web>,
    caller: Caller,
    Body(new): Body<NewProgramme>,
) -> Result<Response, Problem> {
    let id = web.grants().add_programme(caller.person(), new).await?;
    Ok((StatusCode::CREATED, Json(web.grants().programme(id).await?)).into_response())
}

async fn change(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Body(new): Body<NewProgramme>,
) -> Result<Response, Problem> {
    web.grants().change_programme(caller.person(), id, new).await?;
    Ok(Json(web.grants().programme(id).await?).into_response())
}
