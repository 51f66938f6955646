//! Work that is done to its end: by whoever waits for it, and by a task of its
//! own from the moment nobody does. Costs no trip to another thread as long
//! as somebody waits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Work that outlives those who wait for it.
pub(crate) struct Detached<T: Send + 'static> {
    /// Absent once it is done, or panicked.
    work: Option<Work<T>>,
    has_begun: bool,
}

impl<T: Send + 'static> Detached<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some(Box::pin(work)), has_begun: false }
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.has_begun = true;
        // Taken out while it runs: what panicked is not gone on with.
        let mut work = self.work.take().expect("nobody waits for what is done");
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        let work = self.work.take().filter(|_| self.has_begun);
        // Without a runtime the process is ending.
        if let (Some(work), Ok(runtime)) = (work, Handle::try_current()) {
            runtime.spawn(async {
                let _ = work.await;
            });
        }
    }
}
