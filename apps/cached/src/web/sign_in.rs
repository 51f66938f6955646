//! Signing in with the administrator's token, and out again.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use larder_web::{Checked, NotSignedIn, Peer, Problem, Site, TokenForm, Visit, local};

use super::layout::Frame;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    form: TokenForm,
}

impl SignInPage {
    fn new(visit: &Visit, next: String, problem: Option<&'static str>) -> Self {
        let frame = Frame { must_sign_in: false, ..Frame::of(visit, "Sign in") };
        Self { frame, form: TokenForm::new(visit, "/sign-in", next, problem) }
    }
}

/// `GET /sign-in?next=`
pub(super) async fn page(visit: Visit) -> Result<Response, Problem> {
    let next = local(visit.fields.get("next"), "/");
    if !visit.must_sign_in {
        return Ok(Redirect::to(&next).into_response());
    }
    visit.page(&SignInPage::new(&visit, next, None))
}

/// `POST /sign-in`
pub(super) async fn enter(
    State(site): State<Arc<Site>>,
    peer: Option<Extension<Peer>>,
    form: Checked,
) -> Result<Response, Problem> {
    larder_web::sign_in(&site.access, peer, &form, "/").or_else(|again| {
        let NotSignedIn { status, problem } = again;
        let next = local(form.fields.get("next"), "/");
        form.visit.answer(status, &SignInPage::new(&form.visit, next, Some(problem)))
    })
}

/// `POST /sign-out`
pub(super) async fn leave(_: Checked) -> Response {
    larder_web::sign_out("/")
}
