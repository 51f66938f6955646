//! Clients that read, write and delete a few keys on all nodes at once and
//! write down each answer. Each stays with one node, so that a node that
//! stands still holds up only its own; and most only read, so that a write
//! which has to wait doesn't keep others from looking. Judges nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Method, header};

use crate::client::{Answer, Client, Question, Unanswered, version_in};
use crate::dice::Dice;
use crate::history::{NEVER, Operation, Told, What};
use crate::picture::{stamp_of, stamped};

/// Keys that most operations are about, and all.
const HOT_KEYS: u64 = 4;
pub(crate) const KEYS: u32 = 36;

/// How long a client waits for an answer.
const READ_WITHIN: Duration = Duration::from_secs(3);
const WRITE_WITHIN: Duration = Duration::from_secs(8);

/// One of so many clients of a node writes.
const READERS_TO_A_WRITER: usize = 3;

/// What a client does after a failure before it asks again.
const BREATH: Duration = Duration::from_millis(20);

/// A stamp that no picture has: for bytes that are no picture of ours.
const NO_PICTURE: u64 = u64::MAX;

/// The name of a key.
pub(crate) fn key_name(key: u32) -> String {
    format!("key-{key}")
}

/// What all clients share.
pub(crate) struct Field {
    pub(crate) from: IpAddr,
    pub(crate) nodes: Vec<SocketAddr>,
    pub(crate) began: Instant,
    pub(crate) stop: AtomicBool,
    /// Operations so far, to know when there are enough.
    pub(crate) operations: AtomicU64,
    /// How long a client rests between operations.
    pub(crate) rest: Duration,
}

impl Field {
    /// Nanoseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }
}

/// A request that got no answer, or one that tells nothing.
pub(crate) struct Failure {
    pub(crate) node: u16,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The method and what happened.
    pub(crate) sort: String,
}

/// What one client wrote down.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) operations: Vec<Operation>,
    /// Requests that were sent.
    pub(crate) asked: u64,
    pub(crate) failures: Vec<Failure>,
    /// Reads that were answered, and those that a node's memory answered.
    pub(crate) reads: u64,
    pub(crate) hits: u64,
}

impl Notes {
    pub(crate) fn add(&mut self, mut other: Self) {
        self.operations.append(&mut other.operations);
        self.asked += other.asked;
        self.failures.append(&mut other.failures);
        self.reads += other.reads;
        self.hits += other.hits;
    }
}

/// How a picture is read; all of them have to tell the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Whole,
    /// Only if it isn't the one that was seen last.
    IfNew,
    Head,
    /// A smaller one made of it.
    Variant,
}

/// One client.
pub(crate) struct Worker {
    field: Arc<Field>,
    node: u16,
    client: Client,
    dice: Dice,
    writes: bool,
    /// The next stamp; the upper half is the worker's number.
    stamp: u64,
    /// The entity tag of each key when it was last seen.
    tags: Vec<Option<String>>,
    notes: Notes,
}

impl Worker {
    /// The client with this number, of the node `number % nodes`.
    pub(crate) fn new(field: Arc<Field>, number: usize, seed: u64) -> Self {
        let node = number % field.nodes.len();
        let writes = (number / field.nodes.len()).is_multiple_of(READERS_TO_A_WRITER);
        let client = Client::new(field.from, field.nodes[node]);
        let stamp = (number as u64 + 1) << 32;
        let dice = Dice::new(seed ^ stamp);
        let (tags, notes) = (vec![None; KEYS as usize], Notes::default());
        Self { field, node: node as u16, client, dice, writes, stamp, tags, notes }
    }

    /// Works until it is told to stop.
    pub(crate) async fn work(mut self) -> Notes {
        while !self.field.stop.load(Ordering::Relaxed) {
            let hot = self.dice.percent(60);
            let key = self.dice.below(if hot { HOT_KEYS } else { KEYS.into() }) as u32;
            // Of those who don't write, some more ask for what is new.
            let is_well = match self.dice.below(100) {
                0..35 if self.writes => self.put(key).await,
                35..45 if self.writes => self.delete(key).await,
                0..30 => self.get(key, Reading::IfNew).await,
                30..35 => self.get(key, Reading::Head).await,
                35..40 => self.get(key, Reading::Variant).await,
                _ => self.get(key, Reading::Whole).await,
            };
            self.field.operations.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(if is_well { self.field.rest } else { BREATH }).await;
        }
        self.notes
    }

    /// Reads each key once and stores one picture, with all the time they
    /// want; says what was not answered.
    pub(crate) async fn look_at_everything(mut self) -> (Notes, Vec<String>) {
        let mut unanswered = Vec::new();
        for key in 0..KEYS {
            if !self.get(key, Reading::Whole).await {
                unanswered.push(format!("node {} didn't answer GET {}", self.node, key_name(key)));
            }
        }
        if !self.put(KEYS - 1).await {
            unanswered.push(format!("node {} didn't answer PUT", self.node));
        }
        (self.notes, unanswered)
    }

