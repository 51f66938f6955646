//! Signing in with the administrator's token, and out again.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use larder_web::{Checked, NotSignedIn, Peer, Problem, TokenForm, Visit, local};

use super::layout::{Frame, Tab};
use crate::web::Web;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    form: TokenForm,
}

impl SignInPage {
    fn new(web: &Web, visit: &Visit, next: String, problem: Option<&'static str>) -> Self {
        let frame = web.frame(visit, "Sign in", Tab::None);
        let action = format!("{}/sign-in", frame.base);
        Self { frame, form: TokenForm::new(visit, action, next, problem) }
    }
}

/// `GET /sign-in?next=`
pub(super) async fn page(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    let next = local(visit.fields.get("next"), &start(&web));
    if !visit.must_sign_in {
        return Ok(Redirect::to(&next).into_response());
    }
    visit.page(&SignInPage::new(&web, &visit, next, None))
}

/// `POST /sign-in`
pub(super) async fn enter(
    State(web): State<Web>,
    peer: Option<Extension<Peer>>,
    form: Checked,
) -> Result<Response, Problem> {
    let start = start(&web);
    larder_web::sign_in(&web.site.access, peer, &form, &start).or_else(|again| {
        let NotSignedIn { status, problem } = again;
        let next = local(form.fields.get("next"), &start);
        form.visit.answer(status, &SignInPage::new(&web, &form.visit, next, Some(problem)))
    })
}

/// `POST /sign-out`
pub(super) async fn leave(State(web): State<Web>, _: Checked) -> Response {
    larder_web::sign_out(&format!("{}/", web.base))
}

fn start(web: &Web) -> String {
    format!("{}/admin", web.base)
}
