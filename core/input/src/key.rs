//! What makes repetitions of one change one change.

use crate::Invalid;

/// A key that a client gives to a change, so that it is made once however often
/// it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The most characters.
    const MOST: usize = 200;

    /// The key of these random bits, which nobody else has.
    pub fn random(bits: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_ne_bytes(bits)))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for IdempotencyKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_one = !text.is_empty()
            && text.len() <= Self::MOST
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        match is_one {
            true => Ok(Self(text.to_owned())),
            false => {
                let why = format!(
                    "The Idempotency-Key must have 1 to {} ASCII characters without blanks.",
                    Self::MOST
                );
                Err(Invalid::new("Idempotency-Key", why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_and_bounded() {
        assert!("8f14-e45f".parse::<IdempotencyKey>().is_ok());
        assert_ne!(IdempotencyKey::random([1; 16]), IdempotencyKey::random([2; 16]));
        for wrong in ["", "a b", "ü", &"x".repeat(201)] {
            assert!(wrong.parse::<IdempotencyKey>().is_err(), "{wrong:?}");
        }
    }
}
