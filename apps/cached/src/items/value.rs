//! The bytes of a value, shared, with the flags that their client gave them: a
//! handle of twelve bytes over one allocation. They never change once there is
//! a second handle.
//!
//! Eight bytes stand before the value where the standard library's `Arc` has
//! sixteen, and the handle takes four less than one of a slice: with a million
//! small values in memory that is what a tenth of the memory goes into.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::Deref;
use std::process::abort;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::BufMut;
use bytes::buf::UninitSlice;

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

    /// The layout of an allocation for so many bytes.
    fn layout(len: usize) -> Layout {
        let bytes = Layout::array::<u8>(len);
        let whole = bytes.and_then(|bytes| Layout::new::<Head>().extend(bytes));
        whole.expect("less than the address space").0
    }

    /// One handle to bytes that the caller writes before anybody reads them.
    fn allocate(len: usize) -> Self {
        let short = u32::try_from(len).expect("no entry has 4 GiB");
        let layout = Self::layout(len);
        #[allow(unsafe_code, reason = "see the file's head")]
        // SAFETY: the layout has a size, that of the head at least. It has room
        // and alignment for a head, which is written before anything reads it.
        unsafe {
            let Some(head) = NonNull::new(alloc(layout).cast::<Head>()) else {
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
        // SAFETY: the allocation has `len` bytes there, all written before a
        // `Value` was given to anybody, and never again.
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
        let mut part = PartialValue::new(bytes.len());
        part.put_slice(bytes);
        part.value
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

/// A value on its way in, whose memory nobody wrote to before: filled from the
/// start, as a buffer.
pub(crate) struct PartialValue {
    value: Value,
    /// How many of its bytes are written.
    filled: usize,
}

impl PartialValue {
    /// Room for so many bytes.
    pub(crate) fn new(len: usize) -> Self {
        Self { value: Value::allocate(len), filled: 0 }
    }

    /// The value, if all of it is here.
    pub(crate) fn whole(self) -> Option<Value> {
        (!self.has_remaining_mut()).then_some(self.value)
    }
}

#[allow(unsafe_code, reason = "what sockets read into is to be trusted with lengths")]
// SAFETY: the chunk is always the same memory, but for what is filled since, and
// begins behind that.
unsafe impl BufMut for PartialValue {
    fn remaining_mut(&self) -> usize {
        self.value.len as usize - self.filled
    }

    unsafe fn advance_mut(&mut self, count: usize) {
        assert!(count <= self.remaining_mut(), "{count} bytes are more than there was room for");
        self.filled += count;
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        let (start, len) = (self.value.bytes().wrapping_add(self.filled), self.remaining_mut());
        // SAFETY: so many bytes of the allocation are left there, and nobody
        // else has a handle to it.
        unsafe { UninitSlice::from_raw_parts_mut(start, len) }
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
        }
    }

    #[test]
    fn a_value_comes_in_parts_and_is_none_before() {
        let mut part = PartialValue::new(10);
        for (bytes, left) in [(&b"some"[..], 6), (b"", 6), (b"where", 1), (b"!", 0)] {
            part.put_slice(bytes);
            assert_eq!(part.remaining_mut(), left);
        }
        let value = part.whole().expect("it is all here");
        assert_eq!((&*value, value.flags()), (&b"somewhere!"[..], 0));
        assert!(PartialValue::new(0).whole().is_some_and(|value| value.is_empty()));
        let mut part = PartialValue::new(2);
        part.put_u8(b'a');
        assert!(part.whole().is_none());
    }

    #[test]
    #[should_panic(expected = "more than there was room for")]
    #[allow(unsafe_code, reason = "it is what must be caught")]
    fn nothing_is_taken_for_written_that_has_no_room() {
        // SAFETY: it panics.
        unsafe { PartialValue::new(3).advance_mut(4) }
    }

    #[test]
    fn nothing_changes_that_is_shared() {
        let value = Value::from(&b"one"[..]).with_flags(1);
        let other = value.clone();
        assert_eq!(value.clone().with_flags(2).flags(), 1);
        drop(other);
        assert_eq!(*value, *b"one");
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
        assert_eq!(value.with_flags(1).flags(), 1, "all others are gone");
    }
}
