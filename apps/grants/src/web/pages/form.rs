//! What is wrong with a form that was sent, so that its page can say so with
//! everything that was typed still there.

use axum::response::Response;
use http::StatusCode;
use larder_input::Invalid;
use larder_web::{Problem, go_to};

use super::notices::Notice;
use crate::error::Error;
use crate::web::seat::Seat;

/// Why a form was refused.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    /// What to answer with.
    pub(super) status: StatusCode,
    /// Whose fault it is; empty if no field's.
    pub(super) field: String,
    pub(super) why: String,
    /// What was typed into a form that isn't there any more.
    pub(super) kept: String,
}

impl From<Invalid> for Wrong {
    fn from(invalid: Invalid) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { status, field: invalid.field.into(), why: invalid.why, kept: String::new() }
    }
}

impl Wrong {
    /// What the services say is wrong, if a page can say it.
    ///
    /// # Errors
    /// It is nothing that this page could show.
    pub(super) fn of(error: Error) -> Result<Self, Problem> {
        if matches!(error, Error::KeyReused) {
            let why = "This form was sent before, with other values. Nothing more was withdrawn; \
                       look at the ledger, then send it again if you meant another withdrawal.";
            let status = StatusCode::CONFLICT;
            let (field, kept) = (String::new(), String::new());
            return Ok(Self { status, field, why: why.into(), kept });
        }
        let problem = Problem::from(error);
        let field = problem.field.clone().unwrap_or_default();
        let status = match problem.status {
            StatusCode::NOT_FOUND | StatusCode::INTERNAL_SERVER_ERROR => return Err(problem),
            _ if !field.is_empty() => StatusCode::UNPROCESSABLE_ENTITY,
            status => status,
        };
        Ok(Self { status, field, why: problem.detail, kept: String::new() })
    }

    /// One of these fields' fault?
    pub(super) fn is_in(&self, fields: &[&str]) -> bool {
        fields.contains(&self.field.as_str())
    }
}

/// What a page says of a field.
pub(super) fn why<'a>(wrong: Option<&'a Wrong>, field: &str) -> Option<&'a str> {
    wrong.filter(|wrong| wrong.field == field).map(|wrong| wrong.why.as_str())
}

impl Seat {
    /// Sends the browser to a page of the seat, where `notice` is shown.
    pub(super) fn go_to(&self, path: &str, notice: Notice) -> Response {
        go_to(&format!("{}{path}", self.base), notice.code())
    }
}
