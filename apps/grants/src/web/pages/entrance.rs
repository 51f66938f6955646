//! Signing in at a service, and out again.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode, header};
use larder_web::{Checked, Peer, Problem, Visit, go_to, local};

use super::layout::Frame;
use super::notices::Notice;
use crate::error::Error;
use crate::model::Service;
use crate::service::SignedIn;
use crate::web::Web;
use crate::web::seat::{SeatForm, latest, leave as leave_seat, sit};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    next: String,
    email: String,
    problem: Option<String>,
    /// The service that the account is for, and where it is.
    other: Option<(Service, Option<String>)>,
    has_no_administrator: bool,
    is_local: bool,
}

/// `GET /`: to the seat that was taken last, or to the entrance.
pub(super) async fn start(State(web): State<Web>, headers: HeaderMap) -> Redirect {
    match latest(&web, &headers) {
        Some(seat) => Redirect::to(&format!("{seat}/")),
        None => Redirect::to(&format!("{}/sign-in", web.base())),
    }
}

/// `GET /sign-in?next=`
pub(super) async fn page(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    let page = sign_in_page(&web, &visit, visit.fields.get("next")).await?;
    web.answer(&visit, StatusCode::OK, &page)
}

async fn sign_in_page(web: &Web, visit: &Visit, next: &str) -> Result<SignInPage, Problem> {
    let may_set_up = web.service() != Service::Researchers;
    Ok(SignInPage {
        frame: web.frame(visit, "Sign in"),
        next: local(next, "/"),
        email: String::new(),
        problem: None,
        other: None,
        has_no_administrator: may_set_up && !web.grants().has_administrator().await?,
        is_local: web.shown.is_local,
    })
}

/// `POST /sign-in`
pub(super) async fn enter(
    State(web): State<Web>,
    peer: Option<Extension<Peer>>,
    form: Checked,
) -> Result<Response, Problem> {
    let Checked { visit, fields } = form;
    let (email, next) = (fields.get("email"), fields.get("next"));
    let error = match web.sign_in(peer, email, fields.get("password")).await {
        Ok(who) => return Ok(seated(&web, &visit, &who, &local(next, "/"), Notice::SignedIn)),
        Err(error) => error,
    };
    let mut page = sign_in_page(&web, &visit, next).await?;
    email.clone_into(&mut page.email);
    if let Error::WrongService(service) = error {
        page.other = Some((service, web.grants().addresses(service).first().cloned()));
        return web.answer(&visit, StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    let problem = Problem::from(error);
    let status = match problem.status {
        // Of a form: browsers take 401 for their own to ask.
        StatusCode::UNAUTHORIZED => StatusCode::UNPROCESSABLE_ENTITY,
        status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => status,
        _ => return Err(problem),
    };
    page.problem = Some(problem.detail);
    web.answer(&visit, status, &page)
}

/// Sits somebody down, and shows them the page `next` of their seat.
pub(super) fn seated(
    web: &Web,
    visit: &Visit,
    who: &SignedIn,
    next: &str,
    notice: Notice,
) -> Response {
    let (seat, cookies) = sit(web, &visit.headers, who);
    let mut response = go_to(&format!("{seat}{next}"), notice.code());
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `POST /s/SLOT/sign-out`
pub(super) async fn leave(State(web): State<Web>, form: SeatForm) -> Result<Response, Problem> {
    web.grants().sign_out(&form.seat.who.token).await?;
    let sign_in = format!("{}/sign-in", web.base());
    let mut response = go_to(&sign_in, Notice::SignedOut.code()).into_response();
    response.headers_mut().append(header::SET_COOKIE, leave_seat(&form.seat));
    Ok(response)
}
