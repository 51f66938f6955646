//! Runs one step: clients that take requests from one stream and hand their
//! answers to one recorder. It doesn't know what the requests are.
//!
//! In a closed loop a client asks again when it is answered. In an open loop a
//! thread hands out each request at its time, whoever is busy; latency counts
//! from that time, so that a stall is seen by all the requests it delays.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::observe::Observer;
use crate::plan::{Amount, Pace};
use crate::record::Recorder;
use crate::results::Slice;
use crate::stop::Stop;
use crate::stream::{Request, Stream};
use crate::target::{Answer, Client, Verdict};

/// How often what has come is told.
const TICK: Duration = Duration::from_secs(1);

/// How long requests of an open loop that are late are still sent after its
/// end; what is left then has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a step is run with.
pub(crate) struct Drive<'a> {
    pub(crate) stream: Stream,
    pub(crate) amount: Amount,
    pub(crate) pace: Pace,
    pub(crate) depth: usize,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) stop: &'a Stop,
    pub(crate) observer: &'a dyn Observer,
}

/// A step that was run.
pub(crate) struct Driven {
    pub(crate) seconds: f64,
    pub(crate) timeline: Vec<Slice>,
    pub(crate) is_complete: bool,
}

impl Drive<'_> {
    /// Runs the step with these clients, which may be used again.
    pub(crate) async fn run(self, clients: &mut Vec<Box<dyn Client>>) -> Driven {
        let began = Instant::now();
        let feed = Arc::new(Feed::new(self.stream, self.amount, self.pace, began));
        let pacer = matches!(self.pace, Pace::Open { .. }).then(|| {
            let (feed, stop, clients) = (feed.clone(), self.stop.clone(), clients.len());
            std::thread::spawn(move || feed.hand_out(&stop, clients))
        });
        let mut running = JoinSet::new();
        for (number, client) in clients.drain(..).enumerate() {
            let work = Work {
                feed: feed.clone(),
                recorder: self.recorder.clone(),
                stop: self.stop.clone(),
                depth: self.depth,
                number,
            };
            running.spawn(work.run(client));
        }
        let (mut timeline, mut last, mut done) = (Vec::new(), 0.0, 0);
        let mut tick = tokio::time::interval(TICK);
        tick.tick().await;
        let mut tell = |timeline: &mut Vec<Slice>| {
            let slice = self.recorder.slice(began, &mut last);
            done += slice.counts.requests;
            self.observer.passed(&slice, share(self.amount, done, slice.until));
            timeline.push(slice);
        };
        loop {
            tokio::select! {
                _ = tick.tick() => tell(&mut timeline),
                ended = running.join_next() => match ended {
                    Some(client) => clients.extend(client.ok().flatten()),
                    None => break,
                },
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        tell(&mut timeline);
        if let Some(pacer) = pacer {
            // It has ended: clients end when it does, or when it is stopped.
            let _ = pacer.join();
        }
        Driven { seconds, timeline, is_complete: !self.stop.is_asked() }
    }
}

fn share(amount: Amount, requests: u64, seconds: f64) -> f64 {
    let share = match amount {
        Amount::Requests(all) => requests as f64 / all.max(1) as f64,
        Amount::Seconds(all) => seconds / all,
    };
    share.clamp(0.0, 1.0)
}

/// Where clients take their requests from.
struct Feed {
    began: Instant,
    until: Option<Instant>,
    is_open: bool,
    inner: Mutex<Inner>,
    /// In an open loop one for each request in the queue, and one for each
    /// client at the end.
    ready: Semaphore,
}

struct Inner {
    stream: Stream,
    left: u64,
    queue: VecDeque<(Request, Instant)>,
}

impl Feed {
    fn new(stream: Stream, amount: Amount, pace: Pace, began: Instant) -> Self {
        let (left, until) = match amount {
            Amount::Requests(requests) => (requests, None),
            Amount::Seconds(seconds) => (u64::MAX, Some(began + Duration::from_secs_f64(seconds))),
        };
        let inner = Mutex::new(Inner { stream, left, queue: VecDeque::new() });
        let is_open = matches!(pace, Pace::Open { .. });
        Self { began, until, is_open, inner, ready: Semaphore::new(0) }
    }

    /// Takes up to `most` requests; returns when they are meant to start, or
    /// nothing at the end.
    async fn take(&self, most: usize, batch: &mut Vec<Request>) -> Option<Instant> {
        batch.clear();
        if self.is_open {
            self.ready.acquire().await.ok()?.forget();
            let (request, at) = self.inner.lock().queue.pop_front()?;
            batch.push(request);
            return Some(at);
        }
        let now = Instant::now();
        if self.until.is_some_and(|until| now >= until) {
            return None;
        }
        let mut inner = self.inner.lock();
        let most = inner.left.min(most as u64);
        inner.left -= most;
        batch.extend((0..most).map(|_| inner.stream.next().0));
        (!batch.is_empty()).then_some(now)
    }

    /// Puts each request of an open loop into the queue at its time.
    fn hand_out(&self, stop: &Stop, clients: usize) {
        while !stop.is_asked() {
            let (request, at) = {
                let mut inner = self.inner.lock();
                if inner.left == 0 {
                    break;
                }
                inner.left -= 1;
                inner.stream.next()
            };
            let at = self.began + at.unwrap_or_default();
            if self.until.is_some_and(|until| at >= until) || !sleep_until(at, stop) {
                break;
            }
            self.inner.lock().queue.push_back((request, at));
            self.ready.add_permits(1);
        }
        self.ready.add_permits(clients);
    }

    /// What is so late that it isn't sent any more.
    fn give_up(&self) -> Vec<Instant> {
        let is_over = self.is_open && self.until.is_some_and(|until| until.elapsed() > PATIENCE);
        if !is_over {
            return Vec::new();
        }
        self.inner.lock().queue.drain(..).map(|(_, at)| at).collect()
    }
}

/// Sleeps, but not through a stop.
fn sleep_until(at: Instant, stop: &Stop) -> bool {
    loop {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.is_asked() {
            return !stop.is_asked();
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// What one client does.
struct Work {
    feed: Arc<Feed>,
    recorder: Arc<Recorder>,
    stop: Stop,
    depth: usize,
    number: usize,
}

impl Work {
    /// Works to the end of the step; the client comes back unless it was
    /// stopped in the middle of something.
    async fn run(self, mut client: Box<dyn Client>) -> Option<Box<dyn Client>> {
        let asked = self.stop.asked();
        tokio::pin!(asked);
        let (mut batch, mut answers) = (Vec::new(), Vec::new());
        loop {
            let at = tokio::select! {
                biased;
                () = &mut asked => return None,
                at = self.feed.take(self.depth, &mut batch) => at,
            };
            let Some(at) = at else { return Some(client) };
            answers.clear();
            tokio::select! {
                biased;
                () = &mut asked => return None,
                () = client.ask(&batch, &mut answers) => {}
            }
            for (place, answer) in answers.iter().enumerate() {
                // In an open loop what was asked for counts from its own time,
                // whatever the client did before it was sent.
                let is_timed = self.feed.is_open && place < batch.len();
                let from = if is_timed { at } else { answer.from.unwrap_or(at) };
                self.recorder.record(self.number, answer, from);
            }
            for late in self.feed.give_up() {
                let why = "it was so late that it was never sent";
                self.recorder.record(self.number, &Answer::other(0, Verdict::Failed, why), late);
            }
        }
    }
}

#[cfg(test)]
mod tests;
