//! An array that grows without anybody waiting for it: it lies in one piece, as
//! hits read it fastest, and when it needs a larger one its elements move there
//! a few at a time. It never shrinks.
//!
//! Pages would spare the move, but finding the page first, in each of the arrays
//! that a hit reads, took a fifth of the hit's time.

use std::collections::VecDeque;
use std::mem;
use std::ops::{Index, IndexMut};

/// Up to so many elements it grows by [`STEP`], then once by as many again, and
/// all move at once, in some microseconds: ghosts are small and many, and have
/// no room to spare.
const FEW: usize = 2048;
const STEP: usize = 64;

/// Elements that move when one is added: some kilobytes. The move begins when a
/// sixteenth of the old piece is left, so it needs some more than that to be
/// through in time; and the more, the shorter both pieces are there.
const MOVES: usize = 64;

/// A growing array. An index beyond the end panics.
pub(crate) struct Growing<T> {
    /// The elements from the first on: all, but for a move.
    piece: Vec<T>,
    /// The rest, while elements move: those that still are in the old piece.
    rest: VecDeque<T>,
}

impl<T> Default for Growing<T> {
    fn default() -> Self {
        Self { piece: Vec::new(), rest: VecDeque::new() }
    }
}

impl<T: Default> Growing<T> {
    /// Lengthens it, with default elements, so that there is one at `index`.
    pub(crate) fn reach(&mut self, index: u32) {
        let index = index as usize;
        if self.len() == 0 {
            self.piece.reserve_exact(index + 1 + index / 8);
            self.piece.resize_with(index + 1, T::default);
            return;
        }
        self.move_some();
        while self.len() <= index {
            self.push();
        }
    }

    fn push(&mut self) {
        if !self.rest.is_empty() {
            self.rest.push_back(T::default());
            return self.move_some();
        }
        let (len, capacity) = (self.piece.len(), self.piece.capacity());
        if capacity < 2 * FEW {
            if len == capacity {
                self.piece.reserve_exact(if len < FEW { STEP } else { FEW });
            }
        } else if len >= capacity / 16 * 15 {
            // No more than a quarter is to spare: where the system gives memory
            // in huge pages, what isn't used yet takes it all the same.
            let larger = Vec::with_capacity(capacity + capacity / 4);
            self.rest = mem::replace(&mut self.piece, larger).into();
            return self.push();
        }
        self.piece.push(T::default());
    }

    fn move_some(&mut self) {
        if self.rest.is_empty() {
            return;
        }
        let moves = self.rest.len().min(MOVES);
        self.piece.extend(self.rest.drain(..moves));
        if self.rest.is_empty() {
            self.rest = VecDeque::new();
        }
    }
}

impl<T> Growing<T> {
    /// Elements, used or not.
    pub(crate) fn len(&self) -> usize {
        self.piece.len() + self.rest.len()
    }
}

impl<T> Index<u32> for Growing<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, index: u32) -> &T {
        match self.piece.get(index as usize) {
            Some(element) => element,
            None => &self.rest[index as usize - self.piece.len()],
        }
    }
}

impl<T> IndexMut<u32> for Growing<T> {
    #[inline(always)]
    fn index_mut(&mut self, index: u32) -> &mut T {
        let index = index as usize;
        match index.checked_sub(self.piece.len()) {
            None => &mut self.piece[index],
            Some(index) => &mut self.rest[index],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every element is written once and found at every length after it.
    #[test]
    fn it_grows_and_keeps_what_it_holds() {
        let elements = if cfg!(miri) { 3000 } else { 40_000 };
        let mut growing = Growing::<u32>::default();
        let (mut moves, mut copies) = (0, 0);
        for index in 0..elements {
            let (piece, was_moving) = (growing.piece.as_ptr(), !growing.rest.is_empty());
            growing.reach(index);
            growing[index] = index + 1;
            assert_eq!(growing.len(), index as usize + 1);
            moves += u32::from(!was_moving && !growing.rest.is_empty());
            copies += u32::from(growing.piece.as_ptr() != piece && growing.rest.is_empty());
            for looked_at in [0, index / 2, index.saturating_sub(1), index] {
                assert_eq!(growing[looked_at], looked_at + 1);
            }
        }
        assert!((0..elements).all(|index| growing[index] == index + 1));
        if !cfg!(miri) {
            assert_eq!(moves, 11, "four thousand times five quarters, eleven times over");
            assert!(copies as usize <= FEW / STEP + 1, "{copies} copies of all");
        }
        assert!(growing.piece.capacity() <= growing.len().max(FEW) * 4 / 3);
        growing.reach(2 * elements);
        assert_eq!((growing[7], growing[2 * elements]), (8, 0));
    }

    #[test]
    fn a_move_is_through_before_either_piece_is_full() {
        let mut growing = Growing::<u64>::default();
        growing.reach(if cfg!(miri) { 4500 } else { 30_000 });
        assert!(growing.rest.is_empty(), "the first piece is as large as asked for");
        while growing.rest.is_empty() {
            growing.reach(growing.len() as u32);
        }
        let pieces = (growing.piece.as_ptr(), growing.rest.capacity());
        while !growing.rest.is_empty() {
            assert_eq!((growing.piece.as_ptr(), growing.rest.capacity()), pieces);
            growing.reach(growing.len() as u32);
        }
        assert!(growing.piece.len() < growing.piece.capacity() / 16 * 15);
    }
}
