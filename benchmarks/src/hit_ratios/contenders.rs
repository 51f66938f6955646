//! Who takes part: Larder's policies, the peers and the offline bounds.

use larder_cache::{Ghost, Objective, PolicyKind};
use larder_workload::trace::{Request, hash};

use crate::play::{Online, Score, play};
use crate::{offline, peers};
use larder_benchmarks::stream::{Room, Stream};

/// For policies that leave anything to chance.
const SEED: u64 = 1;

/// In which column a contender stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// A policy of Larder's under an objective.
    Larder(Objective),
    /// Another library.
    Peer,
    /// It knows the future.
    Offline,
}

/// Who plays, and how.
pub struct Contender {
    pub group: Group,
    pub name: &'static str,
    /// How many entries more than fit it may hold at times.
    pub excess_items: u64,
    pub play: Box<Play>,
}

/// A whole trace in so much room.
type Play = dyn Fn(&Stream, Room) -> Score + Send + Sync;

impl Contender {
    pub fn online<C: Online>(
        group: Group,
        name: &'static str,
        open: impl Fn(Room) -> C + Send + Sync + 'static,
    ) -> Self {
        let play = Box::new(move |stream: &Stream, room| play(&mut open(room), stream));
        Self { group, name, excess_items: 0, play }
    }

    pub fn with_excess(self, excess_items: u64) -> Self {
        Self { excess_items, ..self }
    }

    pub fn offline(name: &'static str, play: fn(&Stream, Room) -> Score) -> Self {
        Self { group: Group::Offline, name, excess_items: 0, play: Box::new(play) }
    }
}

/// Everyone for a trace. Equal sizes make the objectives one and Belady's
/// choice the best there is.
pub fn of(stream: &Stream, objectives: &[Objective]) -> Vec<Contender> {
    let objectives = if stream.is_mixed() { objectives } else { &objectives[..1] };
    let mut all = Vec::new();
    for &objective in objectives {
        all.extend(PolicyKind::ALL.iter().map(|&kind| larder(kind, objective)));
    }
    all.extend(peers::all());
    all.push(Contender::offline("Belady", offline::belady));
    if stream.is_mixed() {
        all.push(Contender::offline("PFOO-L", offline::pfoo_l));
    }
    all
}

/// A policy of Larder's: the very code that caches run, in one shard.
pub fn larder(kind: PolicyKind, objective: Objective) -> Contender {
    Contender::online(Group::Larder(objective), kind.title(), move |room| {
        Ghost::new(kind, objective, room.bytes, SEED)
    })
}

impl Online for Ghost {
    fn request(&mut self, Request { key, size }: Request) -> bool {
        Ghost::request(self, hash(key), size, 1)
    }
}
