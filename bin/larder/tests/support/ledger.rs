//! What a store must hold, told from what clients sent and were answered: for
//! each key every attempt to change it with its beginning and end. A content
//! is possible if some attempt leaves it and no acknowledged one came wholly
//! later. Knows nothing of servers.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// What a key holds: the BLAKE3 hash of an image, or nothing.
pub(crate) type Content = Option<blake3::Hash>;

/// A moment in the order in which the ledger was told of things.
pub(crate) type Moment = u64;

#[derive(Debug)]
struct Attempt {
    began: Moment,
    /// `Moment::MAX` while it is in flight.
    ended: Moment,
    is_acknowledged: bool,
    leaves: Content,
}

#[derive(Default)]
struct History {
    attempts: Vec<Attempt>,
    /// The highest version any client was told.
    version: u64,
}

#[derive(Default)]
struct Book {
    now: Moment,
    keys: BTreeMap<String, History>,
    complaints: Vec<String>,
    acknowledged: usize,
}

/// The ledger all clients of a test write.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Book>);

/// An attempt that has begun.
pub(crate) struct Ticket {
    key: String,
    began: Moment,
    version_before: u64,
}

/// How an attempt ended.
pub(crate) enum Outcome {
    /// Acknowledged, with the version the answer tells, if it does.
    Acknowledged(Option<u64>),
    /// Perhaps done, perhaps not: the connection broke.
    Unknown,
    /// Certainly not done.
    NotDone,
}

impl History {
    /// Whether a read from `began` to `ended` may find `content`.
    fn allows(&self, content: Content, began: Moment, ended: Moment) -> bool {
        let replaced = |attempt: &Attempt| {
            let later = |other: &Attempt| other.began > attempt.ended && other.ended < began;
            self.attempts.iter().any(|other| other.is_acknowledged && later(other))
        };
        let mut leaving = self.attempts.iter().filter(|attempt| attempt.leaves == content);
        leaving.any(|attempt| attempt.began < ended && !replaced(attempt))
    }
}

impl Book {
    fn tick(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    fn history(&mut self, key: &str) -> &mut History {
        self.keys.entry(key.to_owned()).or_insert_with(|| {
            let free = Attempt { began: 0, ended: 0, is_acknowledged: true, leaves: None };
            History { attempts: vec![free], version: 0 }
        })
    }
}

impl Ledger {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.0.lock().expect("nobody panics with the ledger in hand")
    }

    /// Notes what no answer may be; the test fails of it at its next check.
    pub(crate) fn complain(&self, what: String) {
        self.book().complaints.push(what);
    }

    /// What clients complained of.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.book().complaints.clone()
    }

    /// Attempts acknowledged since the test began.
    pub(crate) fn acknowledged(&self) -> usize {
        self.book().acknowledged
    }

    /// All keys, and whether each was touched since it was last settled.
    pub(crate) fn keys(&self) -> Vec<(String, bool)> {
        let book = self.book();
        let touched = |history: &History| history.attempts.len() > 1;
        book.keys.iter().map(|(key, history)| (key.clone(), touched(history))).collect()
    }

    /// Notes that an attempt begins; called before a byte of it is sent.
    pub(crate) fn begin(&self, key: &str, leaves: Content) -> Ticket {
        let mut book = self.book();
        let began = book.tick();
        let history = book.history(key);
        let attempt = Attempt { began, ended: Moment::MAX, is_acknowledged: false, leaves };
        history.attempts.push(attempt);
        Ticket { key: key.to_owned(), began, version_before: history.version }
    }

    /// Notes how an attempt ended; called after its answer was read.
    #[allow(clippy::needless_pass_by_value)] // A ticket is used once.
    pub(crate) fn end(&self, ticket: Ticket, outcome: Outcome) {
        let mut book = self.book();
        let now = book.tick();
        let history = book.history(&ticket.key);
        let at = history.attempts.iter().position(|attempt| attempt.began == ticket.began);
        let at = at.expect("an attempt ends once");
        let mut complaint = None;
        match outcome {
            Outcome::NotDone => drop(history.attempts.remove(at)),
            Outcome::Unknown => history.attempts[at].ended = now.min(history.attempts[at].ended),
            Outcome::Acknowledged(version) => {
                history.attempts[at].ended = now.min(history.attempts[at].ended);
                history.attempts[at].is_acknowledged = true;
                if let Some(version) = version {
                    if version <= ticket.version_before {
                        let Ticket { key, version_before, .. } = &ticket;
                        complaint =
                            Some(format!("{key:?}: version {version} after {version_before}"));
                    }
                    history.version = history.version.max(version);
                }
                book.acknowledged += 1;
            }
        }
        book.complaints.extend(complaint);
    }

    /// Notes that somebody else may store this, at any time.
    pub(crate) fn expect(&self, key: &str, image: &[u8]) {
        let ticket = self.begin(key, Some(blake3::hash(image)));
        self.end(ticket, Outcome::Unknown);
    }

    /// The present moment, for a read that begins.
    pub(crate) fn now(&self) -> Moment {
        self.book().tick()
    }

    /// Checks what a read that began at `began` found. What was read by
    /// somebody may not be lost any more, so it counts as acknowledged.
    pub(crate) fn found(&self, key: &str, began: Moment, content: Content) {
        let mut book = self.book();
        let now = book.tick();
        let history = book.history(key);
        if !history.allows(content, began, now) {
            let attempts = format!("{:?}", history.attempts);
            book.complaints.push(format!(
                "{key:?}: a read from {began} to {now} found {content:?}; attempts: {attempts}"
            ));
            return;
        }
        let mut leaving = history.attempts.iter_mut().filter(|attempt| attempt.leaves == content);
        if let (Some(only), None) = (leaving.next(), leaving.next()) {
            only.is_acknowledged = true;
            only.ended = only.ended.min(now);
        }
    }

    /// Checks what a restarted store holds under `key`, and takes it as what
    /// it holds from now on. Nothing may be in flight.
    pub(crate) fn settle(&self, key: &str, found: Option<(blake3::Hash, u64)>) {
        let mut book = self.book();
        let now = book.tick();
        let history = book.history(key);
        let content = found.map(|(hash, _)| hash);
        let mut complaint = None;
        if !history.allows(content, now, now) {
            complaint = Some(format!("{key:?} holds {found:?}, but: {:?}", history.attempts));
        }
        if let Some((_, version)) = found {
            if version < history.version {
                complaint =
                    Some(format!("{key:?}: version {version}, clients saw {}", history.version));
            }
            history.version = history.version.max(version);
        }
        history.attempts.clear();
        let attempt = Attempt { began: now, ended: now, is_acknowledged: true, leaves: content };
        history.attempts.push(attempt);
        book.complaints.extend(complaint);
    }

    /// Whether the ledger knows the key at all.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.book().keys.contains_key(key)
    }
}
