//! One load in progress and those who wait for it. It never knows whether the
//! load is still good: the shard does, by holding the flight or not.

use std::mem;
use std::task::{Poll, Waker};

use crate::sync::Mutex;

/// How a flight stands.
enum Outcome<V> {
    Loading,
    /// Those who wait may take this value.
    Value(V),
    /// Those who wait must look up again.
    Retry,
}

struct State<V> {
    outcome: Outcome<V>,
    /// By ticket; a hole where its waiter went away.
    wakers: Vec<Option<Waker>>,
    holes: Vec<usize>,
}

/// One load in progress.
pub(crate) struct Flight<V> {
    pub(crate) hash: u64,
    pub(crate) key: Box<[u8]>,
    state: Mutex<State<V>>,
}

impl<V> Flight<V> {
    pub(crate) fn new(hash: u64, key: &[u8]) -> Self {
        Self {
            hash,
            key: key.into(),
            state: Mutex::new(State {
                outcome: Outcome::Loading,
                wakers: Vec::new(),
                holes: Vec::new(),
            }),
        }
    }

    /// Ends the flight with a value for those who wait.
    pub(crate) fn land(&self, value: V) {
        self.end(Outcome::Value(value));
    }

    /// Ends the flight by sending those who wait back to look up again.
    pub(crate) fn abandon(&self) {
        self.end(Outcome::Retry);
    }

    /// The first end counts. Wakers run after the lock is let go: they are
    /// foreign code and may poll at once.
    fn end(&self, outcome: Outcome<V>) {
        let mut state = self.state.lock();
        if !matches!(state.outcome, Outcome::Loading) {
            drop(state);
            return;
        }
        state.outcome = outcome;
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Withdraws a waiter, so that nobody wakes a task that has moved on.
    pub(crate) fn withdraw(&self, ticket: usize) {
        let mut state = self.state.lock();
        // Once ended, the tickets are gone.
        let waker = state.wakers.get_mut(ticket).and_then(Option::take);
        if waker.is_some() {
            state.holes.push(ticket);
        }
        drop(state);
        drop(waker);
    }
}

impl<V: Clone> Flight<V> {
    /// Takes the outcome, or leaves `waker` under `ticket` to be told of it.
    ///
    /// Both under one lock: whoever ends the flight either sees the waker or
    /// is seen by this poll, so no wake-up gets lost.
    pub(crate) fn poll(&self, ticket: &mut Option<usize>, waker: &Waker) -> Poll<Option<V>> {
        let mut state = self.state.lock();
        match &state.outcome {
            Outcome::Value(value) => return Poll::Ready(Some(value.clone())),
            Outcome::Retry => return Poll::Ready(None),
            Outcome::Loading => {}
        }
        let index = if let Some(index) = *ticket {
            index
        } else if let Some(index) = state.holes.pop() {
            index
        } else {
            state.wakers.push(None);
            state.wakers.len() - 1
        };
        *ticket = Some(index);
        let place = &mut state.wakers[index];
        if !place.as_ref().is_some_and(|old| old.will_wake(waker)) {
            let old = place.replace(waker.clone());
            drop(state);
            drop(old);
        }
        Poll::Pending
    }

    /// Waiters that would be woken now.
    #[cfg(test)]
    pub(crate) fn registered(&self) -> usize {
        self.state.lock().wakers.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_has_one_waker_and_takes_it_along() {
        let flight = Flight::<u64>::new(1, b"key");
        let (mut first, mut second) = (None, None);
        for _ in 0..3 {
            assert!(flight.poll(&mut first, Waker::noop()).is_pending());
            assert!(flight.poll(&mut second, Waker::noop()).is_pending());
        }
        assert_eq!(flight.registered(), 2);
        flight.withdraw(first.expect("a polled waiter has a ticket"));
        assert_eq!(flight.registered(), 1);
        let mut third = None;
        assert!(flight.poll(&mut third, Waker::noop()).is_pending());
        assert_eq!(third, first, "the hole is used again");
        flight.land(7);
        assert_eq!(flight.poll(&mut second, Waker::noop()), Poll::Ready(Some(7)));
        flight.withdraw(second.expect("a polled waiter has a ticket"));
    }

    #[test]
    fn the_first_end_counts() {
        let flight = Flight::<u64>::new(1, b"key");
        flight.abandon();
        flight.land(7);
        assert_eq!(flight.poll(&mut None, Waker::noop()), Poll::Ready(None));
    }
}
