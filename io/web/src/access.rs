//! Who may change things: everybody on this machine when no token is set, else
//! whoever shows the administrator's token, in a header or by signing in.
//! Sessions are signed by a key made from the token, so there is nothing to
//! store and a new token ends them all.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{Guesses, Problem};

const SESSION: &str = "larder_session";

/// A session ends this long after it was last used.
const SESSION_SECONDS: u64 = 12 * 3600;

/// Failed sign-ins from one address in a minute.
const FAILURES: u32 = 5;

/// Decides who may change things.
pub struct Access {
    key: Option<[u8; 32]>,
    guesses: Guesses<IpAddr>,
}

/// The outcome of signing in.
#[derive(Debug)]
pub enum SignIn {
    /// The token was right: send this `Set-Cookie`.
    Welcome(HeaderValue),
    /// The token was wrong.
    Wrong,
    /// Too many wrong tokens from this address: wait a minute.
    TooMany,
}

impl Access {
    /// Everybody may change things.
    pub fn open() -> Self {
        Self { key: None, guesses: Guesses::new(FAILURES) }
    }

    /// Only who knows `token`.
    pub fn with_token(token: &str) -> Self {
        let key = blake3::derive_key("larder 2026 administrator session", token.trim().as_bytes());
        Self { key: Some(key), guesses: Guesses::new(FAILURES) }
    }

    /// Whether a token is needed at all.
    pub fn needs_token(&self) -> bool {
        self.key.is_some()
    }

    /// Whether the sender of these headers may change things.
    pub fn may_change(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.key else { return true };
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) {
            return Self::with_token(token).is_same(key);
        }
        cookie(headers, SESSION).is_some_and(|session| is_valid(key, &session, now()))
    }

    /// Refuses a change by who may not make it.
    ///
    /// # Errors
    /// 401 with the ways to be allowed.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.may_change(headers) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "Changes need the administrator's token: sign in at /sign-in, or send it as \
             Authorization: Bearer TOKEN.",
        ))
    }

    /// Signs in with a token.
    pub fn sign_in(&self, token: &str, from: IpAddr) -> SignIn {
        let Some(key) = &self.key else { return SignIn::Wrong };
        if !self.guesses.admit(from) {
            return SignIn::TooMany;
        }
        if !Self::with_token(token).is_same(key) {
            return SignIn::Wrong;
        }
        self.guesses.forget(&from);
        SignIn::Welcome(session_cookie(&new_session(key, now()), SESSION_SECONDS))
    }

    /// The `Set-Cookie` that ends a session.
    pub fn sign_out() -> HeaderValue {
        session_cookie("", 0)
    }

    /// The `Set-Cookie` that makes a session in use last longer, if it is
    /// more than half over.
    pub fn renew(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let key = self.key.as_ref()?;
        let session = cookie(headers, SESSION)?;
        let soon = now() + SESSION_SECONDS / 2;
        (is_valid(key, &session, now()) && !is_valid(key, &session, soon))
            .then(|| session_cookie(&new_session(key, now()), SESSION_SECONDS))
    }

    fn is_same(&self, key: &[u8; 32]) -> bool {
        // The comparison of hashes takes the same time wherever they differ.
        self.key.is_some_and(|mine| blake3::Hash::from(mine) == blake3::Hash::from(*key))
    }
}

/// `<when it ends>.<signature>`.
fn new_session(key: &[u8; 32], now: u64) -> String {
    let ends = (now + SESSION_SECONDS).to_string();
    let signature = blake3::keyed_hash(key, ends.as_bytes());
    format!("{ends}.{signature}")
}

fn is_valid(key: &[u8; 32], session: &str, now: u64) -> bool {
    let Some((ends, signature)) = session.split_once('.') else { return false };
    let Ok(signature) = blake3::Hash::from_hex(signature) else { return false };
    let in_time = ends.parse().is_ok_and(|ends: u64| now < ends);
    blake3::keyed_hash(key, ends.as_bytes()) == signature && in_time
}

fn session_cookie(value: &str, seconds: u64) -> HeaderValue {
    let seconds = i64::try_from(seconds).unwrap_or(0);
    let cookie = Cookie::build((SESSION, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .max_age(cookie::time::Duration::seconds(seconds));
    HeaderValue::from_str(&cookie.to_string()).expect("digits, hex and attributes are a header")
}

/// The value of a cookie.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(Cookie::split_parse)
        .flatten()
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn with(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))])
    }

    #[test]
    fn without_a_token_everybody_may_change_things() {
        assert!(Access::open().may_change(&HeaderMap::new()));
    }

    #[test]
    fn with_a_token_only_who_shows_it() {
        let access = Access::with_token("right\n");
        assert!(!access.may_change(&HeaderMap::new()));
        assert!(access.may_change(&with(header::AUTHORIZATION, "Bearer right")));
        for wrong in ["Bearer wrong", "Bearer ", "right", "Basic right"] {
            assert!(!access.may_change(&with(header::AUTHORIZATION, wrong)), "{wrong}");
        }
        assert!(access.check(&HeaderMap::new()).is_err());
    }

    #[test]
    fn signing_in_gives_a_session_that_ends() {
        let access = Access::with_token("right");
        let SignIn::Welcome(cookie) = access.sign_in("right", HERE) else { panic!("is let in") };
        let cookie = cookie.to_str().expect("text");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let session = cookie.split(';').next().expect("a pair");
        assert!(access.may_change(&with(header::COOKIE, session)));
        assert!(!Access::with_token("new").may_change(&with(header::COOKIE, session)));

        let key = access.key.expect("a key");
        let value = session.split_once('=').expect("a pair").1;
        assert!(!is_valid(&key, value, now() + SESSION_SECONDS + 1), "it is over");
        let longer = value.replacen(|c: char| c.is_ascii_digit(), "9", 1);
        assert!(!is_valid(&key, &longer, now()), "the end is signed");
    }

    #[test]
    fn a_session_in_use_lasts_longer() {
        let access = Access::with_token("right");
        let key = access.key.expect("a key");
        let session =
            |began| with(header::COOKIE, &format!("{SESSION}={}", new_session(&key, began)));
        assert!(access.renew(&session(now())).is_none(), "it has just begun");
        let renewed = access.renew(&session(now() - SESSION_SECONDS * 3 / 4));
        assert!(
            renewed.is_some_and(|cookie| cookie.to_str().is_ok_and(|c| c.contains("HttpOnly")))
        );
        assert!(access.renew(&session(now() - SESSION_SECONDS)).is_none(), "it is over");
    }

    #[test]
    fn guessing_is_slowed_down() {
        let access = Access::with_token("right");
        for _ in 0..FAILURES {
            assert!(matches!(access.sign_in("guess", HERE), SignIn::Wrong));
        }
        assert!(matches!(access.sign_in("right", HERE), SignIn::TooMany));
        let elsewhere = IpAddr::from([127, 0, 0, 2]);
        assert!(matches!(access.sign_in("right", elsewhere), SignIn::Welcome(_)));
    }
}
