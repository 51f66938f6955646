//! Who looks at a page. A tab sits at a seat: a part of its address, `/s/SLOT/`,
//! for which alone the browser has that session's cookie. So two people in two
//! tabs of one browser never become each other.

use std::sync::Arc;

use axum::extract::{
    Form, FromRequest, FromRequestParts, Multipart, OriginalUri, RawPathParams, Request,
};
use axum::response::{IntoResponse, Redirect, Response};
use cookie::{Cookie, SameSite};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use larder_web::{Fields, FormToken, Problem, Visit, text};

use super::Web;
use crate::model::Person;
use crate::service::SignedIn;

/// The cookie of a session: there is one for each seat.
const SESSION: &str = "larder_grants";

/// The most characters of a form.
const LARGEST_TEXT: usize = 256 << 10;

/// A visit of somebody who is signed in.
pub(crate) struct Seat {
    /// The request.
    pub(crate) visit: Visit,
    /// Who, and their session.
    pub(crate) who: SignedIn,
    /// What every address of this seat's pages begins with.
    pub(crate) base: String,
}

impl Seat {
    /// Who.
    pub(crate) fn person(&self) -> &Arc<Person> {
        &self.who.person
    }
}

/// Sits somebody down at a new seat; returns its base and its cookies.
pub(crate) fn sit(web: &Web, headers: &HeaderMap, who: &SignedIn) -> (String, [HeaderValue; 2]) {
    let slot = format!("{:08x}", u32::from_ne_bytes(larder_web::random()));
    let base = format!("{}/s/{slot}", web.base());
    let is_secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let cookie = |name: String, value: &str, path: &str| {
        let cookie = Cookie::build((name, value.to_owned()))
            .path(path.to_owned())
            .http_only(true)
            .secure(is_secure)
            .same_site(SameSite::Lax);
        HeaderValue::from_str(&cookie.to_string()).expect("hex and attributes are a header")
    };
    let session = cookie(SESSION.into(), &who.token, &base);
    // Without the slash behind it: that is where another site shows the service.
    let start = if web.base().is_empty() { "/" } else { web.base() };
    let latest = cookie(latest_cookie(web), &slot, start);
    (base, [session, latest])
}

/// The cookies that end a seat.
pub(crate) fn leave(seat: &Seat) -> HeaderValue {
    let cookie = Cookie::build((SESSION, ""))
        .path(seat.base.clone())
        .http_only(true)
        .max_age(cookie::time::Duration::ZERO);
    HeaderValue::from_str(&cookie.to_string()).expect("attributes are a header")
}

/// The seat that somebody took last in this browser, if any.
pub(crate) fn latest(web: &Web, headers: &HeaderMap) -> Option<String> {
    let slot = larder_web::cookie(headers, &latest_cookie(web))?;
    let is_one = slot.len() == 8 && slot.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| format!("{}/s/{slot}", web.base()))
}

/// Which seat was taken last; it is no secret.
fn latest_cookie(web: &Web) -> String {
    format!("{SESSION}_{}", web.service().name())
}

/// The session of a seat's request, and the seat's base.
///
/// # Errors
/// The store fails.
pub(super) async fn session(
    web: &Web,
    parts: &mut Parts,
) -> Result<Option<(SignedIn, String)>, Problem> {
    let Some(slot) = path_parameter(parts, web, "slot").await else { return Ok(None) };
    let Some(token) = larder_web::cookie(&parts.headers, SESSION) else { return Ok(None) };
    let who = web.grants().signed_in(&token).await?;
    let is_here = |who: &SignedIn| web.service().is_for(who.person.role);
    Ok(who.filter(is_here).map(|who| (who, format!("{}/s/{slot}", web.base()))))
}

