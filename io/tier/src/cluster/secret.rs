//! The cluster's secret: what nodes say to each other carries a code that
//! only who knows the secret can make. Encrypts nothing.

use std::sync::Arc;

/// The name of the header with the code.
pub(super) const CODE: &str = "x-larder-code";

/// The fewest bytes of a secret.
pub const SECRET_MIN_BYTES: usize = 32;

/// A secret that all nodes of a cluster share. Never shows itself.
#[derive(Clone)]
pub struct Secret(Arc<[u8; 32]>);

impl Secret {
    /// The secret made of these bytes; `None` if they are too few to keep
    /// strangers from guessing them.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let key = || blake3::derive_key("larder 2026-11 codes of messages between nodes", bytes);
        (bytes.len() >= SECRET_MIN_BYTES).then(|| Self(Arc::new(key())))
    }

    /// The code of what `parts` are together; each part is told from the next.
    pub(super) fn code(&self, parts: &[&[u8]]) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Whether `code` is that of `parts`. Takes as long whatever is wrong.
    pub(super) fn is_code(&self, code: Option<&http::HeaderValue>, parts: &[&[u8]]) -> bool {
        let told = code.and_then(|code| blake3::Hash::from_hex(code.as_bytes()).ok());
        let made = blake3::Hash::from_hex(self.code(parts)).ok();
        told.is_some() && told == made
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_belongs_to_its_secret_and_to_what_was_said() {
        let secret = Secret::new(&[7; 32]).expect("is long enough");
        let other = Secret::new(&[8; 32]).expect("is long enough");
        let code = http::HeaderValue::from_str(&secret.code(&[b"a", b"b"])).expect("is text");
        assert!(secret.is_code(Some(&code), &[b"a", b"b"]));
        assert!(!secret.is_code(Some(&code), &[b"ab", b""]));
        assert!(!other.is_code(Some(&code), &[b"a", b"b"]));
        assert!(!secret.is_code(None, &[b"a", b"b"]));
    }

    #[test]
    fn a_short_secret_is_none_and_none_is_shown() {
        assert!(Secret::new(&[7; 31]).is_none());
        assert_eq!(format!("{:?}", Secret::new(&[7; 32])), "Some(a secret)");
    }
}
