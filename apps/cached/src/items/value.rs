//! The bytes of a value, shared, with the flags that their client gave them: a
//! handle of twelve bytes over one allocation. They never change once there is
//! a second handle.
//!
//! Eight bytes stand before the value where the standard library's `Arc` has
//! sixteen, and the handle takes four less than one of a slice: with a million
//! small values in memory that is what a tenth of the memory goes into.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::Deref;
use std::process::abort;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

/// What stands before the bytes.
struct Head {
    /// Handles.
    count: AtomicU32,
    flags: u32,
}

/// More handles than memory has room for: a count beyond has gone wrong.
const MOST_HANDLES: u32 = 1 << 31;

/// The bytes of a value. Cloning shares them.
// Packed, so that its neighbours in an entry fill the word.
#[repr(Rust, packed(4))]
pub(crate) struct Value {
    head: NonNull<Head>,
    len: u32,
}

#[allow(unsafe_code, reason = "a count of four bytes, of which no library has one")]
// SAFETY: with several handles nothing but the count changes, which is atomic.
unsafe impl Send for Value {}
#[allow(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl Sync for Value {}

impl Value {
    /// So many zeros, to be written over.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self::allocate(len, true)
    }

    /// The same with a client's flags. For values that have one handle; those
    /// of others are left as they are.
    pub(crate) fn with_flags(mut self, flags: u32) -> Self {
        if let Some(head) = self.head_mut() {
            head.flags = flags;
        }
        self
    }

    pub(crate) fn flags(&self) -> u32 {
        self.head().flags
    }

    /// The bytes to be written to, if this is the only handle.
    pub(crate) fn get_mut(&mut self) -> Option<&mut [u8]> {
        self.head_mut()?;
        let (bytes, len) = (self.bytes(), self.len as usize);
        #[allow(unsafe_code, reason = "see the file's head")]
        // SAFETY: the allocation has `len` bytes there, all written when it was
        // made, and nobody else has a handle or can get one meanwhile.
        Some(unsafe { slice::from_raw_parts_mut(bytes, len) })
    }

    /// The layout of an allocation for so many bytes.
    fn layout(len: usize) -> Layout {
        let bytes = Layout::array::<u8>(len);
        let whole = bytes.and_then(|bytes| Layout::new::<Head>().extend(bytes));
        whole.expect("less than the address space").0
    }

    /// One handle to zeros, or to bytes that the caller writes before anybody
    /// reads them.
    fn allocate(len: usize, is_zeroed: bool) -> Self {
        let short = u32::try_from(len).expect("no entry has 4 GiB");
        let layout = Self::layout(len);
        #[allow(unsafe_code, reason = "see the file's head")]
        // SAFETY: the layout has a size, that of the head at least. It has room
        // and alignment for a head, which is written before anything reads it.
        unsafe {
            let start = if is_zeroed { alloc_zeroed(layout) } else { alloc(layout) };
            let Some(head) = NonNull::new(start.cast::<Head>()) else {
                handle_alloc_error(layout);
            };
            head.write(Head { count: AtomicU32::new(1), flags: 0 });
            Self { head, len: short }
        }
    }

    fn head(&self) -> &Head {
        let head = self.head;
        #[allow(unsafe_code, reason = "see the file's head")]
        // SAFETY: the head is there as long as any handle is, and this is one.
        // It is changed through `head_mut` alone, which wants this one alone.
        unsafe {
            head.as_ref()
        }
    }

    /// The head, if this is the only handle.
    fn head_mut(&mut self) -> Option<&mut Head> {
        // What those did who had the others comes before what is done now.
        if self.head().count.load(Ordering::Acquire) != 1 {
            return None;
        }
        let mut head = self.head;
        #[allow(unsafe_code, reason = "see the file's head")]
        // SAFETY: this is the only handle, and it is borrowed alone.
        Some(unsafe { head.as_mut() })
    }

    fn bytes(&self) -> *mut u8 {
        let head = self.head;
        // Within the allocation, or at its end if there are none.
        head.as_ptr().wrapping_add(1).cast()
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        #[allow(unsafe_code, reason = "see the file's head")]
        // SAFETY: the allocation has `len` bytes there, all written when it was
        // made. They are changed through `get_mut` alone, which wants this
        // handle alone.
        unsafe {
            slice::from_raw_parts(self.bytes(), self.len as usize)
        }
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        let value = Self::allocate(bytes.len(), false);
        #[allow(unsafe_code, reason = "see the file's head")]
        // SAFETY: both are of that length, and nobody knows the new one yet.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), value.bytes(), bytes.len());
        }
        value
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        // Relaxed: who has a handle may have another; it was handed over by
        // whatever handed over the first.
        if self.head().count.fetch_add(1, Ordering::Relaxed) >= MOST_HANDLES {
            abort();
        }
        Self { head: self.head, len: self.len }
    }
}

impl Drop for Value {
    #[inline]
    fn drop(&mut self) {
        // Release and acquire: who frees it comes after all who had it.
        if self.head().count.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let (head, layout) = (self.head, Self::layout(self.len as usize));
        #[allow(unsafe_code, reason = "see the file's head")]
        // SAFETY: it was allocated with this layout, and this was the last
        // handle. Neither head nor bytes need to be dropped.
        unsafe {
            dealloc(head.as_ptr().cast(), layout);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_handle_takes_twelve_bytes_and_a_head_eight() {
        assert_eq!((size_of::<Value>(), align_of::<Value>()), (12, 4));
        assert_eq!(Value::layout(100).size(), 108);
    }

    #[test]
    fn bytes_and_flags_come_back() {
        for len in [0, 1, 7, 100, 5000] {
            let bytes: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            let value = Value::from(&*bytes).with_flags(len);
            assert_eq!((&*value, value.flags()), (&*bytes, len));
            let mut zeros = Value::zeroed(bytes.len());
            assert!(zeros.iter().all(|&byte| byte == 0) && zeros.flags() == 0);
            zeros.get_mut().expect("nobody else has it").copy_from_slice(&bytes);
            assert_eq!(*zeros, *value);
        }
    }

    #[test]
    fn nothing_changes_that_is_shared() {
        let mut value = Value::from(&b"one"[..]).with_flags(1);
        let other = value.clone();
        assert!(value.get_mut().is_none());
        assert_eq!(value.clone().with_flags(2).flags(), 1);
        drop(other);
        value.get_mut().expect("the other is gone")[0] = b'O';
        assert_eq!(*value, *b"One");
        assert_eq!(value.with_flags(3).flags(), 3);
    }

    #[test]
    fn handles_come_and_go_in_many_threads() {
        let rounds = if cfg!(miri) { 20 } else { 2000 };
        let value = Value::from(&b"shared"[..]);
        thread::scope(|scope| {
            for _ in 0..4 {
                let mine = value.clone();
                scope.spawn(move || {
                    for _ in 0..rounds {
                        assert_eq!(*mine.clone(), *b"shared");
                    }
                });
            }
        });
        let mut value = value;
        assert!(value.get_mut().is_some(), "all others are gone");
    }
}
