//! Numbers as the protocol writes them: decimal digits, and a minus where one
//! may be. Nothing else is a number: no plus, no blanks, no other base.

/// A number without a sign that fits.
#[must_use]
pub fn unsigned(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 20 {
        return None;
    }
    word.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A number that fits into 32 bits.
pub(crate) fn unsigned32(word: &[u8]) -> Option<u32> {
    u32::try_from(unsigned(word)?).ok()
}

/// A number that may have a minus.
#[must_use]
pub fn signed(word: &[u8]) -> Option<i64> {
    match word.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub_unsigned(unsigned(digits)?),
        None => i64::try_from(unsigned(word)?).ok(),
    }
}

/// A number of 32 bits that may have a minus.
pub(crate) fn signed32(word: &[u8]) -> Option<i32> {
    i32::try_from(signed(word)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(unsigned(b"18446744073709551615"), Some(u64::MAX));
        for wrong in [&b""[..], b"18446744073709551616", b"-1", b"+1", b" 1", b"1 ", b"0x1", b"1a"]
        {
            assert_eq!(unsigned(wrong), None, "{}", wrong.escape_ascii());
        }
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed(b"9223372036854775808"), None);
        assert_eq!(signed(b"--1"), None);
        assert_eq!(signed32(b"-2147483648"), Some(i32::MIN));
        assert_eq!(signed32(b"2147483648"), None);
        assert_eq!(unsigned32(b"4294967296"), None);
    }
}
