//! The answers of a lookup: a value, the right to fill, or a place in the
//! queue of those who wait. None of them ever holds a lock between calls, so
//! all may be kept across an `.await`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::Weigh;
use crate::engine::{Engine, Stored};
use crate::flight::Flight;
use crate::sync::thread::{self, Thread};

/// What [`Cache::lookup`](crate::Cache::lookup) answers.
#[derive(Debug)]
#[must_use = "a lease that is dropped hands the right to fill on"]
pub enum Lookup<V> {
    /// The value is in the cache.
    Hit(V),
    /// It is not, and the caller is the one to load it.
    Miss(Lease<V>),
    /// It is not, and another caller is loading it.
    Wait(Waiter<V>),
}

/// What became of a value given to [`Lease::fill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It is in the cache, and those who waited got it.
    Installed,
    /// It doesn't fit even into an empty cache, or weighs 4 GiB or more. Those
    /// who waited got it.
    TooHeavy,
    /// The lease had been voided while the value was being loaded: it is not
    /// in the cache, nobody else got it, and whatever is under the key now is
    /// untouched.
    Voided,
}

/// The right, and the duty, to load one missing key.
///
/// At most one good lease exists per key. Dropping it unfilled hands the right
/// on: those who wait look up again, and the first of them gets a new lease.
pub struct Lease<V> {
    engine: Arc<Engine<V>>,
    flight: Arc<Flight<V>>,
    ended: bool,
}

impl<V> Lease<V> {
    pub(crate) fn new(engine: Arc<Engine<V>>, flight: Arc<Flight<V>>) -> Self {
        Self { engine, flight, ended: false }
    }

    /// The key to be loaded.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.flight.key
    }

    /// True until `insert`, `invalidate` or `clear` voids the lease. By the
    /// time the answer is used it may have changed; `fill` and `share` ask
    /// again by themselves.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.engine.holds(&self.flight)
    }

    /// Hands a value to those who wait without keeping it: for "there is no
    /// such key", or for a failure they should hear of.
    ///
    /// False if the lease had been voided: then they look up again instead.
    pub fn share(mut self, value: V) -> bool {
        let good = self.engine.detach(&self.flight);
        if good {
            self.flight.land(value);
            self.ended = true;
        }
        good
    }
}

impl<V: Clone + Weigh> Lease<V> {
    /// Puts the value in the cache and hands it to those who wait, if the
    /// lease is still good.
    pub fn fill(mut self, value: V) -> Filled {
        let copy = value.clone();
        let flight = &self.flight;
        let stored = self.engine.store(&flight.key, flight.hash, value, Some(flight));
        match stored {
            Stored::Installed => {
                self.flight.land(copy);
                self.ended = true;
                Filled::Installed
            }
            Stored::TooHeavy => {
                self.flight.land(copy);
                self.ended = true;
                Filled::TooHeavy
            }
            Stored::Voided => Filled::Voided,
        }
    }
}

impl<V> Drop for Lease<V> {
    fn drop(&mut self) {
        if !self.ended {
            self.engine.detach(&self.flight);
            self.flight.abandon();
        }
    }
}

impl<V> fmt::Debug for Lease<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

/// A place among those who wait for another caller's load.
///
/// A future: `Some(value)` is the value that was loaded, and at least as new
/// as the lookup; `None` means look up again (with
/// [`lookup_again`](crate::Cache::lookup_again), so that the request is
/// counted once). Dropping it gives the place up.
#[must_use = "a waiter does nothing unless it is awaited"]
pub struct Waiter<V> {
    flight: Arc<Flight<V>>,
    ticket: Option<usize>,
}

impl<V> Waiter<V> {
    pub(crate) fn new(flight: Arc<Flight<V>>) -> Self {
        Self { flight, ticket: None }
    }
}

impl<V: Clone> Waiter<V> {
    /// Blocks this thread until the load ends; the answer is the future's.
    #[must_use = "None means that the key must be looked up again"]
    pub fn wait(mut self) -> Option<V> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(answer) = Pin::new(&mut self).poll(&mut context) {
                return answer;
            }
            // Others may use this thread's token too, hence the loop.
            thread::park();
        }
    }
}

impl<V: Clone> Future for Waiter<V> {
    type Output = Option<V>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<V>> {
        let waiter = &mut *self;
        waiter.flight.poll(&mut waiter.ticket, context.waker())
    }
}

impl<V> Drop for Waiter<V> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.flight.withdraw(ticket);
        }
    }
}

impl<V> fmt::Debug for Waiter<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
