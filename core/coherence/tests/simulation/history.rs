//! What clients were told, and the checker of it. Each read must return at
//! least the newest version that was acknowledged or returned before the read
//! began; versions must exist; a write is done once, or not, as its client was
//! told. Needs no search, as versions are the database's, and never looks into
//! a node.

use std::collections::BTreeMap;

use larder_coherence::{BlockId, Outcome, WriteId};

use crate::queue::Key;
use crate::server::Server;

/// A client's read.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) key: Key,
    /// What was known of the key when the read began.
    pub(crate) floor: usize,
    /// Whether its answer makes others look, too.
    pub(crate) curious: bool,
}

/// A client's write.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) keys: Vec<Key>,
    /// Whether it is about every key.
    pub(crate) all: bool,
    /// The node that took it, and in which of its lives.
    taken: Option<(usize, u64)>,
    committed: Option<BlockId>,
    told: Option<Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    NotDone,
    Unknown,
}

#[derive(Debug)]
pub(crate) struct History {
    floors: Vec<usize>,
    writes: BTreeMap<WriteId, Write>,
    /// The first thing that was wrong.
    pub(crate) violation: Option<String>,
}

impl History {
    pub(crate) fn new(keys: usize) -> Self {
        Self { floors: vec![0; keys], writes: BTreeMap::new(), violation: None }
    }

    pub(crate) fn blame(&mut self, what: impl FnOnce() -> String) {
        self.violation.get_or_insert_with(what);
    }

    /// A client begins to read.
    pub(crate) fn read(&self, key: Key, curious: bool) -> Request {
        Request { key, floor: self.floors[key], curious }
    }

    /// A read returns.
    pub(crate) fn returned(&mut self, request: &Request, version: usize, primary: &Server) {
        let &Request { key, floor, .. } = request;
        if version < floor {
            self.blame(|| format!("key {key}: read {version}, {floor} was known: stale"));
        }
        if version > primary.version(key) {
            self.blame(|| format!("key {key}: read {version}, which never was"));
        }
        self.floors[key] = self.floors[key].max(version);
    }

    /// A client begins to write.
    pub(crate) fn write(&mut self, keys: Vec<Key>, all: bool) -> WriteId {
        let id = WriteId(self.writes.len() as u64);
        self.writes.insert(id, Write { keys, all, taken: None, committed: None, told: None });
        id
    }

    pub(crate) fn taken(&mut self, id: WriteId, at: usize, life: u64) -> Write {
        let write = self.writes.get_mut(&id).expect("begun");
        write.taken = Some((at, life));
        write.clone()
    }

    pub(crate) fn keys(&self, id: WriteId) -> &[Key] {
        &self.writes[&id].keys
    }

    /// The database commits an attempt.
    pub(crate) fn committed(&mut self, id: WriteId, block: BlockId) {
        let write = self.writes.get_mut(&id).expect("begun");
        let before = write.committed.replace(block);
        let told = write.told;
        if before.is_some() {
            self.blame(|| format!("{id:?}: committed twice, by {before:?} and {block:?}"));
        }
        if told == Some(Told::NotDone) {
            self.blame(|| format!("{id:?}: committed after its client was told that it isn't"));
        }
    }

    /// A client is told what became of its write.
    pub(crate) fn answered(&mut self, id: WriteId, outcome: &Outcome, primary: &Server) {
        let told = match outcome {
            Outcome::Written { .. } => Told::Done,
            Outcome::Failed | Outcome::TimedOut => Told::NotDone,
            Outcome::Unknown => Told::Unknown,
        };
        let write = self.writes.get_mut(&id).expect("begun");
        let before = write.told.replace(told);
        let committed = write.committed;
        if before.is_some() {
            self.blame(|| format!("{id:?}: answered twice"));
        }
        match outcome {
            Outcome::Written { block, .. } if committed == Some(*block) => {
                for &(key, version) in primary.versions_of(*block) {
                    self.floors[key] = self.floors[key].max(version);
                }
            }
            Outcome::Written { .. } => {
                self.blame(|| format!("{id:?}: acknowledged, but {committed:?} was committed"));
            }
            Outcome::Failed | Outcome::TimedOut if committed.is_some() => {
                self.blame(|| format!("{id:?}: its client was told that it isn't done, and it is"));
            }
            _ => {}
        }
    }

    /// After all: is what was acknowledged still there, and was everybody told,
    /// but for those whose node died? `lives` are those of the nodes now.
    pub(crate) fn close(&mut self, primary: &Server, lives: &[u64]) {
        let wrong = self.writes.iter().find_map(|(id, write)| match (write.told, write.taken) {
            (Some(Told::Done), _) => {
                let block = write.committed.expect("checked when it was told");
                let kept = write.keys.iter().all(|&key| primary.has_written(key, block));
                (!kept).then(|| format!("{id:?}: acknowledged and lost"))
            }
            (None, Some((at, life))) if lives[at] == life => {
                Some(format!("{id:?}: its client still waits"))
            }
            _ => None,
        });
        if let Some(wrong) = wrong {
            self.blame(|| wrong);
        }
    }
}
