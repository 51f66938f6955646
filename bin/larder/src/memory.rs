//! Where the program's memory comes from, and how the process of the mem-cache
//! server holds it: its arrays grow and move, and what they leave behind is
//! large. Nothing else here differs from what the allocator does by itself.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

/// mimalloc, asked for an alignment only where it has to be. All its blocks of
/// 16 bytes and more begin at a multiple of 16; but who names an alignment gets
/// so many bytes more that one can be found in them. 108 bytes aligned to 8 are
/// 115 then, for which there is the next class, and 16 bytes are lost.
pub(crate) struct Mimalloc;

/// What blocks that are at least as large are aligned to (`max_align_t`).
const ALIGNED_ANYWAY: usize = 16;

fn is_aligned_anyway(align: usize, size: usize) -> bool {
    align <= ALIGNED_ANYWAY && align <= size
}

#[allow(unsafe_code, reason = "an allocator is unsafe to write")]
// SAFETY: the functions are those of one allocator, which knows its blocks by
// their addresses alone; so any of them takes what any other gave. They return
// null where there is no memory, and never unwind. Sizes and alignments are
// passed on, but for alignments that the block has anyway.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: any size will do, and the alignment is a power of two.
        unsafe {
            match is_aligned_anyway(align, size) {
                true => mi_malloc(size),
                false => mi_malloc_aligned(size, align),
            }
        }
        .cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as above.
        unsafe {
            match is_aligned_anyway(align, size) {
                true => mi_zalloc(size),
                false => mi_zalloc_aligned(size, align),
            }
        }
        .cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller has it from one of the others.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let align = layout.align();
        // SAFETY: the caller has the block from one of the others; the rest is
        // as above.
        unsafe {
            match is_aligned_anyway(align, size) {
                true => mi_realloc(block.cast(), size),
                false => mi_realloc_aligned(block.cast(), size, align),
            }
        }
        .cast()
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Through all four doors, every size and alignment that small things have,
    /// and larger ones that the classes end and begin at.
    #[test]
    #[allow(unsafe_code, reason = "it calls the allocator itself")]
    fn every_block_is_aligned_as_asked_for() {
        let sizes = (1..=1040).chain((1..=40).map(|n| n * 4096 - 8)).chain([1 << 20, 5 << 20]);
        for size in sizes {
            for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
                let layout = Layout::from_size_align(size, align).expect("is small");
                // Some stay while others come, so that they lie side by side.
                let blocks = [0; 3].map(|_| {
                    // SAFETY: the layout has a size, and the block moves to one
                    // of another before it is given back as that.
                    unsafe {
                        let block = Mimalloc.alloc(layout);
                        let zeroed = Mimalloc.alloc_zeroed(layout);
                        assert!(!block.is_null() && !zeroed.is_null());
                        assert_eq!((block.addr() % align, zeroed.addr() % align), (0, 0));
                        assert_eq!((zeroed.read(), zeroed.add(size - 1).read()), (0, 0));
                        block.write(7);
                        let moved = Mimalloc.realloc(block, layout, size + 13);
                        assert_eq!((moved.addr() % align, moved.read()), (0, 7));
                        (moved, zeroed)
                    }
                });
                let larger = Layout::from_size_align(size + 13, align).expect("is small");
                for (moved, zeroed) in blocks {
                    // SAFETY: each was given by the allocator with this layout.
                    unsafe {
                        Mimalloc.dealloc(moved, larger);
                        Mimalloc.dealloc(zeroed, layout);
                    }
                }
            }
        }
    }
}
