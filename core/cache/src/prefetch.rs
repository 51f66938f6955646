//! A hint to the processor that memory will be read soon: the one thing here
//! that safe code can't say. It changes no result.

/// Begins to bring the cache line at the start of `place` nearer. Does nothing
/// on processors we know no such instruction for, nor under Miri.
#[inline(always)]
pub(crate) fn prefetch<T: ?Sized>(place: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[allow(unsafe_code, reason = "the intrinsic is unsafe for its target feature only")]
    // SAFETY: every x86_64 processor has SSE. The instruction reads nothing that
    // the program could see and can't fault; the address is a live reference's.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = place;
}
