//! Slows down who guesses secrets: so many attempts of one in a minute that
//! weren't right, then none is looked at any more. Keeps nothing on disk.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

const WINDOW: Duration = Duration::from_secs(60);

/// Attempts of late, by who made them.
pub struct Guesses<K> {
    most: u32,
    attempts: Mutex<HashMap<K, (Instant, u32)>>,
}

impl<K: Eq + Hash> Guesses<K> {
    /// `most` attempts in a minute.
    pub fn new(most: u32) -> Self {
        Self { most, attempts: Mutex::default() }
    }

    /// Counts an attempt of `who`; says whether it is to be looked at.
    pub fn admit(&self, who: K) -> bool {
        let mut attempts = self.attempts.lock();
        attempts.retain(|_, (since, _)| since.elapsed() < WINDOW);
        let (_, count) = attempts.entry(who).or_insert((Instant::now(), 0));
        let is_admitted = *count < self.most;
        *count += u32::from(is_admitted);
        is_admitted
    }

    /// Forgets the attempts of `who`: the last one was right.
    pub fn forget(&self, who: &K) {
        self.attempts.lock().remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_is_right_may_try_again_and_others_always() {
        let guesses = Guesses::new(2);
        assert!(guesses.admit("a") && guesses.admit("a") && !guesses.admit("a"));
        assert!(guesses.admit("b"));
        guesses.forget(&"a");
        assert!(guesses.admit("a"));
    }
}
