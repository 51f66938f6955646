//! What the services tell each other over HTTP. Who tells shows the secret that
//! they share; a message is told again until it is answered by 204.

use axum::extract::FromRequestParts;
use axum::extract::{Path, State};
use http::StatusCode;
use http::request::Parts;
use larder_web::Problem;

use super::Web;
use super::api::Body;
use crate::error::Error;
use crate::model::Message;

/// Proves that whoever asks is one of the services.
pub(super) struct Ours;

impl FromRequestParts<Web> for Ours {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        match web.shown.token.is_in(&parts.headers) {
            true => Ok(Self),
            false => Err(Error::NotAService.into()),
        }
    }
}

/// `POST /messages/{id}`
pub(super) async fn hear(
    State(web): State<Web>,
    _: Ours,
    Path(id): Path<String>,
    Body(message): Body<Message>,
) -> Result<StatusCode, Problem> {
    if message.to() != web.service() {
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "This is for another service."));
    }
    web.grants().hear(id, message).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /live/nudge`: another process has changed something.
pub(super) async fn nudge(State(web): State<Web>, _: Ours) -> StatusCode {
    web.grants().nudged();
    StatusCode::NO_CONTENT
}