async fn path_parameter(parts: &mut Parts, web: &Web, name: &str) -> Option<String> {
    let parameters = RawPathParams::from_request_parts(parts, web).await.ok()?;
    parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

impl FromRequestParts<Web> for Seat {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let visit = Visit::from_request_parts(parts, web).await;
        let visit = visit.map_err(IntoResponse::into_response)?;
        let uri = OriginalUri::from_request_parts(parts, web)
            .await
            .map_or_else(|never| match never {}, |OriginalUri(uri)| uri);
        let whole = uri.path_and_query().map_or("/", |whole| whole.as_str()).to_owned();
        let session = session(web, parts).await.map_err(IntoResponse::into_response)?;
        let Some((who, base)) = session else {
            // Behind `/s/SLOT`.
            let rest = whole.strip_prefix(web.base()).unwrap_or(&whole);
            let rest = rest.splitn(4, '/').nth(3).unwrap_or_default();
            let next = text::encode(&format!("/{rest}"));
            let sign_in = format!("{}/sign-in?next={next}", web.base());
            return Err(Redirect::to(&sign_in).into_response());
        };
        Ok(Self { visit, who, base })
    }
}

/// A form by somebody who is signed in, with its visitor's token.
pub(crate) struct SeatForm {
    /// Who sent it.
    pub(crate) seat: Seat,
    /// Its fields.
    pub(crate) fields: Fields,
    /// Its file, if it has one: name and bytes.
    pub(crate) file: Option<(String, Vec<u8>)>,
}

impl FromRequest<Web> for SeatForm {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let seat = Seat::from_request_parts(&mut parts, web).await?;
        let request = Request::from_parts(parts, body);
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_multipart = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/"));
        let read = match is_multipart {
            true => parts_of(request, web).await,
            false => fields_of(request, web).await.map(|fields| (fields, None)),
        };
        let (fields, file) = read.map_err(IntoResponse::into_response)?;
        FormToken::check(&seat.visit.headers, fields.get("form_token"))
            .map_err(IntoResponse::into_response)?;
        Ok(Self { seat, fields, file })
    }
}

async fn fields_of(request: Request, web: &Web) -> Result<Fields, Problem> {
    let form = Form::<Vec<(String, String)>>::from_request(request, web).await;
    let form = form.map_err(|refused| Problem::new(refused.status(), "The form can’t be read."))?;
    Ok(Fields::new(form.0))
}

/// Fields, and the file that isn't empty.
async fn parts_of(
    request: Request,
    web: &Web,
) -> Result<(Fields, Option<(String, Vec<u8>)>), Problem> {
    let wrong = |status| Problem::new(status, "The form can’t be read; its file may be too large.");
    let multipart = Multipart::from_request(request, web).await;
    let mut multipart = multipart.map_err(|refused| wrong(refused.status()))?;
    let (mut pairs, mut file) = (Vec::new(), None);
    while let Some(part) =
        multipart.next_field().await.map_err(|refused| wrong(refused.status()))?
    {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let bytes = part.bytes().await.map_err(|refused| wrong(refused.status()))?;
        match file_name {
            Some(file_name) if !bytes.is_empty() || !file_name.is_empty() => {
                file = Some((file_name, bytes.to_vec()));
            }
            Some(_) => {}
            None if bytes.len() <= LARGEST_TEXT => {
                pairs.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            }
            None => return Err(Problem::bad_request("A field of the form is too long.")),
        }
    }
    Ok((Fields::new(pairs), file))
}

/// The number that a path has at `{id}`.
pub(crate) struct Id(pub(crate) u64);

impl FromRequestParts<Web> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let text = path_parameter(parts, web, "id").await.unwrap_or_default();
        let number = text.parse().ok().filter(|number| (1..=i64::MAX as u64).contains(number));
        number.map(Self).ok_or_else(|| {
            Problem::bad_request("The number in the address must be 1 or more.").in_field("id")
        })
    }
}

/// A second number of a path, at `{person}`.
pub(crate) struct Member(pub(crate) u64);

impl FromRequestParts<Web> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let text = path_parameter(parts, web, "person").await.unwrap_or_default();
        text.parse().ok().map(Self).ok_or_else(|| {
            Problem::bad_request("The person in the address must be a number.").in_field("person")
        })
    }
}
