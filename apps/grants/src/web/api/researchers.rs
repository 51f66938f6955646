//! What researchers do: an account of their own, proposals, research accounts.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use larder_input::IdempotencyKey;
use larder_web::Problem;
use serde::Deserialize;
use serde_json::json;

use super::{
    Body, Caller, Words, account, accounts, added, attachment, ledger, proposal, proposals, word,
};
use crate::error::Error;
use crate::model::{Draft, NewPerson, PersonId, Withdrawal};
use crate::web::Web;
use crate::web::seat::{Id, Member};

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/people", post(join).get(find))
        .route("/proposals", get(proposals).post(add))
        .route("/proposals/{id}", get(proposal).put(edit).delete(remove))
        .route("/proposals/{id}/submit", post(submit))
        .route("/proposals/{id}/attachment", get(attachment).put(attach).delete(detach))
        .route("/accounts", get(accounts))
        .route("/accounts/{id}", get(account))
        .route("/accounts/{id}/ledger", get(ledger))
        .route("/accounts/{id}/withdrawals", post(withdraw))
        .route("/accounts/{id}/members", post(add_member))
        .route("/accounts/{id}/members/{person}", delete(remove_member))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    name: String,
    email: String,
    password: String,
}

/// `POST /api/people`: a researcher's account, durable when this is answered.
async fn join(State(web): State<Web>, Body(join): Body<Join>) -> Result<Response, Problem> {
    let new = NewPerson::researcher(&join.name, &join.email, &join.password);
    Ok(added(&web.grants().add_person(new.map_err(Error::from)?).await?))
}

/// `GET /api/people?query=`: researchers by name or email, ten at most.
async fn find(State(web): State<Web>, caller: Caller, query: Words) -> Result<Response, Problem> {
    let found = web.grants().find_researchers(caller.person(), word(&query, "query")).await?;
    Ok(Json(found).into_response())
}

async fn add(
    State(web): State<Web>,
    caller: Caller,
    Body(draft): Body<Draft>,
) -> Result<Response, Problem> {
    let id = web.grants().add_proposal(caller.person(), draft).await?;
    let proposal = web.grants().proposal(caller.person(), id).await?;
    Ok((StatusCode::CREATED, Json(&*proposal)).into_response())
}

async fn edit(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Body(draft): Body<Draft>,
) -> Result<Response, Problem> {
    web.grants().edit_proposal(caller.person(), id, draft).await?;
    Ok(Json(&*web.grants().proposal(caller.person(), id).await?).into_response())
}

async fn remove(State(web): State<Web>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    web.grants().delete_proposal(caller.person(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn submit(State(web): State<Web>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    web.grants().submit(caller.person(), id).await?;
    let proposal = web.grants().proposal(caller.person(), id).await?;
    Ok((StatusCode::ACCEPTED, Json(&*proposal)).into_response())
}

/// `PUT /api/proposals/{id}/attachment?name=plan.pdf`: the bytes of a PDF.
async fn attach(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    query: Words,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let file = (word(&query, "name").to_owned(), body.to_vec());
    web.grants().attach(caller.person(), id, Some(file)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn detach(State(web): State<Web>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    web.grants().attach(caller.person(), id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// With an `Idempotency-Key` it is done once, however often it is asked for.
async fn withdraw(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Body(withdrawal): Body<Withdrawal>,
) -> Result<Response, Problem> {
    let key = match headers.get("idempotency-key") {
        Some(key) => key.to_str().unwrap_or_default().parse().map_err(Error::from)?,
        None => IdempotencyKey::random(larder_web::random()),
    };
    let entry = web.grants().withdraw(caller.person(), id, withdrawal, key).await?;
    Ok((StatusCode::CREATED, Json(entry)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMember {
    person: PersonId,
}

async fn add_member(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Body(NewMember { person }): Body<NewMember>,
) -> Result<Response, Problem> {
    web.grants().set_member(caller.person(), id, person, true).await?;
    Ok((StatusCode::CREATED, Json(json!({ "account": id, "person": person }))).into_response())
}

async fn remove_member(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Member(person): Member,
) -> Result<StatusCode, Problem> {
    web.grants().set_member(caller.person(), id, person, false).await?;
    Ok(StatusCode::NO_CONTENT)
}
