//! A growing array that never moves what it holds: it grows by a page, so no
//! lock is ever held while a large array is copied. It never shrinks.

use std::ops::{Index, IndexMut};

/// Elements of a page where arrays are small, as those of ghosts are.
pub(crate) const SMALL: usize = 64;

/// A growing array in pages. An index beyond the end panics.
///
/// Where nothing else is asked for, the list of pages of a million elements
/// fits into the nearest cache.
pub(crate) struct Paged<T, const PAGE: usize = 1024>(Vec<Box<[T; PAGE]>>);

impl<T, const PAGE: usize> Default for Paged<T, PAGE> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default, const PAGE: usize> Paged<T, PAGE> {
    /// Lengthens it, with default elements, so that there is one at `index`.
    pub(crate) fn reach(&mut self, index: u32) {
        while self.len() <= index as usize {
            let page: Vec<T> = std::iter::repeat_with(T::default).take(PAGE).collect();
            let page = page.into_boxed_slice().try_into();
            self.0.push(page.ok().expect("a page was collected"));
        }
    }
}

impl<T, const PAGE: usize> Paged<T, PAGE> {
    /// Elements, used or not: whole pages.
    pub(crate) fn len(&self) -> usize {
        self.0.len() * PAGE
    }
}

impl<T, const PAGE: usize> Index<u32> for Paged<T, PAGE> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.0[index as usize / PAGE][index as usize % PAGE]
    }
}

impl<T, const PAGE: usize> IndexMut<u32> for Paged<T, PAGE> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.0[index as usize / PAGE][index as usize % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_by_pages_and_keeps_what_it_holds() {
        let mut paged = Paged::<u64, 512>::default();
        assert_eq!(paged.len(), 0);
        paged.reach(0);
        assert_eq!(paged.len(), 512);
        paged[7] = 7;
        let place = &raw const paged[7];
        paged.reach(10_000);
        assert_eq!((paged[7], &raw const paged[7]), (7, place));
        paged.reach(3);
        assert_eq!(paged.len(), 20 * 512);
    }
}
