//! One visit to a page: who came, with which fields. A handler that takes a
//! [`Posted`] can't forget the checks that every change needs.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use larder_web::{FormToken, Problem};

use super::Pages;
use super::layout::{Frame, Notice, Tab};

/// A request for a page.
pub(super) struct Visit {
    pub(super) headers: HeaderMap,
    pub(super) fields: Fields,
    token: FormToken,
    needs_token: bool,
    may_change: bool,
    here: String,
}

/// Fields of a query or a form, by name. Of several with one name the first
/// counts.
#[derive(Debug, Default)]
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    fn new(pairs: Vec<(String, String)>) -> Self {
        let mut fields = HashMap::new();
        for (name, value) in pairs {
            fields.entry(name).or_insert(value);
        }
        Self(fields)
    }

    /// The field's value; empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether the field was sent, even if empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl Visit {
    /// What the layout needs for this visitor.
    pub(super) fn frame(&self, title: &str, tab: Tab) -> Frame {
        Frame {
            title: title.to_owned(),
            tab,
            form_token: self.token.value().to_owned(),
            is_signed_in: self.needs_token && self.may_change,
            must_sign_in: self.needs_token && !self.may_change,
            here: self.here.clone(),
            notice: Notice::of(self.fields.get("done")),
        }
    }

    /// The page as an answer.
    pub(super) fn answer(
        &self,
        status: StatusCode,
        page: &impl Template,
    ) -> Result<Response, Problem> {
        let html = page.render().map_err(|error| {
            tracing::error!(%error, "a page can't be rendered");
            Problem::internal()
        })?;
        let mut response = (status, Html(html)).into_response();
        if let Some(cookie) = self.token.set_cookie() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// The page as an answer to a request that was fine.
    pub(super) fn page(&self, page: &impl Template) -> Result<Response, Problem> {
        self.answer(StatusCode::OK, page)
    }
}

impl FromRequestParts<Pages> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::bad_request("The address has a query that can't be read."))?;
        let here = parts.uri.path_and_query().map_or("/", |here| here.as_str());
        let access = &pages.site.access;
        Ok(Self {
            fields: Fields::new(query.0),
            token: FormToken::of(&parts.headers),
            needs_token: access.needs_token(),
            may_change: access.may_change(&parts.headers),
            here: here.to_owned(),
            headers: parts.headers.clone(),
        })
    }
}

/// A form that came with its visitor's token.
pub(super) struct Checked {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
}

impl FromRequest<Pages> for Checked {
    type Rejection = Problem;

    async fn from_request(request: Request, pages: &Pages) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, pages).await?;
        let request = Request::from_parts(parts, body);
        let form = Form::<Vec<(String, String)>>::from_request(request, pages).await;
        let form =
            form.map_err(|refused| Problem::new(refused.status(), "The form can't be read."))?;
        let fields = Fields::new(form.0);
        FormToken::check(&visit.headers, fields.get("form_token"))?;
        Ok(Self { visit, fields })
    }
}

/// A form by somebody who may change things.
pub(super) struct Posted {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
}

impl FromRequest<Pages> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, pages: &Pages) -> Result<Self, Problem> {
        let Checked { visit, fields } = Checked::from_request(request, pages).await?;
        pages.check_access(&visit.headers)?;
        Ok(Self { visit, fields })
    }
}

/// Sends the browser to `path`, where `notice` is shown. A `303`, so that
/// loading again repeats nothing.
pub(super) fn go_to(path: &str, notice: Notice) -> Response {
    let separator = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{separator}done={}", notice.code())).into_response()
}
