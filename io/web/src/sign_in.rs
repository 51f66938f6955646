//! Signing in with the administrator's token, and out again: all but the page
//! that asks for it, which each site words itself.

use std::net::{IpAddr, Ipv4Addr};

use axum::Extension;
use axum::response::Response;
use http::{StatusCode, header};

use crate::{Access, Checked, Peer, SignIn, go_to};

/// Why the page that asks for the token is shown again.
#[derive(Clone, Copy, Debug)]
pub struct NotSignedIn {
    /// The status to show it with.
    pub status: StatusCode,
    /// What to tell the visitor.
    pub problem: &'static str,
}

/// Takes a form with a `token`: the visitor goes on to its path `next`, or else
/// to `start`.
///
/// # Errors
/// The token is wrong, or too many were.
pub fn sign_in(
    access: &Access,
    peer: Option<Extension<Peer>>,
    form: &Checked,
    start: &str,
) -> Result<Response, NotSignedIn> {
    let from = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Extension(Peer(peer))| peer.ip());
    match access.sign_in(form.fields.get("token"), from) {
        SignIn::Welcome(cookie) => {
            let mut response = go_to(&local(form.fields.get("next"), start), "signed-in");
            response.headers_mut().append(header::SET_COOKIE, cookie);
            Ok(response)
        }
        SignIn::Wrong => Err(NotSignedIn {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            problem: "This is not the token.",
        }),
        SignIn::TooMany => Err(NotSignedIn {
            status: StatusCode::TOO_MANY_REQUESTS,
            problem: "Too many wrong tokens came from your address. Wait a minute, then try again.",
        }),
    }
}

/// Ends the visitor's session; the way on is to `start`.
pub fn sign_out(start: &str) -> Response {
    let mut response = go_to(start, "signed-out");
    response.headers_mut().append(header::SET_COOKIE, Access::sign_out());
    response
}

/// A path of this site, or `start` in place of anything else.
pub fn local(next: &str, start: &str) -> String {
    let is_local = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\r', '\n', '\t'])
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_local { next.to_owned() } else { start.into() }
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
            assert_eq!(local(next, "/"), to);
        }
    }
}
