//! One visit to a page: who came, with which fields. A handler that takes a
//! [`Posted`] can't forget the checks that every change needs.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, FromRef, FromRequest, FromRequestParts, Query, Request};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use crate::{FormToken, Problem, Site};

/// A request for a page.
pub struct Visit {
    /// What the visitor's browser says.
    pub headers: HeaderMap,
    /// Fields of the address.
    pub fields: Fields,
    /// What the page's forms carry.
    pub form_token: FormToken,
    /// Whether changes need a token that this visitor has shown.
    pub is_signed_in: bool,
    /// Whether changes need a token that this visitor has yet to show.
    pub must_sign_in: bool,
    /// Path and query of the page.
    pub here: String,
}

/// Fields of a query or a form, by name. Of several with one name the first
/// counts.
#[derive(Debug, Default)]
pub struct Fields(HashMap<String, String>);

impl Fields {
    /// The fields of these names and values.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut fields = HashMap::new();
        for (name, value) in pairs {
            fields.entry(name).or_insert(value);
        }
        Self(fields)
    }

    /// The field's value; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether the field was sent, even if empty.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl Visit {
    /// The page as an answer.
    ///
    /// # Errors
    /// The template fails.
    pub fn answer(&self, status: StatusCode, page: &impl Template) -> Result<Response, Problem> {
        let html = page.render().map_err(|error| {
            tracing::error!(%error, "a page can't be rendered");
            Problem::internal()
        })?;
        let mut response = (status, Html(html)).into_response();
        if let Some(cookie) = self.form_token.set_cookie() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// The page as an answer to a request that was fine.
    ///
    /// # Errors
    /// As [`Visit::answer`].
    pub fn page(&self, page: &impl Template) -> Result<Response, Problem> {
        self.answer(StatusCode::OK, page)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit
where
    Arc<Site>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::bad_request("The address has a query that can't be read."))?;
        let here = parts.uri.path_and_query().map_or("/", |here| here.as_str());
        let site = Arc::<Site>::from_ref(state);
        let may_change = site.access.may_change(&parts.headers);
        Ok(Self {
            fields: Fields::new(query.0),
            form_token: FormToken::of(&parts.headers),
            is_signed_in: site.access.needs_token() && may_change,
            must_sign_in: !may_change,
            here: here.to_owned(),
            headers: parts.headers.clone(),
        })
    }
}

/// A form that came with its visitor's token.
pub struct Checked {
    /// The request.
    pub visit: Visit,
    /// Fields of the form.
    pub fields: Fields,
}

impl<S: Send + Sync> FromRequest<S> for Checked
where
    Arc<Site>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, state).await?;
        let request = Request::from_parts(parts, body);
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        let form =
            form.map_err(|refused| Problem::new(refused.status(), "The form can't be read."))?;
        let fields = Fields::new(form.0);
        FormToken::check(&visit.headers, fields.get("form_token"))?;
        Ok(Self { visit, fields })
    }
}

/// A form by somebody who may change things.
pub struct Posted {
    /// The request.
    pub visit: Visit,
    /// Fields of the form.
    pub fields: Fields,
}

impl<S: Send + Sync> FromRequest<S> for Posted
where
    Arc<Site>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Checked { visit, fields } = Checked::from_request(request, state).await?;
        Arc::<Site>::from_ref(state).access.check(&visit.headers)?;
        Ok(Self { visit, fields })
    }
}

/// Sends the browser to `path`, where the notice of code `done` is shown. A
/// `303`, so that loading again repeats nothing.
pub fn go_to(path: &str, done: &str) -> Response {
    let separator = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{separator}done={done}")).into_response()
}
