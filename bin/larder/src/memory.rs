//! How the process of the mem-cache server holds memory. Its arrays grow and
//! move, and what they leave behind is large; nothing else here differs from
//! what the allocator does by itself.

/// Milliseconds after which memory that nobody uses goes back to the system.
/// The allocator's own second is longer than it takes to fill the cache, and
/// it only looks when there is traffic.
const GIVEN_BACK_AFTER_MS: std::ffi::c_long = 10;

/// `mi_option_purge_delay` of mimalloc 3.
const PURGE_DELAY: std::ffi::c_int = 15;

/// Called before there is a second thread. Has memory given back soon, and takes
/// it in small pages: in huge ones what an array doesn't use yet would be taken
/// as well.
pub(crate) fn hold_little() {
    // Without it the process is as well off, but larger.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    purge_soon();
}

#[allow(unsafe_code)]
fn purge_soon() {
    // SAFETY: it stores a number in the allocator's table of options, which has
    // one under this number, while the process has one thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, GIVEN_BACK_AFTER_MS) };
}
