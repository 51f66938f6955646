//! What can be measured. Each target is one file: how it is asked, and how its
//! answers are judged. It speaks over the network like any other client and
//! shares no code with the services.

pub mod bazar;
pub mod grants;
mod http;
pub mod images;
mod keyed;
pub mod memcached;
pub mod redis;
mod wire;

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::error::Result;
use crate::observe::Observer;
use crate::stream::Request;

pub use keyed::Contents;

/// Something that is measured.
#[async_trait]
pub trait Target: Send + Sync {
    /// What it is and where, as in `images http://127.0.0.1:5000`.
    fn label(&self) -> String;

    /// The kinds of requests, which [`Answer::kind`] counts from 0.
    fn kinds(&self) -> &'static [&'static str];

    /// Durations that are told apart within answers, or beside them.
    fn parts(&self) -> &'static [&'static str] {
        &[]
    }

    /// What it says it is; empty if it doesn't say.
    async fn version(&self) -> String {
        String::new()
    }

    /// Makes it ready: what is read must be there.
    ///
    /// # Errors
    /// It doesn't answer, or not as such a target does.
    async fn prepare(&self, setup: &Setup<'_>) -> Result<()>;

    /// A client with a connection of its own.
    ///
    /// # Errors
    /// It can't be reached.
    async fn client(&self, number: usize) -> Result<Box<dyn Client>>;

    /// What must hold once all requests are answered.
    ///
    /// # Errors
    /// It doesn't answer.
    async fn audit(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

/// What a target is made ready for.
pub struct Setup<'a> {
    /// Clients there will be at most.
    pub most_clients: usize,
    /// Is told how far it is.
    pub observer: &'a dyn Observer,
}

/// Asks, one batch after the other.
#[async_trait]
pub trait Client: Send {
    /// Asks all and waits for all answers; `answers` gets one for each request,
    /// in their order, and may get more for what else was asked because of
    /// them.
    async fn ask(&mut self, requests: &[Request], answers: &mut Vec<Answer>);
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which kind of request it was.
    pub kind: usize,
    /// What is to be counted.
    pub verdict: Verdict,
    /// Whether a cache had it.
    pub source: Source,
    /// Bytes of the value, sent or received.
    pub bytes: u64,
    /// When it was there.
    pub at: Instant,
    /// When it was sent; a closed loop counts from then, and otherwise from when
    /// the client was handed its batch.
    pub from: Option<Instant>,
    /// Durations by [`Target::parts`].
    pub parts: Vec<(usize, Duration)>,
    /// In words, where something is wrong.
    pub why: Option<String>,
}

impl Answer {
    /// A right answer that came now.
    #[must_use]
    pub fn right(kind: usize, bytes: u64) -> Self {
        Self {
            kind,
            verdict: Verdict::Right,
            source: Source::Unsaid,
            bytes,
            at: Instant::now(),
            from: None,
            parts: Vec::new(),
            why: None,
        }
    }

    /// Another kind of answer that came now.
    #[must_use]
    pub fn other(kind: usize, verdict: Verdict, why: impl Into<String>) -> Self {
        Self { verdict, why: Some(why.into()), ..Self::right(kind, 0) }
    }
}

/// How an answer is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it must be.
    Right,
    /// No, as it may be: out of stock, over the balance.
    Refused,
    /// None came, or an error.
    Failed,
    /// Another key's value, or what was never written.
    Wrong,
    /// A newer one was acknowledged before it was asked for.
    Stale,
    /// A part of a value, or parts of several.
    Torn,
}

/// Whether a cache had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It had.
    Hit,
    /// It hadn't.
    Miss,
    /// Nobody says.
    Unsaid,
}

/// No answer came, or one that is no answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// What an audit found.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// What was looked at, and what was found.
    pub what: String,
    /// Whether it is as it must be.
    pub is_right: bool,
}
