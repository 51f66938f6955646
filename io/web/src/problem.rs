//! Errors for clients: problem details (RFC 9457). A handler returns a
//! [`Problem`]; the guard writes it as JSON for programs or as a page for
//! people, with the request's id. Never carries the text of a source error.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// What went wrong, in words for the client.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// What kind of problem it is: a short phrase, the same each time.
    pub title: String,
    /// What was wrong this time and what to do.
    pub detail: String,
    /// The parameter or form field at fault.
    pub field: Option<String>,
    /// Seconds after which trying again may help.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem whose title is the status's own phrase.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { status, title, detail: detail.into(), field: None, retry_after: None }
    }

    /// 400: the request can't be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 500: our fault; the log says more.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong on our side. Nothing you sent was wrong; try again, \
             and if it stays, give the request id to the operator.",
        )
    }

    /// The same with a title of its own.
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// The same, naming the field at fault.
    pub fn in_field(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// The same, saying when to try again.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The problem as `application/problem+json`.
    pub fn to_json(&self, request_id: &str) -> serde_json::Value {
        let mut json = serde_json::json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "request_id": request_id,
        });
        if let Some(field) = &self.field {
            json["field"] = field.as_str().into();
        }
        json
    }
}

impl IntoResponse for Problem {
    /// Status, headers and the problem itself as an extension; whoever stands
    /// further out gives it its body.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}
