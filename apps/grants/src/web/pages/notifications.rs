//! What the university's officers are to know, what nobody has seen to first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::Problem;

use super::form::Wrong;
use super::layout::{Frame, Tab};
use super::notices::Notice;
use crate::model::{Notification, Role};
use crate::web::Web;
use crate::web::seat::{Id, Seat, SeatForm};

/// Notifications that are shown, of all.
const SHOWN: u32 = 200;

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    frame: Frame,
    notifications: Vec<Notification>,
    may_acknowledge: bool,
}

/// `GET /s/SLOT/notifications`
pub(super) async fn page(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    shown(&web, &seat, None).await
}

async fn shown(web: &Web, seat: &Seat, wrong: Option<Wrong>) -> Result<Response, Problem> {
    let title = ("Notifications", Tab::Notifications);
    let mut frame = web.seat_frame(seat, title, "/notifications", None).await?;
    let mut open = web.grants().notifications(seat.person(), false, SHOWN).await?;
    let mut seen = web.grants().notifications(seat.person(), true, SHOWN).await?;
    seen.retain(|notification| notification.acknowledged_by.is_some());
    open.append(&mut seen);
    let status = wrong.as_ref().map_or(StatusCode::OK, |wrong| wrong.status);
    frame.problem = wrong;
    let may_acknowledge = seat.person().role == Role::University;
    web.answer(
        &seat.visit,
        status,
        &NotificationsPage { frame, notifications: open, may_acknowledge },
    )
}

/// `POST /s/SLOT/notifications/{id}/acknowledge`
pub(super) async fn acknowledge(
    State(web): State<Web>,
    Id(number): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    match web.grants().acknowledge(form.seat.person(), number).await {
        Ok(()) => Ok(form.seat.go_to("/notifications", Notice::Acknowledged)),
        Err(error) => shown(&web, &form.seat, Some(Wrong::of(error)?)).await,
    }
}
