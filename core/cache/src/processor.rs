//! What only the processor's own instructions do well: a hint that memory will
//! be read soon, and a comparison of many bytes at once. Elsewhere than on
//! x86_64, and under Miri, the one does nothing and the other takes plain code.

#[cfg(all(target_arch = "x86_64", not(miri)))]
use std::arch::x86_64::{
    _MM_HINT_T0, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_prefetch, _mm_set_epi64x, _mm_set1_epi8,
};

/// Begins to bring the cache line at the start of `place` nearer.
#[inline(always)]
pub(crate) fn prefetch<T: ?Sized>(place: &T) {
    prefetch_at(std::ptr::from_ref(place).cast());
}

/// As `prefetch`, for what may lie across two lines.
#[inline(always)]
pub(crate) fn prefetch_all<T>(place: &T) {
    let first = std::ptr::from_ref(place).cast::<i8>();
    prefetch_at(first);
    prefetch_at(first.wrapping_add(size_of::<T>().saturating_sub(1)));
}

#[inline(always)]
fn prefetch_at(address: *const i8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[allow(unsafe_code, reason = "the intrinsic is unsafe for its target feature only")]
    // SAFETY: every x86_64 processor has SSE. The instruction reads nothing that
    // the program could see and can't fault, whatever the address.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(address);
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

/// Which of the bytes equal one, as bits, the first byte's lowest.
///
/// Plain code costs some twenty instructions more, or a branch that nobody can
/// predict.
#[inline(always)]
pub(crate) fn equal_bytes(bytes: &[u8; 12], byte: u8) -> u32 {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let first = i64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let others = i64::from(u32::from_le_bytes([i, j, k, l]));
        #[allow(unsafe_code, reason = "the intrinsics are unsafe for their target feature only")]
        // SAFETY: every x86_64 processor has SSE2. All work is on registers.
        let equal = unsafe {
            let bytes = _mm_set_epi64x(others, first);
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8)))
        };
        // The register's last four bytes are none of these.
        equal as u32 & 0xfff
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    {
        let bits = [a, b, c, d, e, f, g, h, i, j, k, l].map(|other| u32::from(other == byte));
        bits.iter().rev().fold(0, |bits, bit| bits << 1 | bit)
    }
}
