//! What changes, for pages that are open: as long as one is, the events of all
//! processes are read; a change here or a word from another process makes that
//! happen at once. Says where something has changed, never what; whoever is
//! told must be allowed to see it at that moment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method};
use larder_web::Shutdown;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::sync::{Mutex, watch};

use super::Grants;
use crate::error::{Error, Result};
use crate::model::{Person, Role, Room};
use crate::store::Event;

/// How often events are looked for when nobody says that there are some.
const EVERY: Duration = Duration::from_millis(250);

/// What may wait for one listener; who is slower looks at all anew.
const WAITING: usize = 1024;

/// A number that was given out is committed within this time, or never.
const SETTLED: Duration = Duration::from_secs(10);

/// So many numbers before the latest may be those of changes not committed yet.
const LATE: u64 = 500;

/// Events of one reading.
const MOST: u32 = 1_000;

/// Who listens, and whether something has changed.
pub(super) struct Live {
    sender: Sender<Room>,
    /// Grows with each change made here, or told by another process.
    changes: watch::Sender<u64>,
    /// Grows with each change made here.
    own: watch::Sender<u64>,
    /// Whether events are being read.
    is_watched: Mutex<bool>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(WAITING).0,
            changes: watch::Sender::new(0),
            own: watch::Sender::new(0),
            is_watched: Mutex::new(false),
        }
    }
}

impl Live {
    /// Says that something was changed here.
    pub(super) fn changed(&self) {
        self.own.send_modify(|count| *count += 1);
        self.nudged();
    }

    /// Says that something was changed elsewhere.
    pub(super) fn nudged(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Grants {
    /// Where something changes from now on: whoever looks at a page after this
    /// has returned misses nothing of it.
    ///
    /// # Errors
    /// The store fails.
    pub async fn listen(&self) -> Result<Receiver<Room>> {
        let live = &self.shared.live;
        let mut is_watched = live.is_watched.lock().await;
        let receiver = live.sender.subscribe();
        if !*is_watched {
            let latest = self.shared.store.latest_event().await?;
            let known = self.shared.store.events(latest.saturating_sub(LATE), MOST).await?;
            let seen = Seen::new(latest, &known);
            *is_watched = true;
            tokio::spawn(self.clone().watch(seen));
        }
        Ok(receiver)
    }

    /// Reads events until nobody listens any more.
    async fn watch(self, mut seen: Seen) {
        let live = &self.shared.live;
        let mut changes = live.changes();
        loop {
            let news = self.shared.store.events(seen.before(), MOST).await;
            let is_all = match news {
                Ok(events) => {
                    let is_all = events.len() < MOST as usize;
                    for room in seen.take(events) {
                        // They may have gone meanwhile.
                        let _ = live.sender.send(room);
                    }
                    is_all
                }
                Err(error) => {
                    tracing::debug!(?error, "events can't be read for now");
                    true
                }
            };
            if is_all {
                // A change that comes while others are read is seen next time.
                tokio::select! {
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(EVERY) => {}
                }
            }
            let mut is_watched = live.is_watched.lock().await;
            if live.sender.receiver_count() == 0 {
                *is_watched = false;
                return;
            }
        }
    }

    /// Says that another process has changed something.
    pub fn nudged(&self) {
        self.shared.live.nudged();
    }

    /// Tells other processes of changes, so that they needn't wait until they
    /// look; one that doesn't hear it looks soon anyway.
    pub(super) async fn nudge_others(&self, shutdown: &Shutdown) {
        let mut own = self.shared.live.own.subscribe();
        loop {
            tokio::select! {
                () = shutdown.asked() => return,
                changed = own.changed() => if changed.is_err() { return },
            }
            let replicas = self.shared.replicas.read().clone();
            let others = replicas.iter().filter(|replica| !self.shared.own.contains(replica));
            let nudges = others.map(|replica| {
                let uri = format!("{}/live/nudge", replica.address);
                let asked =
                    self.shared.client.ask(Method::POST, uri, HeaderMap::new(), Bytes::new());
                tokio::time::timeout(EVERY, asked)
            });
            join_all(nudges).await;
        }
    }

    /// Whether somebody may hear of changes in a room, at this moment.
    pub async fn may_hear(&self, actor: &Person, room: Room) -> bool {
        let seen = match room {
            Room::Person(id) => return actor.id == id,
            Room::Agency(id) => {
                let is_officer = actor.role == Role::Agency && actor.agency == Some(id);
                return is_officer || actor.role == Role::Administrator;
            }
            Room::University => {
                return matches!(actor.role, Role::University | Role::Administrator);
            }
            Room::Proposal(id) => self.proposal(actor, id).await.map(drop),
            Room::Account(id) => self.account(actor, id).await.map(drop),
        };
        // Who can't see it any more is told once, so that their page shows it.
        !matches!(seen, Err(Error::NotYours(_) | Error::NotFound(_)))
    }
}

/// Which events were read. Numbers are given out before they are committed, so
/// a missing one may come later.
struct Seen {
    latest: u64,
    missing: BTreeMap<u64, Instant>,
}

impl Seen {
    /// All up to `latest`, of which these are the last ones there are.
    fn new(latest: u64, known: &[Event]) -> Self {
        let now = Instant::now();
        let is_known = |number: &u64| known.iter().any(|event| event.number == *number);
        let missing = (latest.saturating_sub(LATE) + 1..=latest).filter(|n| !is_known(n));
        Self { latest, missing: missing.map(|number| (number, now)).collect() }
    }

    /// The number after which something may be new.
    fn before(&self) -> u64 {
        self.missing.keys().next().map_or(self.latest, |first| first - 1)
    }

    /// The rooms of those events that weren't read before, each once.
    fn take(&mut self, events: Vec<Event>) -> Vec<Room> {
        self.missing.retain(|_, since| since.elapsed() < SETTLED);
        let mut rooms = Vec::new();
        for Event { number, room } in events {
            if number > self.latest {
                let now = Instant::now();
                self.missing.extend((self.latest + 1..number).map(|missing| (missing, now)));
                self.latest = number;
            } else if self.missing.remove(&number).is_none() {
                continue;
            }
            if !rooms.contains(&room) {
                rooms.push(room);
            }
        }
        rooms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_are_committed_late_are_taken_once() {
        let event = |number| Event { number, room: Room::Person(number) };
        let events =
            |numbers: &[u64]| numbers.iter().map(|&number| event(number)).collect::<Vec<_>>();
        let rooms = |numbers: &[u64]| numbers.iter().map(|&n| Room::Person(n)).collect::<Vec<_>>();
        let mut seen = Seen::new(5, &events(&[1, 2, 3, 4, 5]));
        assert_eq!((seen.take(events(&[6, 9])), seen.before()), (rooms(&[6, 9]), 6));
        assert_eq!((seen.take(events(&[8, 9, 10])), seen.before()), (rooms(&[8, 10]), 6));
        assert_eq!((seen.take(events(&[7, 8, 9, 10])), seen.before()), (rooms(&[7]), 10));
        assert!(seen.take(events(&[9, 10])).is_empty());
        let mut seen = Seen::new(3, &events(&[1, 3]));
        assert_eq!(seen.take(events(&[2, 3])), rooms(&[2]));
    }
}
