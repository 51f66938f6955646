//! Stores of values by key: writes stamped values, checks every value that
//! comes back, and knows which versions may. How a store is spoken to is its
//! own file's matter.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Answer, Client, Failure, Setup, Source, Verdict};
use crate::error::Result;
use crate::plan::Workload;
use crate::session::unfit;
use crate::stream::{Request, first_size};
use crate::value::{Fault, Values};
use crate::versions::{ABSENT, Age, Read, Versions, Write};

pub(crate) const KINDS: &[&str] = &["read", "write"];
pub(crate) const CACHE_KINDS: &[&str] = &["read", "write", "set after a miss"];
const READ: usize = 0;
const WRITE: usize = 1;
const AFTER_MISS: usize = 2;

/// Connections that put the first values there.
pub(crate) const FILLERS: usize = 8;

/// What a store is asked.
pub(crate) enum Ask {
    Read(u64),
    Write(u64, Bytes),
}

/// What it answered.
pub(crate) struct Reply {
    /// The value; none where there is none, or for a write.
    pub(crate) value: Option<Bytes>,
    pub(crate) source: Source,
    pub(crate) at: Instant,
}

/// One connection to a store.
#[async_trait]
pub(crate) trait Link: Send {
    /// Asks all; one reply each, in order. After a failure the rest fail too.
    async fn ask(&mut self, asked: &[Ask], replies: &mut Vec<Result<Reply, Failure>>);
}

/// What is in a store, and what may be read from it.
pub struct Contents {
    pub(crate) values: Values,
    pub(crate) workload: Workload,
    versions: Versions,
    /// A cache may lose what it was given; a store may not.
    may_lose: bool,
    /// Whether what a cache hadn't is put there.
    sets_after_miss: bool,
}

impl Contents {
    /// The contents of a store, none yet.
    #[must_use]
    pub fn store(workload: &Workload, values: Values) -> Arc<Self> {
        Arc::new(Self::new(workload, values, false, false))
    }

    /// The contents of a cache.
    #[must_use]
    pub fn cache(workload: &Workload, values: Values, sets_after_miss: bool) -> Arc<Self> {
        Arc::new(Self::new(workload, values, true, sets_after_miss))
    }

    fn new(workload: &Workload, values: Values, may_lose: bool, sets_after_miss: bool) -> Self {
        let keys = workload.trace.as_ref().map_or(workload.keys, |trace| trace.objects().into());
        let versions = Versions::new(keys.max(1));
        let workload = Workload { keys, ..workload.clone() };
        Self { values, workload, versions, may_lose, sets_after_miss }
    }

    /// A key's name in the store.
    pub(crate) fn name(key: u64) -> String {
        format!("load-{key}")
    }

    /// Puts the first value of each key there, over these connections.
    pub(crate) async fn fill(
        self: &Arc<Self>,
        label: &str,
        setup: &Setup<'_>,
        links: Vec<Box<dyn Link>>,
    ) -> Result<()> {
        let keys = self.workload.keys;
        let mut fillers = tokio::task::JoinSet::new();
        let (told, mut done) = tokio::sync::mpsc::unbounded_channel();
        let step = links.len();
        for (filler, mut link) in (0..).zip(links) {
            let (contents, told) = (self.clone(), told.clone());
            fillers.spawn(async move {
                for key in (filler..keys).step_by(step) {
                    contents.put_first(link.as_mut(), key).await?;
                    let _ = told.send(());
                }
                Ok::<(), Failure>(())
            });
        }
        drop(told);
        let mut count = 0;
        while done.recv().await.is_some() {
            count += 1;
            setup.observer.prepared(label, count, keys);
        }
        while let Some(filled) = fillers.join_next().await {
            let filled = filled.unwrap_or_else(|error| Err(Failure::new(error)));
            filled.map_err(|failure| unfit(label, failure.0))?;
        }
        Ok(())
    }

    async fn put_first(&self, link: &mut dyn Link, key: u64) -> Result<(), Failure> {
        let write = self.versions.begin_write(key);
        let value = self.values.make(key, write.version, first_size(&self.workload, key));
        let mut replies = Vec::with_capacity(1);
        link.ask(&[Ask::Write(key, value)], &mut replies).await;
        replies.pop().unwrap_or_else(|| Err(Failure::new("no answer")))?;
        self.versions.acknowledge(write);
        Ok(())
    }
}

/// A client of a store.
pub(crate) struct Keyed {
    pub(crate) contents: Arc<Contents>,
    pub(crate) link: Box<dyn Link>,
}

/// What was expected when it was asked.
enum Expected {
    Read(u64, Read),
    Write(Write, u64),
}

