//! The API for programs, as JSON. Who asks shows the token of a session, which
//! `POST /api/session` gives: `Authorization: Bearer TOKEN`.

mod agency;
mod researchers;
mod university;

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use larder_web::{Peer, Problem};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Web;
use super::seat::Id;
use crate::model::{Attachment, Person, Proposal, Service, State as ProposalState};
use crate::service::{Registration, SignedIn};
use crate::store::{AccountFilter, EntryFilter, ProposalFilter};

/// The most things of one answer.
const MOST: u32 = 1_000;

/// The routes of a service.
pub(super) fn router(service: Service) -> Router<Web> {
    let own = match service {
        Service::Researchers => researchers::router(),
        Service::Agency => agency::router(),
        Service::University => university::router(),
    };
    own.route("/session", post(sign_in).get(session).delete(sign_out))
        .route("/password", put(change_password))
        .route("/programmes", get(programmes))
}

/// Somebody whose request shows a session.
struct Caller(SignedIn);

impl Caller {
    fn person(&self) -> &Person {
        &self.0.person
    }
}

impl FromRequestParts<Web> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let sent = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = sent.and_then(|value| value.strip_prefix("Bearer "));
        let who = match token {
            Some(token) => web.grants().signed_in(token).await?,
            None => None,
        };
        who.filter(|who| web.service().is_for(who.person.role)).map(Self).ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "Sign in by POST /api/session, and send its token as Authorization: Bearer TOKEN.",
            )
        })
    }
}

/// A body of JSON with words for what is wrong with it.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> axum::extract::FromRequest<Web> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, web: &Web) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, web).await;
        let body = body.map_err(|refused| Problem::new(refused.status(), refused.body_text()))?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            Problem::bad_request(format!("The body can’t be read as JSON: {error}."))
        })
    }
}

/// What a query says.
type Words = Query<HashMap<String, String>>;

/// A word of a query, if it is there.
fn word<'a>(query: &'a Words, name: &str) -> &'a str {
    query.get(name).map_or("", String::as_str)
}

/// One of a kind of words.
fn named<T>(
    query: &Words,
    name: &'static str,
    of: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    match word(query, name) {
        "" => Ok(None),
        text => of(text).map(Some).ok_or_else(|| {
            Problem::bad_request(format!("The {name} “{text}” is none of those there are."))
                .in_field(name)
        }),
    }
}

/// A number of a query.
fn number(query: &Words, name: &'static str) -> Result<Option<u64>, Problem> {
    named(query, name, |text| text.parse().ok())
}

/// How many things an answer may have.
fn size(query: &Words) -> Result<u32, Problem> {
    let size = number(query, "size")?.unwrap_or(100);
    Ok(u32::try_from(size).unwrap_or(MOST).clamp(1, MOST))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    password: String,
}

async fn sign_in(
    State(web): State<Web>,
    peer: Option<Extension<Peer>>,
    Body(Credentials { email, password }): Body<Credentials>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let who = web.sign_in(peer, &email, &password).await?;
    Ok((StatusCode::CREATED, Json(json!({ "token": who.token, "person": *who.person }))))
}

async fn session(caller: Caller) -> Json<Person> {
    Json(caller.person().clone())
}

async fn sign_out(State(web): State<Web>, caller: Caller) -> Result<StatusCode, Problem> {
    web.grants().sign_out(&caller.0.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    old_password: String,
    password: String,
}

async fn change_password(
    State(web): State<Web>,
    caller: Caller,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    web.grants().change_password(&caller.0, &change.old_password, &change.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn programmes(State(web): State<Web>, _: Caller) -> Result<Response, Problem> {
    Ok(Json(web.grants().programmes(None).await?).into_response())
}

/// What a query asks of proposals.
fn proposal_filter(query: &Words) -> Result<ProposalFilter, Problem> {
    Ok(ProposalFilter {
        states: named(query, "state", ProposalState::of)?.into_iter().collect(),
        words: word(query, "query").to_owned(),
        before: number(query, "before")?,
        most: size(query)?,
        ..ProposalFilter::default()
    })
}

/// `GET /api/proposals?state=&query=&before=&size=`
async fn proposals(
    State(web): State<Web>,
    caller: Caller,
    query: Words,
) -> Result<Json<Vec<Proposal>>, Problem> {
    let filter = proposal_filter(&query)?;
    Ok(Json(web.grants().proposals(caller.person(), filter).await?))
}

/// `GET /api/proposals/{id}`: with its activities.
async fn proposal(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Value>, Problem> {
    let proposal = web.grants().proposal(caller.person(), id).await?;
    let activities = web.grants().activities(caller.person(), id).await?;
    let mut shown = serde_json::to_value(&*proposal).unwrap_or_default();
    shown["activities"] = serde_json::to_value(activities).unwrap_or_default();
    Ok(Json(shown))
}

/// `GET /api/proposals/{id}/attachment`
async fn attachment(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Problem> {
    let (file, bytes) = web.grants().attachment(caller.person(), id).await?;
    Ok(as_download(&file, bytes))
}

/// A file that is saved, never shown: what it holds is its author's.
pub(super) fn as_download(file: &Attachment, bytes: Vec<u8>) -> Response {
    let name = larder_web::text::encode(&file.name);
    let disposition = format!("attachment; filename*=UTF-8''{name}");
    let disposition =
        HeaderValue::from_str(&disposition).unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/pdf")),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    (headers, bytes).into_response()
}

/// `GET /api/accounts/{id}`
async fn account(State(web): State<Web>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let account = web.grants().account(caller.person(), id).await?;
    let mut shown = serde_json::to_value(&*account).unwrap_or_default();
    shown["state"] = account.state(web.grants().today()).name().into();
    Ok(Json(shown).into_response())
}

/// `GET /api/accounts?query=&state=&agency=&before=&size=`
async fn accounts(
    State(web): State<Web>,
    caller: Caller,
    query: Words,
) -> Result<Response, Problem> {
    let today = web.grants().today();
    let filter = AccountFilter {
        member: number(&query, "member")?,
        agency: number(&query, "agency")?,
        state: named(&query, "state", crate::model::AccountState::of)?.map(|state| (state, today)),
        words: word(&query, "query").to_owned(),
        before: number(&query, "before")?,
        most: size(&query)?,
    };
    Ok(Json(web.grants().accounts(caller.person(), filter).await?).into_response())
}

/// `GET /api/accounts/{id}/ledger?before=&size=`, the latest first.
async fn ledger(
    State(web): State<Web>,
    caller: Caller,
    Id(id): Id,
    query: Words,
) -> Result<Response, Problem> {
    let filter = EntryFilter { account: Some(id), ..entry_filter(&query)? };
    Ok(Json(web.grants().entries(caller.person(), filter).await?).into_response())
}

fn entry_filter(query: &Words) -> Result<EntryFilter, Problem> {
    Ok(EntryFilter {
        account: number(query, "account")?,
        kind: named(query, "kind", crate::model::EntryKind::of)?,
        words: word(query, "query").to_owned(),
        before: number(query, "before")?,
        most: size(query)?,
    })
}

/// Somebody who was added, and what it took: `Server-Timing` tells the hashing
/// of the password from the rest.
fn added(registration: &Registration) -> Response {
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let timing = format!(
        "hash;dur={:.3}, store;dur={:.3}",
        milliseconds(registration.hashing),
        milliseconds(registration.storing)
    );
    let mut headers = HeaderMap::new();
    if let Ok(timing) = HeaderValue::from_str(&timing) {
        headers.insert("server-timing", timing);
    }
    (StatusCode::CREATED, headers, Json(registration.person.clone())).into_response()
}
