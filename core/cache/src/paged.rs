//! A growing array that never moves what it holds, so no lock is ever held
//! while a large array is copied. It never shrinks.
//!
//! As many elements as are expected lie in one piece of address space, which is
//! set aside when the first comes and takes memory as it fills; those beyond
//! come in pages. One piece is worth it: finding the page first, in each of the
//! arrays that a hit reads, took a fifth of the hit's time.

use std::iter;
use std::ops::{Index, IndexMut};

/// Elements of a page where arrays are small, as those of ghosts are.
pub(crate) const SMALL: usize = 64;

/// A growing array. An index beyond the end panics.
pub(crate) struct Paged<T, const PAGE: usize = 1024> {
    /// For how many elements space is set aside in one piece.
    room: usize,
    first: Vec<T>,
    pages: Vec<Box<[T; PAGE]>>,
}

impl<T, const PAGE: usize> Default for Paged<T, PAGE> {
    fn default() -> Self {
        Self::with_room(0)
    }
}

impl<T: Default, const PAGE: usize> Paged<T, PAGE> {
    /// Lengthens it, with default elements, so that there is one at `index`.
    pub(crate) fn reach(&mut self, index: u32) {
        let index = index as usize;
        if index < self.first.len() {
            return;
        }
        self.set_aside();
        if index < self.room {
            let len = (index + 1).next_multiple_of(PAGE).min(self.room);
            self.first.resize_with(len, T::default);
            return;
        }
        self.first.resize_with(self.room, T::default);
        while self.len() <= index {
            let page: Vec<T> = iter::repeat_with(T::default).take(PAGE).collect();
            let page = page.into_boxed_slice().try_into();
            self.pages.push(page.ok().expect("a page was collected"));
        }
    }

    /// Where address space is short, all comes in pages.
    fn set_aside(&mut self) {
        if self.first.capacity() < self.room && self.first.try_reserve_exact(self.room).is_err() {
            self.room = 0;
        }
    }
}

impl<T, const PAGE: usize> Paged<T, PAGE> {
    /// An empty one in which so many elements are expected. Miri would fill
    /// the memory at once.
    pub(crate) fn with_room(room: usize) -> Self {
        let room = if cfg!(miri) { 0 } else { room };
        Self { room, first: Vec::new(), pages: Vec::new() }
    }

    /// Elements, used or not.
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.pages.len() * PAGE
    }

    /// The page of an element beyond those expected, and its place there.
    #[inline]
    fn place(&self, index: u32) -> (usize, usize) {
        let beyond = index as usize - self.first.len();
        (beyond / PAGE, beyond % PAGE)
    }
}

impl<T, const PAGE: usize> Index<u32> for Paged<T, PAGE> {
    type Output = T;

    #[inline(always)]
    fn index(&self, index: u32) -> &T {
        match self.first.get(index as usize) {
            Some(element) => element,
            None => {
                let (page, place) = self.place(index);
                &self.pages[page][place]
            }
        }
    }
}

impl<T, const PAGE: usize> IndexMut<u32> for Paged<T, PAGE> {
    #[inline(always)]
    fn index_mut(&mut self, index: u32) -> &mut T {
        if (index as usize) < self.first.len() {
            return &mut self.first[index as usize];
        }
        let (page, place) = self.place(index);
        &mut self.pages[page][place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grows(room: usize, lens: [usize; 3]) {
        let mut paged = Paged::<u64, 512>::with_room(room);
        assert_eq!(paged.len(), 0);
        paged.reach(0);
        assert_eq!(paged.len(), lens[0]);
        paged[7] = 7;
        let place = &raw const paged[7];
        paged.reach(10_000);
        paged[10_000] = 10;
        assert_eq!((paged[7], &raw const paged[7], paged[10_000]), (7, place, 10));
        assert_eq!(paged.len(), lens[1]);
        paged.reach(3);
        paged.reach(20_000);
        paged[20_000] = 20;
        assert_eq!((paged[7], paged[10_000], paged[20_000]), (7, 10, 20));
        assert_eq!(paged.len(), lens[2]);
    }

    #[test]
    fn it_grows_and_keeps_what_it_holds_where_it_is() {
        grows(0, [512, 20 * 512, 40 * 512]);
        if !cfg!(miri) {
            grows(100, [100, 100 + 20 * 512, 100 + 39 * 512]);
            grows(15_000, [512, 20 * 512, 15_000 + 10 * 512]);
            grows(50_000, [512, 20 * 512, 40 * 512]);
            // More than there is.
            grows(usize::MAX / 16, [512, 20 * 512, 40 * 512]);
        }
    }
}
