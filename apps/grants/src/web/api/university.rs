//! What the university's officers do: look after research accounts; and what
//! the administrator does: look after people.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use http::StatusCode;
use larder_web::Problem;
use serde::Deserialize;
use serde_json::json;

use super::{
    Body, Caller, Words, account, accounts, entry_filter, ledger, named, number, size, word,
};
use crate::error::Error;
use crate::model::{AgencyId, Day, NewPerson, Role};
use crate::store::PeopleFilter;
use crate::web::Web;
use crate::web::seat::Id;

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/accounts", get(accounts))
        .route("/accounts/{id}", get(account).patch(extend))
        .route("/accounts/{id}/ledger", get(ledger))
        .route("/accounts/{id}/close", post(close))
        .route("/transactions", get(transactions))
        .route("/totals", get(totals))
        .route("/notifications", get(notifications))
        .route("/notifications/{id}/acknowledge", post(acknowledge))
        .route("/people", get(people).post(add_officer))
        .route("/people/{id}", patch(lock))
        .route("/people/{id}/password", put(reset_password))
        .route("/agencies", get(agencies).post(add_agency))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extension {
    end_date: Day,
}

async fn extend(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Body(Extension { end_date }): Body<Extension>,
) -> Result<Response, Problem> {
    web.grants().extend(caller.person(), id, end_date).await?;
    Ok(Json(&*web.grants().account(caller.person(), id).await?).into_response())
}

async fn close(State(web): State<Web>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let rest = web.grants().close_account(caller.person(), id).await?;
    Ok(Json(json!({ "account": id, "returned_cents": rest })).into_response())
}

/// `GET /api/transactions?account=&kind=&query=&before=&size=`
async fn transactions(
    State(web): State<Web>,
    caller: Caller,
    query: Words,
) -> Result<Response, Problem> {
    Ok(Json(web.grants().entries(caller.person(), entry_filter(&query)?).await?).into_response())
}

async fn totals(State(web): State<Web>, caller: Caller) -> Result<Response, Problem> {
    Ok(Json(web.grants().totals(caller.person()).await?).into_response())
}

/// `GET /api/notifications?all=true&size=`
async fn notifications(
    State(web): State<Web>,
    caller: Caller,
    query: Words,
) -> Result<Response, Problem> {
    let all = word(&query, "all") == "true";
    let found = web.grants().notifications(caller.person(), all, size(&query)?).await?;
    Ok(Json(found).into_response())
}

async fn acknowledge(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    web.grants().acknowledge(caller.person(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/people?query=&role=&after=&size=`
async fn people(State(web): State<Web>, caller: Caller, query: Words) -> Result<Response, Problem> {
    let filter = PeopleFilter {
        words: word(&query, "query").to_owned(),
        role: named(&query, "role", |name| name.parse().ok())?,
        without_locked: false,
        after: number(&query, "after")?.unwrap_or(0),
        most: size(&query)?,
    };
    Ok(Json(web.grants().people(caller.person(), filter).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Officer {
    name: String,
    email: String,
    password: String,
    role: Role,
    #[serde(default)]
    agency: Option<AgencyId>,
}

async fn add_officer(
    State(web): State<Web>,
    caller: Caller,
    Body(new): Body<Officer>,
) -> Result<Response, Problem> {
    let new = NewPerson::of(&new.name, &new.email, &new.password, new.role, new.agency);
    let person = web.grants().add_officer(caller.person(), new.map_err(Error::from)?).await?;
    Ok((StatusCode::CREATED, Json(person)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    is_locked: bool,
}

async fn lock(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Body(Lock { is_locked }): Body<Lock>,
) -> Result<StatusCode, Problem> {
    web.grants().set_locked(caller.person(), id, is_locked).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

async fn reset_password(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    Body(NewPassword { password }): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    web.grants().reset_password(caller.person(), id, &password).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn agencies(State(web): State<Web>, _: Caller) -> Result<Response, Problem> {
    Ok(Json(web.grants().agencies().await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAgency {
    name: String,
}

async fn add_agency(
    State(web): State<Web>,
    caller: Caller,
    Body(NewAgency { name }): Body<NewAgency>,
) -> Result<Response, Problem> {
    let agency = web.grants().add_agency(caller.person(), &name).await?;
    Ok((StatusCode::CREATED, Json(agency)).into_response())
}
