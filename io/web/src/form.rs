//! The token in every form: the same random value in a cookie that only our
//! pages get and in a field that only our pages can read. A second lock behind
//! the check of the request's origin.

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::Problem;
use crate::access::cookie;

const NAME: &str = "larder_form";

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    bytes
}

/// The value a page puts into its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormToken {
    value: String,
    is_new: bool,
}

impl FormToken {
    /// The visitor's token, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let is_token = |value: &String| {
            value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if let Some(value) = cookie(headers, NAME).filter(is_token) {
            return Self { value, is_new: false };
        }
        Self { value: format!("{:032x}", u128::from_ne_bytes(random())), is_new: true }
    }

    /// What goes into the form's `form_token` field.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The `Set-Cookie` to send with the page, if the visitor has none yet.
    pub fn set_cookie(&self) -> Option<HeaderValue> {
        let cookie = Cookie::build((NAME, self.value.as_str()))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Strict);
        self.is_new.then(|| {
            HeaderValue::from_str(&cookie.to_string()).expect("hex and attributes are a header")
        })
    }

    /// Refuses a form that doesn't carry its visitor's token.
    ///
    /// # Errors
    /// 403 with what to do.
    pub fn check(headers: &HeaderMap, sent: &str) -> Result<(), Problem> {
        let expected = Self::of(headers);
        let same = blake3::hash(expected.value.as_bytes()) == blake3::hash(sent.as_bytes());
        if same && !expected.is_new {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "The form was too old or came without its cookie. Load the page again and \
             repeat what you did; nothing was changed.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_needs_the_token_of_its_visitor() {
        let first = FormToken::of(&HeaderMap::new());
        let cookie = first.set_cookie().expect("a new visitor gets a cookie");
        let headers = HeaderMap::from_iter([(http::header::COOKIE, cookie)]);
        assert_eq!(FormToken::of(&headers).value(), first.value());
        assert!(FormToken::of(&headers).set_cookie().is_none());

        assert!(FormToken::check(&headers, first.value()).is_ok());
        let other = FormToken::of(&HeaderMap::new());
        for (headers, sent) in
            [(&headers, other.value()), (&headers, ""), (&HeaderMap::new(), first.value())]
        {
            assert!(FormToken::check(headers, sent).is_err(), "{sent}");
        }
    }
}
