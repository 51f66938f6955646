//! Changing one's own password.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::Problem;

use super::form::{Wrong, why};
use super::layout::{Frame, Tab};
use super::notices::Notice;
use crate::model::NewPassword;
use crate::web::Web;
use crate::web::seat::{Seat, SeatForm};

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    frame: Frame,
    wrong: Option<Wrong>,
}

impl PasswordPage {
    fn why(&self, field: &str) -> Option<&str> {
        why(self.wrong.as_ref(), field)
    }

    fn fewest(&self) -> usize {
        NewPassword::FEWEST
    }
}

/// `GET /s/SLOT/password`
pub(super) async fn page(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    shown(&web, &seat, None).await
}

async fn shown(web: &Web, seat: &Seat, wrong: Option<Wrong>) -> Result<Response, Problem> {
    let status = wrong.as_ref().map_or(StatusCode::OK, |wrong| wrong.status);
    let mut frame =
        web.seat_frame(seat, ("Change your password", Tab::None), "/password", None).await?;
    frame.problem = wrong.clone().filter(|wrong| !wrong.is_in(&["old_password", "password"]));
    web.answer(&seat.visit, status, &PasswordPage { frame, wrong })
}

/// `POST /s/SLOT/password`
pub(super) async fn change(State(web): State<Web>, form: SeatForm) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let (old, new) = (fields.get("old_password"), fields.get("password"));
    match web.grants().change_password(&seat.who, old, new).await {
        Ok(()) => Ok(seat.go_to("/password", Notice::PasswordChanged)),
        Err(error) => shown(&web, &seat, Some(Wrong::of(error)?)).await,
    }
}
