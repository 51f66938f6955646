//! The guard around all routes of a site, one function: gives each request an
//! id, refuses what comes from elsewhere, turns panics and problems into
//! answers, and adds the headers that keep browsers safe.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use futures_util::FutureExt;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{Access, Problem};

/// The address a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The id of a request: in its log lines, its answer's `X-Request-Id` and
/// every error.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

/// What the guard needs to know of a site.
pub struct Site {
    /// Host names the site answers to, besides `localhost` and IP addresses.
    /// Any other is refused: that stops DNS rebinding, by which a web page
    /// makes a browser take this server for its own.
    pub hosts: Vec<String>,
    /// Who may change things.
    pub access: Access,
    /// Renders a problem as a page, given the request's id.
    pub error_page: fn(&Problem, &str) -> String,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The policy of pages; what isn't a page sets a stricter one itself.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// Puts the guard around `router`.
pub fn guard(router: Router, site: Arc<Site>) -> Router {
    router
        .fallback(|| async { Problem::not_found("There is nothing at this address.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This address doesn't answer to this method; see the Allow header.",
            )
        })
        .layer(axum::middleware::from_fn_with_state(site, around))
}

async fn around(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let id = RequestId(new_id().into());
    request.extensions_mut().insert(id.clone());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let for_people = wants_html(request.headers());
    let session = site.access.renew(request.headers());

    let mut response = match refusal(&site, &request) {
        Some(problem) => problem.into_response(),
        None => AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|panic| {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            tracing::error!(request_id = %id.0, panic = what, "a request panicked");
            Problem::internal().into_response()
        }),
    };

    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = with_body(response, &problem, &id.0, for_people, &site);
    }
    let status = response.status();
    if status.is_server_error() {
        tracing::warn!(request_id = %id.0, %method, path = %shorten(uri.path()), status = status.as_u16(), "answered with an error");
    } else {
        tracing::debug!(request_id = %id.0, %method, path = %shorten(uri.path()), status = status.as_u16(), "answered");
    }
    add_headers(response.headers_mut(), &id);
    // What the route itself says of the session, such as its end, stands.
    if let Some(session) = session {
        response.headers_mut().entry(header::SET_COOKIE).or_insert(session);
    }
    response
}

/// Why a request is refused before any route sees it.
fn refusal(site: &Site, request: &Request) -> Option<Problem> {
    let headers = request.headers();
    let Some(Ok(host)) = headers.get(header::HOST).map(HeaderValue::to_str) else {
        return Some(Problem::bad_request("The Host header is missing or unreadable."));
    };
    if !site.answers_to(host) {
        return Some(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "This server doesn't answer to that host name. If it should, start it with \
             --host NAME.",
        ));
    }
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !is_same_origin(headers, host) {
        return Some(Problem::new(
            StatusCode::FORBIDDEN,
            "A page of another site sent this request; changes are accepted from this \
             site's own pages and from programs only.",
        ));
    }
    None
}

impl Site {
    fn answers_to(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || address.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|known| name.eq_ignore_ascii_case(known))
    }
}

/// Whether a request comes from a page of `host` itself, or from a program.
/// Browsers say where a request comes from; programs say nothing.
pub fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if !matches!(site, None | Some(b"same-origin" | b"none")) {
        return false;
    }
    match headers.get(header::ORIGIN).map(HeaderValue::to_str) {
        None => true,
        Some(Ok(origin)) => {
            origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
        }
        Some(Err(_)) => false,
    }
}

/// Whether the answer is for a person's browser.
pub fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn with_body(
    response: Response,
    problem: &Problem,
    id: &str,
    for_people: bool,
    site: &Site,
) -> Response {
    let (mut parts, _) = response.into_parts();
    // Of the empty body that the status alone had.
    parts.headers.remove(header::CONTENT_LENGTH);
    if for_people {
        let page = Html((site.error_page)(problem, id));
        return (parts, page).into_response();
    }
    let json = problem.to_json(id).to_string();
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    (parts, json).into_response()
}

fn add_headers(headers: &mut HeaderMap, id: &RequestId) {
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        // With no-referrer browsers would send `Origin: null` with our own
        // forms.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-site"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Ids are told apart, not secret: a random start, then one after the other.
fn new_id() -> String {
    static START: LazyLock<u64> =
        LazyLock::new(|| getrandom::u64().expect("the system gives random numbers"));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}", START.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// Paths hold what strangers send: escaped and cut for the log.
fn shorten(path: &str) -> String {
    path.chars().take(200).flat_map(char::escape_default).collect()
}
