//! Problems as pages: with the way back, and to the other replicas of the
//! service should this one be what is wrong.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::header;
use larder_web::{Problem, RequestId, wants_html};

use super::{Web, pages};

/// Turns a problem into a page for whoever looks at pages.
pub(super) async fn as_pages(State(web): State<Web>, request: Request, next: Next) -> Response {
    let for_people = wants_html(request.headers());
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let path = request.uri().path();
    // What a form is sent to is no page that one could go on at elsewhere.
    let here = match request.method().is_safe() {
        true => path.to_owned(),
        false => seat_of(path).map_or_else(|| "/".to_owned(), |seat| format!("{seat}/")),
    };
    let mut response = next.run(request).await;
    if !for_people {
        return response;
    }
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let page = pages::error_page(&web, &problem, id.as_deref().unwrap_or_default(), &here);
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts, Html(page)).into_response()
}

/// The seat that a path begins with.
pub(super) fn seat_of(path: &str) -> Option<&str> {
    let slot = path.strip_prefix("/s/")?.split('/').next()?;
    let is_one = slot.len() == 8 && slot.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| &path[.."/s/".len() + slot.len()])
}

/// A problem outside of all services, in words.
pub fn plain_error(problem: &Problem, id: &str) -> String {
    format!("{} ({id})", problem.detail)
}

/// `GET /healthz`: pages of other replicas ask too, when their own is gone.
pub(super) async fn alive() -> impl IntoResponse {
    [("cross-origin-resource-policy", "cross-origin")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_found_in_the_addresses_of_its_pages() {
        assert_eq!(seat_of("/s/00ff00ff/proposals/3/approve"), Some("/s/00ff00ff"));
        for none in ["/", "/sign-in", "/s/", "/s/short/", "/s/<script>/", "/x/s/00ff00ff/"] {
            assert_eq!(seat_of(none), None);
        }
    }
}