#[async_trait]
impl Client for Keyed {
    async fn ask(&mut self, requests: &[Request], answers: &mut Vec<Answer>) {
        let (mut asked, mut expected) = (Vec::new(), VecDeque::new());
        for request in requests {
            let (ask, expect) = self.prepare(request);
            asked.push(ask);
            expected.push_back(expect);
        }
        let from = Instant::now();
        let mut replies = Vec::with_capacity(asked.len());
        self.link.ask(&asked, &mut replies).await;
        let mut missed = Vec::new();
        for (reply, request) in replies.into_iter().zip(requests) {
            let Some(expect) = expected.pop_front() else { break };
            let answer = self.judge(expect, reply);
            if answer.kind == READ && answer.source == Source::Miss {
                missed.push(*request);
            }
            // Values were made before anything was sent: that is nobody's time.
            answers.push(Answer { from: Some(from), ..answer });
        }
        if self.contents.sets_after_miss && !missed.is_empty() {
            self.set(&missed, answers).await;
        }
    }
}

impl Keyed {
    fn prepare(&self, request: &Request) -> (Ask, Expected) {
        let key = request.key;
        if request.is_write {
            let write = self.contents.versions.begin_write(key);
            let value = self.contents.values.make(key, write.version, request.size);
            let bytes = value.len() as u64;
            (Ask::Write(key, value), Expected::Write(write, bytes))
        } else {
            (Ask::Read(key), Expected::Read(key, self.contents.versions.begin_read(key)))
        }
    }

    /// Puts what wasn't there, as an application behind a cache does.
    async fn set(&mut self, missed: &[Request], answers: &mut Vec<Answer>) {
        let writes: Vec<_> = missed
            .iter()
            .map(|request| self.prepare(&Request { is_write: true, ..*request }))
            .collect();
        let (asked, expected): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let from = Some(Instant::now());
        let mut replies = Vec::with_capacity(asked.len());
        self.link.ask(&asked, &mut replies).await;
        let judged = expected.into_iter().zip(replies);
        answers.extend(judged.map(|(expect, reply)| Answer {
            kind: AFTER_MISS,
            from,
            ..self.judge(expect, reply)
        }));
    }

    fn judge(&self, expected: Expected, reply: Result<Reply, Failure>) -> Answer {
        match (expected, reply) {
            (Expected::Read(..), Err(failure)) => Answer::other(READ, Verdict::Failed, failure.0),
            // It may have been done, or may yet be.
            (Expected::Write(..), Err(failure)) => Answer::other(WRITE, Verdict::Failed, failure.0),
            (Expected::Write(write, bytes), Ok(reply)) => {
                self.contents.versions.acknowledge(write);
                Answer { at: reply.at, ..Answer::right(WRITE, bytes) }
            }
            (Expected::Read(key, read), Ok(reply)) => {
                let bytes = reply.value.as_ref().map_or(0, |value| value.len() as u64);
                let (verdict, why) = self.verdict(key, &read, reply.value.as_deref());
                let (source, at) = (reply.source, reply.at);
                Answer { verdict, why, source, at, ..Answer::right(READ, bytes) }
            }
        }
    }

    fn verdict(&self, key: u64, read: &Read, value: Option<&[u8]>) -> (Verdict, Option<String>) {
        let contents = &self.contents;
        let name = Contents::name(key);
        let stamp = match value {
            None if contents.may_lose => return (Verdict::Right, None),
            None => ABSENT,
            Some(value) => match contents.values.read(value) {
                Ok(stamp) if stamp.key == key => stamp.version,
                Ok(stamp) => {
                    let other = Contents::name(stamp.key);
                    return (Verdict::Wrong, Some(format!("{name} is the value of {other}")));
                }
                Err(Fault::Foreign) => {
                    return (Verdict::Wrong, Some(format!("{name} is none of this run’s values")));
                }
                Err(Fault::Torn) => {
                    return (Verdict::Torn, Some(format!("{name} isn’t whole, or two mixed")));
                }
            },
        };
        match contents.versions.judge(read, stamp) {
            Age::Current => (Verdict::Right, None),
            Age::Stale if stamp == ABSENT => {
                (Verdict::Stale, Some(format!("{name} is gone, and it was acknowledged")))
            }
            Age::Stale => {
                let why = format!("{name} has version {stamp}; a newer one was acknowledged");
                (Verdict::Stale, Some(why))
            }
            Age::Unheard => {
                (Verdict::Wrong, Some(format!("{name} has version {stamp}, never written")))
            }
        }
    }
}

#[cfg(test)]
mod tests;
