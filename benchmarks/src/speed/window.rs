//! One turn of one cache: threads that make requests for a fraction of a
//! second, and the two clocks. The loops know the cache's type, so a request
//! goes through no pointer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::entrants::Contender;
use crate::keys::{CHUNK, Key, Streams};

/// Keys in a batch.
pub const BATCH: usize = 16;

/// Of how many requests one is a forced insert.
const INSERT_EVERY: usize = 10;

/// What the threads do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Gets, all of which must hit.
    Hits,
    /// Gets of 16 keys at once, all of which must hit.
    Batch,
    /// Get, and insert on a miss; every tenth request an insert.
    Mixed,
}

/// What came out of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Million requests per second, of all threads together.
    pub mops: f64,
    /// CPU time per request.
    pub cpu_ns: f64,
    /// Hits among the gets, 0 to 1.
    pub hit_ratio: f64,
}

/// A cache that can be filled and take turns, whatever its type.
pub trait Turn {
    /// Inserts the keys of these numbers.
    fn fill(&self, numbers: &[u32]);
    /// Inserts the keys of the numbers in a range, in order.
    fn fill_range(&self, begin: u64, end: u64);
    /// One turn, after a short run to warm up.
    fn turn(&self, work: Work, threads: usize, window: Duration) -> Sample;
    fn entries(&self) -> u64;
}

/// A cache, its stream of requests, and how far it got.
pub struct Loaded<C> {
    cache: C,
    streams: Arc<Streams>,
    /// The next chunk. Threads share it and turns continue from it, so that no
    /// request is repeated before the whole stream is through: what was asked
    /// for a moment ago would always hit.
    next_chunk: AtomicUsize,
}

/// What one thread did.
#[derive(Default)]
struct Done {
    requests: u64,
    gets: u64,
    hits: u64,
    /// Bits that any value had wrong.
    wrong: u64,
    cpu_ns: u64,
    began: Option<Instant>,
    ended: Option<Instant>,
}

impl<C: Contender> Loaded<C> {
    pub fn new(cache: C, streams: Arc<Streams>) -> Self {
        Self { cache, streams, next_chunk: AtomicUsize::new(0) }
    }
}

impl<C: Contender> Turn for Loaded<C> {
    fn fill(&self, numbers: &[u32]) {
        for &number in numbers {
            self.cache.insert(&C::Key::of(u64::from(number)));
        }
        self.cache.settle();
    }

    fn fill_range(&self, begin: u64, end: u64) {
        for number in begin..end {
            self.cache.insert(&C::Key::of(number));
        }
        self.cache.settle();
    }

    fn turn(&self, work: Work, threads: usize, window: Duration) -> Sample {
        let (chunks, _) = C::Key::stream(&self.streams).as_chunks::<CHUNK>();
        let barrier = Barrier::new(threads);
        let start = Mutex::new(None);
        let cache = &self.cache;
        let next = || {
            let number = self.next_chunk.fetch_add(1, Ordering::Relaxed);
            &chunks[number % chunks.len()]
        };
        let run = || {
            barrier.wait();
            // The first to come sets the time for all.
            let began = *start
                .lock()
                .expect("no thread panics with the time in hand")
                .get_or_insert_with(Instant::now);
            work_until(cache, work, next, began + window / 8, began + window / 8 + window)
        };
        let done: Vec<Done> = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Done>| {
                thread.join().expect("a thread that measures doesn't panic")
            };
            threads.into_iter().map(join).collect()
        });
        sum_up(&done, work)
    }

    fn entries(&self) -> u64 {
        self.cache.entries()
    }
}

fn sum_up(done: &[Done], work: Work) -> Sample {
    let sum = |part: fn(&Done) -> u64| done.iter().map(part).sum::<u64>();
    let (requests, gets, hits) = (sum(|d| d.requests), sum(|d| d.gets), sum(|d| d.hits));
    assert!(done.iter().all(|d| d.wrong == 0), "a value is not the one under its key");
    assert!(work == Work::Mixed || hits == gets, "{} of {gets} gets missed", gets - hits);
    let began = done.iter().filter_map(|d| d.began).min();
    let ended = done.iter().filter_map(|d| d.ended).max();
    let wall = ended.zip(began).map_or(Duration::ZERO, |(ended, began)| ended - began);
    Sample {
        mops: requests as f64 / wall.as_secs_f64() / 1e6,
        cpu_ns: sum(|d| d.cpu_ns) as f64 / requests as f64,
        hit_ratio: hits as f64 / gets as f64,
    }
}

/// Requests until the first time uncounted, until the second counted.
fn work_until<'k, C: Contender>(
    cache: &C,
    work: Work,
    next: impl Fn() -> &'k [C::Key; CHUNK],
    warm: Instant,
    end: Instant,
) -> Done {
    let mut warmup = Done::default();
    while Instant::now() < warm {
        chunk_of_work(cache, work, next(), &mut warmup);
    }
    let mut done = Done { wrong: warmup.wrong, ..Done::default() };
    let cpu_began = thread_cpu_ns();
    done.began = Some(Instant::now());
    while Instant::now() < end {
        chunk_of_work(cache, work, next(), &mut done);
    }
    done.ended = Some(Instant::now());
    done.cpu_ns = thread_cpu_ns() - cpu_began;
    done
}

fn chunk_of_work<C: Contender>(cache: &C, work: Work, chunk: &[C::Key; CHUNK], done: &mut Done) {
    match work {
        Work::Hits => hits(cache, chunk, done),
        Work::Batch => batches(cache, chunk, done),
        Work::Mixed => mixed(cache, chunk, done),
    }
    done.requests += CHUNK as u64;
}

#[inline(never)]
fn hits<C: Contender>(cache: &C, chunk: &[C::Key; CHUNK], done: &mut Done) {
    for key in chunk {
        if let Some(mark) = cache.get(key) {
            done.hits += 1;
            done.wrong |= mark ^ key.mark();
        }
    }
    done.gets += CHUNK as u64;
}

#[inline(never)]
fn batches<C: Contender>(cache: &C, chunk: &[C::Key; CHUNK], done: &mut Done) {
    let (batches, _) = chunk.as_chunks::<BATCH>();
    for batch in batches {
        cache.get_batch(batch, |index, mark| {
            if let Some(mark) = mark {
                done.hits += 1;
                done.wrong |= mark ^ batch[index].mark();
            }
        });
    }
    done.gets += CHUNK as u64;
}

#[inline(never)]
fn mixed<C: Contender>(cache: &C, chunk: &[C::Key; CHUNK], done: &mut Done) {
    let (tens, _) = chunk.as_chunks::<INSERT_EVERY>();
    for [forced, others @ ..] in tens {
        cache.insert(forced);
        for key in others {
            if let Some(mark) = cache.get(key) {
                done.hits += 1;
                done.wrong |= mark ^ key.mark();
            } else {
                cache.insert(key);
            }
        }
        done.gets += others.len() as u64;
    }
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