    /// Sends a request; the times of before and after; what came of it.
    async fn ask(
        &mut self,
        question: Question<'_>,
        within: Duration,
    ) -> (u64, u64, Result<Answer, Unanswered>) {
        let (method, start) = (question.method.clone(), self.field.now());
        let asked = self.client.ask(question, within).await;
        let end = self.field.now();
        self.notes.asked += 1;
        let sort = match &asked {
            Ok(answer) if answer.status < 400 || matches!(answer.status, 404 | 412) => None,
            Ok(answer) => Some(format!("{method} {}", answer.status)),
            Err(why) => Some(format!("{method} {why:?}")),
        };
        if let Some(sort) = sort {
            self.notes.failures.push(Failure { node: self.node, start, end, sort });
        }
        (start, end, asked)
    }

    fn note(&mut self, key: u32, (start, end): (u64, u64), what: What) {
        self.notes.operations.push(Operation { key, node: self.node, start, end, what });
    }

    async fn get(&mut self, key: u32, reading: Reading) -> bool {
        let method = if reading == Reading::Head { Method::HEAD } else { Method::GET };
        let narrower = if reading == Reading::Variant { "?w=4" } else { "" };
        let path = path(key) + narrower;
        let tag = self.tags[key as usize].clone().filter(|_| reading == Reading::IfNew);
        let condition = tag.as_deref().map(|tag| (header::IF_NONE_MATCH, tag));
        let question = Question { condition, ..Question::new(method, &path) };
        let (start, end, answer) = self.ask(question, READ_WITHIN).await;
        let Ok(answer) = answer else { return false };
        let what = match (answer.status, answer.version()) {
            (200, Some(version)) => {
                let has_stamp = matches!(reading, Reading::Whole | Reading::IfNew);
                let stamp = has_stamp.then(|| stamp_of(&answer.body).unwrap_or(NO_PICTURE));
                What::Found { version, stamp }
            }
            (304, Some(version)) => What::Found { version, stamp: None },
            (404, _) => What::Absent,
            _ => return false,
        };
        // A variant's tag is none that a picture can be deleted by.
        if reading != Reading::Variant {
            self.tags[key as usize] = answer.etag().map(Into::into);
        }
        self.notes.reads += 1;
        self.notes.hits += u64::from(answer.is_hit);
        self.note(key, (start, end), what);
        true
    }

    async fn put(&mut self, key: u32) -> bool {
        self.stamp += 1;
        let (path, stamp) = (path(key), self.stamp);
        let question = Question { body: stamped(stamp), ..Question::new(Method::PUT, &path) };
        let (start, end, answer) = self.ask(question, WRITE_WITHIN).await;
        let (told, is_out_of_question) = match &answer {
            Ok(answer) if matches!(answer.status, 200 | 201) => {
                self.tags[key as usize] = answer.etag().map(Into::into);
                (Some(told(answer)), false)
            }
            Ok(answer) => (None, (400..500).contains(&answer.status)),
            Err(why) => (None, *why == Unanswered::Unsent),
        };
        if !is_out_of_question {
            let end = if told.is_some() { end } else { NEVER };
            self.note(key, (start, end), What::Put { stamp, told });
        }
        told.is_some()
    }

    /// Deletes the version that was seen last, so that it is known which
    /// absence there is afterwards.
    async fn delete(&mut self, key: u32) -> bool {
        let Some(tag) = self.tags[key as usize].take() else {
            return self.get(key, Reading::Whole).await;
        };
        let path = path(key);
        let condition = Some((header::IF_MATCH, tag.as_str()));
        let question = Question { condition, ..Question::new(Method::DELETE, &path) };
        let (start, end, answer) = self.ask(question, WRITE_WITHIN).await;
        let version = version_in(&tag);
        match (answer.map(|answer| answer.status), version) {
            // Another version, or none: nothing was changed.
            (Ok(404 | 412), _) => true,
            (Err(Unanswered::Unsent), _) => false,
            (Ok(204), Some(version)) => {
                self.note(key, (start, end), What::Delete { version, done: true });
                true
            }
            (_, Some(version)) => {
                self.note(key, (start, NEVER), What::Delete { version, done: false });
                false
            }
            (_, None) => false,
        }
    }
}

fn path(key: u32) -> String {
    format!("/images/{}", key_name(key))
}

/// What the answer to an upload tells.
///
/// # Panics
/// It tells no version: then nothing can be checked.
fn told(answer: &Answer) -> Told {
    let description: serde_json::Value =
        serde_json::from_slice(&answer.body).expect("an upload is answered with JSON");
    let version = description["version"].as_u64().expect("an upload's answer has its version");
    Told { version, replaced: description["replaced_version"].as_u64() }
}
