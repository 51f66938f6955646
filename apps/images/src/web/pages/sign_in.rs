//! Signing in with the administrator's token, and out again.

use std::net::{IpAddr, Ipv4Addr};

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use larder_web::{Access, Peer, Problem, SignIn};

use super::Pages;
use super::layout::{Frame, Notice, Tab};
use super::visit::{Checked, Visit, go_to};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    next: String,
    problem: Option<&'static str>,
}

/// `GET /sign-in?next=`
pub(super) async fn page(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    let next = local(visit.fields.get("next"));
    if !pages.site.access.needs_token() || pages.site.access.may_change(&visit.headers) {
        return Ok(Redirect::to(&next).into_response());
    }
    visit.page(&SignInPage { frame: frame(&visit), next, problem: None })
}

/// `POST /sign-in`
pub(super) async fn enter(
    State(pages): State<Pages>,
    peer: Option<Extension<Peer>>,
    form: Checked,
) -> Result<Response, Problem> {
    let Checked { visit, fields } = form;
    let from = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Extension(Peer(peer))| peer.ip());
    let next = local(fields.get("next"));
    let (status, problem) = match pages.site.access.sign_in(fields.get("token"), from) {
        SignIn::Welcome(cookie) => {
            let mut response = go_to(&next, Notice::SignedIn);
            response.headers_mut().append(header::SET_COOKIE, cookie);
            return Ok(response);
        }
        SignIn::Wrong => (StatusCode::UNPROCESSABLE_ENTITY, "This is not the token."),
        SignIn::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many wrong tokens came from your address. Wait a minute, then try again.",
        ),
    };
    visit.answer(status, &SignInPage { frame: frame(&visit), next, problem: Some(problem) })
}

/// `POST /sign-out`
pub(super) async fn leave(_: Checked) -> Result<Response, Problem> {
    let mut response = go_to("/", Notice::SignedOut);
    response.headers_mut().append(header::SET_COOKIE, Access::sign_out());
    Ok(response)
}

fn frame(visit: &Visit) -> Frame {
    let mut frame = visit.frame("Sign in", Tab::None);
    frame.must_sign_in = false;
    frame
}

/// A path of this site, or the first page in place of anything else.
fn local(next: &str) -> String {
    let is_local = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\r', '\n', '\t'])
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_local { next.to_owned() } else { "/".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_this_site_only() {
        for (next, to) in [
            ("/keys?q=a%20b", "/keys?q=a%20b"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("keys", "/"),
        ] {
            assert_eq!(local(next), to);
        }
    }
}
